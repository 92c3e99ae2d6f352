"""Until when a rejected key is not asked: pure, with the provider's own calendar.

OpenAI's day is rolling (openai-agents-js#1022, 2026-02-26). Gemini's ends at Pacific midnight (ai.google.dev,
rate limits) or at 00:00 UTC (reports of 2026-10). OpenRouter's free day ends at 00:00 UTC (its docs,
2026-08-22), and Anthropic's monthly caps on the 1st, 00:00 UTC (platform.claude.com, rate limits, 2026-09).
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo

from jobapp.domain.types import Kind, Scope, Verdict

UNTOLD_MINUTE = timedelta(seconds=60)
"""A busy minute whose end was not told."""

LONGEST_MINUTE = timedelta(days=1)
"""No busy minute lasts longer, whatever was told."""

AT_ONCE = timedelta(seconds=1)
"""What a told wait of 0 seconds means: soon, but not all threads in the same instant."""

BAD_KEY = timedelta(hours=1)
BAD_KEY_FOR_MODEL = timedelta(days=1)
WITHDRAWN_MODEL = timedelta(days=1)
"""The longest that a model is believed to be withdrawn before it is asked again."""

ROLLING_DAY = timedelta(days=1)
"""After it a rolling day is whole again, however often the key was rejected."""

LONGEST = timedelta(days=35)
"""No block lasts longer: a month and a little more."""

PACIFIC = "America/Los_Angeles"


def block_end(verdict: Verdict, now: datetime, *, zone: str, streak: int = 1) -> datetime:
    """Return until when a block of *verdict* holds, as aware UTC, always after *now*.

    Args:
        verdict: What the rejection means.
        now: Aware; when it was learnt.
        zone: IANA zone in whose midnight the provider's day quotas return.
        streak: Rejections in a row, this one included.

    RATE_LIMIT holds for ``retry_after``, at most a day, else 60 s. AUTH holds for an hour, for one model a
    day. QUOTA holds until ``resets_at`` (``repeat_resets_at`` when rejected again); else, for a rolling day,
    for ``retry_after`` doubled with each strike, at most a day; else until the provider's next midnight.
    Nothing holds for more than 35 days.
    """
    now = now.astimezone(UTC)
    match verdict.kind:
        case Kind.QUOTA:
            end = _quota_end(verdict, now, zone, streak)
        case Kind.AUTH:
            end = now + (BAD_KEY_FOR_MODEL if verdict.scope is Scope.MODEL else BAD_KEY)
        case _ if verdict.retry_after is None:
            end = now + UNTOLD_MINUTE
        case _:
            end = now + _at_most(verdict.retry_after, LONGEST_MINUTE)
    return min(end, now + LONGEST) if end > now else now + AT_ONCE


def _quota_end(verdict: Verdict, now: datetime, zone: str, streak: int) -> datetime:
    stated = (verdict.repeat_resets_at if streak > 1 else None) or verdict.resets_at
    if stated is not None and stated > now:
        return stated
    if verdict.retry_after:
        return now + _at_most(verdict.retry_after * 2.0 ** min(max(streak - 1, 0), 20), ROLLING_DAY)
    return next_midnight(now, zone)


def _at_most(seconds: float, longest: timedelta) -> timedelta:
    return timedelta(seconds=min(seconds, longest.total_seconds()))


def zone_of(name: str) -> tzinfo:
    """Return the IANA zone of that name."""
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


def next_midnight(now: datetime, zone: str) -> datetime:
    """Return the next 00:00 in *zone* after *now* (aware), as aware UTC; days of 23 and 25 hours included."""
    there = zone_of(zone)
    tomorrow = now.astimezone(there).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), there).astimezone(UTC)


def first_of_next_month(now: datetime, zone: str = "UTC") -> datetime:
    """Return 00:00 in *zone* on the first of the month after *now* (aware), as aware UTC."""
    there = zone_of(zone)
    in_next_month = now.astimezone(there).date().replace(day=1) + timedelta(days=32)
    return datetime.combine(in_next_month.replace(day=1), time(), there).astimezone(UTC)
