"""Side fields of answers, read whatever shape they have: a bad usage must not cost a good answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = 2**40
"""What is more is no count of tokens and no cost."""

_LONGEST = 13
"""Digits of the most."""


def field_of(value: Any, name: str) -> Any:
    """Return the attribute or the entry *name* of *value*; ``None`` where there is none."""
    if isinstance(value, dict):
        return value.get(name)
    found = getattr(value, name, None)
    # asked last, for it is slow: nearly all values are dictionaries or the SDKs' own objects
    return value.get(name) if found is None and isinstance(value, Mapping) else found


def count(value: Any, *names: str) -> int:
    """Return the first of the *names* in *value* that is a count; 0 where none is."""
    for name in names:
        found = field_of(value, name)
        if isinstance(found, str) and found.isdecimal() and len(found) <= _LONGEST:
            return int(found)  # some SDKs read it so themselves
        if isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found <= MOST:
            return int(found)
    return 0


def list_of(value: Any, name: str) -> list[Any]:
    """Return the entries of the list *name* in *value* that are there; none where it is no list."""
    found = field_of(value, name)
    return [each for each in found if each is not None] if isinstance(found, list | tuple) else []


def text_of(value: Any, name: str) -> str:
    """Return the text *name* of *value*; empty where it is none."""
    found = field_of(value, name)
    return found if isinstance(found, str) else ""


def cost_told(value: Any) -> float | None:
    """Return the dollars that a provider told; ``None`` where *value* is no such number."""
    is_told = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MOST
    return float(value) if is_told else None
