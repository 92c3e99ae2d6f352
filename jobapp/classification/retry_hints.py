"""When a provider wants to be asked again: every spelling, with nonsense rejected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, NamedTuple

from jobapp.classification.evidence import Evidence
from jobapp.classification.rule import Mark
from jobapp.domain.durations import PART, number, seconds_of
from jobapp.domain.patterns import compiled

MAX_DELAY = timedelta(days=35).total_seconds()
"""Seconds; a delay or an instant beyond this is not believed (a month and a little more)."""

LONG = 3600.0
"""Seconds; a wait from here on is a spent quota, not a busy minute."""

EPOCH_FROM = 1e9
"""A reset header above this is an instant, below it a delay in seconds."""

MILLISECONDS_FROM = 1e11
"""An epoch above this is in milliseconds."""

CHINA = timezone(timedelta(hours=8))
"""What an instant without a zone is in, where a service of China tells it: Z.ai's "will reset at 2026-09-26
05:53:25", measured on 2026-09-25 by the clock of its log id against ``Date``."""

IN_CHINA = ("zhipu", "dashscope", "deepseek", "moonshot", "siliconflow")
ZHIPU_WINDOWS = ("1308", "1310")
"""Zhipu's codes of a spent window, which gateways repeat as they are (docs.bigmodel.cn, 2026-09)."""


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


def read_hints(evidence: Evidence, now: datetime, provider: str = "") -> Hints:
    """Return the delay and the instant that *evidence* of *provider* tells, as seen at *now* (aware).

    In the order of trust: ``retry-after-ms``, ``retry-after``, ``RetryInfo`` and other fields of the body,
    the reset of the Anthropic meter at 0, the text, ``x-ratelimit-reset-*`` of the meter at 0, a stated
    instant. A delay of 0 is kept only where nothing better is said. Negative, endless and absurd values are
    rejected.
    """
    at = next(_credible_instants(evidence, now, _zone(evidence, provider)), None)
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


_CHINESE = "[\u4e00-\u9fff]"


def _zone(evidence: Evidence, provider: str) -> tzinfo:
    """Return what an instant is in that names no zone: the service's own."""
    codes = evidence.marks.get(Mark.CODE, ())
    told_in_china = (
        provider in IN_CHINA
        or any(code in ZHIPU_WINDOWS for code in codes)
        or any(compiled(_CHINESE).search(text) or compiled(_ZHIPU).search(text) for text in evidence.messages)
    )
    return CHINA if told_in_china else UTC


def _credible_instants(evidence: Evidence, now: datetime, zone: tzinfo) -> Iterator[datetime]:
    for instant in _instants(evidence, zone):
        if instant is not None and 0 < (instant - now).total_seconds() <= MAX_DELAY:
            yield instant


def _instants(evidence: Evidence, zone: tzinfo) -> Iterator[datetime | None]:
    for name in ("resetsat", "resetat", "quotaresettimestamp"):
        yield from (instant_of(value, zone) for value in evidence.hints.get(name, ()))
    yield from (instant_in(text, zone) for text in evidence.messages)
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


def _scaled(value: Any, factor: float) -> float | None:
    plain = number(value)
    return None if plain is None else plain * factor


_ASK = (
    r"(?i)\b(?:(?:try|available)\s+again|retry|resets?|replenished|wait|refresh(?:es|ed)?)"
    r"(?:\s+(?:again|your request|the request))?\s*(?:in|after|for)?:?\s+"
    r"(?:about\s+|approximately\s+|another\s+)?"
    rf"((?:{PART}[\s,]*(?:and\s+)?){{1,5}}|\d{{1,3}}\.\d\d:\d\d:\d\d|\d\d:\d\d:\d\d)"
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
_RESET_AT_CHINESE = (
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?) ?(?:之?后|时)? ?(?:自动)?(?:重置|恢复|刷新|重试|解除)"
)
_ZHIPU = r"^\W?(?:1308|1310)\]"


def instant_in(text: str, zone: tzinfo = UTC) -> datetime | None:
    """Return the instant that a provider's words name ("regain access on 2026-04-01 at 00:00 UTC").

    Args:
        text: The words.
        zone: What an instant is in that names none.
    """
    if found := compiled(_REGAIN).search(text):
        return instant_of(f"{found[1]}T{found[2]}Z")
    if found := compiled(_RESET_AT).search(text) or compiled(_RESET_AT_CHINESE).search(text):
        return instant_of(found[1].replace(" UTC", "Z"), zone)
    return instant_of(found[1]) if (found := compiled(_PIPED).search(text)) else None


def instant_of(value: Any, zone: tzinfo = UTC) -> datetime | None:
    """Return the instant of an ISO 8601 text, in *zone* if it names none, or of an epoch; else ``None``."""
    epoch = number(value)
    if epoch is not None:
        epoch = epoch / 1000 if epoch >= MILLISECONDS_FROM else epoch
        return datetime.fromtimestamp(epoch, UTC) if EPOCH_FROM <= epoch < MILLISECONDS_FROM else None
    if not isinstance(value, str):
        return None
    try:
        return _aware(datetime.fromisoformat(value.strip()), zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _aware(instant: datetime, zone: tzinfo = UTC) -> datetime:
    return instant if instant.tzinfo else instant.replace(tzinfo=zone)
