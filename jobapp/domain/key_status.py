"""What people are told of a key: its state, what it did today, and what budgets leave. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a budget of a day or a month leaves.

    Attributes:
        name: The setting that says so: ``rpd``, ``tpd``, ``usd_per_day``, ``usd_per_month``.
        limit: What it allows.
        left: What is left of it.
        until: Aware UTC at which all of it is there again.
        model: The one model that it is about; ``None`` for all.
        group: The group that shares it; ``None`` where it is the key's own.
    """

    name: str
    limit: float
    left: float
    until: datetime
    model: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Today:
    """What a key did on the provider's day, in all processes.

    Attributes:
        requests: Those that were sent.
        tokens: Of prompts and answers.
        dollars: What they cost, as far as it is known.
        budgets: What the user's own budgets leave.
    """

    requests: int = 0
    tokens: int = 0
    dollars: float = 0.0
    budgets: tuple[Allowance, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """What is known of a key now.

    Attributes:
        provider: The provider's name.
        key: The key's name.
        model: The model this line is about; ``None`` for all of the key's models.
        state: ``free`` or the block's kind: ``rate_limit``, ``quota``, ``auth``; ``request`` for a model
            that was withdrawn.
        until: Aware UTC at which it is free again; ``None`` when it is free.
        reason: Why; empty when it is free.
        since: Aware UTC at which that was learnt; ``None`` when it is free.
        tier: The key's tier.
        models: Patterns of the models that it serves; empty for all.
        today: What it did today, where that was asked for.
    """

    provider: str
    key: str
    model: str | None
    state: str
    until: datetime | None = None
    reason: str = ""
    since: datetime | None = None
    tier: int = field(default=1, compare=False)
    models: tuple[str, ...] = field(default=(), compare=False)
    today: Today | None = field(default=None, compare=False)
