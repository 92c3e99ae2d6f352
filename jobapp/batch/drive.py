"""The two loops of a batch: one for a thread, one for an event loop. What they decide is the course's.

The synchronous one has an event loop in a thread of its own, so that what is under way can be ended at once:
a thread that waits for a quota's reset can't be.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from concurrent import futures
from contextlib import suppress
from dataclasses import replace
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

from jobapp.batch.course import Course, Outcome
from jobapp.batch.rows import BatchResult, Row, read_row
from jobapp.domain.exceptions import ConfigError, JobAppError
from jobapp.domain.types import Completion

Ask = Callable[[Row, float], Coroutine[Any, Any, Completion]]
"""Asks a row, after so many seconds."""

Close = Callable[[], Awaitable[None]]

CLOSING = 5.0
"""Seconds that the connections of an ended batch may take to close."""

Work = Coroutine[Any, Any, Outcome]

_Ended = tuple[Row, Outcome | BaseException]
_END: Any = [0, ...]  # no tuple: anext would take it apart

T = TypeVar("T")


def drive(rows: Iterable[Any], course: Course, ask: Ask, close: Close) -> Iterator[BatchResult]:
    """Ask *rows* and yield what becomes of them; they are read in this thread, when there is room.

    Args:
        rows: What is asked, in the forms of :mod:`jobapp.batch.rows`.
        course: Of this batch.
        ask: Asks one of them.
        close: Closes the connections of the event loop that it is called in.
    """
    numbered, is_open = enumerate(rows), True
    ended: SimpleQueue[_Ended] = SimpleQueue()
    with _LoopThread(close) as loop:
        while True:
            while course.wants(is_open=is_open):
                row, work = _repeated(course, ask) or _begun(course, ask, *_next(course, numbered))
                is_open = is_open and work is not None
                if work is not None:
                    loop.start_soon(_told(row, work, ended.put))
            if not course.under_way:
                break
            yield from course.ended(*_expected(ended.get()))
        yield from course.finish()


async def adrive(rows: Any, course: Course, ask: Ask) -> AsyncIterator[BatchResult]:
    """Do so in the running event loop; *rows* may be asynchronous."""
    numbered, is_open = _anumbered(rows), True
    ended: asyncio.Queue[_Ended] = asyncio.Queue()
    tasks: set[asyncio.Task[None]] = set()
    try:
        while True:
            while course.wants(is_open=is_open):
                row, work = _repeated(course, ask) or _begun(course, ask, *await _anext(course, numbered))
                is_open = is_open and work is not None
                if work is not None:
                    task = asyncio.create_task(_told(row, work, ended.put_nowait))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
            if not course.under_way:
                break
            for result in course.ended(*_expected(await ended.get())):
                yield result
        for result in course.finish():
            yield result
    finally:
        under_way = list(tasks)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await numbered.aclose()


def run_in_loop(work: Coroutine[Any, Any, T], close: Close) -> T:
    """Do *work* in an event loop in a thread of its own, and return what it returns.

    What is raised in this thread meanwhile (Ctrl-C) ends it.

    Args:
        work: What to do.
        close: Closes the connections of the event loop that it is called in.
    """
    with _LoopThread(close) as loop:
        return loop.result(work)


async def _told(row: Row, work: Work, tell: Callable[[_Ended], object]) -> None:
    """Tell how *work* ended, whatever way."""
    try:
        outcome: Outcome | BaseException = await work
    except BaseException as error:  # noqa: BLE001 - it is raised where the batch is read
        outcome = error
    tell((row, outcome))


def _expected(ended: _Ended) -> tuple[Row, Outcome]:
    """Return how a row ended; what a call does not end with is raised: a listener's own error, say."""
    row, outcome = ended
    if isinstance(outcome, Completion | JobAppError):
        return row, outcome
    raise outcome


def _next(course: Course, numbered: Iterator[tuple[int, Any]]) -> Any:
    """Return the next row as it is written; what the caller's own iterator raises ends the run in order."""
    try:
        return next(numbered, _END)
    except Exception as error:  # noqa: BLE001 - it is raised after what is under way
        course.stop(error)
        return _END


async def _anext(course: Course, numbered: AsyncIterator[tuple[int, Any]]) -> Any:
    try:
        return await anext(numbered, _END)
    except Exception as error:  # noqa: BLE001 - it is raised after what is under way
        course.stop(error)
        return _END


def _repeated(course: Course, ask: Ask) -> tuple[Row, Work | None] | None:
    """Return a row that is asked again, with what asks it; ``None`` where none is to be."""
    if not course.again:
        return None
    course.started(is_new=False)
    row, pause = course.again.popleft()
    return row, _outcome(ask, row, pause)


def _begun(course: Course, ask: Ask, index: int, written: Any) -> tuple[Row, Work | None]:
    """Return a row that was read, with what asks it; at the end of the input, with nothing."""
    row = Row(index, f"row {index + 1}", None)
    if written is ...:
        return row, None
    course.started(is_new=True)
    try:
        row = replace(written, index=index) if isinstance(written, Row) else read_row(index, written)
    except ConfigError as error:
        return row, _fault(error)
    return row, _outcome(ask, row, 0.0)


async def _fault(error: ConfigError) -> Outcome:
    return error


async def _outcome(ask: Ask, row: Row, pause: float) -> Outcome:
    try:
        return await ask(row, pause)
    except JobAppError as error:
        return error


async def _anumbered(rows: Any) -> AsyncGenerator[tuple[int, Any]]:
    if hasattr(rows, "__aiter__"):
        index = 0
        async for written in rows:
            yield index, written
            index += 1
    else:
        for each in enumerate(rows):
            yield each


class _LoopThread:
    """An event loop in a thread of its own, which starts with the first work.

    Args:
        close: Closes the connections of the event loop that it is called in.
    """

    def __init__(self, close: Close) -> None:
        self._close = close
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="jobapp-batch", daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what is under way, close the connections, and the loop."""
        if self._thread.ident:
            with suppress(futures.TimeoutError):
                asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(CLOSING)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def start_soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Do *work* in the loop."""
        self._start()
        self._loop.call_soon_threadsafe(self._loop.create_task, work)

    def result(self, work: Coroutine[Any, Any, T]) -> T:
        """Do *work* in the loop and return what it returns."""
        self._start()
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _start(self) -> None:
        if not self._thread.ident:
            self._thread.start()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._close()
        await asyncio.get_running_loop().shutdown_asyncgens()
