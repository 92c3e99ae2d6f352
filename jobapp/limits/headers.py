"""What the headers of answers and rejections say of a key's limits. Pure; every answer passes here.

One table says what each name means, for no two providers mean the same by ``x-ratelimit-*``. Sources:
OpenAI, rate limits guide (mid-2026); Anthropic, rate limits, "response headers" (2026); Groq,
console.groq.com/docs/rate-limits, Cerebras, inference-docs.cerebras.ai/support/rate-limits, Mistral,
platform-docs-public 222f4ba, DigitalOcean, docs.digitalocean.com (2026-07-13), SambaNova, docs.sambanova.ai,
and Azure, learn.microsoft.com Q&A 5625878 (2025-11-17): all read in 2026. Gemini sends none.

OpenRouter's ``x-ratelimit-*`` come with rejections only and are read as a wait
(:mod:`jobapp.classification`); Anthropic's ``anthropic-fast-*`` are left out on purpose: the standard speed
stays usable when they are spent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from jobapp.domain.durations import seconds_of
from jobapp.limits.limit import Unit

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

AN_INSTANT = 1e9
"""From here on a number is an instant in seconds; from a thousand times this on, in milliseconds."""


class Reported(NamedTuple):
    """What headers say of one limit.

    Attributes:
        name: Which limit it is, by its header.
        unit: What it counts.
        limit: How many units it allows.
        remaining: How many of them are left.
        resets_in: Seconds until all of them are back, or the window ends.
        bucket: Whether it refills all the time; ``None`` where the name does not tell.
        rounding: By how many seconds ``resets_in`` may be too long.
    """

    name: str
    unit: Unit
    limit: int
    remaining: int
    resets_in: float
    bucket: bool | None = None
    rounding: float = 0.0


class _Row(NamedTuple):
    limit: str
    remaining: str
    reset: str
    unit: Unit
    bucket: bool | None = None
    longest: float = DAY
    by_clock: bool = False  # where no reset is told, the clock's next period


def _named(pattern: str, *kind: Any, **more: Any) -> _Row:
    limit, remaining, reset = (pattern.replace("*", word) for word in ("limit", "remaining", "reset"))
    return _Row(limit, remaining, reset, *kind, **more)


def _periods(unit: Unit, word: str) -> Iterator[_Row]:
    """Cerebras names the period, SambaNova the day only; Mistral's minute of tokens has no reset."""
    for period, longest in (("minute", MINUTE), ("hour", HOUR), ("day", DAY)):
        yield _named(f"x-ratelimit-*-{word}-{period}", unit, longest=longest, by_clock=period == "minute")


TABLE: tuple[_Row, ...] = (
    _named("x-ratelimit-*-requests", Unit.REQUESTS),  # OpenAI, Azure: a minute's; Groq: the day's
    _named("x-ratelimit-*-tokens", Unit.TOKENS),
    _named("x-ratelimit-*-project-tokens", Unit.TOKENS),
    _named("anthropic-ratelimit-requests-*", Unit.REQUESTS, True, MINUTE),
    _named("anthropic-ratelimit-tokens-*", Unit.TOKENS, True, MINUTE),
    _named("anthropic-ratelimit-input-tokens-*", Unit.INPUT, True, MINUTE),
    _named("anthropic-ratelimit-output-tokens-*", Unit.OUTPUT, True, MINUTE),
    *_periods(Unit.REQUESTS, "requests"),
    *_periods(Unit.TOKENS, "tokens"),
    _named("x-ratelimit-*-req-minute", Unit.REQUESTS, False, MINUTE, by_clock=True),  # Mistral sends no reset
    _named("x-ratelimit-*-tokens-per-minute", Unit.TOKENS, longest=MINUTE),  # DigitalOcean
    _named("x-ratelimit-*-tokens-per-day", Unit.TOKENS),
)
"""The names of each limit, what it counts, how it refills, and how long one of its kind can last at most."""

_ROWS = {row.limit: row for row in TABLE}


def read_limits(headers: Mapping[str, str], now: float) -> tuple[Reported, ...]:
    """Return the limits that *headers* (lower-case names) tell.

    A limit of 0 or below says nothing of the room (Azure's Responses API sends -1), and neither does a row
    without whole numbers or without a reset. No reset is longer than its kind of limit can last.

    Args:
        headers: Of an answer or a rejection.
        now: Seconds since the epoch.
    """
    told = [_reported(row, headers, now) for name, row in _ROWS.items() if name in headers]
    return tuple([reported for reported in told if reported is not None])


def _reported(row: _Row, headers: Mapping[str, str], now: float) -> Reported | None:
    limit, remaining = headers[row.limit], headers.get(row.remaining, "")
    if not (limit.isdecimal() and remaining.isdecimal() and int(limit)):
        return None
    text = headers.get(row.reset, "")
    by_clock = row.by_clock and not text
    resets_in = row.longest - now % row.longest if by_clock else _reset(text, now)
    if resets_in is None:
        return None
    left = min(int(remaining), int(limit))
    rounding = 0.0 if by_clock or "." in text or "ms" in text else 1.0
    resets_in = min(max(0.0, resets_in), row.longest)
    return Reported(row.limit, row.unit, int(limit), left, resets_in, row.bucket, rounding)


@lru_cache(maxsize=4096)
def _seconds(text: str) -> float | None:
    return seconds_of(text) if text else None


def _reset(text: str, now: float) -> float | None:
    """Return the seconds until a reset, told as a duration (``1m26.4s``, ``12``), an epoch or RFC 3339."""
    told = _seconds(text)
    if told is None:
        return _until(text, now)
    if told < AN_INSTANT:
        return told
    return (told / 1000 if told >= 1000 * AN_INSTANT else told) - now


def _until(text: str, now: float) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp() - now
    except ValueError:
        return None
