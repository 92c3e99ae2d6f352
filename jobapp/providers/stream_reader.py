"""From the events of a stream to its text, one reader for each SDK's events."""

from __future__ import annotations

from typing import Any

from jobapp.domain.types import Reply, Usage
from jobapp.providers.adapter import ErrorInReplyError
from jobapp.providers.request_context import Tail, begin_request
from jobapp.providers.responses import reply_error


class StreamReader:
    """Turns an SDK's events into pieces of text, then into the whole reply.

    Attributes:
        adapter: The adapter whose stream it is.
        model: The model that was asked.
        tail: The last of what came.
        context: The request and its response.
        pieces: The pieces so far.
    """

    adapter: Any

    def __init__(self, adapter: Any, model: str, timeout: float, left: float | None = None) -> None:
        self.adapter = adapter
        self.model = model
        self.tail = Tail(adapter.most)
        self.context = begin_request(timeout, self.tail, left)
        self.pieces: list[str] = []
        self._half = ""

    @property
    def response(self) -> Any:
        """The HTTP response, once it is there."""
        return self.context.response

    def read(self, event: Any) -> str:
        """Return the text that *event* adds, often none; one that brings anything ends the silence."""
        text = self._whole_characters(self.text_of(event))
        if text:
            self.pieces.append(text)
            self.context.limit.lift()
        elif self.brings_something(event):
            self.context.limit.renew()
        return text

    def text_of(self, event: Any) -> str:
        """Return the text in *event*, and keep what the reply needs of it."""
        raise NotImplementedError

    def brings_something(self, event: Any) -> bool:
        """Return whether *event* brings thoughts, reasoning or tool arguments: the model is at work."""
        raise NotImplementedError

    def usage_so_far(self) -> Usage:
        """Return the tokens that the stream has told yet."""
        raise NotImplementedError

    def _whole_characters(self, text: str) -> str:
        """Join the halves of a character (a surrogate pair) that two events bring; a lone one is marked."""
        if not text or (not self._half and text.isascii()):
            return text
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return whole_characters(text)

    def reply(self) -> Reply:
        """Return the whole, when the last event was read."""
        raise NotImplementedError

    def fail(self, message: str, body: Any = None) -> ErrorInReplyError:
        """Return what is wrong with the stream, for raising; its last event tells where *body* does not."""
        body = self.failing_event() if body is None else body
        return reply_error(self.adapter.provider, self.model, self.response, message, body)

    def failing_event(self) -> Any:
        """Return the last event if it is an error, or whatever came where there was no text."""
        event = self.tail.event()
        return event if not self.pieces or (isinstance(event, dict) and "error" in event) else None


def whole_characters(text: str) -> str:
    """Return *text* with the halves of characters (surrogate pairs) joined; a lone one is marked."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
