"""The room of keys on a real server: what machines take from each other, and what happens when it is away."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from jobapp.domain.clock import SystemClock
from jobapp.domain.types import ApiKey
from jobapp.limits.headers import Reported
from jobapp.limits.limit import Unit
from jobapp.pool.key_pool import KeyPool
from jobapp.pool.reservation import Take, Taken
from jobapp.stores.redis_connection import LONGEST_PAUSE
from jobapp.stores.redis_room import RedisRoom
from tests.calling import ONE, TWO, world_of
from tests.store_support import Clock, needs_server

pytest_plugins = ["tests.store_fixtures"]
pytestmark = needs_server

KEY = ApiKey("KEY", "secret")
PREFIX = "{t}:"


@pytest.fixture
def server(own_redis):
    own_redis.start()
    return own_redis


@pytest.fixture
def pool_of(server):
    """Return what opens the keys as a process on another machine does."""
    return lambda clock=None: KeyPool("p", [KEY], table=RedisRoom(server.url, PREFIX, clock or SystemClock()))


def taken(pool: KeyPool):
    found = pool.take("m", time.time(), Take(max_wait=120.0))
    assert isinstance(found, Taken)
    assert not found.wait
    return found.reservation


def is_full(pool: KeyPool) -> bool:
    """Return whether a call would have to wait, and let none wait."""
    found = pool.take("m", time.time(), Take(max_wait=120.0))
    assert isinstance(found, Taken)
    assert found.reservation
    if found.wait:
        pool.release(found.reservation, time.time())
    return found.wait > 0


def learnt(pool: KeyPool) -> None:
    """Let it be told that the key has two requests more in this minute."""
    said = Reported("x-ratelimit-limit-requests", Unit.REQUESTS, 3, 2, 60.0, bucket=False)
    pool.answered(taken(pool), time.time(), [said])


def is_shared(first: KeyPool, second: KeyPool) -> bool:
    learnt(first)
    taken(second)
    taken(first)
    return is_full(first) and is_full(second)


def test_room_that_one_machine_took_is_not_taken_by_another(pool_of):
    assert is_shared(pool_of(), pool_of())


def test_what_a_process_had_under_way_that_was_not_heard_of_is_written_off(server, pool_of):
    dead = pool_of()
    for _ in range(4):
        taken(dead)
    name = server.command("ZRANGE", f"{PREFIX}alive", "0", "-1")[2].decode()
    server.command("ZADD", f"{PREFIX}alive", "1", name)
    assert not is_full(pool_of()), "slow start: four were under way"


def test_who_waits_long_for_an_answer_and_calls_nobody_else_is_not_written_off(server, pool_of, monkeypatch):
    monkeypatch.setattr("jobapp.stores.redis_room.HEARD", 0.01)
    waiting = pool_of()
    for _ in range(4):
        taken(waiting)
    name = server.command("ZRANGE", f"{PREFIX}alive", "0", "-1")[2].decode()
    server.command("ZADD", f"{PREFIX}alive", "1", name)
    until = time.monotonic() + 10
    while float(server.command("ZSCORE", f"{PREFIX}alive", name)[1]) == 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert is_full(pool_of())


def test_a_server_that_is_away_keeps_nobody_and_is_used_again(server, pool_of, monkeypatch):
    first, second = pool_of(), pool_of()
    learnt(first)
    server.stop()
    taken(first)
    taken(first)
    assert is_full(first), "it knows what it knew"
    server.start()
    later = time.monotonic() + LONGEST_PAUSE
    monkeypatch.setattr("jobapp.stores.redis_room.time.monotonic", lambda: later)
    assert is_shared(second, pool_of())


def test_a_server_that_hangs_is_waited_for_once(server, pool_of):
    pool = pool_of()
    learnt(pool)
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        taken(pool)
        room = pool._room._table
        assert isinstance(room, RedisRoom)
        assert room._connection is None
        taken(pool)
        assert room._connection is None, "it is not asked again for a second"
        assert is_full(pool)
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def test_a_lock_whose_holder_is_gone_ends_by_itself(server, pool_of):
    gone, pool = pool_of(), pool_of()
    learnt(pool)
    table = gone._room._table
    assert table is not None
    gone._model("m").state(0)
    assert table.lock("p", gone._model("m").state(0).parts)
    (name,) = [line for line in server.command("KEYS", f"{PREFIX}lock*") if line.startswith(b"{")]
    (ttl,) = server.command("PTTL", name.decode())
    assert 0 < int(ttl.removeprefix(b":")) <= 1000
    server.command("PEXPIRE", name.decode(), "1")
    taken(pool)
    taken(pool_of())
    assert is_full(pool)


def test_a_machine_whose_clock_is_minutes_off_counts_by_itself(pool_of):
    clock = Clock(datetime.now(UTC) + timedelta(minutes=5))
    first, second = pool_of(), pool_of(clock)
    learnt(first)
    taken(first)
    taken(first)
    assert is_full(first)
    assert not is_full(second)


def test_nonsense_in_a_record_is_written_over(server, pool_of):
    learnt(pool_of())
    for name in server.command("KEYS", f"{PREFIX}record:*"):
        if name.startswith(b"{"):
            server.command("SET", name.decode(), "nonsense of another program")
    assert is_shared(pool_of(), pool_of())


def test_no_round_trip_is_made_on_the_thread_of_an_event_loop(server, tmp_path, monkeypatch):
    threads: set[int] = set()
    ask = RedisRoom._ask

    def noted(self, *command):
        threads.add(threading.get_ident())
        return ask(self, *command)

    monkeypatch.setattr(RedisRoom, "_ask", noted)
    with world_of("openai", "asend", tmp_path, monkeypatch) as world:
        world.add(ONE, limit=1, window=30.0)
        world.add(TWO)
        world.settings["state"] = {"url": f"{server.url}?namespace=t"}
        done = [world.call() for _ in range(3)]
    assert len(done) == 3
    assert threads
    assert threading.get_ident() not in threads
