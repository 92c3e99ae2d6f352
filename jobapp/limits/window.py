"""The two ways in which a limit is refilled: at one instant, or all the time. No I/O.

Instants are seconds since the epoch, lengths are seconds.
"""

from __future__ import annotations

import math

MINUTE = 60.0
"""The usual window."""

TICK = 1e-6
"""What an instant that was added up may be short of one that was not."""

PART = 0.25
"""The part of a request that need not be back yet for it to be sent: requests take time to arrive."""


class FixedWindow:
    """So many requests in so many seconds, all back at once; the first request opens it.

    Args:
        limit: Requests in one window.
        length: Its seconds.
        start: When it was opened; ``None`` while nothing was sent.
        used: Requests since then, those that are booked for later windows included.
        sent: Those of them that were sent, and not only booked.
    """

    __slots__ = ("length", "limit", "sent", "start", "used")

    def __init__(
        self, limit: int, length: float, start: float | None = None, used: int = 0, sent: int = 0
    ) -> None:
        self.limit = limit
        self.length = length
        self.start = start
        self.used = used
        self.sent = sent

    def ready_at(self, now: float) -> float:
        """Return when the next request may be sent."""
        self.roll(now)
        if self.start is None or self.used < self.limit:
            return 0.0
        return self.start + self.used // self.limit * self.length

    def room(self, now: float) -> int:
        """Return how many requests may be sent now."""
        self.roll(now)
        return max(0, self.limit - self.used)

    def use(self, now: float) -> None:
        """Count a request that is sent, or booked for when there is room."""
        self.roll(now)
        if self.start is None:
            self.start = now
        self.used += 1

    def release(self) -> None:
        """Take back a request that was booked and is not sent."""
        self.used = max(0, self.used - 1)

    def begin(self, now: float) -> None:
        """Note that a counted request is sent: the first of those that were booked opens its window late."""
        self.roll(now)
        if not self.sent:
            self.start = now
        self.sent += 1

    def admits(self, now: float) -> bool:
        """Return whether a booked request has room now, as it was foreseen."""
        self.roll(now)
        return self.sent < self.limit

    def roll(self, now: float) -> None:
        """Leave the windows that are over."""
        if self.start is None or now < self.start + self.length - TICK:
            return
        over = max(1, int((now - self.start + TICK) / self.length)) if self.length else 1 + self.used
        self.used = max(0, self.used - over * self.limit)
        self.start = self.start + over * self.length if self.used else None
        self.sent = 0


class TokenBucket:
    """So many requests at once, and one more each ``interval`` seconds.

    Args:
        limit: Requests that a full bucket holds.
        interval: Seconds in which one comes back.
        full_at: When it is full again.
    """

    __slots__ = ("full_at", "interval", "limit")

    def __init__(self, limit: int, interval: float, full_at: float) -> None:
        self.limit = limit
        self.interval = interval
        self.full_at = full_at

    def ready_at(self, now: float) -> float:  # noqa: ARG002 - as Window has it
        """Return when the next request may be sent."""
        return self.full_at - (self.limit - 1) * self.interval

    def room(self, now: float) -> int:
        """Return how many requests may be sent now."""
        return max(0, self.limit - math.ceil(max(0.0, self.full_at - now) / self.interval - PART))

    def use(self, now: float) -> None:
        """Count a request that is sent, or booked for when there is room."""
        self.full_at = max(self.full_at, now) + self.interval

    def release(self) -> None:
        """Take back a request that was booked and is not sent."""
        self.full_at -= self.interval

    def begin(self, now: float) -> None:
        """Note that a counted request is sent: it was counted for this instant."""

    def admits(self, now: float) -> bool:  # noqa: ARG002 - as Window has it
        """Return whether a booked request has room now: what comes back all the time does so as foreseen."""
        return True
