"""How times, models and kinds of rejection are said to people: in errors, logs and commands alike. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from jobapp.domain.types import FREE_MODELS, Kind

KIND_WORDS = {
    Kind.RATE_LIMIT: "rate limited",
    Kind.QUOTA: "quota spent",
    Kind.AUTH: "key not accepted",
    Kind.UNAVAILABLE: "unavailable",
    Kind.REQUEST: "request refused",
}
"""What each kind is called to people."""


BLOCK_WORDS = KIND_WORDS | {Kind.REQUEST: "model withdrawn"}
"""What a block of each kind is called."""


OWN_BUDGET = "own-budget"
"""The rule of what the user's own budget keeps, and no provider."""

_ALLOWANCES = {
    "rpd": "{:,.0f} requests a day",
    "tpd": "{:,.0f} tokens a day",
    "usd_per_day": "${:,.2f} a day",
    "usd_per_month": "${:,.2f} a month",
}


def allowance(name: str, amount: float) -> str:
    """Return so much of a budget's setting in words: ``$1.00 a day``."""
    return _ALLOWANCES[name].format(amount)


def name_of_models(model: str | None) -> str:
    """Return which models a block is about, in words."""
    return "all free models" if model == FREE_MODELS else model or "all models"


def duration(length: timedelta) -> str:
    """Return a length of time in its two largest units, rounded up to the second: ``2 h 5 min``."""
    seconds = max(0, -int(-length.total_seconds() // 1))
    units = (
        (seconds // 86400, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "min"),
        (seconds % 60, "s"),
    )
    first = next((i for i, (count, _) in enumerate(units) if count), len(units) - 1)
    return " ".join(f"{count} {unit}" for count, unit in units[first : first + 2] if count) or "0 s"


def moment(instant: datetime, now: datetime) -> str:
    """Return *instant* with how far away it is: ``at 2026-11-25 08:00:00 UTC (in 2 h 5 min)``."""
    return f"at {instant:%Y-%m-%d %H:%M:%S} UTC (in {duration(instant - now)})"


def utc(instant: datetime) -> str:
    """Return an aware *instant* for programs: ``2026-11-25T08:00:00Z``."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def local(instant: datetime, now: datetime) -> str:
    """Return an aware *instant* for people, in their zone.

    ``13:05:20`` within ten minutes, ``18:05`` today, else ``Wed 25 Nov 01:00``.
    """
    there, today = instant.astimezone(), now.astimezone().date()
    if abs(instant - now) < timedelta(minutes=10):
        return f"{there:%H:%M:%S}"
    if there.date() == today:
        return f"{there:%H:%M}"
    year = "" if there.year == today.year else f" {there.year}"
    return f"{there:%a} {there.day} {there:%b}{year} {there:%H:%M}"


def until_text(until: datetime, now: datetime) -> str:
    """Return when something ends and how long that is: ``Wed 25 Nov 01:00 (in 12 h 3 min)``."""
    return f"{local(until, now)} (in {duration(until - now)})"
