"""What each exit code means, and which one an error has."""

from __future__ import annotations

from jobapp.domain.exceptions import (
    AllAttemptsFailedError,
    ConfigError,
    DeadlineExceededError,
    JobAppError,
    MissingKeyError,
    NoAPIKeysAvailableError,
    OutputError,
    ProviderError,
    RunStoppedError,
    StateStoreError,
)
from jobapp.domain.types import Kind

OK = 0
ERROR = 1
USAGE = 2
TRY_LATER = 3
"""Limits or quota."""
KEY = 4
"""No key, or none that is accepted."""
CONFIGURATION = 5
OUTPUT = 6
"""The output of a batch can't be written."""
INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""
PIPE_CLOSED = 141
"""128 + SIGPIPE: who was reading has gone."""

OF_KIND: dict[Kind | None, int] = {Kind.RATE_LIMIT: TRY_LATER, Kind.QUOTA: TRY_LATER, Kind.AUTH: KEY}


class UsageError(Exception):
    """The command line asks for what can't be done."""


def exit_code(error: JobAppError) -> int:
    """Return the exit code of *error*."""
    match error:
        case MissingKeyError():
            return KEY
        case ConfigError() | StateStoreError():
            return CONFIGURATION
        case OutputError():
            return OUTPUT
        case RunStoppedError():
            return TRY_LATER
        case NoAPIKeysAvailableError(keys=keys):
            return KEY if all(line.state == Kind.AUTH for line in keys) else TRY_LATER
        case _:
            return OF_KIND.get(_last_kind(error), ERROR)


def _last_kind(error: JobAppError) -> Kind | None:
    """Return what the last rejection meant; a deadline that allowed no request ended a wait for a key."""
    match error:
        case ProviderError():
            verdict = error.verdict
        case AllAttemptsFailedError() | DeadlineExceededError() if error.attempts:
            verdict = error.attempts[-1].verdict
        case DeadlineExceededError():
            return Kind.RATE_LIMIT
        case _:
            return None
    return verdict.kind if verdict else None
