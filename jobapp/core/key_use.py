"""What the user's own budgets say of a key, for people: what keeps it, what it did today, what is left."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from jobapp.domain.key_status import Allowance, KeyStatus, Today
from jobapp.domain.settings import BudgetSettings
from jobapp.domain.types import ApiKey, Kind
from jobapp.domain.wording import OWN_BUDGET, allowance
from jobapp.limits.budgets import Budgets


def spent_budgets(
    provider: str, budgets: Budgets, key: ApiKey, model: str | None, now: float
) -> Iterator[KeyStatus]:
    """Yield a line for each budget of *key* that is spent.

    Args:
        provider: The provider's name.
        budgets: Its budgets.
        key: The key.
        model: Only what bears on this model; all where left out.
        now: Seconds since the epoch.
    """
    for row, day in budgets.days_of(key):
        if model is not None and not row.is_for(model):
            continue
        if (until := day.spent_until(now)) is not None:
            reason = (
                f"{OWN_BUDGET}: your own budget of {allowance(day.name, day.limit)}{_whose(row)} is spent"
            )
            since = datetime.fromtimestamp(day.count.begins_at, UTC)
            yield KeyStatus(provider, key.name, row.model, Kind.QUOTA.value, until, reason, since)


def today(budgets: Budgets, key: ApiKey, now: float) -> Today:
    """Return what *key* did on the provider's day, and what its budgets leave."""
    count = budgets.today(key)
    count.look(now)
    left = tuple(
        Allowance(
            day.name,
            day.limit,
            round(day.left(now), 6),
            datetime.fromtimestamp(day.count.ends_at, UTC),
            row.model,
            row.group,
        )
        for row, day in budgets.days_of(key)
    )
    used = count.used
    return Today(int(used.requests), int(used.tokens), round(used.dollars, 6), left)


def _whose(row: BudgetSettings) -> str:
    return f" for the group {row.group}" if row.group else ""
