"""From what a failed call told to what it means: pure, and it never raises."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from jobapp.classification.evidence import read_evidence
from jobapp.classification.retry_hints import Hints, read_hints
from jobapp.classification.rule import Mark, ResetRule, Rule
from jobapp.classification.rules import RULES, UNKNOWN
from jobapp.classification.user_rules import parse_rules
from jobapp.domain.quota_reset import PACIFIC, first_of_next_month, next_midnight
from jobapp.domain.redaction import redact
from jobapp.domain.types import ErrorFacts, Kind, Verdict

__all__ = ["RULES", "Mark", "ResetRule", "Rule", "classify", "parse_rules"]

CREDIBLE_DAY = timedelta(minutes=10).total_seconds()
"""Seconds; a shorter delay beside a spent day is not believed: until mid-2026 Gemini sent ``5s`` with it."""

LONGEST_DAY = timedelta(hours=25)
"""The most that a delay beside a spent day is believed: a day on which clocks go back."""

NOT_ENTITLED = timedelta(days=1)
"""After it a key is asked again for a model that it has no quota for."""

MAX_MESSAGE = 300


def classify(facts: ErrorFacts, now: datetime | None = None, rules: Sequence[Rule] = RULES) -> Verdict:
    """Return what *facts* mean: the first of *rules* that matches says so. Never raises, touches nothing.

    Args:
        facts: What a failed call told.
        now: Aware; delays and dates are counted from it. The present when left out.
        rules: The table, a user's rows first.
    """
    now = now or datetime.now(UTC)
    now = now.astimezone(UTC) if now.tzinfo else now.replace(tzinfo=UTC)
    evidence = read_evidence(facts)
    hints = read_hints(evidence, now, facts.provider)
    evidence.mark(Mark.WAIT, hints.length)
    rule = next((rule for rule in rules if rule.matches(facts.provider, evidence.marks)), UNKNOWN)
    delay, resets_at, repeat = _times(rule, hints, now)
    return Verdict(
        kind=rule.kind,
        scope=rule.scope,
        retry_after=delay,
        resets_at=resets_at,
        rule=rule.id,
        reason=rule.reason,
        message=_message(evidence.messages),
        repeat_resets_at=repeat,
    )


Times = tuple[float | None, datetime | None, datetime | None]


def _times(rule: Rule, hints: Hints, now: datetime) -> Times:
    """Return ``retry_after``, ``resets_at`` and ``repeat_resets_at`` as far as they can be believed."""
    if rule.kind is Kind.QUOTA:
        return _quota_times(rule.reset, hints, now)
    return (hints.delay if rule.kind in (Kind.RATE_LIMIT, Kind.UNAVAILABLE) else None), None, None


def _quota_times(reset: ResetRule, hints: Hints, now: datetime) -> Times:
    if reset is ResetRule.ROLLING:
        return hints.delay or None, None, None
    if reset is ResetRule.GEMINI_DAY:
        return None, *_gemini_day(hints, now)
    return None, _resets_at(reset, hints, now), None


def _gemini_day(hints: Hints, now: datetime) -> tuple[datetime, datetime | None]:
    """Return when Gemini's day ends, and when if it is rejected again then."""
    told = hints.at or _believed(hints, now)
    if told is not None:
        return min(told, now + LONGEST_DAY), None
    first, last = sorted((next_midnight(now, "UTC"), next_midnight(now, PACIFIC)))
    return first, last


def _resets_at(reset: ResetRule, hints: Hints, now: datetime) -> datetime | None:
    """Return when a quota returns; ``None`` means the provider's next midnight."""
    if reset is ResetRule.NOT_ENTITLED:
        return now + NOT_ENTITLED
    stated = hints.at or (None if reset is ResetRule.PAYMENT else _believed(hints, now))
    if reset is ResetRule.UTC_MIDNIGHT:
        return stated or next_midnight(now, "UTC")
    if reset is ResetRule.MONTH:
        return stated or first_of_next_month(now)
    return stated


def _believed(hints: Hints, now: datetime) -> datetime | None:
    """Return the end of a delay that is long enough to be a day's."""
    if hints.delay is None or hints.delay < CREDIBLE_DAY:
        return None
    return now + timedelta(seconds=hints.delay)


def _message(messages: Sequence[str]) -> str:
    text = redact(messages[0]) if messages else ""
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"
