"""An answer in JSON that is no stream is read below the SDK: what is cut is asked for again. Pure.

Some servers tell an error in a 200 (OpenRouter, of what fails after the head is sent): that is a rejection.
"""

from __future__ import annotations

import json
from typing import Any

from jobapp.dropin.tail import Tail

LONGEST = 2**24
"""Bytes after which an answer is handed on unread."""

_LONGEST_ERROR = 2**14
_ANSWERS = frozenset({"choices", "output", "candidates", "content", "data"})
"""The fields of answers, in any of the protocols."""


class WholeAnswer:
    """Looks at an answer's bytes until all have come.

    Attributes:
        is_clear: Whether it is too long to be read.
    """

    def __init__(self, encoding: str = "") -> None:
        self.is_clear = False
        self._tail = Tail(encoding)
        self._seen = 0

    def feed(self, part: bytes) -> None:
        """Take the next bytes."""
        self._seen += len(part)
        self._tail.add(part)
        self.is_clear = self._seen > LONGEST

    @property
    def error(self) -> Any:
        """The answer, where it is nothing but an error."""
        text = self._tail.text() if self._seen <= _LONGEST_ERROR else ""
        if '"error"' not in text:
            return None
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            return None
        is_error = isinstance(body, dict) and isinstance(body.get("error"), dict)
        return body if is_error and not body.keys() & _ANSWERS else None
