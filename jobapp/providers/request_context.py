"""One request and its response, as they are seen beneath an SDK by the hooks of its HTTP client."""

from __future__ import annotations

import json
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any, Self

TAIL_LENGTH = 65_536
"""How much of a stream is kept at least: bytes of httpx, characters of requests."""


class TimeLimit(float):
    """Seconds that a network operation may take, and the instant at which all of them must be done.

    HTTP libraries limit each read by itself, so a body that drips could last for ever. They hand the number
    they were given down to the socket untouched, and this number knows when the request began.
    """

    __slots__ = ("_latest", "ends")
    ends: float
    _latest: float

    def __new__(cls, seconds: float, left: float | None = None) -> Self:
        """Start the clock.

        Args:
            seconds: The longest silence.
            left: Seconds after which nothing is renewed any more, before it is lifted.
        """
        limit = super().__new__(cls, seconds)
        now = time.monotonic()
        limit._latest = math.inf if left is None else now + left
        limit.ends = min(now + seconds, limit._latest)
        return limit

    @property
    def left(self) -> float:
        """Seconds that the next operation may take; 0 and less when the time is over."""
        return min(self, self.ends - time.monotonic())

    def renew(self) -> None:
        """Begin the silence anew: something came."""
        self.ends = min(time.monotonic() + self, self._latest)

    def lift(self) -> None:
        """Let a stream that has begun go on as long as its pieces come; each still has the seconds."""
        self._latest = math.inf
        self.renew()


class AnswerTooLargeError(Exception):
    """An answer, or one event of a stream, is larger than may be held in memory."""


class SizeLimit:
    """Counts the body of an answer, unpacked, while an SDK reads it.

    Args:
        most: Bytes that it may have.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0

    def add(self, part: Any) -> None:
        """Count *part*.

        Raises:
            AnswerTooLargeError: It is too much.
        """
        self._count(len(part))

    def watch(self, read: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """Return *read*, a response's way to iterate over its body, so that it is counted here."""

        def watched(*args: Any, **kwargs: Any) -> Iterator[Any]:
            for part in read(*args, **kwargs):
                self.add(part)
                yield part

        return watched

    def awatch(self, read: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
        """Do for event loops what :meth:`watch` does."""

        async def watched(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            async for part in read(*args, **kwargs):
                self.add(part)
                yield part

        return watched

    def _count(self, length: int) -> None:
        self._size += length
        if self._size > self._most:
            raise AnswerTooLargeError(f"more than {self._most / 2**20:g} MiB came")


class Tail(SizeLimit):
    """The last of what a stream brought: of an event that is no answer the SDKs keep a part, or nothing.

    Its size is that of the event under way: what came since a blank line, or in an array since a line's end.
    """

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self._parts: list[Any] = []
        self._length = 0

    def add(self, part: Any) -> None:
        """Keep *part*, and forget what came long before."""
        ends = (b"\n\n", b"\r\n\r\n", b"\r\r") if isinstance(part, bytes) else ("\n",)
        if (end := max(map(part.rfind, ends))) >= 0:
            self._size = -end
        self._count(len(part))
        self._parts.append(part)
        self._length += len(part)
        if self._length > 2 * TAIL_LENGTH:
            self._parts = [self._joined()[-TAIL_LENGTH:]]
            self._length = TAIL_LENGTH

    def event(self) -> Any:
        """Return the last event, or where there was none all that came: parsed, else as text."""
        joined = self._joined()
        text = joined.decode(errors="replace") if isinstance(joined, bytes) else joined
        data = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
        last = next((each for each in reversed(data) if each != "[DONE]"), text)
        try:
            return json.loads(last)
        except ValueError:
            return last or None

    def _joined(self) -> Any:
        return type(self._parts[0])().join(self._parts) if self._parts else ""


class RequestContext:
    """One request of an adapter.

    Attributes:
        limit: What the request may take, which began with the context: an SDK's import counts too.
        body: What sees the body come.
        response: The HTTP response, once it is there.
    """

    __slots__ = ("body", "limit", "response")

    def __init__(self, seconds: float, body: SizeLimit, left: float | None = None) -> None:
        self.limit = TimeLimit(seconds, left)
        self.body = body
        self.response: Any = None


_current: ContextVar[RequestContext] = ContextVar("jobapp_request")


def begin_request(seconds: float, body: SizeLimit, left: float | None = None) -> RequestContext:
    """Return the context of the next request of this thread or task, which the hooks will find."""
    context = RequestContext(seconds, body, left)
    _current.set(context)
    return context


current_request = _current.get
