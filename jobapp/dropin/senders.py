"""The connections below the transport: HTTP clients without a key, of the library that a request is of.

One client a library for all threads, and one more for each event loop: a connection belongs to the loop that
opened it. A forked child opens its own.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from jobapp.domain.forking import survive_fork
from jobapp.providers.http_client import manners

Send = Callable[[Any], Any]


def library_of(request: Any) -> Any:
    """Return the library of *request*: httpx, or its fork httpx2."""
    return sys.modules[type(request).__module__.partition(".")[0]]


class Senders:
    """Makes clients when they are first needed."""

    def __init__(self) -> None:
        self._clients: dict[Any, Any] = {}
        self._parents: list[Any] = []
        survive_fork(self)

    def make_locks(self) -> None:
        """Start anew in a forked child; the parent's sockets are neither used nor closed."""
        self._lock = threading.Lock()
        self._parents.append(self._clients)
        self._clients = {}

    def sync(self, request: Any) -> Send:
        """Return what sends *request*."""
        client = self._client(library_of(request), "Client", None)
        return _transport(client, request).handle_request  # type: ignore[no-any-return]

    def asynchronous(self, request: Any) -> Send:
        """Return what sends *request* in the running event loop."""
        client = self._client(library_of(request), "AsyncClient", asyncio.get_running_loop())
        return _transport(client, request).handle_async_request  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the connections of threads; a later request opens new ones."""
        with self._lock:
            found = [name for name in self._clients if name[1] is None]
            clients = [self._clients.pop(name) for name in found]
        for client in clients:
            client.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            found = [name for name in self._clients if name[1] is loop]
            clients = [self._clients.pop(name) for name in found]
        for client in clients:
            await client.aclose()

    def let_go(self) -> None:
        """Close what nobody uses any more; connections of event loops are closed by their loops."""
        self.close()
        with self._lock:
            left, self._clients = self._clients, {}
        for (_, loop), client in left.items():
            with suppress(RuntimeError):  # the loop was closed, and its connections with it
                loop.call_soon_threadsafe(_close_in, loop, client)

    def _client(self, library: Any, kind: str, loop: asyncio.AbstractEventLoop | None) -> Any:
        client = self._clients.get((library, loop))
        if client is None:
            with self._lock:
                self._forget_closed_loops()
                client = self._clients.setdefault((library, loop), _open(library, kind))
        return client

    def _forget_closed_loops(self) -> None:
        for name in [name for name in self._clients if name[1] is not None and name[1].is_closed()]:
            del self._clients[name]


_closing: set[asyncio.Task[None]] = set()
"""What loops would forget, which hold their tasks by weak references."""


def _close_in(loop: asyncio.AbstractEventLoop, client: Any) -> None:
    task = loop.create_task(client.aclose())
    _closing.add(task)
    task.add_done_callback(_closing.discard)


def _open(library: Any, kind: str) -> Any:
    client_class = getattr(library, kind)
    return client_class(**manners(client_class), timeout=None)


def _transport(client: Any, request: Any) -> Any:
    """Return the transport of *client* for the address of *request*: a proxy of the environment, or none.

    httpx and httpx2 choose it by a private method; a client's ``send`` would log and time each request twice.
    """
    return client._transport_for_url(request.url)  # noqa: SLF001 (see above)
