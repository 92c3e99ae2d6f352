"""Time as something that is handed in, so that no rule and no test depends on today's date."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What jobapp asks of time."""

    def now(self) -> datetime:
        """Return the wall time as aware UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean something."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block this thread for *seconds*."""
        ...

    async def asleep(self, seconds: float) -> None:
        """Suspend this task for *seconds*."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the wall time as aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return ``time.monotonic()``."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread for *seconds*."""
        time.sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        """Suspend this task for *seconds*."""
        import asyncio

        await asyncio.sleep(seconds)
