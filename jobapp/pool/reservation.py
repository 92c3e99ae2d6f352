"""What a caller asks of the pool, and what it is given: a key, a wait for one, or none. No I/O.

A reservation is room taken for one request before it is sent. It is released where the request is not sent,
and ended once by its answer or its rejection::

    reserved --begin--> under way --end--> over
    reserved --release--> gone
"""

from __future__ import annotations

import math
from typing import NamedTuple

from jobapp.domain.types import ApiKey
from jobapp.limits.estimated import MANY
from jobapp.limits.meter import NOTHING, ONE, Cost
from jobapp.pool.key_state import KeyState


class Take(NamedTuple):
    """Find a key.

    Attributes:
        stay: The fingerprint of the key to go on with, if it is free within ``max_wait``.
        skip: Fingerprints of keys that this call has given up.
        max_wait: The longest wait in seconds for a key that is worth a reservation; those who are before the
            call in the key's line do not count.
        left: Seconds in which the call must begin, whoever is before it.
        jitter: The share of a wait for an instant that others wait for too, by which to come later.
        only: The fingerprint of the one key that will do.
        size: Characters of the request.
        max_tokens: The most tokens that it lets the answer have; ``None`` where it does not say.
        tries_left: How often the call may still try a key.
        tier_wait: A higher tier is asked where no key below is free within so many seconds.
        session: The conversation that the call is a turn of; it prefers the key it had, if that is free.
    """

    stay: str | None = None
    skip: frozenset[str] = frozenset()
    max_wait: float = 0.0
    jitter: float = 0.0
    only: str | None = None
    size: int = 0
    max_tokens: int | None = None
    tries_left: int = MANY
    left: float = math.inf
    tier_wait: float = 0.0
    session: str | None = None


class Reservation:
    """Room for one request with one key. Instants are seconds since the epoch.

    Args:
        key: The key.
        state: Where its requests are counted.
        model: The model it is for.
        ticket: Its place among those who wait.
        cost: What it will use of each limit, as far as can be told.
        size: Characters of the request.
        tries_left: How often the call may still try the key.
    """

    __slots__ = (
        "cost",
        "ended_before",
        "free_at",
        "key",
        "late",
        "may_be_paid",
        "model",
        "opened_at",
        "sent_at",
        "size",
        "state",
        "ticket",
        "tries_left",
    )

    def __init__(
        self,
        key: ApiKey,
        state: KeyState,
        model: str,
        ticket: int,
        cost: Cost = ONE,
        size: int = 0,
        tries_left: int = MANY,
    ) -> None:
        self.key = key
        self.state = state
        self.model = model
        self.ticket = ticket
        self.cost = cost
        self.size = size
        self.tries_left = tries_left
        self.free_at = 0.0
        """When the key is free for it, as it was last foreseen."""
        self.late = 0.0
        """How much later it comes, where others wait for the same instant."""
        self.sent_at = 0.0
        """When it was handed over for asking."""
        self.ended_before = NOTHING
        """What of the key's requests was over then."""
        self.may_be_paid = False
        """Whether it was sent and met silence: an answer may be paid for that nobody read."""
        self.opened_at: float | None = None
        """When the stream began that it was sent for."""

    def foresee(self, now: float) -> float:
        """Look when the key is free for it; return that instant."""
        ahead = self.state.ahead_of(self.ticket)
        self.free_at = self.state.free_at(now, ahead, self.cost, self.tries_left)
        return self.free_at

    def wait(self, now: float) -> float:
        """Return the seconds until the caller may ask; microseconds are noise of the clock."""
        return max(0.0, round(self.free_at + self.late - now, 6))

    def begin(self, now: float) -> None:
        """Note that its request is sent."""
        self.sent_at, self.ended_before = now, self.state.ended.total()
        self.state.leave(self.ticket)
        self.state.begin(now, self.cost)

    def release(self) -> None:
        """Note that its request is not sent."""
        self.state.leave(self.ticket)

    def end(self) -> None:
        """Note that its request is over."""
        self.state.end(self.cost)

    def others(self) -> Cost:
        """Return what else was sent to the key that its answer may not count."""
        return self.state.sent.total().plus(self.ended_before, -1.0).plus(self.cost, -1.0)


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
        all_bad: Every key was rejected as bad: only a person can help, and no wait.
    """

    wait: float | None = None
    left: float | None = None
    all_bad: bool = False
