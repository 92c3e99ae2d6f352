"""The window that ends with a calendar's day or month, and outlives its process. No I/O.

::

    room(now) = limit - used - reserved      while the day lasts
              = limit                        from its midnight on

``used`` only grows while a day lasts, so of what the ledger, this process and others know the greatest is
true. A request is used when it is sent; tokens and dollars are reserved by then, and used when its answer
tells what it cost. Who is kept out only by reservations, or by those before it in the line, waits for these
answers, not for midnight; and with nothing used and nothing reserved a request of any size goes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import NamedTuple

from jobapp.domain import quota_reset
from jobapp.limits.counts import NO_COUNT, Count, CountId
from jobapp.limits.ledger import Ledger
from jobapp.limits.limit import TICK, Unit
from jobapp.limits.meter import Cost
from jobapp.limits.under_way import Me, Owner, UnderWay

TURN = 0.02
"""Seconds between two looks at a limit that an answer may make room in at any moment."""

LEAST = 1e-5
"""Units that any request uses, so that of what is spent nothing is asked."""

BACK = 60.0
"""Seconds by which a clock may be before the day that others have begun."""


ONE_REQUEST = Count(1)


class Period(StrEnum):
    """What ends with a midnight."""

    DAY = "day"
    MONTH = "month"


class Subject(NamedTuple):
    """Whose use is counted, and in which calendar.

    Attributes:
        provider: The provider's name.
        name: The fingerprint of a key, or ``group:`` and the name of a group.
        model: One model; empty for all.
        zone: The IANA zone of the midnight.
        period: Day or month.
    """

    provider: str
    name: str
    model: str
    zone: str
    period: Period

    def opened(self, now: float) -> tuple[CountId, float, float]:
        """Return what is counted at *now*, and when that began and ends (seconds since the epoch)."""
        moment, zone = datetime.fromtimestamp(now, UTC), quota_reset.zone_of(self.zone)
        day = moment.astimezone(zone).date()
        if self.period is Period.DAY:
            name, ends = day.isoformat(), quota_reset.next_midnight(moment, self.zone)
        else:
            name, day = f"{day:%Y-%m}", date(day.year, day.month, 1)
            ends = quota_reset.first_of_next_month(moment, self.zone)
        begins = datetime.combine(day, time(), zone)
        id_ = CountId(self.provider, self.name, self.model, self.zone, name)
        return id_, begins.timestamp(), ends.timestamp()


class DayCount:
    """What one subject used in the day or month that is open.

    Args:
        subject: Whose use it is.
        ledger: Where it is counted for good.
        me: This process.

    Attributes:
        used: What was used, of all processes.
        reserved: What requests under way may use.
        is_limited: Whether a limit counts in it; else nothing need be reserved.
        begins_at: When it began, in seconds since the epoch.
        ends_at: When it is over.
    """

    __slots__ = (
        "_id",
        "_ledger",
        "_seen",
        "begins_at",
        "ends_at",
        "is_limited",
        "reserved",
        "subject",
        "used",
    )

    def __init__(self, subject: Subject, ledger: Ledger, me: Me) -> None:
        self.subject = subject
        self._ledger = ledger
        self._id = CountId("", "", "", "", "")
        self.begins_at = self.ends_at = -math.inf
        self._seen = -1
        self.used = NO_COUNT
        self.reserved = UnderWay(me)
        self.is_limited = False

    def look(self, now: float) -> None:
        """Leave a day that is over, and take over what the ledger has learnt."""
        if not self.begins_at - BACK <= now < self.ends_at:
            self._open(now)
        if self._seen != self._ledger.version:
            self._seen = self._ledger.version
            self.used = self.used.or_more(self._ledger.total(self._id))

    def _open(self, now: float) -> None:
        self._id, self.begins_at, self.ends_at = self.subject.opened(now)
        self.used, self._seen = NO_COUNT, -1

    def begin(self, now: float, cost: Cost) -> None:
        """Count a request that is sent."""
        if not self.begins_at - BACK <= now < self.ends_at:
            self._open(now)
        self._add(ONE_REQUEST)
        if self.is_limited:
            self.reserved.begin(cost)

    def end(self, cost: Cost) -> None:
        """Note that a request is over."""
        if self.is_limited:
            self.reserved.end(cost)

    def write_off(self, owner: Owner) -> None:
        """Count as spent what a dead process had reserved: nobody knows what became of it."""
        lost = self.reserved.write_off(owner)
        if lost.requests:
            self._add(Count(0, round(lost.input + lost.output), lost.dollars))

    def spend(self, used: Count) -> None:
        """Count what an answer cost."""
        self._add(used)

    def _add(self, used: Count) -> None:
        self._ledger.add(self._id, used)
        if self.is_limited:
            self.used = self.used.plus(used)

    def numbers(self) -> list[float]:
        """Return what is known, for another process."""
        return [self.begins_at, *self.used, *self.reserved.numbers()]

    def take_over(self, numbers: Iterator[float]) -> None:
        """Take over what another process knows."""
        begins_at, used = next(numbers), Count(next(numbers), next(numbers), next(numbers))
        if begins_at > self.begins_at:
            self._open(begins_at)
        if begins_at == self.begins_at:
            self.used = self.used.or_more(used)
        self.reserved.take_over(numbers)


class DayWindow:
    """A limit on what a subject may use in one day or month.

    Args:
        name: The setting that says so.
        unit: What it counts.
        limit: How much.
        count: What is used of it.
    """

    __slots__ = ("_asked", "count", "limit", "name", "unit")

    def __init__(self, name: str, unit: Unit, limit: float, count: DayCount) -> None:
        self.name = name
        self.unit = unit
        self.limit = limit
        self.count = count
        self._asked = 0.0
        count.is_limited = True

    def ready_at(self, now: float, ahead: float = 0.0, cost: float = 1.0) -> float:
        """Return when *cost* units may be used, behind *ahead* units that others wait for; 0 for at once."""
        self._asked = cost
        count = self.count
        count.look(now)
        needed = self._needed(cost)
        over = self._used() + needed - self.limit
        if over + self._reserved() + ahead <= TICK:
            return 0.0
        if over <= TICK:
            return now + TURN
        later = math.ceil((ahead + needed) / self.limit - TICK) - 1
        return count.ends_at + max(0, later) * (count.ends_at - count.begins_at)

    def left(self, now: float) -> float:
        """Return how many units may still be used, reservations aside."""
        self.count.look(now)
        return max(0.0, self.limit - self._used())

    def spent_until(self, now: float) -> datetime | None:
        """Return when a spent limit is whole again, aware UTC; ``None`` while a usual request has room."""
        self.count.look(now)
        used, requests = self._used(), self.count.used.requests
        usual = self._asked or (used / requests if requests else 0.0)
        if used < self.limit - TICK and used + self._needed(usual) - self.limit <= TICK:  # as ready_at has it
            return None
        return datetime.fromtimestamp(self.count.ends_at, UTC)

    def _needed(self, cost: float) -> float:
        """Return the room that a request of *cost* units needs: a dearer one than the limit goes alone."""
        return min(max(cost, LEAST), self.limit)

    def _used(self) -> float:
        used = self.count.used
        match self.unit:
            case Unit.REQUESTS:
                return used.requests
            case Unit.DOLLARS:
                return used.dollars
            case _:
                return used.tokens

    def _reserved(self) -> float:
        if self.unit is Unit.REQUESTS:
            return 0.0  # a request is used when it is sent
        return self.count.reserved.total().of(self.unit)
