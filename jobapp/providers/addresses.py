"""The addresses of a host, and how long each may be tried: together no longer than a time limit."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from ipaddress import ip_address
from typing import Any

from jobapp.providers.request_context import TimeLimit

SHORTEST = 0.001
"""Seconds that are tried even when the time is over: to a socket, 0 means not to wait for anything."""


def each_address(host: str, port: int, limit: TimeLimit) -> Iterator[tuple[str, float, bool]]:
    """Yield each address with the seconds that it may take, its share of what is left, and if it is the last.

    HTTP libraries would give each of them the whole time, and the resolver even more.

    Raises:
        OSError: The host has no address.
        TimeoutError: The resolver did not tell within the limit.
    """
    addresses = [host] if _is_address(host) else _look_up(host, port, limit)
    for left in range(len(addresses), 0, -1):
        yield addresses[-left], max(SHORTEST, limit.left / left), left == 1


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _look_up(host: str, port: int, limit: TimeLimit) -> list[str]:
    """Ask the resolver, which obeys no time-out, in a thread."""
    found: Future[list[Any]] = Future()

    def ask() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            found.set_exception(error)

    threading.Thread(target=ask, name="jobapp-resolver", daemon=True).start()
    try:
        entries = found.result(max(0.0, limit.left))
    except TimeoutError as error:
        raise TimeoutError(f"{host} was not found within {limit:g} seconds") from error
    return list(dict.fromkeys(entry[4][0] for entry in entries))
