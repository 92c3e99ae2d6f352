"""Servers that keep a client waiting in ways that no HTTP library's own time-out ends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

PAUSE = 0.02
"""Seconds between two drops."""

JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n"
SSE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

Drops = Callable[[], Iterator[bytes]]


def nothing() -> Iterator[bytes]:
    """Take the request and say nothing."""
    yield from ()


def headers() -> Iterator[bytes]:
    """Send headers without an end."""
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"x-more: headers\r\n"


def body() -> Iterator[bytes]:
    """Send a body, a space at a time."""
    yield JSON_HEAD
    while True:
        yield b" "


def blank_lines() -> Iterator[bytes]:
    """Send a stream of blank lines, which is how some keep a connection open while they wait for a model."""
    yield SSE_HEAD
    while True:
        yield b"1\r\n\n\r\n"


def rejection() -> Iterator[bytes]:
    """Send an error, a space at a time."""
    yield JSON_HEAD.replace(b"200 OK", b"503 Service Unavailable")
    while True:
        yield b" "


@contextmanager
def serving(drops: Drops, pause: float = PAUSE) -> Iterator[str]:
    """Serve *drops*, with a *pause* after each, to everyone who connects; give the server's address."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        threads = [threading.Thread(target=_accept, args=(listening, drops, pause, over), daemon=True)]
        threads[0].start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            threads[0].join()


def _accept(listening: socket.socket, drops: Drops, pause: float, over: threading.Event) -> None:
    with suppress(OSError):
        while not over.is_set():
            connection, _ = listening.accept()
            threading.Thread(target=_drip, args=(connection, drops, pause, over), daemon=True).start()


def _drip(connection: socket.socket, drops: Drops, pause: float, over: threading.Event) -> None:
    with connection, suppress(OSError):
        connection.recv(65_536)
        for drop in drops():
            connection.sendall(drop)
            if over.wait(pause):
                return
        over.wait()


@contextmanager
def accepting_nobody(host: str = "127.0.0.1") -> Iterator[int]:
    """Give the port of a server whose queue of connections is full: connecting to it takes for ever."""
    with socket.create_server((host, 0), backlog=0) as listening:
        port = listening.getsockname()[1]
        waiting = [socket.socket() for _ in range(8)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        try:
            yield port
        finally:
            for each in waiting:
                each.close()
