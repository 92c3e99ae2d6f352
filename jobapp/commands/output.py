"""How commands write: answers to stdout, all else to stderr, a reader's times in the reader's own zone."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, TextIO

from jobapp.domain import wording
from jobapp.domain.key_status import KeyStatus, Today
from jobapp.domain.types import Attempt, Verdict

_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160)) if chr(code) not in "\n\t\r"
}
"""What would act on a terminal, as it is shown there: an answer must not move its cursor or set its title."""


def answer(text: str, *, end: str = "\n") -> None:
    """Write to stdout, at once."""
    print(_shown(text, sys.stdout), end=end, flush=True)


def clear() -> None:
    """Clear the terminal, if it is one."""
    if sys.stdout.isatty():
        print("\x1b[H\x1b[2J", end="", flush=True)


def note(text: str) -> None:
    """Write to stderr."""
    print(_shown(text, sys.stderr), file=sys.stderr, flush=True)


def _shown(text: str, stream: TextIO) -> str:
    return text.translate(_CONTROLS) if stream.isatty() else text


def answer_json(value: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout, in ASCII: what reads it may have another encoding."""
    answer(json.dumps(value, indent=2))


def utc(instant: datetime | None) -> str | None:
    """Return an aware *instant* for programs: ``2026-11-25T08:00:00Z``."""
    return None if instant is None else wording.utc(instant)


def seconds_left(until: datetime | None, now: datetime) -> float | None:
    """Return the seconds from *now* to *until*, never below 0."""
    return None if until is None else round(max(0.0, (until - now).total_seconds()), 3)


def reason_text(reason: str) -> str:
    """Return why a key is blocked, its rule last: ``the key is not accepted [bad-key]``."""
    rule, colon, words = reason.partition(": ")
    return f"{words} [{rule}]" if colon else reason


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
        "tier": line.tier,
        "models": list(line.models),
        "today": None if line.today is None else today_json(line.today),
    }


def today_json(today: Today) -> dict[str, Any]:
    """Return what a key did today for programs."""
    budgets = [asdict(each) | {"until": utc(each.until)} for each in today.budgets]
    return asdict(today) | {"budgets": budgets}


def verdict_json(verdict: Verdict | None) -> dict[str, Any] | None:
    """Return a verdict for programs."""
    if verdict is None:
        return None
    times = {name: utc(getattr(verdict, name)) for name in ("resets_at", "repeat_resets_at")}
    return asdict(verdict) | times


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    """Return one request of a call for programs."""
    return asdict(attempt) | {"verdict": verdict_json(attempt.verdict)}
