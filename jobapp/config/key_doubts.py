"""What is no fault in the settings of keys and budgets, but hardly meant: told at start. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import chain

from jobapp.domain.settings import ProviderSettings, Settings


def doubts(settings: Settings) -> Iterator[str]:
    """Yield what a person should look at, a sentence each."""
    for provider in settings.providers.values():
        models = _models_of(provider.name, settings)
        yield from _of_patterns(provider, models)
        yield from _of_budgets(provider, models)
        yield from _of_tiers(provider)


def _models_of(provider: str, settings: Settings) -> set[str]:
    every = chain(settings.models.values(), *settings.fallbacks.values())
    return {model.model for model in every if model.provider == provider}


def _of_patterns(provider: ProviderSettings, models: set[str]) -> Iterator[str]:
    """Tell of patterns that no configured model fits; where none is configured, calls name theirs."""
    for key in provider.key_settings.values() if models else ():
        idle = [each for each in key.models if not any(fnmatchcase(model, each) for model in models)]
        place = f"providers.{provider.name}.keys: {key.name}"
        if idle and len(idle) == len(key.models):
            yield f"{place} may serve none of the configured models ({', '.join(sorted(models))})"
        elif idle:
            yield f"{place}: no configured model fits {', '.join(idle)}"


def _of_budgets(provider: ProviderSettings, models: set[str]) -> Iterator[str]:
    """Tell of budgets that no configured model counts in; where none is configured, calls name theirs."""
    for number, row in enumerate(provider.budgets if models else (), 1):
        if not any(row.is_for(model) for model in models):
            yield f"providers.{provider.name}.budgets[{number}].model: no configured model fits {row.model}"


def _of_tiers(provider: ProviderSettings) -> Iterator[str]:
    for group, names in provider.groups.items():
        keys = [provider.key_settings[name] for name in names if name in provider.key_settings]
        tiers = sorted({key.tier for key in keys})
        if len(tiers) > 1:
            told = " and ".join(map(str, tiers))
            yield f"providers.{provider.name}: the group {group} shares one quota, but is in the tiers {told}"
