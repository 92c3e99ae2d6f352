"""What a call needs of one provider's keys; :mod:`jobapp.core.api_key_manager` has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from jobapp.domain.types import EMPTY, ApiKey, Block, ErrorFacts, KeyStatus, Verdict
from jobapp.pool.reservation import Reservation


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
    """One provider's keys, as a call uses them."""

    @property
    def store(self) -> SharedState:
        """Return where the state of the keys lives."""
        ...

    def take(
        self,
        model: str,
        *,
        stay: str | None = None,
        skip: Iterable[str] = (),
        max_wait: float = 0.0,
        jitter: float = 0.0,
        reservation: Reservation | None = None,
    ) -> Reservation | float | None:
        """Find a key that may be asked for *model*."""
        ...

    def answered(self, reservation: Reservation, headers: Mapping[str, str] = EMPTY, tokens: int = 0) -> None:
        """Note that a request was answered."""
        ...

    def opened(self, reservation: Reservation) -> None:
        """Note that a stream has begun."""
        ...

    def question(self, reservation: Reservation) -> None:
        """Note that a request was rejected, before it is judged."""
        ...

    def judge(self, facts: ErrorFacts) -> Verdict:
        """Return what a rejection means."""
        ...

    def rejected(self, reservation: Reservation, verdict: Verdict) -> int:
        """Note that a request was rejected; return how often in a row it was before."""
        ...

    def learn(
        self, key: ApiKey, model: str, verdict: Verdict, cooldown: float | None = None
    ) -> tuple[Block, ...]:
        """Set *key* aside in this process; return the blocks for :meth:`remember`."""
        ...

    def remember(self, blocks: Sequence[Block]) -> None:
        """Write *blocks* to the store."""
        ...

    def drop(self, reservation: Reservation, *, sent: bool) -> None:
        """Note that a caller gave a request up."""
        ...

    def statuses(self, model: str | None = None) -> list[KeyStatus]:
        """Return what is known of each key."""
        ...
