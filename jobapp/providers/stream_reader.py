"""From the events of a stream to its text, one reader for each SDK's events."""

from __future__ import annotations

from typing import Any

from jobapp.core.types import Reply
from jobapp.providers.base import ErrorInReplyError
from jobapp.providers.replies import reply_error
from jobapp.providers.transport import lift_limit, take_response


class StreamReader:
    """Turns an SDK's events into pieces of text, then into the whole reply.

    Attributes:
        adapter: The adapter whose stream it is.
        model: The model that was asked.
        response: The HTTP response, once it is there.
        pieces: The pieces so far.
    """

    adapter: Any

    def __init__(self, adapter: Any, model: str) -> None:
        self.adapter = adapter
        self.model = model
        self.response: Any = None
        self.pieces: list[str] = []

    def read(self, event: Any) -> str:
        """Return the text that *event* adds, often none."""
        self.note_response()
        text = self.text_of(event)
        if text:
            if not self.pieces:
                lift_limit(self.response)
            self.pieces.append(text)
        return text

    def text_of(self, event: Any) -> str:
        """Return the text in *event*, and keep what the reply needs of it."""
        raise NotImplementedError

    def reply(self) -> Reply:
        """Return the whole, when the last event was read."""
        raise NotImplementedError

    def fail(self, message: str, body: Any = None) -> ErrorInReplyError:
        """Return what is wrong with the stream, for raising."""
        return reply_error(self.adapter.provider, self.model, self.note_response(), message, body)

    def note_response(self) -> Any:
        """Return the HTTP response, ``None`` as long as there is none."""
        if self.response is None:
            self.response = take_response()
        return self.response
