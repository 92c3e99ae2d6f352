"""The budgets that a user configured, as limits that a key pool can count. No I/O.

What a budget forbids is not asked. Those of a minute are counted from this process's first request on, those
of a day or a month by the calendar, over restarts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jobapp.domain.settings import BudgetSettings
from jobapp.domain.types import ApiKey
from jobapp.limits.counts import Count
from jobapp.limits.day_window import TURN, DayCount, DayWindow, Period, Subject
from jobapp.limits.fixed_window import FixedWindow
from jobapp.limits.headers import MINUTE
from jobapp.limits.ledger import Ledger
from jobapp.limits.limit import Unit
from jobapp.limits.meter import ONE, Cost
from jobapp.limits.numbers import Numbered
from jobapp.limits.under_way import Me, Owner, UnderWay

OF_A_DAY = {
    "rpd": (Unit.REQUESTS, Period.DAY),
    "tpd": (Unit.TOKENS, Period.DAY),
    "usd_per_day": (Unit.DOLLARS, Period.DAY),
    "usd_per_month": (Unit.DOLLARS, Period.MONTH),
}
"""The settings that end with a calendar's midnight, what they count, and in what."""


class ConcurrencyLimit:
    """So many requests at the same time; it can't be booked, since nobody knows when an answer comes.

    Attributes:
        most: How many.
        under_way: Those that there are.
    """

    __slots__ = ("most", "under_way")

    def __init__(self, most: int, me: Me) -> None:
        self.most = most
        self.under_way = UnderWay(me)

    def ready_at(self, now: float) -> float:
        """Return when the next request may be sent, or is worth a look."""
        return 0.0 if self.under_way.requests < self.most else now + TURN


class RowLimits(NamedTuple):
    """What one row allows that is counted from the first request on.

    Attributes:
        windows: What each window counts, and the window.
        concurrency: How many requests may be under way.
    """

    windows: tuple[tuple[Unit, FixedWindow], ...] = ()
    concurrency: tuple[ConcurrencyLimit, ...] = ()

    def numbers(self) -> list[float]:
        """Return what is known, for another process."""
        windows = [number for _, window in self.windows for number in window.numbers()]
        return windows + [number for limit in self.concurrency for number in limit.under_way.numbers()]

    def take_over(self, numbers: Iterator[float]) -> None:
        """Take over what another process knows."""
        for _, window in self.windows:
            window.take_over(numbers)
        for limit in self.concurrency:
            limit.under_way.take_over(numbers)


class BudgetLimits(NamedTuple):
    """All that a configuration allows one key with one model.

    Attributes:
        windows: What each window of a minute counts, and the window.
        concurrency: How many requests may be under way.
        days: The windows of days and months.
        counts: What is counted by the calendar, limited or not; first the key's day.
    """

    windows: tuple[tuple[Unit, FixedWindow], ...] = ()
    concurrency: tuple[ConcurrencyLimit, ...] = ()
    days: tuple[DayWindow, ...] = ()
    counts: tuple[DayCount, ...] = ()

    @property
    def counts_dollars(self) -> bool:
        """Whether one of the windows counts dollars."""
        return any(day.unit is Unit.DOLLARS for day in self.days)

    def ready_at(self, now: float, ahead: int = 0, cost: Cost = ONE) -> float:
        """Return when a request of that *cost* may be sent, behind *ahead* others like it; 0 for at once."""
        at = 0.0
        for unit, window in self.windows:
            units = cost.of(unit)
            at = max(at, window.ready_at(now, ahead * units, units))
        for day in self.days:
            units = cost.of(day.unit)
            at = max(at, day.ready_at(now, ahead * units, units))
        return at

    def at_least_usual(self, now: float, cost: Cost, asked: int) -> Cost:
        """Return *cost*, or what one of today that is not *asked* now cost on average, if more."""
        if not self.counts:
            return cost
        today = self.counts[0]
        today.look(now)
        requests, tokens, dollars = today.used
        answered = requests - asked
        if answered <= 0:
            return cost
        output = max(cost.output, tokens / answered - cost.input)
        return cost._replace(output=output, dollars=max(cost.dollars, dollars / answered))

    def begin(self, now: float, cost: Cost) -> None:
        """Count a request that is sent."""
        self.use(now, cost)
        for limit in self.concurrency:
            limit.under_way.begin(cost)
        for count in self.counts:
            count.begin(now, cost)

    def end(self, cost: Cost) -> None:
        """Note that a request is over."""
        for limit in self.concurrency:
            limit.under_way.end(cost)
        for count in self.counts:
            count.end(cost)

    def use(self, now: float, cost: Cost) -> None:
        """Count what a request uses of a minute's windows; a negative cost is taken back."""
        for unit, window in self.windows:
            window.count(now, cost.of(unit))

    def spend(self, tokens: float, dollars: float) -> None:
        """Count for the day what an answer cost."""
        if tokens or dollars:
            for count in self.counts:
                count.spend(Count(0, tokens, dollars))

    def write_off(self, owner: Owner) -> None:
        """Forget what a dead process has under way, but for the day: it may be paid for."""
        for limit in self.concurrency:
            limit.under_way.write_off(owner)
        for count in self.counts:
            count.write_off(owner)

    def under_way(self) -> list[UnderWay]:
        """Return what is told apart by the process that sent it."""
        found = [count.reserved for count in self.counts if count.is_limited]
        return found + [limit.under_way for limit in self.concurrency] if self.concurrency else found


