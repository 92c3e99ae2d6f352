"""The older program's entries, a variable's name and the day its quota was spent, as blocks. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from jobapp.domain.quota_reset import next_midnight
from jobapp.domain.types import Block, Kind
from jobapp.providers import PROVIDERS
from jobapp.stores.state import Reset

Legacy = Callable[[str], tuple[str, str] | None]
"""Tells provider and fingerprint of the key that an environment variable holds, ``None`` if it is not set."""

REASON = "older-state-file: its daily quota was spent"

LAST_ZONE = timedelta(hours=12)
"""How long after UTC's midnight a day ends in the last time zone."""


def convert(
    dates: Mapping[str, date], legacy: Legacy, resets: Iterable[Reset], now: datetime
) -> tuple[list[Block], dict[str, date]]:
    """Make blocks of the older form's entries.

    Args:
        dates: Variable names and days.
        legacy: Whose key a variable holds.
        resets: What a person has reset since.
        now: Aware UTC.

    Returns:
        The blocks, and the entries whose key is not set now: they are kept until their day is over.
    """
    blocks, unknown = [], {}
    for name, day in dates.items():
        key = legacy(name)
        block = _spent_day(name, day, *(key or ("", "")))
        if key:
            blocks.append(block)
        elif block.until + LAST_ZONE > now and not any(reset.covers(block) for reset in resets):
            unknown[name] = day
    return blocks, unknown


def _spent_day(name: str, day: date, provider: str, fingerprint: str) -> Block:
    zone = PROVIDERS[provider].reset_timezone if provider in PROVIDERS else "UTC"
    start = datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
    return Block(
        provider=provider,
        fingerprint=fingerprint,
        model=None,
        kind=Kind.QUOTA,
        since=start,
        until=next_midnight(start, zone),
        reason=REASON,
        key_name=name,
    )
