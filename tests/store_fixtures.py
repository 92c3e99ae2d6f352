"""Fixtures of the tests of the stores: a clock, real servers, and one store opened as several processes do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from jobapp.stores.json_file import JSONFileStore
from jobapp.stores.kept_counts import finish_all
from jobapp.stores.redis import RedisStore
from jobapp.stores.store import QuotaStore
from tests.store_support import Clock, RedisServer, needs_server


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """A server for all tests that only read and write; each takes a namespace of its own."""
    server = RedisServer("--save", "")
    server.start()
    yield server
    finish_all()
    server.stop()
    shutil.rmtree(server.folder)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server that the test may start, stop and spoil."""
    server = RedisServer("--save", "", "--appendonly", "no")
    yield server
    finish_all()
    server.stop()
    shutil.rmtree(server.folder)


@pytest.fixture
def clock() -> Clock:
    return Clock()


Opener = Callable[[], QuotaStore]
"""Opens the one store of a test as another process does."""


@pytest.fixture(params=["file", pytest.param("redis", marks=needs_server)])
def new_place(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Callable[[], Opener]:
    """Return what makes an empty place for a store to be kept in."""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("shared_redis")
        return lambda: partial(RedisStore, server.url, clock, namespace=uuid4().hex, max_age=0, timeout=10)
    return lambda: partial(JSONFileStore, tmp_path / uuid4().hex / "api_key_state.json", clock)


@pytest.fixture
def open_store_anew(new_place: Callable[[], Opener]) -> Opener:
    return new_place()
