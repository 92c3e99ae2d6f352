"""SDK clients that are made once per key and thrown away after a fork."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakSet

from jobapp.domain.types import ApiKey


class ClientCache:
    """One client per key, all on one pool of connections.

    A key that is known costs one look into a dictionary; the lock is held to make a client only.

    Args:
        open_pool: Makes the pool, when the first client is made.
        open_client: Makes a client for a key, on the pool.
    """

    def __init__(self, open_pool: Callable[[], Any], open_client: Callable[[Any, ApiKey], Any]) -> None:
        self._open_pool = open_pool
        self._open_client = open_client
        self._lock = threading.Lock()
        self._pool: Any = None
        self._clients: dict[str, Any] = {}
        _caches.add(self)

    def get(self, key: ApiKey) -> Any:
        """Return the client of *key*."""
        try:
            return self._clients[key.fingerprint]
        except KeyError:
            return self._make(key)

    def pool(self) -> Any:
        """Return the pool, which is made now where no client needed it before."""
        with self._lock:
            return self._opened_pool()

    def empty(self) -> Any:
        """Forget all clients and return the pool for closing; ``None`` where none was made."""
        with self._lock:
            pool, self._pool, self._clients = self._pool, None, {}
        return pool

    def _make(self, key: ApiKey) -> Any:
        with self._lock:
            client = self._clients.get(key.fingerprint)
            if client is None:
                client = self._clients[key.fingerprint] = self._open_client(self._opened_pool(), key)
            return client

    def _opened_pool(self) -> Any:
        if self._pool is None:
            self._pool = self._open_pool()
        return self._pool

    def leave_to_parent(self) -> None:
        """Start anew in a forked child; the parent's sockets and locks are neither used nor closed."""
        _parents.append((self._lock, self._pool, self._clients))
        self._lock, self._pool, self._clients = threading.Lock(), None, {}


class LoopCaches:
    """A :class:`ClientCache` for each event loop: a connection belongs to the loop that opened it.

    The loops are held strongly, as open connections hold them anyway; closed ones go when the next one comes.
    """

    def __init__(self, open_pool: Callable[[], Any], open_client: Callable[[Any, ApiKey], Any]) -> None:
        self._open: Callable[[], ClientCache] = partial(ClientCache, open_pool, open_client)
        self._caches: dict[asyncio.AbstractEventLoop, ClientCache] = {}

    def get(self, key: ApiKey) -> Any:
        """Return the client of *key* for the running loop."""
        loop = asyncio.get_running_loop()
        cache = self._caches.get(loop)
        if cache is None:
            cache = self._new(loop)
        return cache.get(key)

    def empty(self) -> Any:
        """Forget the clients of the running loop and return their pool for closing."""
        cache = self._caches.pop(asyncio.get_running_loop(), None)
        return None if cache is None else cache.empty()

    def _new(self, loop: asyncio.AbstractEventLoop) -> ClientCache:
        """Add a cache. One thread runs a loop, and other loops' entries are only added or dropped whole."""
        for other in [each for each in list(self._caches) if each.is_closed()]:
            self._caches.pop(other, None)
        return self._caches.setdefault(loop, self._open())


_caches: WeakSet[ClientCache] = WeakSet()
_parents: list[Any] = []
"""What a forked child has of its parent: kept, because dropping it could close or wait for what it shares."""


def _leave_all_to_parent() -> None:
    for cache in list(_caches):
        cache.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all_to_parent)
