"""The budgets that a user configured, as limits that a key pool can count. No I/O.

A budget is counted in this process, from its first request on; what it forbids is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from jobapp.domain.settings import BudgetSettings
from jobapp.domain.types import ApiKey
from jobapp.limits.window import MINUTE, FixedWindow

DAY = 86_400.0

TURN = 0.02
"""Seconds between two looks at a budget of requests at a time: an answer ends one at any moment."""


class Limit(Protocol):
    """One limit of a budget that can be booked."""

    def ready_at(self, now: float) -> float:
        """Return when the next request may be sent."""
        ...

    def use(self, now: float) -> None:
        """Count a request that is sent, or booked for when there is room."""
        ...

    def release(self) -> None:
        """Take back a request that was booked and is not sent."""
        ...

    def done(self, tokens: int) -> None:
        """Note that a request is over, which cost *tokens*."""
        ...


class RequestBudget(FixedWindow):
    """So many requests in a minute or a day."""

    __slots__ = ()

    def done(self, tokens: int) -> None:
        """Note that a request is over; it was counted when it was sent."""


class TokenBudget:
    """So many tokens in a minute; a request counts as much as the ones before it did until its answer tells.

    Args:
        tokens: What one minute allows.
    """

    def __init__(self, tokens: int) -> None:
        self._window = FixedWindow(tokens, MINUTE)
        self._usual = 0

    def ready_at(self, now: float) -> float:
        """Return when the next request may be sent."""
        return self._window.ready_at(now)

    def use(self, now: float) -> None:
        """Count a request that is sent, or booked for when there is room."""
        self._window.use(now)
        self._window.used += self._usual - 1

    def release(self) -> None:
        """Take back a request that was booked and is not sent."""
        self._window.used = max(0, self._window.used - self._usual)

    def done(self, tokens: int) -> None:
        """Count what the answer tells in place of the guess."""
        self._window.used = max(0, self._window.used + tokens - self._usual)
        self._usual = (3 * self._usual + tokens) // 4 if self._usual else tokens


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
    """All that a configuration allows one key with one model."""

    windows: tuple[Limit, ...] = ()
    concurrency: tuple[ConcurrencyLimit, ...] = ()

    def ready_at(self, now: float) -> float:
        """Return when the next request may be sent, by the limits that can be booked."""
        return max((limit.ready_at(now) for limit in self.windows), default=0.0)


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


def _limits(row: BudgetSettings) -> Iterator[Limit]:
    if row.rpm:
        yield RequestBudget(row.rpm, MINUTE)
    if row.rpd:
        yield RequestBudget(row.rpd, DAY)
    if row.tpm:
        yield TokenBudget(row.tpm)


def _concurrency(row: BudgetSettings) -> Iterator[ConcurrencyLimit]:
    if row.max_concurrency:
        yield ConcurrencyLimit(row.max_concurrency)
