"""The HTTP clients that SDKs are given: one pool of connections, no cookies, a limit on all of a request.

It serves httpx and its fork httpx2 alike: newer SDKs take the fork, and both have the same classes and hooks.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext, suppress
from http.cookiejar import CookieJar
from importlib import import_module
from typing import Any

from jobapp.providers.addresses import SHORTEST, each_address
from jobapp.providers.machine import check_machine, trusted
from jobapp.providers.request_context import TimeLimit, current_request

CONNECT_SECONDS = 10.0
"""A connection that takes longer will not come; the rest of a timeout is for the answer."""


def open_client(client_class: type[Any]) -> Any:
    """Return a synchronous HTTP client.

    Args:
        client_class: ``httpx.Client``, ``httpx2.Client`` or the class with which an SDK makes its own.
    """
    hooks = {"request": [_limit_request], "response": [_note_response]}
    client = client_class(event_hooks=hooks, **manners(client_class))
    _limit_all_reads(client)
    return client


def open_async_client(client_class: type[Any]) -> Any:
    """Return an asynchronous HTTP client for the running event loop; its caller limits all of a request."""
    hooks = {"request": [_alimit_request], "response": [_anote_response]}
    return client_class(event_hooks=hooks, **manners(client_class))


class NoCookies(CookieJar):
    """A proxy's cookie that came with one key must not go out with another; nor does it cost time here."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Take none."""

    def add_cookie_header(self, request: Any) -> None:
        """Send none."""


def manners(client_class: type[Any]) -> dict[str, Any]:
    """Return the arguments of all clients.

    The limits are those the SDKs give themselves (openai 3.54, anthropic 2.12). Redirects are not followed,
    as the SDKs do: httpx would carry the headers ``x-api-key`` and ``x-goog-api-key`` to another host.

    Raises:
        ConfigError: A proxy or a certificate file of this machine can't be used.
    """
    check_machine()
    import_module("encodings.idna")  # the first connection would import it, in the middle of a fork perhaps
    base = next(base for base in client_class.__mro__ if base.__name__ in {"Client", "AsyncClient"})
    limits = _package(base).Limits(max_connections=1000, max_keepalive_connections=100)
    manners = {"limits": limits, "cookies": NoCookies(), "follow_redirects": False}
    return manners if (certificates := trusted()) is None else {**manners, "verify": certificates}


def _package(cls: type[Any]) -> Any:
    return sys.modules[cls.__module__.partition(".")[0]]


def _limit_request(request: Any) -> None:
    limit = current_request().limit
    left = max(SHORTEST, limit.left)
    connect = TimeLimit(min(left, CONNECT_SECONDS))
    request.extensions["timeout"].update(connect=connect, read=limit, write=limit, pool=left)


async def _alimit_request(request: Any) -> None:
    _limit_request(request)


def _note_response(response: Any) -> None:
    context = current_request()
    context.response = response
    response.iter_bytes = context.body.watch(response.iter_bytes)


async def _anote_response(response: Any) -> None:
    context = current_request()
    context.response = response
    response.aiter_bytes = context.body.awatch(response.aiter_bytes)


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
    """httpcore's own backend, which obeys a :class:`TimeLimit`, as its streams do."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._errors = _package(type(backend))
        self.sleep = backend.sleep

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **kwargs: Any
    ) -> _LimitedStream:
        """Try the addresses of *host* one after the other."""
        if not isinstance(timeout, TimeLimit):
            return self._limited(self._backend.connect_tcp(host, port, timeout, *args, **kwargs))
        errors = self._errors
        try:
            for address, seconds, last in each_address(host, port, timeout):
                with nullcontext() if last else suppress(errors.ConnectError, errors.ConnectTimeout):
                    return self._limited(self._backend.connect_tcp(address, port, seconds, *args, **kwargs))
        except TimeoutError as error:
            raise errors.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise errors.ConnectError(str(error)) from error
        raise errors.ConnectError(f"{host} has no address")

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> _LimitedStream:
        return self._limited(self._backend.connect_unix_socket(*args, **kwargs))

    def _limited(self, stream: Any) -> _LimitedStream:
        return _LimitedStream(stream, self._errors.ReadTimeout)


class _LimitedStream:
    """A network stream whose reads and writes end when the request's time is over."""

    def __init__(self, stream: Any, timed_out: type[Exception]) -> None:
        self._stream = stream
        self._timed_out = timed_out
        self.close = stream.close
        self.get_extra_info = stream.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = None) -> Any:
        return self._stream.read(max_bytes, self._left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left(timeout))

    def _left(self, timeout: float | None) -> float | None:
        if not isinstance(timeout, TimeLimit):
            return timeout
        left = timeout.left
        if left <= 0:
            raise self._timed_out(f"the answer was not complete within {timeout:g} seconds")
        return left

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> _LimitedStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._left(timeout))
        return _LimitedStream(stream, self._timed_out)
