"""Tells what happens in a call, to the log and to whoever listens; loaded when there is something to tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jobapp.calls.event_log import log_event
from jobapp.domain import events
from jobapp.domain.settings import ModelSettings
from jobapp.domain.types import ApiKey, Attempt, Block, Usage


class Announcer:
    """Makes the events of one call.

    Args:
        call: The call's number.
        listener: Is called with every event; what it raises, the call raises.
    """

    def __init__(self, call: int, listener: Callable[[events.Event], None] | None) -> None:
        self._call = call
        self._listener = listener

    def started(self, asked: ModelSettings, key: ApiKey, number: int) -> None:
        """Tell that a request is about to be sent."""
        about = (self._call, asked.provider, asked.model, key.name, number, key.tier)
        self._tell(events.AttemptStarted(*about))

    def failed(self, attempt: Attempt, number: int) -> None:
        """Tell that a request was rejected."""
        assert attempt.verdict is not None  # noqa: S101 - a rejection has one
        self._tell(
            events.AttemptFailed(
                self._call,
                attempt.provider,
                attempt.model,
                attempt.key,
                number,
                attempt.verdict,
                attempt.status,
                attempt.request_id,
            )
        )

    def waiting(self, asked: ModelSettings, key: str | None, seconds: float) -> None:
        """Tell that the call sleeps."""
        self._tell(events.Waiting(self._call, asked.provider, asked.model, key, seconds))

    def blocked(self, block: Block) -> None:
        """Tell that a key is set aside."""
        self._tell(events.KeyBlocked(self._call, block))

    def rotated(self, asked: ModelSettings, key: str, previous: str) -> None:
        """Tell that the call goes on with another key."""
        self._tell(events.KeyRotated(self._call, asked.provider, asked.model, key, previous))

    def fell_back(self, new: ModelSettings, old: ModelSettings) -> None:
        """Tell that the call goes on with another model."""
        self._tell(events.FellBack(self._call, new.provider, new.model, old.provider, old.model))

    def done(
        self,
        asked: ModelSettings,
        key: str | None,
        attempts: Sequence[Attempt],
        usage: Usage | None,
        error: BaseException | None,
    ) -> None:
        """Tell that the call ended."""
        self._tell(
            events.CallDone(
                self._call,
                asked.provider,
                asked.model,
                key,
                tuple(attempts),
                usage,
                None if error is None else type(error).__name__,
                getattr(error, "available_at", None),
            )
        )

    def _tell(self, event: events.Event) -> None:
        log_event(event)
        if self._listener is not None:
            self._listener(event)
