"""What a configuration may hold: every setting with the reader that checks it. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from jobapp.config.validators import (
    Location,
    Reader,
    above_zero,
    boolean,
    dollars,
    key_name,
    key_names,
    mapping,
    one_of,
    one_or_several,
    patterns,
    provider_name,
    seconds,
    section,
    several,
    table,
    text,
    url,
    whole,
    zone,
)
from jobapp.domain.prices import Price
from jobapp.domain.settings import Jitter, OnExhausted, RetrySettings, Strategy

FALLBACK: dict[str, Reader] = {
    "provider": provider_name,
    "model": text,
    "key": key_name,
    "backup_keys": key_names,
    "base_url": url,
    "options": mapping,
}

MODEL: dict[str, Reader] = {**FALLBACK, "fallback": one_or_several(section(FALLBACK))}

RETRY: dict[str, Reader] = {
    "max_retries": whole(0),
    "retry_delay": seconds(zero=True),
    "max_delay": seconds(zero=True),
    "jitter": one_of(Jitter),
    "max_wait": seconds(zero=True),
    "deadline": seconds(zero=False),
    "timeout": seconds(zero=False),
    "retry_empty": boolean,
    "on_exhausted": one_of(OnExhausted),
    "strategy": one_of(Strategy),
    "tier_wait": seconds(zero=True),
}

BUDGET: dict[str, Reader] = {
    "key": key_name,
    "group": text,
    "model": text,
    "rpm": whole(1),
    "tpm": whole(1, most=1_000_000_000),
    "rpd": whole(1, most=1_000_000_000),
    "tpd": whole(1, most=1_000_000_000_000),
    "usd_per_day": above_zero,
    "usd_per_month": above_zero,
    "max_concurrency": whole(1),
    "reset_timezone": zone,
}

KEY: dict[str, Reader] = {
    "name": key_name,
    "tier": whole(1),
    "models": patterns,
    "group": text,
    "base_url": url,
    "api_version": text,
}


def provider_keys(value: Any, place: Location) -> tuple[Any, ...]:
    """Read a provider's keys: names of variables, or mappings that say more of a key; or one of either."""
    written = [value] if isinstance(value, str | dict) else value
    keys = several(_key)(written, place)
    named = [key if isinstance(key, str) else key["name"] for key in keys]
    for index, (key, name) in enumerate(zip(keys, named, strict=True)):
        if name in named[:index] and not keys[named.index(name)] == key == name:
            raise place.item(index).fault(f"{name} is written twice", "say all of it in one place")
    return tuple(key for index, key in enumerate(keys) if named.index(named[index]) == index)


def _key(value: Any, place: Location) -> Any:
    if not isinstance(value, dict):
        return key_name(value, place)
    found = section(KEY)(value, place)
    if "name" not in found:
        raise place.fault("no name is given", "write name: and the name of the key's variable")
    return found


PROVIDER: dict[str, Reader] = {
    "keys": provider_keys,
    "groups": table(key_names),
    "budgets": one_or_several(section(BUDGET)),
    "base_url": url,
    "timeout": seconds(zero=False),
    "reset_timezone": zone,
    "max_tokens": whole(1),
    "max_answer": whole(1),
    "sdk": text,
}

PRICE: dict[str, Reader] = {
    "input": dollars,
    "cached_input": dollars,
    "cache_write": dollars,
    "output": dollars,
}


def price(value: Any, place: Location) -> Price:
    """Read the price of a model."""
    read = section(PRICE)(value, place)
    if missing := [name for name in ("input", "output") if name not in read]:
        raise place.fault(f"no {missing[0]} is given", f"write {missing[0]}: dollars for a million tokens")
    return Price(**read)


STATE: dict[str, Reader] = {"url": text, "share_room": boolean}

PATHS: dict[str, Reader] = {"cache": text}

OLDER_PATHS = ("user_data", "auth")
"""Settings below ``paths`` that the older program had and jobapp has no use for."""


def models(value: Any, place: Location) -> dict[str, Any]:
    """Read ``models``: every name is a task's, but ``fallback`` may be a list."""
    tasks = mapping(value, place)
    fallback = section({"fallback": MODEL["fallback"]})({"fallback": tasks.pop("fallback", None)}, place)
    return {**table(section(MODEL))(tasks, place), **fallback}


ROOT: dict[str, Reader] = {
    "models": models,
    "retry": section(RETRY),
    "providers": table(section(PROVIDER), provider_name),
    "prices": table(price),
    "state": section(STATE),
    "paths": section(PATHS, ignored=OLDER_PATHS),
    "rules": several(mapping),
}

OLDER_SECTIONS = ("settings", "google_spreadsheet")
"""Sections that the older program had and jobapp has no use for."""


ALIKE = 0.8
"""How alike a name is to a section's that is taken for a slip of the pen, and not for another program's."""


def read_tree(tree: Any, source: str) -> dict[str, Any]:
    """Check what the file *source* holds and return it, its names canonical and its values typed."""
    checked: dict[str, Any] = section(ROOT, ignored=OLDER_SECTIONS)(
        {} if tree is None else tree, Location(source)
    )
    return checked


def is_ours(tree: Any) -> bool:
    """Return whether a ``config.yaml`` that was merely found is jobapp's, and not another program's."""
    if not isinstance(tree, Mapping):
        return False
    from difflib import get_close_matches

    sections = [*ROOT, *OLDER_SECTIONS]
    if not all(get_close_matches(str(name), sections, cutoff=ALIKE) for name in tree):
        return any(isinstance(tree.get(name), Mapping) for name in ("models", "providers", "retry"))
    return any(isinstance(tree.get(name), Mapping | list) for name in tree)


def override(settings: RetrySettings, /, **changes: Any) -> RetrySettings:
    """Return *settings* with the arguments of one call; ``None`` leaves a setting as it is.

    Raises:
        ConfigError: An argument is unknown or breaks the rule that the setting of its name obeys.
    """
    try:
        return _overridden(settings, **changes)
    except TypeError:  # an argument can't even be looked up
        return _overridden.__wrapped__(settings, **changes)


@lru_cache(maxsize=256, typed=True)
def _overridden(settings: RetrySettings, /, **changes: Any) -> RetrySettings:
    changed = {name: value for name, value in changes.items() if value is not getattr(settings, name, None)}
    given = _read_arguments(changed, Location("argument"))
    return replace(settings, **given) if given else settings


_read_arguments = section({**RETRY, "retry": boolean})
