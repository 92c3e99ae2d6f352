"""The fixed window: so many units until one instant, when all of them are back. No I/O.

::

    room(now) = limit - used       while now < ends_at
              = limit              from then on; the next use opens the next window

(The name is the usual one, as in Redis' rate limiter patterns and the library *limits*.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from jobapp.limits.limit import TICK
from jobapp.limits.numbers import Fields

_FIELDS = Fields("limit", "length", "ends_at", "used")


class FixedWindow:
    """So many units in so many seconds, all back at once.

    Args:
        limit: Units in one window.
        length: Its seconds.
        ends_at: When the open one ends; ``None`` where its first use will tell.
        used: Units that were used of it.
    """

    __slots__ = ("ends_at", "length", "limit", "used")

    def __init__(self, limit: float, length: float, ends_at: float | None = None, used: float = 0.0) -> None:
        self.limit = limit
        self.length = length
        self.ends_at = ends_at
        self.used = used

    def ready_at(self, now: float, ahead: float = 0.0, cost: float = 1.0) -> float:
        """Return when *cost* units may be used, behind *ahead* units that others wait for; 0 for at once."""
        self.roll(now)
        over = self.used + ahead + min(cost, self.limit) - self.limit
        if over <= TICK:
            return 0.0
        windows = math.ceil(over / self.limit - TICK)
        return (now + self.length if self.ends_at is None else self.ends_at) + (windows - 1) * self.length

    def room(self, now: float) -> float:
        """Return how many units may be used now."""
        self.roll(now)
        return max(0.0, self.limit - self.used)

    def count(self, now: float, cost: float = 1.0) -> None:
        """Count *cost* units as used; a negative cost takes some back."""
        self.roll(now)
        if self.ends_at is None:
            self.ends_at = now + self.length
        self.used = max(0.0, self.used + cost)

    def may_hold(self, instant: float) -> bool:
        """Return whether a use of that *instant* may be of the open window."""
        return self.ends_at is None or instant >= self.ends_at - self.length

    def roll(self, now: float) -> None:
        """Leave a window that is over."""
        if self.ends_at is not None and now >= self.ends_at - TICK:
            self.ends_at, self.used = None, 0.0

    def numbers(self) -> list[float]:
        """Return what is known, for another process."""
        return _FIELDS.of(self)

    def take_over(self, numbers: Iterator[float]) -> None:
        """Take over what another process knows."""
        _FIELDS.put(self, numbers)
