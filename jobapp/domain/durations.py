"""Lengths of time as providers write them, in headers and in words, as seconds. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from jobapp.domain.patterns import compiled

_UNITS = {"ms": 1e-3, "mi": 60.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PART = (
    r"\d{1,12}(?:\.\d{1,12})?\s?"
    r"(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-z])"
)
"""One amount with its unit, as a regular expression."""
_PARTS = r"(?i)(\d{1,12}(?:\.\d{1,12})?)\s?(milli|ms|mi|[smhd])"
_DURATION = rf"(?i)\s*(?:{PART}[\s,]*(?:and\s+)?){{1,5}}$"
_SPAN = r"^(?:(\d{1,3})\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.\d+)?$"


def number(value: Any) -> float | None:
    """Return a number that is finite, given as one or as text; else ``None``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def seconds_of(value: Any) -> float | None:
    """Return the seconds of ``16``, ``"16"``, ``"1m26.4s"``, ``"00:12:34"`` or ``{"seconds": 23}``."""
    if isinstance(value, Mapping):
        whole, nanos = number(value.get("seconds", 0)), number(value.get("nanos", 0))
        return None if whole is None or nanos is None else whole + nanos * 1e-9
    plain = number(value)
    if plain is not None or not isinstance(value, str):
        return plain
    if span := compiled(_SPAN).match(value.strip()):
        days, hours, minutes, seconds = (int(part or 0) for part in span.groups())
        return days * 86400.0 + hours * 3600.0 + minutes * 60.0 + seconds
    return _sum_of_parts(value) if len(value) < 100 and compiled(_DURATION).match(value) else None  # noqa: PLR2004 - a bound


def _sum_of_parts(text: str) -> float:
    return sum(float(amount) * _unit(unit.lower()) for amount, unit in compiled(_PARTS).findall(text))


def _unit(unit: str) -> float:
    return 1e-3 if unit in ("ms", "milli") else _UNITS["m" if unit == "mi" else unit]
