"""Requests that wait for a test's word, so that nothing in a test depends on timing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from jobapp.domain.clock import Clock
from jobapp.testing.clock import pass_time
from jobapp.testing.http_values import Request
from jobapp.testing.replies import RawResponse
from jobapp.testing.server import LoopbackServer, Pause


@dataclass(frozen=True, slots=True)
class Held:
    """Which requests are held, and where.

    Attributes:
        provider: Those of one provider, ``None`` for all.
        key: Those with one key, ``None`` for all.
        after: The pieces of a stream that are sent before; ``None`` holds before anything is sent.
    """

    provider: str | None = None
    key: str | None = None
    after: int | None = None

    def covers(self, request: Request) -> bool:
        """Return whether *request* is one of them."""
        return self.provider in (None, request.provider) and self.key in (None, request.key)

    def place(self, reply: RawResponse) -> int:
        """Return before which part of *reply* they are held."""
        if self.after is None or not reply.lead:
            return 0
        return min(reply.lead + self.after, len(reply.parts))


class Hold:
    """Requests that wait until they are released; made by :meth:`Simulator.hold`.

    Attributes:
        held: Which requests.
        waiting: How many wait now.
    """

    def __init__(self, held: Held, server: LoopbackServer) -> None:
        self.held = held
        self.waiting = 0
        self._server = server
        self._released = asyncio.Event()

    def release(self) -> None:
        """Let those that wait go on; those that come later do not wait."""
        self._server.loop.call_soon_threadsafe(self._released.set)

    def wait_for(self, count: int = 1, timeout: float = 10.0) -> None:
        """Block until *count* requests wait.

        Raises:
            TimeoutError: They did not come within *timeout* seconds.
        """
        if not self._server.wait_for(lambda: self.waiting >= count, timeout):
            raise TimeoutError(f"{self.waiting} of {count} requests are held after {timeout} s")

    async def pause(self) -> None:
        """Wait for the release, in the server's loop."""
        self.waiting += 1
        self._server.changed()
        try:
            await self._released.wait()
        finally:
            self.waiting -= 1
            self._server.changed()


def pauses_of(
    request: Request, reply: RawResponse, holds: Sequence[Hold], slow: float, clock: Clock
) -> Mapping[int, list[Pause]]:
    """Return what the sending of *reply* waits for, by the part before which it waits.

    Args:
        request: What is answered.
        reply: Its answer, which may have waits of its own.
        holds: What a test holds back.
        slow: Seconds before the answer.
        clock: By which they pass.
    """
    pauses: dict[int, list[Pause]] = {}
    for hold in holds:
        if hold.held.covers(request):
            pauses.setdefault(hold.held.place(reply), []).append(hold.pause)
    for place, seconds in (*reply.waits.items(), *([(0, slow)] if slow else ())):
        pauses.setdefault(place, []).append(partial(pass_time, clock, seconds))
    if reply.hang:
        pauses.setdefault(0, []).append(_for_ever)
    return pauses


async def _for_ever() -> None:
    await asyncio.Event().wait()
