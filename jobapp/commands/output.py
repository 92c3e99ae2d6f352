"""How commands write: answers to stdout, all else to stderr, a reader's times in the reader's own zone."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from jobapp.core.failures import duration
from jobapp.core.types import FREE_MODELS, Attempt, KeyStatus, Verdict


def answer(text: str, *, end: str = "\n") -> None:
    """Write to stdout, at once."""
    print(text, end=end, flush=True)


def note(text: str) -> None:
    """Write to stderr."""
    print(text, file=sys.stderr, flush=True)


def answer_json(value: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout."""
    answer(json.dumps(value, indent=2, ensure_ascii=False))


def utc(instant: datetime | None) -> str | None:
    """Return an aware *instant* for programs: ``2026-11-25T08:00:00Z``."""
    return None if instant is None else f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def seconds_left(until: datetime | None, now: datetime) -> float | None:
    """Return the seconds from *now* to *until*, never below 0."""
    return None if until is None else round(max(0.0, (until - now).total_seconds()), 3)


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


def reason_text(reason: str) -> str:
    """Return why a key is blocked, its rule last: ``the key is not accepted [bad-key]``."""
    rule, colon, words = reason.partition(": ")
    return f"{words} [{rule}]" if colon else reason


def name_of_models(model: str | None) -> str:
    """Return which models a block is about, in words."""
    return "all free models" if model == FREE_MODELS else model or "all models"


def status_json(line: KeyStatus, now: datetime) -> dict[str, Any]:
    """Return one key's state for programs."""
    return {
        "provider": line.provider,
        "key": line.key,
        "model": line.model,
        "state": line.state,
        "reason": line.reason,
        "since": utc(line.since),
        "until": utc(line.until),
        "seconds_left": seconds_left(line.until, now),
    }


def verdict_json(verdict: Verdict | None) -> dict[str, Any] | None:
    """Return a verdict for programs."""
    if verdict is None:
        return None
    times = {name: utc(getattr(verdict, name)) for name in ("resets_at", "repeat_resets_at")}
    return asdict(verdict) | times


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    """Return one request of a call for programs."""
    return asdict(attempt) | {"verdict": verdict_json(attempt.verdict)}
