"""A clock that stands still until it is told to move."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

from jobapp.domain.clock import Clock

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
"""Where a :class:`FakeClock` starts unless told otherwise: a Monday noon."""


class FakeClock:
    """Time that moves only when someone sleeps on it or moves it; safe to share between threads.

    Args:
        start: Aware instant of the first ``now()``.

    Attributes:
        sleeps: Seconds of each ``sleep`` and ``asleep``, in order.
    """

    def __init__(self, start: datetime = START) -> None:
        self.sleeps: list[float] = []
        self._lock = threading.Lock()
        self._now = start.astimezone(UTC)
        self._monotonic = 0.0

    def now(self) -> datetime:
        """Return the wall time as aware UTC."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Return the seconds that have passed since the clock was made."""
        with self._lock:
            return self._monotonic

    def sleep(self, seconds: float) -> None:
        """Advance by *seconds* at once, and remember it in ``sleeps``."""
        self.sleeps.append(seconds)
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        """Advance by *seconds*, remember it, and let other tasks run."""
        self.sleep(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass; a negative number counts as none."""
        passed = max(0.0, seconds)
        with self._lock:
            self._now += timedelta(seconds=passed)
            self._monotonic += passed

    def set(self, now: datetime) -> None:
        """Set the wall time, forward or back; ``monotonic`` follows a move forward and never goes back."""
        with self._lock:
            self._monotonic += max(0.0, (now - self._now).total_seconds())
            self._now = now.astimezone(UTC)


async def pass_time(clock: Clock, seconds: float) -> None:
    """Let *seconds* pass on any clock; on a fake one at once, and without a note in its ``sleeps``."""
    if isinstance(clock, FakeClock):
        clock.advance(seconds)
    else:
        await clock.asleep(seconds)