class Budgets:
    """All limits of one provider's configuration, each made when it is first needed.

    Args:
        rows: The budgets as configured.
        me: This process.
        provider: The provider's name.
        zone: The IANA zone in whose midnight its day ends.
        ledger: Where days are counted for good.
    """

    def __init__(
        self,
        rows: Sequence[BudgetSettings] = (),
        me: Me | None = None,
        *,
        provider: str = "",
        zone: str = "UTC",
        ledger: Ledger | None = None,
    ) -> None:
        self._rows = tuple(rows)
        self._me = me or Me()
        self._provider, self._zone, self._ledger = provider, zone, ledger or Ledger()
        self._made: dict[str, RowLimits] = {}
        self._days: dict[tuple[str, BudgetSettings], tuple[DayWindow, ...]] = {}
        self._counts: dict[Subject, DayCount] = {}
        self.counts_dollars = any(row.usd_per_day or row.usd_per_month for row in rows)
        """Whether an estimate in dollars is needed."""

    def of(self, key: ApiKey, model: str) -> BudgetLimits:
        """Return what a request with *key* to *model* must obey."""
        rows = self._rows_of(key, model)
        found = [self._row(key, row) for row in rows]
        days = tuple(day for row in rows for day in self._days_of(key, row))
        counts = dict.fromkeys((self.today(key), *(day.count for day in days)))
        return BudgetLimits(
            tuple(limit for limits in found for limit in limits.windows),
            tuple(limit for limits in found for limit in limits.concurrency),
            days,
            tuple(counts),
        )

    def counted(self, key: ApiKey, model: str) -> dict[str, Numbered]:
        """Return what is shared of the limits that this key counts in, its own or its group's, by a name.

        That of a row tells what is counted and what is allowed, so that a new configuration begins anew.
        """
        found: dict[str, Numbered] = {}
        for row in self._rows_of(key, model):
            found[_name(key, row)] = self._row(key, row)
            found.update({f"{day.count.subject}": day.count for day in self._days_of(key, row)})
        return found

    def today(self, key: ApiKey) -> DayCount:
        """Return what was used of *key* on the provider's day."""
        return self._count(Subject(self._provider, key.fingerprint, "", self._zone, Period.DAY))

    def days_of(self, key: ApiKey) -> list[tuple[BudgetSettings, DayWindow]]:
        """Return the windows of days and months of *key*, whatever the model, with the row that says so."""
        rows = (row for row in self._rows if _is_of(row, key))
        return [(row, day) for row in rows for day in self._days_of(key, row)]

    def _rows_of(self, key: ApiKey, model: str) -> list[BudgetSettings]:
        return [row for row in self._rows if _is_of(row, key) and row.is_for(model)]

    def _row(self, key: ApiKey, row: BudgetSettings) -> RowLimits:
        name = _name(key, row)
        if name not in self._made:
            self._made[name] = RowLimits(tuple(_limits(row)), tuple(_concurrency(row, self._me)))
        return self._made[name]

    def _days_of(self, key: ApiKey, row: BudgetSettings) -> tuple[DayWindow, ...]:
        subject = key.fingerprint if row.group is None else f"group:{row.group}"
        if (subject, row) not in self._days:
            self._days[subject, row] = tuple(self._windows(subject, row))
        return self._days[subject, row]

    def _windows(self, subject: str, row: BudgetSettings) -> Iterator[DayWindow]:
        for name, (unit, period) in OF_A_DAY.items():
            if limit := getattr(row, name):
                zone = row.reset_timezone or self._zone
                count = self._count(Subject(self._provider, subject, row.model or "", zone, period))
                yield DayWindow(name, unit, limit, count)

    def _count(self, subject: Subject) -> DayCount:
        if subject not in self._counts:
            self._counts[subject] = DayCount(subject, self._ledger, self._me)
        return self._counts[subject]


def _is_of(row: BudgetSettings, key: ApiKey) -> bool:
    return row.key in (None, key.name) and row.group in (None, key.group)


def _name(key: ApiKey, row: BudgetSettings) -> str:
    return f"{row.group or key.fingerprint} {row}"


def _limits(row: BudgetSettings) -> Iterator[tuple[Unit, FixedWindow]]:
    if row.rpm:
        yield Unit.REQUESTS, FixedWindow(row.rpm, MINUTE)
    if row.tpm:
        yield Unit.TOKENS, FixedWindow(row.tpm, MINUTE)


def _concurrency(row: BudgetSettings, me: Me) -> Iterator[ConcurrencyLimit]:
    if row.max_concurrency:
        yield ConcurrencyLimit(row.max_concurrency, me)
