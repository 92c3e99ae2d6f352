"""How a call that got no answer is told to people: which exception, and its words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from jobapp.calls.call_policy import GaveUp, StopReason
from jobapp.domain.exceptions import (
    AllAttemptsFailedError,
    AuthenticationError,
    DeadlineExceededError,
    InvalidRequestError,
    JobAppError,
    NoAPIKeysAvailableError,
    ProviderError,
    ProviderUnavailableError,
    QuotaExhaustedError,
    RateLimitError,
    StreamInterruptedError,
)
from jobapp.domain.key_status import KeyStatus
from jobapp.domain.redaction import redact
from jobapp.domain.types import ApiKey, Attempt, Kind, Verdict
from jobapp.domain.wording import KIND_WORDS, OWN_BUDGET, moment

E = TypeVar("E", bound=ProviderError)

_ERRORS: dict[Kind, type[ProviderError]] = {
    Kind.RATE_LIMIT: RateLimitError,
    Kind.QUOTA: QuotaExhaustedError,
    Kind.AUTH: AuthenticationError,
    Kind.UNAVAILABLE: ProviderUnavailableError,
    Kind.REQUEST: InvalidRequestError,
}


def provider_error(attempt: Attempt) -> ProviderError:
    """Return the exception of one rejected attempt."""
    verdict = attempt.verdict or Verdict(Kind.UNAVAILABLE)
    text = f"{attempt.provider} {attempt.model} refused {attempt.key}: {_rejection(attempt, verdict)}"
    return _about(_ERRORS[verdict.kind](text), attempt)


def not_sent(error: Exception, provider: str, model: str, key: ApiKey) -> InvalidRequestError:
    """Return the exception of a request that the SDK would not even send."""
    text = f"{provider} {model}: the request could not be made: {redact(str(error))}"
    return InvalidRequestError(text, provider=provider, model=model, key=key.name)


def stream_error(attempt: Attempt, partial: str) -> StreamInterruptedError:
    """Return the exception of a stream that broke after its first piece."""
    what = "" if attempt.verdict is None else f": {_rejection(attempt, attempt.verdict)}"
    who = f"{attempt.provider} {attempt.model}, asked with {attempt.key},"
    error = _about(StreamInterruptedError(f"{who} broke off after {len(partial)} characters{what}"), attempt)
    error.partial = partial
    return error


def _about(error: E, attempt: Attempt) -> E:
    for name in ("provider", "model", "key", "verdict", "status", "request_id"):
        setattr(error, name, getattr(attempt, name))
    return error


def call_error(
    end: GaveUp, attempts: Sequence[Attempt], keys: Sequence[KeyStatus], now: datetime, *, single: bool
) -> JobAppError:
    """Return the exception of a call that was given up.

    Args:
        end: Why the policy gave up.
        attempts: What was tried, in order.
        keys: The state of the keys of every model that was considered.
        now: Aware UTC.
        single: The caller asked for one attempt only, and wants its own error.
    """
    if attempts and (end.reason is StopReason.REQUEST or (single and end.reason is StopReason.TRIES)):
        return provider_error(attempts[-1])
    match end.reason:
        case StopReason.NO_KEY:
            return no_keys_error(keys, attempts, now)
        case StopReason.DEADLINE:
            first = _first_free(keys, now)
            text = _deadline_text(end, attempts, keys, first, now)
            return DeadlineExceededError(text, available_at=first, attempts=attempts)
        case _:
            text = f"All attempts failed ({len(attempts)}):{attempt_lines(attempts)}"
            return AllAttemptsFailedError(text, attempts=attempts)


def no_keys_error(
    keys: Sequence[KeyStatus], attempts: Sequence[Attempt], now: datetime
) -> NoAPIKeysAvailableError:
    """Return the exception that says what keeps each key and when the first one is back."""
    first = _first_free(keys, now)
    back = "" if first is None else f" The first is free {moment(first, now)}."
    lines = "".join(f"\n  {status_text(line, now)}" for line in keys)
    return NoAPIKeysAvailableError(
        f"No API keys available{_by_whom(keys)}.{back}{lines}",
        keys=keys,
        available_at=first,
        attempts=attempts,
    )


def _by_whom(keys: Sequence[KeyStatus]) -> str:
    """Return what the user's own budget has to do with it."""
    kept = {(line.provider, line.key) for line in keys if line.reason.startswith(OWN_BUDGET)}
    if not kept:
        return ""
    is_all = kept == {(line.provider, line.key) for line in keys}
    return ": your own budget is spent" if is_all else ": your own budget is spent for some of them"


def _first_free(keys: Sequence[KeyStatus], now: datetime) -> datetime | None:
    """Return when the first key is free, by what keeps each of them."""
    ends: dict[tuple[str, str], datetime] = {}
    for line in keys:
        until = line.until or now
        ends[line.provider, line.key] = max(until, ends.get((line.provider, line.key), until))
    return min(ends.values(), default=None)


def status_text(line: KeyStatus, now: datetime) -> str:
    """Return one key's state as a short sentence."""
    name = f"{line.provider} {line.key}" + (f" ({line.model})" if line.model else "")
    if line.until is None:
        return f"{name}: free"
    return f"{name}: {KIND_WORDS[Kind(line.state)]}, back {moment(line.until, now)} [{line.reason}]"


def attempt_lines(attempts: Sequence[Attempt]) -> str:
    """Return the attempts as an indented list, a line each."""
    return "".join(f"\n  {number}. {_attempt_text(a)}" for number, a in enumerate(attempts, 1))


def _deadline_text(
    end: GaveUp, attempts: Sequence[Attempt], keys: Sequence[KeyStatus], first: datetime | None, now: datetime
) -> str:
    """Tell the time of the keys apart from the call's turn among those that wait for them."""
    free = "" if first is None or first <= now else f"; the first key is free {moment(first, now)}"
    turn = "" if end.wait is None else f"; this call's turn comes in {end.wait:.1f} s, which is too late"
    lines = "".join(f"\n  {_room_text(line, now)}" for line in keys)
    return f"The call's deadline does not allow another step{free}{turn}.{lines}{attempt_lines(attempts)}"


def _room_text(line: KeyStatus, now: datetime) -> str:
    """Return one key's state; one that is free may be full, for all that."""
    return status_text(line, now) + (", as far as it has room" if line.until is None else "")


def _attempt_text(attempt: Attempt) -> str:
    waited = f" after {attempt.waited:.1f} s" if attempt.waited else ""
    what = "answered" if attempt.verdict is None else _rejection(attempt, attempt.verdict)
    return f"{attempt.provider} {attempt.model} {attempt.key}{waited}: {what}"


def _rejection(attempt: Attempt, verdict: Verdict) -> str:
    status = "" if attempt.status is None else f" (HTTP {attempt.status})"
    words = f': "{verdict.message}"' if verdict.message else ""
    return f"{KIND_WORDS[verdict.kind]}{status}, {verdict.reason} [{verdict.rule}]{words}"
