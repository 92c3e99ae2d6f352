"""Where a model's price is known from: the settings, else the package genai-prices, if it is there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import partial

from jobapp.domain.prices import CostOf, Price
from jobapp.domain.types import Usage
from jobapp.providers import is_installed

logger = logging.getLogger(__name__)

NAMES = {"xai": "x-ai", "moonshot": "moonshotai", "zhipu": "zhipuai"}
"""What genai-prices calls the services that it calls otherwise (its list of providers, 0.2.3)."""


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
    return partial(_by_package, provider, model) if is_installed("genai_prices") else None


def _by_package(provider: str, model: str, usage: Usage) -> float | None:
    import genai_prices

    tokens = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cached_tokens,
        output_tokens=usage.output_tokens,
    )
    try:
        found = genai_prices.calc_price(tokens, model, provider_id=NAMES.get(provider, provider))
    except (LookupError, ValueError) as error:
        logger.debug("the price of %s %s is not known: %s", provider, model, error)
        return None
    return float(found.total_price)
