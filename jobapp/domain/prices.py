"""What an answer costs, in US dollars. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from jobapp.domain.types import Usage

MILLION = 1_000_000

CostOf = Callable[[Usage], float | None]
"""Returns the dollars of an answer of one model; ``None`` where nobody knows."""


@dataclass(frozen=True, slots=True)
class Price:
    """A model's price: dollars for a million tokens.

    Attributes:
        input: Of what is asked.
        output: Of what is answered, reasoning included.
        cached_input: Of what the provider had in its cache; ``None`` for the price of ``input``.
        cache_write: Of what the provider wrote into its cache; ``None`` for the price of ``input``.
    """

    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None

    def cost_of(self, usage: Usage) -> float:
        """Return the dollars of an answer."""
        cached = self.input if self.cached_input is None else self.cached_input
        write = self.input if self.cache_write is None else self.cache_write
        fresh = max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens)
        asked = fresh * self.input + usage.cached_tokens * cached + usage.cache_write_tokens * write
        return (asked + usage.output_tokens * self.output) / MILLION


def priced(usage: Usage, cost_of: CostOf | None) -> Usage:
    """Return *usage* with its cost: what the provider told, else what the price says of the tokens."""
    if cost_of is None or usage.cost is not None or not usage.total_tokens:
        return usage
    return replace(usage, cost=cost_of(usage))
