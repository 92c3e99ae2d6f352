"""What every store promises, and how one is opened."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar, cast
from urllib.parse import unquote, urlsplit
from weakref import WeakValueDictionary

from jobapp.domain.clock import Clock, SystemClock
from jobapp.domain.exceptions import ConfigError
from jobapp.domain.forking import survive_fork
from jobapp.domain.types import Block
from jobapp.limits.ledger import Ledger
from jobapp.pool.shared_room import Table
from jobapp.stores.json_file import FILE_NAME, JSONFileStore
from jobapp.stores.redis import NAMESPACE, RedisStore
from jobapp.stores.redis_connection import take_option
from jobapp.stores.state import QuotaState, Reset

REDIS_SCHEMES = ("redis", "rediss", "unix")

_Store = TypeVar("_Store", JSONFileStore, RedisStore)


class QuotaStore(Protocol):
    """The shared memory of blocks.

    Every method is safe in threads and after a fork, and none raises because a disk or a server failed:
    that costs one warning, and the store goes on from memory and writes later what it could not.

    A call asks ``if store.stale: store.refresh()`` and then ``store.view()``. Only ``view`` and ``stale``
    never wait for a disk's lock or a server; all else belongs in a thread where an event loop runs.
    """

    @property
    def room(self) -> Table | None:
        """Where processes share what is used of each key; ``None`` where each counts alone."""
        ...

    @property
    def ledger(self) -> Ledger:
        """What was used in days and months."""
        ...

    @property
    def stale(self) -> bool:
        """Whether ``refresh`` has something to do: news to fetch, or what could not be written before."""
        ...

    @property
    def unwritten(self) -> bool:
        """Whether something was learnt that no other process can find yet."""
        ...

    def refresh(self) -> None:
        """Do it: at most one round trip, and no wait beyond a short time-out."""
        ...

    def view(self) -> QuotaState:
        """Return what is known; the same object while nothing changed."""
        ...

    def add(self, blocks: Iterable[Block]) -> None:
        """Remember *blocks*; when this returns, they are where another process finds them."""
        ...

    def reset(self, reset: Reset) -> tuple[Block, ...]:
        """End what *reset* covers and return what was ended, expired blocks included."""
        ...

    def sweep(self, provider: str, now: datetime) -> None:
        """Drop the blocks of *provider* that expired so long ago that they are of no use."""
        ...

    def flush(self) -> None:
        """Write what is not written yet, if that is possible now. May wait for I/O."""
        ...

    def close(self) -> None:
        """Do so and release connections; the store stays usable."""
        ...


class _OpenStores:
    """The stores of this process, one for each place and clock."""

    def __init__(self) -> None:
        self._stores: WeakValueDictionary[tuple[str, object], JSONFileStore | RedisStore] = (
            WeakValueDictionary()
        )
        survive_fork(self)

    def make_locks(self) -> None:
        self._lock = threading.Lock()

    def file(self, path: Path, clock: Clock) -> JSONFileStore:
        return self._get(str(path.resolve()), clock, lambda: JSONFileStore(path, clock))

    def redis(self, url: str, clock: Clock) -> RedisStore:
        address, namespace = take_option(url, "namespace")
        return self._get(url, clock, lambda: RedisStore(address, clock, namespace=namespace or NAMESPACE))

    def _get(self, place: str, clock: Clock, make: Callable[[], _Store]) -> _Store:
        key = (place, SystemClock if isinstance(clock, SystemClock) else id(clock))
        with self._lock:
            store = self._stores.get(key)
            if store is None:
                store = self._stores[key] = make()
            return cast(_Store, store)


_open_stores = _OpenStores()


def open_store(url: str | Path | None, cache_path: Path, clock: Clock) -> QuotaStore:
    """Return the store that *url* names; the same object for the same place and clock in one process.

    Args:
        url: ``None`` for the file in *cache_path*; a path or ``file:`` URL of a file, or of a folder for
            the usual file in it; ``redis://``, ``rediss://`` or ``unix://``, where the option
            ``namespace`` keeps projects apart (``redis://host/0?namespace=mine``).
        cache_path: The cache folder.
        clock: The time.

    Raises:
        ConfigError: if *url* names no kind of store that there is, or can't be read.
        StateStoreError: if what the store needs is not installed.
    """
    if url is None or isinstance(url, Path):
        return _open_stores.file(cache_path / FILE_NAME if url is None else _file_in(url), clock)
    match _scheme(url):
        case "":
            return _open_stores.file(_file_in(Path(url)), clock)
        case "file":
            return _open_stores.file(_file_in(Path(unquote(urlsplit(url).path))), clock)
        case scheme if scheme in REDIS_SCHEMES:
            return _open_stores.redis(url, clock)
        case scheme:
            known = ", ".join(f"{name}://" for name in REDIS_SCHEMES)
            raise ConfigError(
                f"state.url (or JOBAPP_STATE_URL) begins with {scheme!r}, which names no store: "
                f"use a path, file:, {known}"
            )


def _scheme(url: str) -> str:
    """Return the scheme of *url*, empty for a path; one letter is a drive of Windows."""
    scheme, colon, _ = url.partition(":")
    return scheme.lower() if colon and len(scheme) > 1 and scheme.isalpha() else ""


def _file_in(path: Path) -> Path:
    path = path.expanduser()
    return path / FILE_NAME if path.is_dir() else path
