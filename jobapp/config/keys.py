"""The keys that the environment holds, and the names they go by. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from jobapp.config.validators import Location
from jobapp.domain.exceptions import ConfigError
from jobapp.domain.settings import KeySettings
from jobapp.domain.types import EMPTY, ApiKey
from jobapp.providers import spec_of

_INDEXED = re.compile(r"(?P<variable>.+)\[(?P<index>[1-9][0-9]*)\]")
_SEPARATORS = re.compile(r"[,;\r\n]")
_AROUND = " \t\r\n\"'[]"


@dataclass(frozen=True, slots=True, repr=False)
class Environment:
    """Variables in layers, the first layer on top; a blank value counts as not set. Its repr shows none."""

    layers: tuple[Mapping[str, str | None], ...]

    def __repr__(self) -> str:
        return f"<Environment: {sum(map(len, self.layers))} variables>"

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
    if spec := spec_of(provider):
        return spec.key_prefixes
    return (re.sub(r"[^A-Z0-9]+", "_", provider.upper()).strip("_"),)


def base_url_variable(provider: str) -> str:
    """Return the name of the variable that holds the address of *provider*."""
    spec = spec_of(provider)
    return spec.base_url_env if spec else f"{prefixes_of(provider)[0]}_BASE_URL"


def is_usual_name(name: str, provider: str) -> bool:
    """Return whether a key of *provider* is found under *name* without any configuration."""
    spec = spec_of(provider)
    return (spec is not None and name in spec.key_variables) or any(
        _rank(name, prefix) for prefix in prefixes_of(provider)
    )


def usual_names(provider: str, environment: Environment) -> tuple[str, ...]:
    """Return the names under which *environment* holds keys of *provider*.

    In order: ``X_API_KEY``, ``X_API_KEY_BACKUP_1…n``, ``X_API_KEY_2…n``, then the entries of ``X_API_KEYS``
    as ``X_API_KEYS[1…n]``. Numbers sort as numbers. What people also write is understood: ``X_KEY``,
    ``X_API_KEY2``, ``X_API_KEYS_1``, lower case, and several keys in one variable: with commas, semicolons or
    line breaks between them, or as a JSON list.
    """
    spec = spec_of(provider)
    found = [name for name in (spec.key_variables if spec else ()) if environment.get(name)]
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
    names: Iterable[str],
    environment: Environment,
    groups: Mapping[str, str] = EMPTY,
    warn: Callable[[str], None] = lambda _: None,
) -> tuple[ApiKey, ...]:
    """Return the keys that go by *names*, in order; names that are not set give none.

    Two names of one value are one key: the first name stays, with the first group that either has. What can't
    be a key is left out where there are others.

    Args:
        names: The names of the keys.
        environment: Where the keys are.
        groups: The name of a key to the name of its group.
        warn: Told of what is left out.

    Raises:
        ConfigError: There are values, and none of them can be a key.
    """
    found: dict[str, ApiKey] = {}
    faults: list[ConfigError] = []
    for name in (each for given in names for each in _expanded(given, environment)):
        try:
            secret = secret_of(name, environment)
        except ConfigError as error:
            faults.append(error)
            continue
        if secret:
            known = found.get(secret)
            group = groups.get(name, groups.get(variable_of(name)))
            if known is not None and known.name != name:
                warn(f"{known.name} and {name} hold the same key: it counts once")
            if known is None or (known.group is None and group):
                found[secret] = ApiKey(known.name if known else name, secret, group)
    if faults and not found:
        raise faults[0]
    for fault in faults:
        warn(f"left out: {fault}")
    return tuple(found.values())


def with_settings(key: ApiKey, settings: Mapping[str, KeySettings]) -> ApiKey:
    """Return *key* with what *settings* say of it, or of the variable that holds it."""
    own = settings.get(key.name) or settings.get(variable_of(key.name))
    if own is None:
        return key
    return replace(key, tier=own.tier, models=own.models, base_url=own.base_url, api_version=own.api_version)


def _rank(name: str, prefix: str) -> tuple[int, int] | None:
    """Return where *name* stands among the keys of *prefix*, ``None`` where it is no such name."""
    matched = re.fullmatch(
        rf"{prefix}_(?P<api>API_)?KEY(?:(?P<backup>_BACKUP)?(?:_?(?P<number>[0-9]+))?|(?P<list>S(?:_?(?P<item>[0-9]+))?))"
        r"(?:\[[0-9]+\])?",
        name,
        re.IGNORECASE,
    )
    if not matched:
        return None
    later = 0 if matched["api"] else 4
    if matched["list"]:
        return (4 + later, int(matched["item"] or 0))
    number = int(matched["number"] or 0)
    return (2 + later, number) if matched["backup"] else ((3 if matched["number"] else 1) + later, number)


def _expanded(name: str, environment: Environment) -> tuple[str, ...]:
    """Return the names of the entries where *name* holds several keys, else the name itself."""
    entries = _entries(environment.get(name) or "")
    if len(entries) < 2 and not re.search(r"_KEYS(?:_?[0-9]+)?$", name, re.IGNORECASE):  # noqa: PLR2004 - several
        return (name,)
    return tuple(f"{name}[{index}]" for index, _ in enumerate(entries, start=1))


@lru_cache(maxsize=4)
def _entries(value: str) -> list[str]:
    return [entry for piece in _SEPARATORS.split(value) if (entry := piece.strip(_AROUND))]
