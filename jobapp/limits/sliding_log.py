"""The sliding log: so many units in any stretch of so many seconds. No I/O.

Each use leaves the log one length after it arrived at the server. That is after it was sent and before it
was answered, and soon: a new connection takes a tenth of a second or two. Uses that lie close together are
one entry that leaves with the last of them, so that the log holds some eighty entries at most, however large
its limit is.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from jobapp.limits.limit import TICK
from jobapp.limits.numbers import checked, pairs

ENTRIES = 64
"""The share of the length, as its inverse, in which uses become one entry."""

MOST_ENTRIES = 80
"""So many of them, the newest, travel to other processes."""


TRAVEL = 0.25
"""Seconds in which a request arrives at the server, but for the first ones of a process."""

SLOW_TRAVEL = 1.0
"""Seconds in which any request arrives: modules load, connections open, the machine is busy."""


@dataclass(slots=True)
class Entry:
    """Uses that lie close together.

    Attributes:
        first: When the first of them was sent.
        last: When the last of them arrived.
        units: What they used.
        arrived: When the first of them had arrived at the latest.
    """

    first: float
    last: float
    units: float
    arrived: float


class SlidingLog:
    """So many units in any stretch of so many seconds.

    Args:
        length: The seconds of the stretch.
        limit: Units in it; infinite while nobody knows.
    """

    __slots__ = ("_entries", "length", "limit")

    def __init__(self, length: float, limit: float = math.inf) -> None:
        self.length = length
        self.limit = limit
        self._entries: deque[Entry] = deque()

    def ready_at(self, now: float, ahead: float = 0.0, cost: float = 1.0) -> float:
        """Return when *cost* units may be used, behind *ahead* units that others wait for; 0 for at once."""
        used = self.used(now)
        over = used + ahead + min(cost, self.limit) - self.limit
        if over <= TICK:
            return 0.0
        rounds = max(0, math.ceil((over - used - TICK) / self.limit))
        over -= rounds * self.limit  # those who wait leave one length after those whose place they take
        leaves = next((last for last, gone in self._leaving(now) if gone >= over - TICK), now)
        return leaves + self.length * (1 + rounds)

    def room(self, now: float) -> float:
        """Return how many units may be used now."""
        return max(0.0, self.limit - self.used(now))

    def used(self, now: float) -> float:
        """Return the units of the stretch that ends now."""
        return self.used_since(now - self.length + TICK)

    def used_since(self, begin: float) -> float:
        """Return the units that came after an instant."""
        return sum(entry.units for entry in self._entries if entry.last > begin)

    def count(self, now: float, cost: float = 1.0) -> None:
        """Count *cost* units as used."""
        last = self._entries[-1] if self._entries else None
        if last is not None and now - last.first < self.length / ENTRIES:
            last.last, last.units = max(now, last.last), last.units + cost
            return
        self._entries.append(Entry(now, now, cost, now + SLOW_TRAVEL))
        while len(self._entries) > ENTRIES and self._entries[0].last <= now - self.length:
            self._entries.popleft()

    def answered(self, now: float, sent_at: float) -> None:
        """Note that a use of *sent_at* had arrived by *now*."""
        entry = self._entry(sent_at)
        if entry is not None:
            entry.last = max(entry.last, min(now, sent_at + TRAVEL))
            entry.arrived = min(entry.arrived, now)

    def take_back(self, sent_at: float, cost: float = 1.0) -> None:
        """Take back a use of *sent_at* that did not count."""
        entry = self._entry(sent_at)
        if entry is not None:
            entry.units = max(0.0, entry.units - cost)
        while self._entries and not self._entries[-1].units:
            self._entries.pop()

    def _entry(self, sent_at: float) -> Entry | None:
        return next((entry for entry in reversed(self._entries) if entry.first <= sent_at), None)

    def first_of_last(self, units: float, before: float) -> Entry | None:
        """Return the entry with the oldest of the last *units* that came *before* an instant."""
        found = None
        for entry in reversed(self._entries):
            if entry.first < before and entry.units:
                found, units = entry, units - entry.units
                if units <= 0:
                    break
        return found

    def last(self) -> float:
        """Return when the last use came; long ago where there was none."""
        return self._entries[-1].last if self._entries else -math.inf

    def _leaving(self, now: float) -> list[tuple[float, float]]:
        """Return for each entry when it came last, and how many units are gone when it leaves."""
        gone, found = 0.0, []
        for entry in self._entries:
            if entry.last > now - self.length + TICK:
                gone += entry.units
                found.append((entry.last, gone))
        return found

    def numbers(self) -> list[float]:
        """Return what is known, for another process."""
        entries = islice(self._entries, max(0, len(self._entries) - MOST_ENTRIES), None)
        row = [self.length, self.limit, float(min(len(self._entries), MOST_ENTRIES))]
        for entry in entries:
            row += (entry.first, entry.last, entry.units, entry.arrived)
        return row

    def take_over(self, numbers: Iterator[float]) -> None:
        """Take over what another process knows."""
        self.length, self.limit = next(numbers), next(numbers)
        count = checked(next(numbers), MOST_ENTRIES)
        self._entries = deque(Entry(*each) for each in pairs(islice(numbers, 4 * count), 4))
