"""The keys that the environment holds, and the names they go by. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from jobapp.config.validators import Location
from jobapp.domain.types import EMPTY, ApiKey
from jobapp.providers import PROVIDERS

_INDEXED = re.compile(r"(?P<variable>.+)\[(?P<index>[1-9][0-9]*)\]")
_SEPARATORS = re.compile(r"[,\r\n]")
_AROUND = " \t\r\n\"'"


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables in layers, the first layer on top; a blank value counts as not set."""

    layers: tuple[Mapping[str, str | None], ...]

    def get(self, name: str) -> str | None:
        """Return the value of *name* without the space around it, ``None`` where it is not set."""
        for layer in self.layers:
            value = (layer.get(name) or "").strip()
            if value:
                return value
        return None

    def as_dict(self) -> dict[str, str]:
        """Return the variables that are set."""
        return {name: value for name in self if (value := self.get(name))}

    def __iter__(self) -> Iterator[str]:
        for layer in self.layers:
            yield from layer


def prefixes_of(provider: str) -> tuple[str, ...]:
    """Return what stands before ``_API_KEY`` and ``_BASE_URL`` in the variables of *provider*."""
    if provider in PROVIDERS:
        return PROVIDERS[provider].key_prefixes
    return (re.sub(r"[^A-Z0-9]+", "_", provider.upper()).strip("_"),)


def base_url_variable(provider: str) -> str:
    """Return the name of the variable that holds the address of *provider*."""
    spec = PROVIDERS.get(provider)
    return spec.base_url_env if spec else f"{prefixes_of(provider)[0]}_BASE_URL"


def is_usual_name(name: str, provider: str) -> bool:
    """Return whether a key of *provider* is found under *name* without any configuration."""
    return any(_rank(name, prefix) for prefix in prefixes_of(provider))


def usual_names(provider: str, environment: Environment) -> tuple[str, ...]:
    """Return the names under which *environment* holds keys of *provider*.

    In order: ``X_API_KEY``, ``X_API_KEY_BACKUP_1…n``, ``X_API_KEY_2…n``, then the entries of ``X_API_KEYS``
    as ``X_API_KEYS[1…n]``. Numbers sort as numbers.
    """
    found: list[str] = []
    for prefix in prefixes_of(provider):
        ranked = ((rank, name) for name in environment if (rank := _rank(name, prefix)))
        for _, variable in sorted(set(ranked)):
            if environment.get(variable):
                found += _expanded(variable, environment)
    return tuple(found)


def variable_of(name: str) -> str:
    """Return the variable that holds the key *name*: ``X_API_KEYS`` for ``X_API_KEYS[2]``."""
    return _INDEXED.sub(r"\g<variable>", name)


def is_set(name: str, environment: Environment) -> bool:
    """Return whether there is a key, or a list of keys, that goes by *name*."""
    return any(secret_of(each, environment) for each in _expanded(name, environment))


def secret_of(name: str, environment: Environment) -> str | None:
    """Return the key that goes by *name*, ``None`` where it is not set.

    Raises:
        ConfigError: The value can't be a key: it could not be sent in an HTTP header.
    """
    indexed = _INDEXED.fullmatch(name)
    if indexed:
        entries = _entries(environment.get(indexed["variable"]) or "")
        secret = next(iter(entries[int(indexed["index"]) - 1 :]), None)
    else:
        secret = (environment.get(name) or "").strip(_AROUND) or None
    if secret and not (secret.isascii() and secret.isprintable() and " " not in secret):
        raise Location("environment", (name,)).fault(
            "holds a space or a character that no key has",
            "copy the key again, without what stands around it",
        )
    return secret


def resolved(
    names: Iterable[str], environment: Environment, groups: Mapping[str, str] = EMPTY
) -> tuple[ApiKey, ...]:
    """Return the keys that go by *names*, in order; names that are not set give none.

    Two names of one value are one key: the first name stays, with the first group that either has.

    Args:
        names: The names of the keys.
        environment: Where the keys are.
        groups: The name of a key to the name of its group.
    """
    found: dict[str, ApiKey] = {}
    for name in (each for given in names for each in _expanded(given, environment)):
        secret = secret_of(name, environment)
        if secret:
            known = found.get(secret)
            group = groups.get(name, groups.get(variable_of(name)))
            if known is None or (known.group is None and group):
                found[secret] = ApiKey(known.name if known else name, secret, group)
    return tuple(found.values())


def _rank(name: str, prefix: str) -> tuple[int, int] | None:
    """Return where *name* stands among the keys of *prefix*, ``None`` where it is no such name."""
    matched = re.fullmatch(
        rf"{prefix}_API_KEY(?:(?P<backup>_BACKUP)?(?:_(?P<number>[0-9]+))?|(?P<list>S(?:\[[0-9]+\])?))", name
    )
    if not matched:
        return None
    number = int(matched["number"] or 0)
    if matched["list"]:
        return (4, 0)
    return (2, number) if matched["backup"] else (3 if matched["number"] else 1, number)


def _expanded(name: str, environment: Environment) -> tuple[str, ...]:
    """Return the names of the entries where *name* is a list of keys, else the name itself."""
    if not name.endswith("_KEYS"):
        return (name,)
    entries = _entries(environment.get(name) or "")
    return tuple(f"{name}[{index}]" for index, _ in enumerate(entries, start=1))


@lru_cache(maxsize=4)
def _entries(value: str) -> list[str]:
    return [entry for piece in _SEPARATORS.split(value) if (entry := piece.strip(_AROUND))]
