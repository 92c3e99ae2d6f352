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

TURN = 0.02
"""Seconds between two looks at a budget of requests at a time: an answer ends one at any moment."""


class ConcurrencyLimit:
    """So many requests at the same time; it can't be booked, since nobody knows when an answer comes.

    Attributes:
        most: How many.
        under_way: How many there are.
    """

    __slots__ = ("most", "under_way")

    def __init__(self, most: int) -> None:
        self.most = most
        self.under_way = 0

    def ready_at(self, now: float) -> float:
        """Return when the next request may be sent, or is worth a look."""
        return 0.0 if self.under_way < self.most else now + TURN


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


class Budgets:
    """All limits of one provider's configuration, each made when it is first needed.

    Args:
        rows: The budgets as configured.
    """

    def __init__(self, rows: Sequence[BudgetSettings] = ()) -> None:
        self._rows = tuple(rows)
        self._made: dict[tuple[int, str, str | None], BudgetLimits] = {}

    def of(self, key: ApiKey, model: str) -> BudgetLimits:
        """Return what a request with *key* to *model* must obey."""
        if not self._rows:
            return NOTHING_SAID
        found = [
            self._counted(number, row, key)
            for number, row in enumerate(self._rows)
            if row.key in (None, key.name) and row.group in (None, key.group) and row.model in (None, model)
        ]
        return BudgetLimits(
            tuple(limit for limits in found for limit in limits.windows),
            tuple(limit for limits in found for limit in limits.concurrency),
        )

    def _counted(self, number: int, row: BudgetSettings, key: ApiKey) -> BudgetLimits:
        """Return the limits of one row that this key counts in: its own, or its group's."""
        counted = (number, row.group or key.fingerprint, row.model)
        if counted not in self._made:
            self._made[counted] = BudgetLimits(tuple(_limits(row)), tuple(_concurrency(row)))
        return self._made[counted]


NOTHING_SAID = BudgetLimits()


def _limits(row: BudgetSettings) -> Iterator[tuple[Unit, FixedWindow]]:
    if row.rpm:
        yield Unit.REQUESTS, FixedWindow(row.rpm, MINUTE)
    if row.rpd:
        yield Unit.REQUESTS, FixedWindow(row.rpd, DAY)
    if row.tpm:
        yield Unit.TOKENS, FixedWindow(row.tpm, MINUTE)


def _concurrency(row: BudgetSettings) -> Iterator[ConcurrencyLimit]:
    if row.max_concurrency:
        yield ConcurrencyLimit(row.max_concurrency)
