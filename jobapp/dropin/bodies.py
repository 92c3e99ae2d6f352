"""The body of an answer on its way up: handed on as it comes, and watched at its end.

The HTTP libraries want streams of their own classes, so :func:`streams_of` makes them for httpx and httpx2.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

from jobapp.dropin.tail import Tail


class Watch:
    """Hears of an answer's body: its parts, and once how it ended.

    Args:
        tail: Keeps what is looked at afterwards.
        done: Is called when the whole body has been read.
        dropped: Is called when it is closed before, or breaks.

    Attributes:
        is_over: Whether it has ended.
    """

    def __init__(
        self, tail: Tail, done: Callable[[Tail], None], dropped: Callable[[BaseException | None], None]
    ) -> None:
        self._tail = tail
        self._done = done
        self._dropped = dropped
        self.is_over = False

    def part(self, part: bytes) -> bytes:
        """Note a part and return it."""
        self._tail.add(part)
        return part

    def end(self) -> None:
        """Note that the whole body has been read."""
        if not self.is_over:
            self.is_over = True
            self._done(self._tail)

    def drop(self, error: BaseException | None = None) -> None:
        """Note that nobody reads on, or that *error* broke it."""
        if not self.is_over:
            self.is_over = True
            self._dropped(error)


class _Watched:
    """A body that is read in a thread.

    Args:
        held_back: What was read of it already.
        rest: What is still to come.
        inner: The stream below, which is to be closed.
        watch: Hears of it.
    """

    def __init__(self, held_back: Sequence[bytes], rest: Any, inner: Any, watch: Watch) -> None:
        self._held_back, self._rest, self._inner, self._watch = held_back, rest, inner, watch

    def __iter__(self) -> Iterator[bytes]:
        try:
            for part in chain(self._held_back, self._rest):
                yield self._watch.part(part)
        except Exception as error:
            self._watch.drop(error)
            raise
        self._watch.end()

    def close(self) -> None:
        self._watch.drop()
        self._inner.close()


class _AsyncWatched:
    """A body that is read in an event loop; the arguments are those of :class:`_Watched`."""

    def __init__(self, held_back: Sequence[bytes], rest: Any, inner: Any, watch: Watch) -> None:
        self._held_back, self._rest, self._inner, self._watch = held_back, rest, inner, watch

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            for part in self._held_back:
                yield self._watch.part(part)
            async for part in self._rest:
                yield self._watch.part(part)
        except Exception as error:
            self._watch.drop(error)
            raise
        self._watch.end()

    async def aclose(self) -> None:
        self._watch.drop()
        await self._inner.aclose()


@cache
def streams_of(library: Any) -> tuple[type[Any], type[Any]]:
    """Return the classes of watched bodies for *library*, httpx or httpx2: of threads, of event loops."""
    return (
        type("WatchedStream", (_Watched, library.SyncByteStream), {}),
        type("AsyncWatchedStream", (_AsyncWatched, library.AsyncByteStream), {}),
    )
