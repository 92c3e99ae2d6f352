"""What a call needs of one provider's keys; :mod:`jobapp.core.api_key_manager` has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from jobapp.domain.key_status import KeyStatus
from jobapp.domain.types import EMPTY, ApiKey, Block, ErrorFacts, Usage, Verdict
from jobapp.pool.key_pool import NO_USAGE
from jobapp.pool.reservation import NoneFree, Reservation, Take, Taken


class SharedState(Protocol):
    """What a call asks of the store."""

    @property
    def stale(self) -> bool:
        """Whether :meth:`refresh` has something to do."""
        ...

    def refresh(self) -> None:
        """Do it; may wait for a disk or a server."""
        ...


class KeyManager(Protocol):
    """One provider's keys. Only :meth:`remember` and the store's ``refresh`` may wait for I/O."""

    @property
    def keys(self) -> Sequence[ApiKey]:
        """The keys, in order."""
        ...

    @property
    def store(self) -> SharedState:
        """Where the blocks live that other processes see."""
        ...

    @property
    def waits(self) -> bool:
        """Whether :meth:`take` and :meth:`settle` may take a round trip to a server."""
        ...

    def take(self, model: str, want: Take, held: Reservation | None = None) -> Taken | NoneFree:
        """Find a key for *model* and reserve room with it; the one that is *held* comes first."""
        ...

    def is_withdrawn(self, model: str) -> bool:
        """Return whether a call that may ask another model does better to: this one is not there."""
        ...

    def release(self, reservation: Reservation, *, sent: bool) -> None:
        """Note that a caller gave up a request, before or after it was *sent*: no key is at fault."""
        ...

    def opened(self, reservation: Reservation) -> None:
        """Note that a stream has begun; it keeps its key until it is over."""
        ...

    def answered(
        self, reservation: Reservation, headers: Mapping[str, str] = EMPTY, usage: Usage = NO_USAGE
    ) -> None:
        """End a reservation with an answer."""
        ...

    def priced(self, model: str, usage: Usage) -> Usage:
        """Return what an answer of *model* used with what it cost, where somebody knows."""
        ...

    def judge(self, facts: ErrorFacts) -> Verdict:
        """Return what a rejection means."""
        ...

    def streak(self, key: ApiKey, model: str, verdict: Verdict) -> int:
        """Return how many times in a row *key* was rejected so before."""
        ...

    def settle(
        self,
        reservation: Reservation,
        verdict: Verdict,
        cooldown: float | None = None,
        headers: Mapping[str, str] = EMPTY,
    ) -> tuple[Block, ...]:
        """End a reservation with a rejection; return the blocks for :meth:`remember`."""
        ...

    def remember(self, blocks: Sequence[Block]) -> None:
        """Write *blocks* where other processes find them."""
        ...

    def statuses(self, model: str | None = None) -> list[KeyStatus]:
        """Return what is known of each key."""
        ...
