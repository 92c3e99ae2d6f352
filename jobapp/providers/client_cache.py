"""SDK clients that are made once per key and thrown away after a fork."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from jobapp.domain.forking import stay_whole_in_forks
from jobapp.domain.types import ApiKey


class Opened:
    """A pool, the clients on it, and how many requests use it: it is closed when the last of them has ended.

    Args:
        pool: The pool of connections.
    """

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.clients: dict[str, Any] = {}
        self.lock = threading.Lock()
        self._requests = 0
        self._is_left = False

    def begin(self) -> bool:
        """Count a request; return whether it may begin: the pool may have been left a moment ago."""
        with self.lock:
            self._requests += not self._is_left
            return not self._is_left

    def end(self) -> Any:
        """Note that a request has ended; return the pool for closing where it was the last."""
        with self.lock:
            self._requests -= 1
            return self.pool if self._is_left and not self._requests else None

    def leave(self) -> Any:
        """Let no other request begin; return the pool for closing where none is under way."""
        with self.lock:
            self._is_left = True
            return None if self._requests else self.pool


class ClientCache:
    """One client per key, all on one pool of connections.

    A key that is known costs one look into a dictionary; the cache's lock is held to make a client only.

    Args:
        open_pool: Makes the pool, when the first client is made.
        open_client: Makes a client for a key, on the pool.
    """

    def __init__(self, open_pool: Callable[[], Any], open_client: Callable[[Any, ApiKey], Any]) -> None:
        self._open_pool = open_pool
        self._open_client = open_client
        self._opened: Opened | None = None
        stay_whole_in_forks(self)  # what makes a client may have locks of its own: OpenSSL's, say

    @property
    def is_open(self) -> bool:
        """Whether a client was made since it was emptied."""
        return self._opened is not None

    def begin(self) -> Opened:
        """Begin a request; :meth:`Opened.end` ends it."""
        opened = self._opened or self._open()
        while not opened.begin():
            opened = self._open()
        return opened

    def client(self, opened: Opened, key: ApiKey) -> Any:
        """Return the client of *key* for a request that has begun."""
        try:
            return opened.clients[key.fingerprint]
        except KeyError:
            return self._make(opened, key)

    def empty(self) -> Any:
        """Forget all clients; return the pool for closing, ``None`` where there is none or it is in use."""
        with self._lock:
            opened, self._opened = self._opened, None
        return opened and opened.leave()

    def _open(self) -> Opened:
        with self._lock:
            if self._opened is None:
                self._opened = Opened(self._open_pool())
            return self._opened

    def _make(self, opened: Opened, key: ApiKey) -> Any:
        with self._lock:
            client = opened.clients.get(key.fingerprint)
            if client is None:
                client = opened.clients[key.fingerprint] = self._open_client(opened.pool, key)
            return client

    def make_locks(self) -> None:
        """Start anew in a forked child; the parent's sockets are neither used nor closed."""
        if self._opened is not None:
            _parents.append(self._opened)
            self._opened.lock = threading.Lock()
        self._lock, self._opened = threading.RLock(), None


class LoopCaches:
    """A :class:`ClientCache` for each event loop: a connection belongs to the loop that opened it.

    The loops are held strongly, as open connections hold them anyway; closed ones go when the next one comes.
    """

    def __init__(self, open_pool: Callable[[], Any], open_client: Callable[[Any, ApiKey], Any]) -> None:
        self._open: Callable[[], ClientCache] = partial(ClientCache, open_pool, open_client)
        self._caches: dict[asyncio.AbstractEventLoop, ClientCache] = {}

    def of_loop(self) -> ClientCache:
        """Return the cache of the running loop."""
        loop = asyncio.get_running_loop()
        return self._caches.get(loop) or self._new(loop)

    def empty(self) -> Any:
        """Forget the clients of the running loop; return their pool for closing where it is not in use."""
        cache = self._caches.pop(asyncio.get_running_loop(), None)
        return None if cache is None else cache.empty()

    def _new(self, loop: asyncio.AbstractEventLoop) -> ClientCache:
        """Add a cache. One thread runs a loop, and other loops' entries are only added or dropped whole."""
        for other in [each for each in list(self._caches) if each.is_closed()]:
            self._caches.pop(other, None)
        return self._caches.setdefault(loop, self._open())


_parents: list[Opened] = []
"""What a forked child has of its parent: kept, because dropping it could close or wait for what it shares."""
