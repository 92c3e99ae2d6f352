"""What every request of a run passes: it counts them, knows which rows sleep, and lets none through any more.

It listens to the events of the run's calls, in their event loop: whatever it raises there ends the call
before its request is sent. So a cap of requests is never passed, and a run that is to stop lets what is with
the provider end, but sends nothing more and waits for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from jobapp.domain import events
from jobapp.domain.clock import Clock
from jobapp.domain.exceptions import JobAppError, RunStoppedError

Task = asyncio.Task[object]


class Sleep(NamedTuple):
    """What a row waits for.

    Attributes:
        whom: What it waits for, for people.
        until: How long, aware UTC.
    """

    whom: str
    until: datetime


class Gate:
    """The gate of one run.

    Args:
        clock: The time.
        max_requests: So many requests are sent at most, repeats included.

    Attributes:
        requests: How many were sent.
        stopped: Why none is sent any more; ``None`` while the gate is open.
    """

    def __init__(self, clock: Clock, *, max_requests: int | None = None) -> None:
        self.requests = 0
        self.stopped: JobAppError | None = None
        self._clock = clock
        self._max_requests = max_requests
        self._rows: set[Task] = set()
        self._sleeping: dict[Task, Sleep] = {}

    @contextmanager
    def row(self, pause: float = 0.0) -> Iterator[None]:
        """Be around all that is done for one row, in its task.

        Args:
            pause: Seconds that the row sleeps first.

        Raises:
            JobAppError: Why the run was stopped meanwhile.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - it is used in coroutines
        if self.stopped is not None:
            raise self.stopped
        self._rows.add(task)
        if pause:
            self._sleeps(task, "a server that is overloaded", pause)
        try:
            yield
        except asyncio.CancelledError:
            if self.stopped is None:
                raise
            raise self.stopped from None
        finally:
            self._rows.discard(task)
            self._sleeping.pop(task, None)

    def heard(self, event: events.Event) -> None:
        """Take an event of one of the calls, in the task of its row."""
        task = asyncio.current_task()
        if task is None:
            return
        if isinstance(event, events.AttemptStarted):
            self._sleeping.pop(task, None)
            self._let_through()
        elif isinstance(event, events.Waiting):
            if self.stopped is not None:
                raise self.stopped
            whom = event.key or f"the first free key of {event.provider}"
            self._sleeps(task, f"{whom} ({event.model})" if event.model else whom, event.seconds)

    def stop(self, error: JobAppError) -> None:
        """Send nothing more, from any thread; what sleeps ends, what is with the provider comes back."""
        self.stopped = self.stopped or error
        self._end(list(self._sleeping))

    def cut(self) -> None:
        """End what is with the provider, too."""
        self._end(list(self._rows))

    def waits_for(self) -> Sleep | None:
        """Return what all rows wait for, the first that ends; ``None`` while one is with the provider."""
        sleeping = list(self._sleeping.values())
        if not sleeping or len(sleeping) < len(self._rows):
            return None
        return min(sleeping, key=lambda sleep: sleep.until)

    def _sleeps(self, task: Task, whom: str, seconds: float) -> None:
        self._sleeping[task] = Sleep(whom, self._clock.now() + timedelta(seconds=seconds))

    def _let_through(self) -> None:
        if self.stopped is None and self.requests == self._max_requests:
            self.stop(RunStoppedError(f"the batch sent its {self._max_requests} requests"))
        if self.stopped is not None:
            raise self.stopped
        self.requests += 1

    def _end(self, tasks: list[Task]) -> None:
        for task in tasks:
            with suppress(RuntimeError):  # its loop is closed: it has ended
                task.get_loop().call_soon_threadsafe(task.cancel)
