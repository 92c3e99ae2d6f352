"""Refuses every connection that leaves this machine, so that a client that goes astray is told at once.

What is written in C and brings its own sockets (gRPC, uvloop) is not seen.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable
from ipaddress import ip_address
from types import FrameType
from typing import Any

logger = logging.getLogger(__name__)

LOCAL_NAMES = frozenset({"", "localhost", "localhost.localdomain", "ip6-localhost"})
INTERNET = (socket.AF_INET, socket.AF_INET6)
BENEATH_CLIENTS = frozenset(
    {
        *("socket", "asyncio", "ssl", "http", "urllib", "contextlib", "threading", "concurrent", "functools"),
        *("httpx", "httpx2", "httpcore", "httpcore2", "anyio", "sniffio", "urllib3", "requests"),
        *("aiohttp", "aiohappyeyeballs", "tenacity", "backoff"),
    }
)
"""Packages that connect on behalf of others: the first above them is the client."""


class NetworkBlockedError(BaseException):
    """A client wanted to leave this machine.

    No ``Exception``, so that no client takes it for a fault of the provider, waits and tries again: a test
    fails at once, and with this text.

    Attributes:
        host: Where it wanted to go.
        client: The package that wanted to.
    """

    def __init__(self, host: str, client: str) -> None:
        super().__init__(
            f"{client} wanted to connect to {host}, and block_network=True refuses what leaves this machine. "
            f"Point {client} at the simulator: Simulator.environ() has the variables that clients read, "
            "Simulator.base_url(provider) the address to hand over."
        )
        self.host, self.client = host, client


class NetworkBlock:
    """Refuses connections to other machines from :meth:`start` to :meth:`stop`, in the whole process."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def start(self) -> None:
        """Refuse from now on."""
        self._replace(socket.socket, "connect", _checked_address)
        self._replace(socket.socket, "connect_ex", _checked_address)
        self._replace(socket, "getaddrinfo", _checked_host)
        self._replace(socket, "gethostbyname", _checked_host)
        self._replace(asyncio.BaseEventLoop, "getaddrinfo", _checked_later)  # it looks names up in a thread

    def stop(self) -> None:
        """Let everything pass again."""
        while self._undo:
            self._undo.pop()()

    def _replace(self, owner: Any, name: str, checked: Callable[[Any], Any]) -> None:
        original, inherited = getattr(owner, name), name not in vars(owner)
        setattr(owner, name, checked(original))
        self._undo.append(
            (lambda: delattr(owner, name)) if inherited else (lambda: setattr(owner, name, original))
        )


def _checked_address(connect: Callable[..., Any]) -> Callable[..., Any]:
    def checked(self: socket.socket, address: Any) -> Any:
        if self.family in INTERNET:
            _check(address[0])
        return connect(self, address)

    return checked


def _checked_host(look_up: Callable[..., Any]) -> Callable[..., Any]:
    def checked(host: Any, *args: Any, **kwargs: Any) -> Any:
        _check(host)
        return look_up(host, *args, **kwargs)

    return checked


def _checked_later(look_up: Callable[..., Any]) -> Callable[..., Any]:
    async def checked(self: asyncio.BaseEventLoop, host: Any, *args: Any, **kwargs: Any) -> Any:
        _check(host)
        return await look_up(self, host, *args, **kwargs)

    return checked


def _check(host: Any) -> None:
    name = host.decode("idna") if isinstance(host, bytes) else host or ""
    if not _is_here(name):
        error = NetworkBlockedError(name, _client(sys._getframe(2)))  # noqa: SLF001 - who called
        logger.warning("%s", error)
        raise error


def _is_here(host: str) -> bool:
    if host.lower() in LOCAL_NAMES or host == socket.gethostname():
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _client(frame: FrameType | None) -> str:
    while frame is not None:
        first, *rest = str(frame.f_globals.get("__name__", "")).split(".")
        if first == "google" and rest:
            return f"google.{rest[0]}"
        if first and first not in BENEATH_CLIENTS:
            return first
        frame = frame.f_back
    return "a client"
