"""The loopback server: connections and their timing; what is said comes from elsewhere."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

from jobapp.testing.http1 import RawRequest, Reader

HOST = "127.0.0.1"
BACKLOG = 2048
ACCEPT_TURNS = 6
"""Turns of asyncio's loop from an accepted connection to one that is made, and dropped."""
Pause = Callable[[], Awaitable[None]]


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Sending:
    """What to write, and where to wait.

    Attributes:
        parts: Written one after the other.
        close: Close the connection afterwards.
        pauses: What is awaited before the part of that index.
        done: Called when all is written, or the client has gone before.
    """

    parts: Sequence[bytes]
    close: bool = False
    pauses: Mapping[int, Sequence[Pause]] = field(default_factory=dict)
    done: Callable[[], None] = _nothing


Application = Callable[[RawRequest], Sending]


class Connection(asyncio.Protocol):
    """One client's connection: requests are served one after the other."""

    def __init__(self, application: Application, server: LoopbackServer) -> None:
        self._application, self._server = application, server
        self._reader = Reader()
        self._task: asyncio.Task[None] | None = None
        self._transport = cast("asyncio.Transport", None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)
        self._server.changed()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Give up what was being sent."""
        if self._task is not None:
            self._task.cancel()
        self._server.connections.discard(self)
        self._server.changed()

    def data_received(self, data: bytes) -> None:
        """Serve what is whole."""
        self._reader.feed(data)
        self._serve()

    def close(self) -> None:
        """Drop the connection."""
        self._transport.abort()

    def _serve(self) -> None:
        while self._task is None and not self._transport.is_closing() and (call := self._reader.next()):
            sending = self._application(call)
            if sending.pauses:
                self._task = self._server.loop.create_task(self._send_slowly(sending, call))
            else:
                self._transport.write(b"".join(sending.parts))
                self._finish(sending, call)

    async def _send_slowly(self, sending: Sending, call: RawRequest) -> None:
        try:
            for index, part in enumerate([*sending.parts, b""]):
                for pause in sending.pauses.get(index, ()):
                    await pause()
                self._transport.write(part)
        except asyncio.CancelledError:
            sending.done()
            raise
        self._task = None
        self._finish(sending, call)
        self._serve()

    def _finish(self, sending: Sending, call: RawRequest) -> None:
        if sending.close or not call.keep_alive:
            self._transport.close()
        sending.done()


class LoopbackServer:
    """An HTTP server on 127.0.0.1, in its own thread.

    Args:
        application: Called in the server's thread with each request.
        port: Where it shall listen; 0 for any that is free.

    Attributes:
        connections: The open ones.
        port: Where it listens; 0 until it is started.
        loop: The event loop of its thread.
    """

    loop: asyncio.AbstractEventLoop

    def __init__(self, application: Application, port: int = 0) -> None:
        self.connections: set[Connection] = set()
        self.port = 0
        self._application, self._wanted = application, port
        self._changed = threading.Condition()
        self._watchers = 0
        self._stopping = asyncio.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen; requests may come when this returns."""
        listening = socket.create_server((HOST, self._wanted), backlog=BACKLOG)
        self.port = listening.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._run, args=(listening,), name="llm-simulator", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Drop every connection and end the thread; a server that does not run is left alone."""
        if self._thread is not None:
            self.loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._thread = None

    def changed(self) -> None:
        """Wake those who wait for something to happen; costs nothing where nobody does."""
        if self._watchers:
            with self._changed:
                self._changed.notify_all()

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Block until *condition* holds; return whether it does within *timeout* seconds."""
        with self._changed:
            self._watchers += 1
            try:
                return self._changed.wait_for(condition, timeout)
            finally:
                self._watchers -= 1

    def _run(self, listening: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._listen(listening))

    async def _listen(self, listening: socket.socket) -> None:
        server = await self.loop.create_server(
            lambda: Connection(self._application, self), sock=listening, backlog=BACKLOG
        )
        await self._stopping.wait()
        with suppress(NotImplementedError):  # Windows
            self.loop.remove_reader(listening)
        for _ in range(ACCEPT_TURNS):  # a closed asyncio server would leave open what it is just accepting
            for connection in list(self.connections):
                connection.close()
            await asyncio.sleep(0)
        server.close()
        await asyncio.sleep(0)
