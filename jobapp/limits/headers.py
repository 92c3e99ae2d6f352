"""What the headers of a successful answer say of its key's limits. Pure, and cheap: every answer passes here.

Sources: OpenAI, rate limits guide, "rate limits in headers" (mid-2026); Anthropic, rate limits, "response
headers" (2026). Gemini sends none; OpenRouter sends none with answers (its docs, 2026-08-22).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from jobapp.domain.durations import seconds_of
from jobapp.limits.reported import RequestHeadroom

duration_of = lru_cache(maxsize=4096)(seconds_of)
"""Return the seconds of ``1m26.4s``, ``120ms`` or ``12``; ``None`` for anything else."""

_TOKEN_METERS = tuple(
    (f"{meter}-remaining", f"{meter}-reset")
    for meter in (
        "anthropic-ratelimit-tokens",
        "anthropic-ratelimit-input-tokens",
        "anthropic-ratelimit-output-tokens",
    )
)


def read_headroom(headers: Mapping[str, str], now: float) -> RequestHeadroom | None:
    """Return the limit of requests that *headers* (lower-case names) tell, ``None`` where they tell none.

    Args:
        headers: Of a successful answer.
        now: Seconds since the epoch.
    """
    limit = headers.get("x-ratelimit-limit-requests")
    if limit is not None:
        remaining = headers.get("x-ratelimit-remaining-requests")
        length = duration_of(headers.get("x-ratelimit-reset-requests", ""))
    else:
        limit = headers.get("anthropic-ratelimit-requests-limit")
        if limit is None:
            return None
        remaining = headers.get("anthropic-ratelimit-requests-remaining")
        length = _until(headers.get("anthropic-ratelimit-requests-reset", ""), now)
    if remaining is None or length is None or not (limit.isdecimal() and remaining.isdecimal()):
        return None
    most = int(limit)
    return RequestHeadroom(most, min(int(remaining), most), length) if most > 0 else None


def read_token_wait(headers: Mapping[str, str], now: float) -> float:
    """Return the seconds for which *headers* tell that no token is left; 0 where some are."""
    hold = 0.0
    if headers.get("x-ratelimit-remaining-tokens") == "0":
        hold = duration_of(headers.get("x-ratelimit-reset-tokens", "")) or 0.0
    for left, reset in _TOKEN_METERS:
        if headers.get(left) == "0":
            hold = max(hold, _until(headers.get(reset, ""), now) or 0.0)
    return hold


def _until(text: str, now: float) -> float | None:
    """Return the seconds until an RFC 3339 instant, 0 for one that is past."""
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp() - now)
    except ValueError:
        return None
