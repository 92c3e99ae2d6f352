"""The listener that turns events into log records, under the names of the modules they are about."""

from __future__ import annotations

import logging
from datetime import timedelta

from jobapp.domain import events
from jobapp.domain.wording import duration

LONG_WAIT = 60.0
"""Seconds; a longer wait is a warning: nobody should wonder why a program stands still."""

_keys = logging.getLogger("jobapp.core.api_key_manager")
_calls = logging.getLogger("jobapp.core.llm_interface")


def log_event(event: events.Event) -> None:
    """Write *event* to the log: what costs a key or a model is a warning, once; the rest is for debugging."""
    match event:
        case events.AttemptStarted(_, provider, model, key, number, tier):
            _calls.debug("attempt %d: %s %s with %s (tier %d)", number, provider, model, key, tier)
        case events.AttemptFailed(_, provider, model, key, number, verdict, status):
            _calls.debug(
                "attempt %d: %s %s refused %s: %s, %s [%s] (HTTP %s)",
                number,
                provider,
                model,
                key,
                verdict.kind,
                verdict.reason,
                verdict.rule,
                status,
            )
        case events.Waiting(_, provider, model, key, seconds):
            level = logging.INFO if seconds <= LONG_WAIT else logging.WARNING
            whom = key or "the first free key"
            time = duration(timedelta(seconds=seconds))
            _keys.log(level, "%s %s: waiting %s for %s", provider, model, time, whom)
        case events.KeyBlocked(_, block):
            _keys.warning(
                "%s: %s %s until %s (%s)",
                block.provider,
                block.key_name,
                block.kind,
                f"{block.until:%Y-%m-%d %H:%M:%S} UTC",
                block.reason,
            )
        case events.KeyRotated(_, provider, model, key, previous):
            _keys.info("%s %s: going on with %s after %s", provider, model, key, previous)
        case events.FellBack(_, provider, model, previous_provider, previous_model):
            _calls.warning(
                "falling back from %s %s to %s %s", previous_provider, previous_model, provider, model
            )
        case events.CallDone(_, provider, model, key, attempts, error=error):
            _calls.debug(
                "%s %s: %s after %d attempts", provider, model, error or f"answered with {key}", len(attempts)
            )
