"""The budgets that a user configured, as limits that a key pool can count. No I/O.

A budget is counted in this process, from its first request on; what it forbids is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jobapp.domain.settings import BudgetSettings
from jobapp.domain.types import ApiKey
from jobapp.limits.fixed_window import FixedWindow
from jobapp.limits.headers import DAY, MINUTE
from jobapp.limits.limit import Unit
from jobapp.limits.meter import ONE, Cost
from jobapp.limits.under_way import Me, UnderWay

TURN = 0.02
"""Seconds between two looks at a budget of requests at a time: an answer ends one at any moment."""


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


class BudgetLimits(NamedTuple):
    """All that a configuration allows one key with one model.

    Attributes:
        windows: What each window counts, and the window.
        concurrency: How many requests may be under way.
    """

    windows: tuple[tuple[Unit, FixedWindow], ...] = ()
    concurrency: tuple[ConcurrencyLimit, ...] = ()

    def ready_at(self, now: float, ahead: int = 0, cost: Cost = ONE) -> float:
        """Return when a request of that *cost* may be sent, behind *ahead* others like it; 0 for at once."""
        at = 0.0
        for unit, window in self.windows:
            units = cost.of(unit)
            at = max(at, window.ready_at(now, ahead * units, units))
        return at

    def use(self, now: float, cost: Cost) -> None:
        """Count what a request uses of the windows; a negative cost is taken back."""
        for unit, window in self.windows:
            window.count(now, cost.of(unit))

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


class Budgets:
    """All limits of one provider's configuration, each made when it is first needed.

    Args:
        rows: The budgets as configured.
        me: This process.
    """

    def __init__(self, rows: Sequence[BudgetSettings] = (), me: Me | None = None) -> None:
        self._rows = tuple(rows)
        self._me = me or Me()
        self._made: dict[str, BudgetLimits] = {}

    def of(self, key: ApiKey, model: str) -> BudgetLimits:
        """Return what a request with *key* to *model* must obey."""
        found = self.counted(key, model).values()
        return BudgetLimits(
            tuple(limit for limits in found for limit in limits.windows),
            tuple(limit for limits in found for limit in limits.concurrency),
        )

    def counted(self, key: ApiKey, model: str) -> dict[str, BudgetLimits]:
        """Return the limits of each row that this key counts in, its own or its group's, by a name.

        The name tells what is counted and what is allowed, so that a new configuration begins anew.
        """
        found = {}
        for row in self._rows:
            if row.key in (None, key.name) and row.group in (None, key.group) and row.model in (None, model):
                name = f"{row.group or key.fingerprint} {row}"
                if name not in self._made:
                    self._made[name] = BudgetLimits(tuple(_limits(row)), tuple(_concurrency(row, self._me)))
                found[name] = self._made[name]
        return found


def _limits(row: BudgetSettings) -> Iterator[tuple[Unit, FixedWindow]]:
    if row.rpm:
        yield Unit.REQUESTS, FixedWindow(row.rpm, MINUTE)
    if row.rpd:
        yield Unit.REQUESTS, FixedWindow(row.rpd, DAY)
    if row.tpm:
        yield Unit.TOKENS, FixedWindow(row.tpm, MINUTE)


def _concurrency(row: BudgetSettings, me: Me) -> Iterator[ConcurrencyLimit]:
    if row.max_concurrency:
        yield ConcurrencyLimit(row.max_concurrency, me)
