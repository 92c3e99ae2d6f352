"""When a provider wants to be asked again: every spelling, with nonsense rejected."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from jobapp.classification.evidence import Evidence
from jobapp.domain.patterns import compiled

MAX_DELAY = timedelta(days=35).total_seconds()
"""Seconds; a delay or an instant beyond this is not believed (a month and a little more)."""

LONG = 3600.0
"""Seconds; a wait from here on is a spent quota, not a busy minute."""

EPOCH_FROM = 1e9
"""A reset header above this is an instant, below it a delay in seconds."""

MILLISECONDS_FROM = 1e11
"""An epoch above this is in milliseconds."""


class Hints(NamedTuple):
    """What a provider told of time.

    Attributes:
        delay: Seconds to wait; ``None`` where nothing credible was said.
        at: Aware UTC of an instant that was stated as such; ``None`` where none was.
    """

    delay: float | None = None
    at: datetime | None = None

    @property
    def length(self) -> str:
        """``none``, ``short`` or ``long``."""
        if not self.delay:
            return "none"
        return "long" if self.delay >= LONG else "short"


def read_hints(evidence: Evidence, now: datetime) -> Hints:
    """Return the delay and the instant that *evidence* tells, as seen at *now* (aware).

    In the order of trust: ``retry-after-ms``, ``retry-after``, ``RetryInfo`` and other fields of the body,
    the reset of the Anthropic meter at 0, the text, ``x-ratelimit-reset-*`` of the meter at 0, a stated
    instant. A delay of 0 is kept only where nothing better is said. Negative, endless and absurd values are
    rejected.
    """
    at = next(_credible_instants(evidence, now), None)
    delays = [delay for delay in _delays(evidence, now) if delay is not None and 0 <= delay <= MAX_DELAY]
    positive = next(filter(None, delays), None)
    if positive is None and at is not None:
        positive = (at - now).total_seconds()
    return Hints(delay=positive if positive is not None else (0.0 if delays else None), at=at)


def _delays(evidence: Evidence, now: datetime) -> Iterator[float | None]:
    headers, fields = evidence.headers, evidence.hints
    yield _scaled(headers.get("retry-after-ms"), 1e-3)
    yield _retry_after(headers.get("retry-after"), now)
    for name in ("retrydelay", "quotaresetdelay"):
        yield from map(seconds_of, fields.get(name, ()))
    for value in fields.get("retryafterms", ()):
        yield _scaled(value, 1e-3)
    for name in ("retryafter", "retryafterseconds", "resetsinseconds"):
        yield from map(seconds_of, fields.get(name, ()))
    yield from _meters(headers, "anthropic-ratelimit-", now)
    yield from (seconds_in(text) for text in evidence.messages)
    yield from _meters(headers, "x-ratelimit-", now)
    yield _small(headers.get("x-ratelimit-reset"))


def _meters(headers: Mapping[str, str], prefix: str, now: datetime) -> Iterator[float | None]:
    """Yield the waits of the meters at 0: RFC 3339 instants of Anthropic, durations of OpenAI's kind."""
    waits = []
    for name, value in sorted(headers.items()):
        is_meter = name.startswith(prefix) and (name.endswith("-remaining") or "-remaining-" in name)
        if (
            is_meter
            and number(value) == 0
            and (reset := headers.get(name.replace("remaining", "reset"))) is not None
        ):
            instant = instant_of(reset)
            waits.append((instant - now).total_seconds() if instant else seconds_of(reset))
    yield max((wait for wait in waits if wait is not None), default=None)


def _credible_instants(evidence: Evidence, now: datetime) -> Iterator[datetime]:
    for instant in _instants(evidence):
        if instant is not None and 0 < (instant - now).total_seconds() <= MAX_DELAY:
            yield instant


def _instants(evidence: Evidence) -> Iterator[datetime | None]:
    for name in ("resetsat", "resetat", "quotaresettimestamp"):
        yield from map(instant_of, evidence.hints.get(name, ()))
    yield from (instant_in(text) for text in evidence.messages)
    yield instant_of(evidence.headers.get("anthropic-ratelimit-unified-reset"))
    yield _spent_window(evidence.headers)
    yield instant_of(evidence.headers.get("x-ratelimit-reset"))


