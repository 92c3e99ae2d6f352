"""A clock that stands still until it is told to move."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from jobapp.domain.clock import Clock

logger = logging.getLogger(__name__)

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


NOTICED = 0.3
"""Seconds of a wait from which it is noticed that a client slept through it."""


class SleeperWatch:
    """Notices a client that sleeps in real time while the clock of the simulator stands still.

    Such a client waits as it was told, asks again, and meets the same full window.

    Args:
        clock: The simulator's.
        real: Seconds that pass for the client.

    Attributes:
        told: What was noticed, once; ``""`` before.
    """

    def __init__(self, clock: Clock, real: Callable[[], float] = time.monotonic) -> None:
        self.told = ""
        self._clock, self._real = clock, real
        self._waiting: dict[str, tuple[float, datetime, float]] = {}

    def rejected(self, key: str, wait: float | None) -> None:
        """Note that a key was told to wait."""
        if not self.told and wait is not None and wait >= NOTICED and isinstance(self._clock, FakeClock):
            self._waiting[key] = (self._real(), self._clock.now(), wait)

    def asked(self, key: str) -> None:
        """Look whether a key that was told to wait did so, and the clock did not move."""
        began, then, wait = self._waiting.pop(key, (0.0, None, 0.0))
        if then is not None and then == self._clock.now() and self._real() - began >= wait:
            self.told = (
                f"A client slept {wait:g} s in real time, while the clock of the simulator stands still: "
                "its limits never return. Live in real time (@pytest.mark.llm_simulator(real_time=True)), "
                "or let the test move fake_clock."
            )
            logger.warning("%s", self.told)
