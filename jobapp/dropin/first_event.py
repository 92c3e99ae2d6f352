"""The first event of a stream that tells something: content, or an error in a 200. Pure.

A stream that begins with an error is a rejection (OpenRouter, Anthropic and Gemini send them in a 200), so
nothing is handed on before an event brings content, thoughts or tool arguments, is an error, or the stream
ends; 64 KiB are held back at most.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST_PEEK = 65_536

_TEXTS = frozenset(
    {"content", "text", "thinking", "reasoning", "reasoning_content", "refusal", "partial_json"}
    | {"arguments", "thought", "delta", "input"}
)
"""Fields that bring something where they hold text, in any of the protocols."""

_PARTS = frozenset({"tool_calls", "function_call", "functionCall", "inlineData", "reasoning_details"})
"""Fields that bring something by being there."""


class FirstEvent:
    """Looks at a stream's bytes until it is clear how it begins.

    Attributes:
        is_clear: Whether enough has come.
        error: The error that it began with; ``None`` for an answer.
    """

    def __init__(self, encoding: str = "") -> None:
        self.is_clear = False
        self.error: Any = None
        self._inflate = zlib.decompressobj(wbits=47) if encoding in {"gzip", "deflate"} else None
        self._is_readable = encoding in {"", "identity", "gzip", "deflate"}
        self._text = b""
        self._seen = 0

    def feed(self, part: bytes) -> None:
        """Take the next bytes."""
        self._seen += len(part)
        if not self._is_readable or self._seen > LONGEST_PEEK:
            self.is_clear = True
            return
        try:
            self._text += self._inflate.decompress(part) if self._inflate else part
            for event in self._events():
                self._judge(event)
        except (zlib.error, RecursionError):  # others may read it all the same: deflate without its head
            self.is_clear = True

    def _events(self) -> Iterator[Any]:
        """Yield the whole events that have come, parsed; what is no JSON is no event."""
        *lines, self._text = self._text.split(b"\n")
        for line in lines:
            data = line.removeprefix(b"data:").strip(b" \r,[")
            if data.startswith(b"{"):
                try:
                    yield json.loads(data)
                except ValueError:
                    self.is_clear = self.is_clear or not line.startswith(b"data:")

    def _judge(self, event: Any) -> None:
        if self.is_clear or not isinstance(event, Mapping):
            return
        if error := _error_in(event):
            self.error, self.is_clear = error, True
        elif _brings_content(event):
            self.is_clear = True


def _error_in(event: Mapping[str, Any]) -> Any:
    """Return *event* where it is an error: by its type, or by an ``error`` that is no empty field."""
    response = event.get("response")
    inner = response.get("error") if isinstance(response, Mapping) else None
    is_error = event.get("error") or event.get("type") == "error" or inner
    return event if is_error else None


def _brings_content(value: Any, name: str = "") -> bool:
    """Return whether anything below *value* is a piece of the answer."""
    if name in _PARTS:
        return bool(value)
    if isinstance(value, Mapping):
        return any(_brings_content(each, key) for key, each in value.items())
    if isinstance(value, list):
        return any(_brings_content(each, name) for each in value)
    return name in _TEXTS and bool(value)
