"""What a key manager is made of: its keys, zone, budgets, rules and store, as the configuration has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobapp.domain.clock import Clock
from jobapp.domain.settings import BudgetSettings
from jobapp.domain.types import ApiKey
from jobapp.providers import PROVIDERS, SERVICES

if TYPE_CHECKING:
    from pathlib import Path

    from jobapp.classification.rule import Rule
    from jobapp.core.config_manager import ConfigManager
    from jobapp.stores.store import QuotaStore
    from jobapp.stores.unknown_rejections import UnknownRejections


def open_state(config: ConfigManager, clock: Clock, state_file: str | Path | None = None) -> QuotaStore:
    """Return the store that the configuration, or *state_file*, names.

    Raises:
        ConfigError: It names no kind of store that there is.
        StateStoreError: What the store needs is not installed.
    """
    from jobapp.stores.store import open_store

    url = config.settings.state_url if state_file is None else str(state_file)
    return open_store(url, config.settings.cache_path, clock)


def open_unknown_rejections(config: ConfigManager, clock: Clock) -> UnknownRejections:
    """Return what keeps the rejections that no rule knew."""
    from jobapp.stores.unknown_rejections import FILE_NAME, UnknownRejections

    return UnknownRejections(config.settings.cache_path / FILE_NAME, clock)


def provider_of(key_env: str) -> str:
    """Return the provider that an environment variable's name tells, else ``unknown``."""
    words = key_env.upper().split("_")
    for spec in (*PROVIDERS.values(), *SERVICES.values()):
        if any(prefix in words for prefix in spec.key_prefixes):
            return spec.name
    return "unknown"


def named_keys(names: Iterable[str], config: ConfigManager) -> Iterable[ApiKey]:
    """Return the keys of those names, one for each value.

    A name that is not set stands for itself: callers who keep their keys elsewhere rotate by name.
    """
    found: dict[str, ApiKey] = {}
    for name in names:
        key = ApiKey(name, (config.get(name) or "").strip() or f"name:{name}")
        found.setdefault(key.fingerprint, key)
    return found.values()


def budgets_of(provider: str, config: ConfigManager) -> tuple[BudgetSettings, ...]:
    """Return what the user allows the keys of *provider*."""
    configured = config.settings.providers.get(provider)
    return configured.budgets if configured else ()


def rules_of(config: ConfigManager) -> tuple[Rule, ...]:
    """Return the user's own error rules.

    Raises:
        ConfigError: A row is wrong.
    """
    rows = config.settings.rules
    if not rows:
        return ()
    from jobapp.classification.classify import parse_rules

    return parse_rules(rows, "rules")
