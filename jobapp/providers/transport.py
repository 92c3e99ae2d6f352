"""The HTTP clients that SDKs are given: one pool of connections, no cookies, a limit on all of a request.

It serves httpx and its fork httpx2 alike: newer SDKs take the fork, and both have the same classes and hooks.
"""

from __future__ import annotations

import math
import sys
import time
from http.cookiejar import CookieJar
from typing import Any, Self

from jobapp.providers.exchange import current_exchange

CONNECT_SECONDS = 10.0
"""A connection that takes longer will not come; the rest of a timeout is for the answer."""


class TimeLimit(float):
    """Seconds that a network operation may take, and the instant at which all of them must be done.

    HTTP libraries limit each read by itself, so a body that drips could last for ever. They hand the number
    they were given down to the socket untouched, and this number knows when the request began.
    """

    __slots__ = ("ends",)
    ends: float

    def __new__(cls, seconds: float) -> Self:
        """Start the clock."""
        limit = super().__new__(cls, seconds)
        limit.ends = time.monotonic() + seconds
        return limit


def lift_limit(response: Any) -> None:
    """Let a stream that has begun go on as long as its pieces come; each still has the request's timeout."""
    extensions = getattr(getattr(response, "request", None), "extensions", {})  # requests has none
    limit = extensions.get("timeout", {}).get("read")
    if isinstance(limit, TimeLimit):
        limit.ends = math.inf


def open_client(client_class: type[Any]) -> Any:
    """Return a synchronous HTTP client.

    Args:
        client_class: ``httpx.Client``, ``httpx2.Client`` or the class with which an SDK makes its own.
    """
    hooks = {"request": [_limit_request], "response": [_note_response]}
    client = client_class(event_hooks=hooks, **_manners(client_class))
    _limit_all_reads(client)
    return client


def open_async_client(client_class: type[Any]) -> Any:
    """Return an asynchronous HTTP client for the running event loop; its caller limits all of a request."""
    hooks = {"request": [_alimit_request], "response": [_anote_response]}
    return client_class(event_hooks=hooks, **_manners(client_class))


class _NoCookies(CookieJar):
    """A proxy's cookie that came with one key must not go out with another; nor does it cost time here."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        pass

    def add_cookie_header(self, request: Any) -> None:
        pass


def _manners(client_class: type[Any]) -> dict[str, Any]:
    """Return the arguments of all clients.

    The limits are those the SDKs give themselves (openai 3.54, anthropic 2.12). Redirects are not followed,
    as the SDKs do: httpx would carry the headers ``x-api-key`` and ``x-goog-api-key`` to another host.
    """
    base = next(base for base in client_class.__mro__ if base.__name__ in {"Client", "AsyncClient"})
    limits = _package(base).Limits(max_connections=1000, max_keepalive_connections=100)
    return {"limits": limits, "cookies": _NoCookies(), "follow_redirects": False}


def _package(cls: type[Any]) -> Any:
    return sys.modules[cls.__module__.partition(".")[0]]


def _limit_request(request: Any) -> None:
    limit = TimeLimit(current_exchange().seconds)
    connect = min(limit, CONNECT_SECONDS)
    request.extensions["timeout"].update(connect=connect, read=limit, write=limit, pool=limit)


async def _alimit_request(request: Any) -> None:
    _limit_request(request)


def _note_response(response: Any) -> None:
    exchange = current_exchange()
    exchange.response = response
    if exchange.tail is not None:
        response.iter_bytes = exchange.tail.watch(response.iter_bytes)


async def _anote_response(response: Any) -> None:
    exchange = current_exchange()
    exchange.response = response
    if exchange.tail is not None:
        response.aiter_bytes = exchange.tail.awatch(response.aiter_bytes)


def _limit_all_reads(client: Any) -> None:
    """Make every socket of *client* obey a :class:`TimeLimit`.

    httpcore takes the backend publicly, httpx does not hand it on; where a later version hides it elsewhere,
    each read is still limited by itself.
    """
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 (see above)
        pool: Any = getattr(transport, "_pool", None)
        if backend := getattr(pool, "_network_backend", None):
            pool._network_backend = _LimitedBackend(backend)  # noqa: SLF001 (see above)


class _LimitedBackend:
    """httpcore's own backend, with streams that obey a :class:`TimeLimit`."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._timed_out = _package(type(backend)).ReadTimeout
        self.sleep = backend.sleep

    def connect_tcp(self, *args: Any, **kwargs: Any) -> _LimitedStream:
        return _LimitedStream(self._backend.connect_tcp(*args, **kwargs), self._timed_out)

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> _LimitedStream:
        return _LimitedStream(self._backend.connect_unix_socket(*args, **kwargs), self._timed_out)


class _LimitedStream:
    """A network stream whose reads end when the request's time is over."""

    def __init__(self, stream: Any, timed_out: type[Exception]) -> None:
        self._stream = stream
        self._timed_out = timed_out
        self.write = stream.write
        self.close = stream.close
        self.get_extra_info = stream.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = None) -> Any:
        if isinstance(timeout, TimeLimit):
            left = timeout.ends - time.monotonic()
            if left <= 0:
                raise self._timed_out(f"the answer was not complete within {timeout:g} seconds")
            timeout = min(left, timeout)
        return self._stream.read(max_bytes, timeout)

    def start_tls(self, *args: Any, **kwargs: Any) -> _LimitedStream:
        return _LimitedStream(self._stream.start_tls(*args, **kwargs), self._timed_out)
