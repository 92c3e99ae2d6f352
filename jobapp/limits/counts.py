"""What was used in days and months, as values that add up over processes and restarts. No I/O.

What is kept is one immutable value, :class:`Counts`. Two rules change it:

============  ================================  ============================================================
change        rule                              why
============  ================================  ============================================================
a batch       added, if its number is new       what a process used goes in once, however often it must try
two memories  the greater of each               a sum only grows, so of one file the later memory is greater
============  ================================  ============================================================

A writer numbers its batches from 1 and sends the next one when it knows that the last one arrived. What of
the two is kept of a writer is the number alone, so a file grows with keys and days, not with processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from jobapp.domain.types import EMPTY

GRACE = timedelta(days=2)
"""How long past days are kept, and how far ahead one may lie: zones, and clocks that differ."""

WRITER_MEMORY = timedelta(days=1)
"""How long a writer's number is kept: nobody repeats a batch after that."""


class Count(NamedTuple):
    """What was used.

    Attributes:
        requests: Those that were sent.
        tokens: Of prompts and answers together.
        dollars: What the answers cost, as far as it is known.
    """

    requests: float = 0
    tokens: float = 0
    dollars: float = 0.0

    def plus(self, other: Count) -> Count:
        """Return the sum."""
        requests, tokens, dollars = self
        return Count(requests + other.requests, tokens + other.tokens, dollars + other.dollars)

    def or_more(self, other: Count) -> Count:
        """Return the greater of each."""
        return Count(max(self[0], other[0]), max(self[1], other[1]), max(self[2], other[2]))


NO_COUNT = Count()


def count_of(values: Iterable[Any]) -> Count:
    """Read what somebody wrote down.

    Raises:
        ValueError, TypeError: It is no count.
    """
    return Count(*map(_number, values))


def _number(value: Any) -> float:
    number = float(value)
    if not 0 <= number < float("inf"):
        raise ValueError(f"{value!r} is no count")
    return int(number) if number.is_integer() else number


class CountId(NamedTuple):
    """What is counted.

    Attributes:
        provider: The provider's name.
        subject: The fingerprint of a key, or ``group:`` and the name of a group.
        model: One model; empty for all.
        zone: The IANA zone whose midnight ends the day.
        period: The day, ``2026-11-27``, or the month, ``2026-11``.
    """

    provider: str
    subject: str
    model: str
    zone: str
    period: str


class Batch(NamedTuple):
    """What one writer used since its last batch.

    Attributes:
        writer: A name that no other process has.
        number: Counted from 1.
        used: What was used.
    """

    writer: str
    number: int
    used: Mapping[CountId, Count]


class Written(NamedTuple):
    """A writer's last batch: its number, and when it came (aware UTC)."""

    number: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """What all processes used.

    Attributes:
        totals: The sums.
        writers: The last batch of each writer.
    """

    totals: Mapping[CountId, Count] = field(default_factory=lambda: EMPTY)
    writers: Mapping[str, Written] = field(default_factory=lambda: EMPTY)

    def has(self, batch: Batch) -> bool:
        """Return whether *batch* is in it."""
        known = self.writers.get(batch.writer)
        return known is not None and known.number >= batch.number

    def with_batch(self, batch: Batch, now: datetime) -> Counts:
        """Return these counts with *batch* added; the same object where it is in them."""
        if self.has(batch):
            return self
        totals = dict(self.totals)
        for id_, used in batch.used.items():
            totals[id_] = totals.get(id_, NO_COUNT).plus(used)
        return Counts(totals, {**self.writers, batch.writer: Written(batch.number, now)})

    def merged(self, other: Counts) -> Counts:
        """Return what two memories of one file know together; the order does not matter."""
        totals, writers = dict(self.totals), dict(self.writers)
        for id_, used in other.totals.items():
            totals[id_] = totals.get(id_, NO_COUNT).or_more(used)
        for name, written in other.writers.items():
            writers[name] = max(writers.get(name, written), written)
        return Counts(totals, writers)

    def swept(self, now: datetime) -> Counts:
        """Return these counts without past days, and days that only a wrong clock can have seen."""
        first, last = ((now.astimezone(UTC) + sign * GRACE).date().isoformat() for sign in (-1, 1))
        totals = {
            id_: used
            for id_, used in self.totals.items()
            if first[: len(id_.period)] <= id_.period <= last[: len(id_.period)]
        }
        writers = {name: w for name, w in self.writers.items() if abs(now - w.at) < WRITER_MEMORY}
        if (len(totals), len(writers)) == (len(self.totals), len(self.writers)):
            return self
        return Counts(totals, writers)


NO_COUNTS = Counts()
