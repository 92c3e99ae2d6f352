"""The token bucket: so many units at once, and one more in each interval. No I/O.

It is kept in the form of GCRA (the generic cell rate algorithm, ITU-T I.371): one instant says it all, that
at which the bucket is full again::

    used(now) = max(0, full_at - now) / interval
    room(now) = limit - used(now)
    use:        full_at = max(full_at, now) + interval
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from jobapp.limits.limit import TICK


class TokenBucket:
    """So many units at once, and one more each ``interval`` seconds.

    Args:
        limit: Units that a full bucket holds.
        interval: Seconds in which one comes back.
        full_at: When it is full again.
    """

    __slots__ = ("full_at", "interval", "limit")

    def __init__(self, limit: float, interval: float, full_at: float) -> None:
        self.limit = limit
        self.interval = interval
        self.full_at = full_at

    def used(self, now: float) -> float:
        """Return the units that are not back yet."""
        return max(0.0, self.full_at - now) / self.interval

    def ready_at(self, now: float, ahead: float = 0.0, cost: float = 1.0) -> float:
        """Return when *cost* units may be used, behind *ahead* units that others wait for; 0 for at once."""
        over = self.used(now) + ahead + min(cost, self.limit) - self.limit
        return 0.0 if over * self.interval <= TICK else now + over * self.interval

    def room(self, now: float) -> float:
        """Return how many units may be used now."""
        return max(0.0, self.limit - self.used(now))

    def count(self, now: float, cost: float = 1.0) -> None:
        """Count *cost* units as used; a negative cost takes some back."""
        self.full_at = max(self.full_at, now) + cost * self.interval

    def may_hold(self, instant: float) -> bool:  # noqa: ARG002 - the form of a limit
        """Return whether a use of that *instant* may still count: what is back is taken off all alike."""
        return True

    def set_used(self, now: float, used: float) -> None:
        """Say how many units are not back yet."""
        self.full_at = now + used * self.interval

    def numbers(self) -> list[float]:
        """Return what is known, for another process."""
        return [self.limit, self.interval, self.full_at]

    def take_over(self, numbers: Iterator[float]) -> None:
        """Take over what another process knows."""
        self.limit, self.interval, self.full_at = islice(numbers, 3)
