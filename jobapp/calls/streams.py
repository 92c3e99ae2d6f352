"""A streamed answer: pieces of text as they come, and the whole result at the end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import suppress
from types import TracebackType
from typing import Self

from jobapp.calls.answers import usage_told
from jobapp.calls.call import Call, Opened
from jobapp.calls.call_policy import Flow, GaveUp, Served
from jobapp.calls.drive import aask_stream, adrive, ask_stream, drive, in_thread
from jobapp.domain.exceptions import InvalidRequestError
from jobapp.domain.types import ApiKey, Completion, Reply, Usage


class _Reading:
    """What a stream has read.

    It does not know the stream, so that one that is let go is closed at once, and not by the next collection
    of garbage.
    """

    def __init__(self, call: Call, flow: Flow) -> None:
        self.completion: Completion | None = None
        self.usage: Usage | None = None
        self._call = call
        self._flow = flow
        self._text: list[str] = []

    @property
    def state(self) -> str:
        """How far it is, in words."""
        if self.completion is not None:
            return f"ended ({self.completion.finish_reason})"
        return f"{len(self._text)} pieces so far" if self._text else "nothing asked for yet"

    def _opened(self, outcome: Served | GaveUp) -> tuple[ApiKey, Opened]:
        if isinstance(outcome, GaveUp):
            raise self._call.give_up(outcome)
        return outcome.key, outcome.reply

    def _add(self, piece: str) -> str:
        self._text.append(piece)
        return piece

    def _complete(self, key: ApiKey, reply: Reply) -> None:
        self.completion = self._call.complete(key, reply)
        self.usage = self.completion.usage

    def _abandon(self, error: BaseException) -> None:
        self.usage = usage_told(error)
        self._call.abandon(error)

    def pieces(self) -> Generator[str]:
        """Ask, and yield the pieces."""
        key, opened = self._opened(drive(self._call, self._flow, ask_stream))
        piece, pieces = opened
        assert isinstance(pieces, Generator)  # noqa: S101 - ask_stream opens no other
        try:
            while not isinstance(piece, Reply):
                yield self._add(piece)
                piece = self._next(key, pieces)
        except GeneratorExit as closed:
            with suppress(Exception, GeneratorExit):
                pieces.throw(closed)  # it tells its tokens with what ends it
            self._abandon(closed)
            raise
        except BaseException as error:
            self._abandon(error)
            raise
        finally:
            pieces.close()
        self._complete(key, piece)

    def _next(self, key: ApiKey, pieces: Generator[str | Reply]) -> str | Reply:
        try:
            return next(pieces)
        except Exception as error:
            blocks = self._call.broken(key, error)
            self._call.remember(blocks)
            raise self._call.interrupted(blocks, "".join(self._text)) from error

    async def apieces(self) -> AsyncGenerator[str]:
        """Ask, and yield the pieces, in the running event loop."""
        key, opened = self._opened(await adrive(self._call, self._flow, aask_stream))
        piece, pieces = opened
        assert isinstance(pieces, AsyncGenerator)  # noqa: S101 - aask_stream opens no other
        try:
            while not isinstance(piece, Reply):
                yield self._add(piece)
                piece = await self._anext(key, pieces)
        except GeneratorExit as closed:
            with suppress(Exception, GeneratorExit):
                await pieces.athrow(closed)
            self._abandon(closed)
            raise
        except BaseException as error:
            self._abandon(error)
            raise
        finally:
            await pieces.aclose()
        self._complete(key, piece)

    async def _anext(self, key: ApiKey, pieces: AsyncGenerator[str | Reply]) -> str | Reply:
        try:
            return await anext(pieces)
        except Exception as error:
            blocks = self._call.broken(key, error)
            await in_thread(self._call.remember, blocks)
            raise self._call.interrupted(blocks, "".join(self._text)) from error


class TextStream:
    """The pieces of an answer; nothing is sent before the first is asked for.

    It is an iterator and a context manager; closing it early closes the connection. Iterating raises what
    ``send_prompt`` raises until the first piece has come, and :class:`StreamInterruptedError` after it.
    """

    def __init__(self, call: Call, flow: Flow) -> None:
        self._reading = _Reading(call, flow)
        self._pieces = self._reading.pieces()

    def __repr__(self) -> str:
        return f"<TextStream: {self._reading.state}>"

    @property
    def completion(self) -> Completion | None:
        """The whole result once the stream is exhausted, ``None`` before."""
        return self._reading.completion

    @property
    def usage(self) -> Usage | None:
        """The tokens that were told until the stream ended, broke or was closed; ``None`` for none."""
        return self._reading.usage

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        return next(self._pieces)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, whether or not the answer is complete."""
        self._pieces.close()


class AsyncTextStream:
    """The pieces of an answer in an event loop; nothing is sent before the first is asked for.

    As :class:`TextStream`, with ``async for``, ``async with`` and ``aclose``.
    """

    def __init__(self, call: Call, flow: Flow) -> None:
        self._reading = _Reading(call, flow)
        self._pieces = self._reading.apieces()

    def __repr__(self) -> str:
        return f"<AsyncTextStream: {self._reading.state}>"

    @property
    def completion(self) -> Completion | None:
        """The whole result once the stream is exhausted, ``None`` before."""
        return self._reading.completion

    @property
    def usage(self) -> Usage | None:
        """The tokens that were told until the stream ended, broke or was closed; ``None`` for none."""
        return self._reading.usage

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        return await anext(self._pieces)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection, whether or not the answer is complete."""
        await self._pieces.aclose()


def text_of(done: Completion) -> str:
    """Return the text of a whole answer.

    Raises:
        InvalidRequestError: There is none, for the model asks for tools.
    """
    if done.tool_calls and not done.text:
        names = ", ".join(call.name for call in done.tool_calls)
        raise InvalidRequestError(
            f"{done.provider} {done.model} answered with no text, but asks for tools: {names}; "
            "complete() returns them as tool_calls",
            provider=done.provider,
            model=done.model,
            key=done.key,
        )
    return done.text
