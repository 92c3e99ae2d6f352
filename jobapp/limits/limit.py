"""What every model of a limit can be asked. No I/O.

A limit counts in *units*: requests, tokens or dollars. Which model holds is another matter:

===============  ==================================================  ========================================
model            what it allows                                      who has it
===============  ==================================================  ========================================
fixed window     so many units from one instant to another           Gemini, OpenRouter, budgets
day window       so many units until a calendar's midnight           budgets
token bucket     so many at once, then one in each interval          OpenAI, Anthropic
sliding log      so many in any stretch of its length                several gateways; what nobody knows
concurrency      so many at the same time                            budgets
===============  ==================================================  ========================================

Whoever keeps a sliding log of N in W never breaks a fixed window or a bucket of the same sizes: a window
holds at most what the log does, and a bucket regains N in W. So it is the model to go by where nobody says
which one holds; it costs at most one window in all.

Instants are seconds since the epoch, lengths are seconds.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

TICK = 1e-6
"""What an instant that was added up may be short of one that was not."""


class Unit(Enum):
    """What a limit counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    """Of the prompt and the answer together."""
    INPUT = "input tokens"
    OUTPUT = "output tokens"
    DOLLARS = "US dollars"


class Limit(Protocol):
    """One limit and what is used of it."""

    def ready_at(self, now: float, ahead: float = 0.0, cost: float = 1.0) -> float:
        """Return when *cost* units may be used, behind *ahead* units that others wait for; 0 for at once."""
        ...

    def room(self, now: float) -> float:
        """Return how many units may be used now."""
        ...

    def count(self, now: float, cost: float = 1.0) -> None:
        """Count *cost* units as used; a negative cost takes some back."""
        ...
