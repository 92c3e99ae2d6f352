"""Where a model's price is known from: the settings, else the package genai-prices, if it is there."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import chain

from jobapp.domain.prices import MILLION, CostOf, Price
from jobapp.domain.settings import BudgetSettings, ProviderSettings, Settings
from jobapp.domain.types import Usage
from jobapp.providers import is_installed

logger = logging.getLogger(__name__)

NAMES = {"xai": "x-ai", "moonshot": "moonshotai", "zhipu": "zhipuai"}
"""What genai-prices calls the services that it calls otherwise (its list of providers, 0.2.3)."""


TELL_THEMSELVES = {"openrouter"}
"""Providers whose answers tell what they cost."""

HOUR = 3600
"""Seconds for which a price is good: some depend on the hour."""

FEW, MANY = 1000, MILLION
"""Tokens of a short request, and of one that is above any limit from which a model costs more."""


def cost_of(provider: str, model: str, prices: Mapping[str, Price]) -> CostOf | None:
    """Return what knows the cost of the answers of *model*; ``None`` where nothing does.

    Args:
        provider: Canonical name of the provider.
        model: The provider's name of the model.
        prices: Those of the settings, by pattern; the first that fits counts.
    """
    for pattern, price in prices.items():
        if fnmatchcase(model, pattern):
            return price.cost_of
    return PackagePrice(provider, model) if is_installed("genai_prices") else None


def is_known(price: CostOf | None) -> bool:
    """Return whether *price* tells what an answer costs."""
    return price is not None and price(Usage(FEW, FEW)) is not None


def price_doubts(settings: Settings) -> Iterator[str]:
    """Yield a sentence for each configured model that a budget of dollars would count for nothing."""
    every = chain(settings.models.values(), *settings.fallbacks.values())
    for provider, model in dict.fromkeys((each.provider, each.model) for each in every):
        configured = settings.providers.get(provider)
        if configured is None or provider in TELL_THEMSELVES or not _is_capped(configured, model):
            continue
        if not is_known(cost_of(provider, model, settings.prices)):
            yield unpriced(provider, model)


def _is_capped(provider: ProviderSettings, model: str) -> bool:
    """Return whether a budget of dollars counts for a key that serves *model*."""
    rows = (row for row in provider.budgets if row.usd_per_day or row.usd_per_month)
    return any(row.is_for(model) and _is_served(provider, row, model) for row in rows)


def _is_served(provider: ProviderSettings, row: BudgetSettings, model: str) -> bool:
    names = provider.groups[row.group] if row.group else provider.keys
    patterns = [_patterns(provider, name) for name in ((row.key,) if row.key else names)]
    return not patterns or any(not each or any(fnmatchcase(model, one) for one in each) for each in patterns)


def _patterns(provider: ProviderSettings, key: str) -> tuple[str, ...]:
    settings = provider.key_settings.get(key)
    return settings.models if settings else ()


def unpriced(provider: str, model: str) -> str:
    """Return what is amiss with a model whose price nobody knows, and the fix."""
    package = "update" if is_installed("genai_prices") else "install"
    return (
        f"{provider}: nobody knows the price of {model}, so its answers count nothing in usd_per_day and "
        f'usd_per_month: write prices: {{"{model}": {{input: ..., output: ...}}}}, dollars for a million '
        f"tokens, or {package} the package genai-prices"
    )


class PackagePrice:
    """A model's price as genai-prices has it, looked up once an hour: a look takes as long as all else here.

    Args:
        provider: Canonical name of the provider.
        model: The provider's name of the model.
    """

    def __init__(self, provider: str, model: str) -> None:
        self._provider, self._model = provider, model
        self._hour = -1.0
        self._cost_of: CostOf = _unknown

    def __call__(self, usage: Usage) -> float | None:
        """Return the dollars of an answer; ``None`` where the package does not know the model."""
        hour = time.time() // HOUR
        if hour != self._hour:
            self._cost_of, self._hour = self._look_up(), hour
        return self._cost_of(usage)

    def _look_up(self) -> CostOf:
        """Return the price of this hour; the package itself where it is not the same for all lengths."""
        short, long = (self._dollars_each(tokens) for tokens in (FEW, MANY))
        if short is None or long is None:
            return _unknown
        if not all(map(math.isclose, short, long)):
            return self._by_package
        input_, cached, written, output = (dollars * MILLION for dollars in short)
        return Price(input_, output, cached, written).cost_of

    def _dollars_each(self, tokens: int) -> tuple[float, float, float, float] | None:
        """Return what a token costs of the input, read from and written to the cache, and of the output."""
        written = Usage(tokens, 0, cache_write_tokens=tokens)
        usages = (Usage(tokens, 0), Usage(tokens, 0, tokens), written, Usage(0, tokens))
        found = [self._by_package(usage) for usage in usages]
        if None in found:
            return None
        each = [dollars / tokens for dollars in found if dollars is not None]
        return each[0], each[1], each[2], each[3]

    def _by_package(self, usage: Usage) -> float | None:
        import genai_prices

        tokens = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=usage.output_tokens,
        )
        provider = NAMES.get(self._provider, self._provider)
        try:
            found = genai_prices.calc_price(tokens, self._model, provider_id=provider)
        except (LookupError, ValueError) as error:
            logger.debug("the price of %s %s is not known: %s", self._provider, self._model, error)
            return None
        return float(found.total_price)


def _unknown(_: Usage) -> float | None:
    return None
