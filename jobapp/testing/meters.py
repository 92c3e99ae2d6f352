"""Limits: how much was used, and when it is back; judged by the instant that is handed in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from jobapp.domain.quota_reset import next_midnight
from jobapp.providers import PROVIDERS

DAY = timedelta(days=1)
PAST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of a limit.

    Attributes:
        limit: Requests, or tokens, per window.
        remaining: How many would pass now.
        full_at: Aware UTC from which all of the limit is there again.
    """

    limit: int
    remaining: int
    full_at: datetime


class Meter(Protocol):
    """One limit and what was used of it."""

    def free_at(self, now: datetime) -> datetime | None:
        """Return the instant from which a request passes, ``None`` where one passes now."""
        ...

    def take(self, now: datetime) -> None:
        """Count a request."""
        ...

    def room(self, now: datetime) -> Room:
        """Return what is left."""
        ...


class FixedWindow:
    """A window that opens with its first request and lasts *length*; then all of the limit is back."""

    def __init__(self, limit: int, length: timedelta) -> None:
        self._limit, self._length = limit, length
        self._ends, self._used = PAST, 0

    def free_at(self, now: datetime, amount: int = 1) -> datetime | None:
        """Return the window's end where *amount* does not fit any more."""
        return self._ends if now < self._ends and self._used + amount > self._limit else None

    def take(self, now: datetime, amount: int = 1) -> None:
        """Count a request, or *amount* tokens, in a new window where the last one is over."""
        if now >= self._ends:
            self._ends, self._used = self._next_end(now), 0
        self._used += amount

    def room(self, now: datetime) -> Room:
        """Return what is left until the window ends."""
        if now >= self._ends:
            return Room(self._limit, self._limit, now)
        return Room(self._limit, max(0, self._limit - self._used), self._ends)

    def _next_end(self, now: datetime) -> datetime:
        return now + self._length


class CalendarDay(FixedWindow):
    """A limit that returns at midnight in *zone*."""

    def __init__(self, limit: int, zone: str) -> None:
        super().__init__(limit, DAY)
        self._zone = zone

    def _next_end(self, now: datetime) -> datetime:
        return next_midnight(now, self._zone)


class SlidingWindow:
    """At most *limit* requests in any span of *length*."""

    def __init__(self, limit: int, length: timedelta) -> None:
        self._limit, self._length = limit, length
        self._ends: deque[datetime] = deque(maxlen=limit)

    def free_at(self, now: datetime) -> datetime | None:
        """Return when the oldest request that counts leaves the span."""
        self._forget(now)
        return self._ends[0] if len(self._ends) >= self._limit else None

    def take(self, now: datetime) -> None:
        """Count a request."""
        self._ends.append(now + self._length)

    def room(self, now: datetime) -> Room:
        """Return what is left, and when the last request leaves the span."""
        self._forget(now)
        return Room(self._limit, self._limit - len(self._ends), self._ends[-1] if self._ends else now)

    def _forget(self, now: datetime) -> None:
        while self._ends and self._ends[0] <= now:
            self._ends.popleft()


class Bucket:
    """A limit that returns slot by slot: one each ``length / limit``; a token bucket (GCRA)."""

    def __init__(self, limit: int, length: timedelta) -> None:
        self._limit, self._slot = limit, length / limit
        self._full_at = PAST

    def free_at(self, now: datetime) -> datetime | None:
        """Return when the next slot is back, where none is left."""
        free = self._full_at - (self._limit - 1) * self._slot
        return free if free > now else None

    def take(self, now: datetime) -> None:
        """Count a request."""
        self._full_at = max(self._full_at, now) + self._slot

    def room(self, now: datetime) -> Room:
        """Return the slots that are left, and when all are back."""
        used = -(-max(self._full_at - now, timedelta()) // self._slot)
        return Room(self._limit, max(0, self._limit - used), max(self._full_at, now))


def new_day(provider: str, limit: int) -> Meter:
    """Return an unused day as *provider* counts it."""
    if provider == "openai":
        return Bucket(limit, DAY)  # it rolls
    return CalendarDay(limit, PROVIDERS[provider].reset_timezone)


def day_end(provider: str, limit: int, now: datetime) -> datetime:
    """Return when a request passes again on a day that was spent in one go."""
    if provider == "openai":
        return now + DAY / limit
    return next_midnight(now, PROVIDERS[provider].reset_timezone)
