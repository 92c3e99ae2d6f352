"""How one setting is read: its type and range checked, its fault told with place and fix. No I/O.

A reader takes a value and its place, and returns the checked value or raises a
:class:`~jobapp.domain.exceptions.ConfigError` that says where, what is wrong and what to write instead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from jobapp.domain.exceptions import ConfigError
from jobapp.domain.redaction import MASK, redact
from jobapp.providers import canonical_name

LONGEST = 1e9
"""Seconds: thirty years; more is a slip, and more than the machine's sleep can take."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\[[1-9][0-9]*\])?")
_RANDOM = re.compile(r"(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{16,}")
"""Letters and digits in a row, as no word has them: a key of no known shape."""
_SHOWN_AT_MOST = 60


@dataclass(frozen=True, slots=True)
class Location:
    """Where a value stands: a file, ``environment`` or ``argument``, and the path of the setting."""

    source: str
    path: tuple[str, ...] = ()

    def at(self, name: str) -> Location:
        """Return the place of the setting *name* below this one."""
        return Location(self.source, (*self.path, name))

    def item(self, index: int) -> Location:
        """Return the place of the *index*-th entry, counted from 0, of the list here."""
        return Location(self.source, (*self.path[:-1], f"{self.path[-1]}[{index + 1}]"))

    def fault(self, wrong: str, fix: str, error: type[ConfigError] = ConfigError) -> ConfigError:
        """Return the error that says what is wrong here and what to write instead."""
        told = ": ".join(filter(None, (".".join(self.path), f"{wrong}; {fix}")))
        return error(f"{self.source}: {without_keys(told)}")


Reader = Callable[[Any, Location], Any]


def without_keys(words: str) -> str:
    """Return *words* with whatever may be an API key masked: people paste keys where names belong."""
    return _RANDOM.sub(MASK, redact(words))


def looks_like_key(value: str) -> bool:
    """Return whether *value* may be an API key itself, or hold one."""
    return without_keys(value) != value


def shown(value: Any) -> str:
    """Return *value* as an error shows it."""
    return repr(value)[:_SHOWN_AT_MOST]


def close_to(name: str, known: Iterable[str]) -> str | None:
    """Return the one of the *known* names that *name* was most likely meant to be."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name.lower(), sorted(known), n=1)), None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a fix that names the nearest of the *known* names, else all of them."""
    near = close_to(name, known)
    return f"did you mean {near}?" if near else f"known are {', '.join(sorted(known))}"


def _kind(value: Any) -> str:
    kinds = {
        bool: "yes or no",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a mapping",
    }
    return kinds.get(type(value), type(value).__name__)


def text(value: Any, place: Location) -> str:
    """Read text that is not blank."""
    if not isinstance(value, str):
        raise place.fault(f"must be text, not {_kind(value)}", "put it in quotes")
    if not value.strip():
        raise place.fault("is empty", "write a text or leave the setting out")
    if not value.strip().isprintable():
        raise place.fault("holds a line break or another control character", "write it on one line")
    return value.strip()


def boolean(value: Any, place: Location) -> bool:
    """Read ``true`` or ``false``."""
    if not isinstance(value, bool):
        raise place.fault(f"must be true or false, not {_kind(value)}", "write true or false")
    return value


def whole(least: int, most: int = 1_000_000) -> Reader:
    """Read a whole number from *least* to *most*."""

    def read(value: Any, place: Location) -> int:
        fix = f"write a whole number, {least} or more"
        if not isinstance(value, int) or isinstance(value, bool):
            raise place.fault(f"must be a whole number, not {_kind(value)}", fix)
        if not least <= value <= most:
            raise place.fault(f"is {shown(value)}", f"{fix}, at most {most}")
        return value

    return read


def seconds(*, zero: bool) -> Reader:
    """Read a time in seconds; *zero* says whether it may be 0."""

    def read(value: Any, place: Location) -> float:
        fix = "write seconds, 0 or more" if zero else "write seconds, more than 0"
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise place.fault(f"must be a number of seconds, not {_kind(value)}", fix)
        if not 0 <= value <= LONGEST or math.isnan(value) or (value == 0 and not zero):
            raise place.fault(f"is {shown(value)}", f"{fix}, at most {LONGEST:.0f}")
        return float(value)

    return read


def dollars(value: Any, place: Location) -> float:
    """Read a sum of dollars, 0 or more."""
    fix = "write US dollars, 0 or more"
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise place.fault(f"must be a number, not {_kind(value)}", fix)
    if not 0 <= value < math.inf:
        raise place.fault(f"is {shown(value)}", fix)
    return float(value)


def above_zero(value: Any, place: Location) -> float:
    """Read a sum of dollars above 0."""
    if isinstance(value, (int, float)) and value <= 0 and not isinstance(value, bool):
        raise place.fault(f"is {shown(value)}", "write US dollars above 0, or leave it out")
    return dollars(value, place)


