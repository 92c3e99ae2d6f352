"""What a caller asks of the pool, and what it is given: a key, a wait for one, or none. No I/O.

A reservation is room taken for one request before it is sent. It is released where the request is not sent,
and ended once by its answer or its rejection::

    reserved --begin--> under way --end--> over
    reserved --release--> gone
"""

from __future__ import annotations

from typing import NamedTuple

from jobapp.domain.types import ApiKey
from jobapp.pool.key_state import KeyState


class Take(NamedTuple):
    """Find a key.

    Attributes:
        stay: The fingerprint of the key to go on with, if it is free within ``max_wait``.
        skip: Fingerprints of keys that this call has given up.
        max_wait: The longest wait in seconds that is worth a reservation.
        jitter: The share of a wait for an instant that others wait for too, by which to come later.
        only: The fingerprint of the one key that will do.
    """

    stay: str | None = None
    skip: frozenset[str] = frozenset()
    max_wait: float = 0.0
    jitter: float = 0.0
    only: str | None = None


class Reservation:
    """Room for one request with one key. Instants are seconds since the epoch.

    Args:
        key: The key.
        state: Where its requests are counted.
        model: The model it is for.
        free_at: When the key is free, as far as can be foreseen.
        due: When the caller may ask: a little later where others wait for the same instant.
        counted: Whether the request is counted already, for room that is known to come.
    """

    __slots__ = ("counted", "due", "free_at", "key", "model", "number", "opened_at", "sent_at", "state")

    def __init__(
        self, key: ApiKey, state: KeyState, model: str, free_at: float, due: float, *, counted: bool
    ) -> None:
        self.key = key
        self.state = state
        self.model = model
        self.free_at = free_at
        self.due = due
        self.counted = counted
        self.number = 0
        """Its place among the requests of the key to the model."""
        self.sent_at = 0.0
        """When it was handed over for asking."""
        self.opened_at: float | None = None
        """When the stream began that it was sent for."""

    def wait(self, now: float) -> float:
        """Return the seconds until the caller may ask; microseconds are noise of the clock."""
        return max(0.0, round(self.due - now, 6))

    def begin(self, now: float) -> None:
        """Note that its request is sent."""
        self.sent_at, self.number = now, self.state.begin(now)

    def release(self) -> None:
        """Note that its request is not sent."""
        if self.counted:
            self.state.release()

    def end(self, tokens: int = 0) -> None:
        """Note that its request is over, which cost *tokens*."""
        self.state.end(tokens)


class Taken(NamedTuple):
    """This key is the caller's: at once, or when it is taken again after ``wait`` seconds.

    Attributes:
        key: The key.
        wait: Seconds until it may be asked.
        left: Seconds that remain of the call's deadline; ``None`` where it has none.
        reservation: The room that is held.
    """

    key: ApiKey
    wait: float = 0.0
    left: float | None = None
    reservation: Reservation | None = None


class NoneFree(NamedTuple):
    """No key is free within ``max_wait``.

    Attributes:
        wait: Seconds until the first one is; ``None`` where there is none.
        left: Seconds that remain of the call's deadline; ``None`` where it has none.
    """

    wait: float | None = None
    left: float | None = None
