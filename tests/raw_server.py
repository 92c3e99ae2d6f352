"""A server that says byte by byte what a test wants: HTTP/1.1 as RFC 9112 has it, with any habit."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

JSON = ("content-type", "application/json")
END = b"0\r\n\r\n"
"""The last chunk."""


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        told = [self.headers.get(name, "") for name in ("authorization", "x-api-key", "x-goog-api-key")]
        return "".join(told).removeprefix("Bearer ")


Habit = Callable[[Received], bytes | Iterator[bytes]]
"""What is said to a request, at once or bit by bit."""


@dataclass
class RawServer:
    """What came, and what is said to it; a habit's answer that is no whole message ends the connection.

    Attributes:
        base: Its address.
        habit: What it says to a request.
        received: The requests so far.
    """

    base: str
    habit: Habit
    received: list[Received] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        return [request.key for request in self.received]


def message(
    status: int = 200, body: Any = b"", headers: Sequence[tuple[str, str]] = (), *, short_of: int = 0
) -> bytes:
    """Return a whole answer; *short_of* bytes more are promised than come."""
    if not isinstance(body, bytes):
        return message(status, json.dumps(body).encode(), [JSON, *headers], short_of=short_of)
    told = [*headers, ("content-length", str(len(body) + short_of))]
    return b"".join((_head(status, told), body))


def stream(*parts: bytes, end: bytes = END, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """Return a stream of events in chunks; without *end* it is cut."""
    told = [("content-type", "text/event-stream"), ("transfer-encoding", "chunked"), *headers]
    return _head(200, told) + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end


def _head(status: int, headers: Sequence[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode()


def event(data: Any) -> bytes:
    """Return one event of a stream."""
    return b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"


def in_turn(*answers: bytes) -> Habit:
    """Say one after the other, the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def raw_server(habit: Habit) -> Iterator[RawServer]:
    """Run a server on loopback until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = RawServer(f"http://127.0.0.1:{listening.getsockname()[1]}", habit)
        threading.Thread(target=_accept, args=(listening, server), daemon=True).start()
        try:
            yield server
        finally:
            listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, server: RawServer) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, server), daemon=True).start()


def _serve(connection: socket.socket, server: RawServer) -> None:
    with connection, connection.makefile("rb") as incoming:
        try:
            while (request := _read(incoming)) is not None:
                server.received.append(request)
                said = server.habit(request)
                for part in [said] if isinstance(said, bytes) else said:
                    connection.sendall(part)
                if not isinstance(said, bytes) or not _is_whole(said):
                    return
        except OSError:
            return


def _read(incoming: BinaryIO) -> Received | None:
    first = incoming.readline().decode("latin-1")
    if not first:
        return None
    method, path, _ = first.split(" ", 2)
    pairs = (line.decode("latin-1").partition(":") for line in iter(incoming.readline, b"\r\n"))
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    if headers.get("transfer-encoding") != "chunked":
        return Received(method, path, headers, incoming.read(int(headers.get("content-length") or 0)))
    body = b""
    while size := int(incoming.readline(), 16):
        body += incoming.read(size)
        incoming.readline()
    incoming.readline()
    return Received(method, path, headers, body)


def _is_whole(said: bytes) -> bool:
    head, _, body = said.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head:
        return body.endswith(END)
    promised = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return promised.isdigit() and len(body) >= int(promised)