_WINDOW = r"^anthropic-ratelimit-unified-(\w+)-(?:status|utilization)$"


def _spent_window(headers: Mapping[str, str]) -> datetime | None:
    """Return when the last of the spent windows of an Anthropic subscription ends."""
    ends = []
    for name, value in headers.items():
        spent = value == "rejected" or (number(value) or 0.0) >= 1.0
        if spent and (window := compiled(_WINDOW).match(name)):
            ends.append(instant_of(headers.get(f"anthropic-ratelimit-unified-{window[1]}-reset")))
    return max((end for end in ends if end), default=None)


def _small(value: Any) -> float | None:
    """Return a reset that is a delay and no instant."""
    seconds = seconds_of(value)
    return seconds if seconds is not None and seconds < EPOCH_FROM else None


def _retry_after(value: Any, now: datetime) -> float | None:
    seconds = seconds_of(value)
    if seconds is not None or not isinstance(value, str):
        return seconds
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(0.0, (_aware(date) - now).total_seconds())


def number(value: Any) -> float | None:
    """Return a number that is finite, given as one or as text; else ``None``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def _scaled(value: Any, factor: float) -> float | None:
    plain = number(value)
    return None if plain is None else plain * factor


_UNITS = {"ms": 1e-3, "mi": 60.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = (
    r"\d{1,12}(?:\.\d{1,12})?\s?"
    r"(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-z])"
)
_PARTS = r"(?i)(\d{1,12}(?:\.\d{1,12})?)\s?(milli|ms|mi|[smhd])"
_DURATION = rf"(?i)\s*(?:{_PART}[\s,]*(?:and\s+)?){{1,5}}$"
_SPAN = r"^(?:(\d{1,3})\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.\d+)?$"


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


_ASK = (
    r"(?i)\b(?:(?:try|available)\s+again|retry|resets?|replenished|wait|refresh(?:es|ed)?)"
    r"(?:\s+(?:again|your request|the request))?\s*(?:in|after|for)?:?\s+"
    r"(?:about\s+|approximately\s+|another\s+)?"
    rf"((?:{_PART}[\s,]*(?:and\s+)?){{1,5}}|\d{{1,3}}\.\d\d:\d\d:\d\d|\d\d:\d\d:\d\d)"
)


def seconds_in(text: str) -> float | None:
    """Return the seconds that a provider's words ask for ("try again in 1m26.4s")."""
    found = compiled(_ASK).search(text)
    return seconds_of(found[1].strip(" ,")) if found else None


_REGAIN = r"(?i)regain access on (\d{4}-\d\d-\d\d) at (\d\d:\d\d) UTC"
_RESET_AT = (
    r"(?i)\b(?:resets?|available|replenished|try again|retry)(?: again)?(?: at| on| after)?:? "
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?)"
)
_PIPED = r"limit reached\|(\d{10})\b"


def instant_in(text: str) -> datetime | None:
    """Return the instant that a provider's words name ("regain access on 2026-04-01 at 00:00 UTC")."""
    if found := compiled(_REGAIN).search(text):
        return instant_of(f"{found[1]}T{found[2]}Z")
    if found := compiled(_RESET_AT).search(text):
        return instant_of(found[1].replace(" UTC", "Z"))
    return instant_of(found[1]) if (found := compiled(_PIPED).search(text)) else None


def instant_of(value: Any) -> datetime | None:
    """Return the instant of an ISO 8601 text or of an epoch in seconds or milliseconds; else ``None``."""
    epoch = number(value)
    if epoch is not None:
        epoch = epoch / 1000 if epoch >= MILLISECONDS_FROM else epoch
        return datetime.fromtimestamp(epoch, UTC) if EPOCH_FROM <= epoch < MILLISECONDS_FROM else None
    if not isinstance(value, str):
        return None
    try:
        return _aware(datetime.fromisoformat(value.strip())).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _aware(instant: datetime) -> datetime:
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