def one_of(choices: type[StrEnum]) -> Reader:
    """Read one of the words of *choices*."""

    def read(value: Any, place: Location) -> StrEnum:
        try:
            return choices(value)
        except ValueError:
            raise place.fault(f"is {shown(value)}", f"write one of {', '.join(choices)}") from None

    return read


def url(value: Any, place: Location) -> str:
    """Read an HTTP address, without the slash at its end; no error shows it: it may hold a password."""
    address = text(value, place)
    fix = "write one that begins with https:// or http://"
    try:
        parts = urlsplit(address)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"\s", address):
        raise place.fault("is not a web address", fix)
    if "@" in parts.netloc:
        raise place.fault("holds a user or a password", "take it out: it would go in the place of the key")
    if parts.query or parts.fragment:
        fix = "take out what begins with ? or #"
        if "api-version=" in parts.query:
            fix += ", and write the version as api_version beside the key's name and base_url"
        raise place.fault("holds more than an address", fix)
    return address.rstrip("/")


def zone(value: Any, place: Location) -> str:
    """Read the name of an IANA time zone."""
    from zoneinfo import ZoneInfo

    name = text(value, place)
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise place.fault(
            f"unknown time zone {shown(name)}", "write an IANA name such as Europe/Berlin"
        ) from None
    return name


def provider_name(value: Any, place: Location) -> str:
    """Read a provider's name and return its canonical one."""
    name = text(value, place)
    if looks_like_key(name):
        raise place.fault("holds what looks like a key, not a provider's name", "write a name such as openai")
    return canonical_name(name)


def key_name(value: Any, place: Location) -> str:
    """Read the name of the environment variable of a key; the error never shows what stands there."""
    name = text(value, place)
    fix = (
        "write a variable's name such as OPENAI_API_KEY, and put the key itself into the environment or .env"
    )
    if looks_like_key(name):
        raise place.fault("holds what looks like a key itself, not the name of a variable", fix)
    if not _VARIABLE.fullmatch(name):
        raise place.fault("is not the name of an environment variable", fix)
    return name


def key_names(value: Any, place: Location) -> tuple[str, ...]:
    """Read a list of names of variables, or one name."""
    if isinstance(value, str):
        return (key_name(value, place),)
    return tuple(dict.fromkeys(several(key_name)(value, place)))


def patterns(value: Any, place: Location) -> tuple[str, ...]:
    """Read patterns of names (``*`` and ``?`` stand for anything), or one pattern."""
    if isinstance(value, str):
        return (text(value, place),)
    found: tuple[str, ...] = several(text)(value, place)
    if not found:
        raise place.fault("names no model", "write a pattern such as gpt-4o*, or leave the setting out")
    return found


def several(reader: Reader) -> Reader:
    """Read a list whose every entry *reader* reads."""

    def read(value: Any, place: Location) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            raise place.fault(
                f"must be a list, not {_kind(value)}", "write one entry a line, each after a dash"
            )
        return tuple(reader(entry, place.item(index)) for index, entry in enumerate(value))

    return read


def one_or_several(reader: Reader) -> Reader:
    """Read a list, or one mapping in its place."""

    def read(value: Any, place: Location) -> tuple[Any, ...]:
        entries: tuple[Any, ...] = several(reader)([value] if isinstance(value, dict) else value, place)
        return entries

    return read


def mapping(value: Any, place: Location) -> dict[str, Any]:
    """Read a mapping whose names are text."""
    if not isinstance(value, Mapping):
        raise place.fault(f"must be a mapping, not {_kind(value)}", "write name: value, one a line, indented")
    for name in value:
        if not isinstance(name, str):
            raise place.fault(f"the name {shown(name)} must be text, not {_kind(name)}", "put it in quotes")
    return dict(value)


def section(settings: Mapping[str, Reader], ignored: Iterable[str] = ()) -> Reader:
    """Read a mapping of *settings*; a setting without a value is as if it were not written."""

    def read(value: Any, place: Location) -> dict[str, Any]:
        found = {name: entry for name, entry in mapping(value, place).items() if name not in ignored}
        for name in found.keys() - settings.keys():
            if _is_for_a_key(name) and not close_to(name, settings):
                raise place.fault(f"unknown setting {name}", "keys go into the environment or .env")
            raise place.at(name).fault("unknown setting", did_you_mean(name, settings))
        return {
            name: settings[name](entry, place.at(name)) for name, entry in found.items() if entry is not None
        }

    return read


def _is_for_a_key(name: str) -> bool:
    return bool(re.fullmatch(r"(?:api|access|secret)?[ _-]?(?:key|token|secret)s?", name, re.IGNORECASE))


def table(reader: Reader, named: Reader = text) -> Reader:
    """Read a mapping of the user's own names, which *named* reads, to what *reader* reads."""

    def read(value: Any, place: Location) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        for written, entry in mapping(value, place).items():
            name = named(written, place)
            if name in entries:
                raise place.at(written).fault(f"is another name of {name}", "write the two as one")
            if entry is not None:
                entries[name] = reader(entry, place.at(written))
        return entries

    return read
