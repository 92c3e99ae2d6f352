"""The store on a real server: what it costs, what the server holds, and that a view never waits."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest

from jobapp.domain.types import Kind
from jobapp.limits.counts import Count, CountId
from jobapp.stores.redis import RedisStore
from jobapp.stores.redis_client import PAGE
from jobapp.stores.redis_connection import take_option, without_secrets
from jobapp.stores.state import STREAK_MEMORY, Reset
from tests.store_support import block, look, needs_server, warnings_in

pytest_plugins = ["tests.store_fixtures"]
pytestmark = needs_server


@pytest.fixture
def server(own_redis):
    own_redis.start()
    return own_redis


@pytest.fixture
def opened(server, clock):
    return lambda **options: RedisStore(server.url, clock, **{"timeout": 5, **options})


def exchanges(server):
    """Return how many times the script has run."""
    lines = [line for line in server.command("INFO", "commandstats") if line.startswith(b"cmdstat_eval")]
    counts = [dict(count.split(b"=") for count in line.split(b":")[1].split(b",")) for line in lines]
    return sum(int(count[b"calls"]) - int(count[b"failed_calls"]) for count in counts)


COUNTS = 1
"""The exchange that brings what was used today, once a second; no second passes in these tests."""


def test_within_a_quarter_of_a_second_the_server_is_asked_once(server, opened, clock):
    store = opened()
    for _ in range(4):
        look(store)
        clock.advance(0.06)
    assert exchanges(server) == 1 + COUNTS
    clock.advance(0.06)
    look(store)
    assert exchanges(server) == 2 + COUNTS


def test_a_look_and_a_block_cost_one_round_trip_each(server, opened, clock):
    store = opened(max_age=0)
    look(store)
    assert exchanges(server) == 1 + COUNTS
    look(store)
    assert exchanges(server) == 2 + COUNTS
    store.add([block(f"{number:012x}") for number in range(100)])
    assert exchanges(server) == 3 + COUNTS


def test_threads_that_find_the_view_stale_ask_the_server_once(server, opened):
    store = opened()
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: look(store), range(40)))
    assert exchanges(server) == 1 + COUNTS


def test_only_what_has_changed_is_read(server, opened, clock):
    one, other = opened(max_age=0), opened(max_age=0)
    one.add([block(f"{number:012x}") for number in range(50)])
    look(other)
    read = []
    exchange = other._server.exchange

    def noted(*args):
        read.append(exchange(*args))
        return read[-1]

    other._server.exchange = noted
    look(other)
    one.add([block("b" * 12)])
    look(other)
    assert [len(news.blocks) for news in read] == [0, 1]


@pytest.mark.parametrize("count", [PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + 500])
def test_any_number_of_blocks_goes_there_and_back(opened, count):
    blocks = [block(f"{number:012x}") for number in range(count)]
    opened().add(blocks)
    assert set(look(opened())) == set(blocks)


def test_short_blocks_are_shared_too(opened):
    opened().add([block(kind=Kind.RATE_LIMIT, seconds=1)])
    assert look(opened()).blocks


def test_each_block_expires_on_the_server_by_itself(server, opened, clock):
    store = opened()
    store.add([block(seconds=60), block("b" * 12, seconds=7200)])
    store.add([block(seconds=30)])
    for fingerprint, seconds in (("0123456789ab", 60), ("b" * 12, 7200)):
        (left,) = server.command("PTTL", f"{{jobapp}}:block:openai:{fingerprint}")
        expected = (timedelta(seconds=seconds) + STREAK_MEMORY) / timedelta(milliseconds=1)
        assert expected - 60_000 < int(left[1:]) <= expected


def test_an_unused_namespace_leaves_nothing_behind(server, opened, clock):
    store = opened()
    store.add([block()])
    store.reset(Reset(clock.now()))
    store.add([block("b" * 12, since=clock.now() + timedelta(seconds=1))])
    for key in server.command("KEYS", "*")[2::2]:
        assert int(server.command("PTTL", key.decode())[0][1:]) > 0


def test_all_keys_of_a_namespace_are_in_one_slot(server, opened):
    opened(namespace="mine").add([block(model="m:odd {} |*")])
    keys = server.command("KEYS", "*")[2::2]
    assert len(keys) == 3
    assert all(key.startswith(b"{mine}:") for key in keys)


def test_namespaces_do_not_see_each_other(opened):
    opened(namespace="one").add([block()])
    assert not look(opened(namespace="two")).blocks


def test_machines_with_other_names_for_a_key_agree(opened):
    opened().add([block(key_name="OPENAI_API_KEY")])
    other = opened()
    look(other)
    other.add([block(key_name="OPENAI_API_KEY_BACKUP_1", seconds=7200)])
    assert len(look(opened()).blocks) == 1


def test_needless_resets_are_forgotten_on_the_server(server, opened, clock):
    store = opened()
    for number in range(20):
        clock.advance(1)
        store.reset(Reset(clock.now(), provider="openai", fingerprint=f"{number:012x}"))
    clock.advance(1)
    store.reset(Reset(clock.now(), provider="openai"))
    assert server.command("HLEN", "{jobapp}:resets") == [b":1"]
    clock.advance(timedelta(days=60).total_seconds())
    store.reset(Reset(clock.now(), provider="google"))
    assert server.command("HLEN", "{jobapp}:resets") == [b":1"]


def test_a_view_does_not_wait_for_a_server_that_hangs(server, opened):
    store = opened()
    store.add([block()])
    server.process.send_signal(signal.SIGSTOP)
    try:
        refresh = threading.Thread(target=store.refresh)
        refresh.start()
        assert store.view().blocks
    finally:
        server.process.send_signal(signal.SIGCONT)
    refresh.join()


def test_threads_that_begin_at_once_all_know_what_the_server_knows(server, opened):
    opened().add([block()])
    store = opened()
    server.process.send_signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(8) as pool:
            looks = [pool.submit(look, store) for _ in range(8)]
            assert not wait(looks, timeout=0.2).done
            server.process.send_signal(signal.SIGCONT)
            assert all(each.result().blocks for each in looks)
    finally:
        server.process.send_signal(signal.SIGCONT)


def test_a_user_who_may_not_see_the_server_s_info_can_work(server, opened, caplog):
    assert server.command("ACL", "SETUSER", "default", "-info") == [b"+OK"]
    store = opened(max_age=0)
    store.add([block()])
    assert look(opened()).blocks
    server.command("FLUSHALL")
    look(store)
    assert look(opened()).blocks
    assert not warnings_in(caplog)


def test_the_rights_that_the_page_names_are_enough(server, opened, caplog, clock):
    rules = "on >pw resetkeys ~{mine}:* -@all +eval +evalsha +script|load +@hash +@sortedset +get +set +del "
    rules += "+pexpire +pttl +time +info"
    assert server.command("ACL", "SETUSER", "limited", *rules.split()) == [b"+OK"]
    url = server.url.replace("unix://", "unix://limited:pw@")
    store = RedisStore(url, clock, namespace="mine", timeout=5)
    store.add([block()])
    store.reset(Reset(clock.now(), provider="google"))
    assert not store.unwritten
    store.ledger.add(CountId("p", "a", "", "UTC", f"{clock.now():%Y-%m-%d}"), Count(1))
    store.close()
    assert not store.ledger.is_unwritten
    assert not warnings_in(caplog)


def test_closing_writes_what_could_not_be_written(server, opened, clock):
    store = opened()
    look(store)
    server.stop()
    store.add([block()])
    assert store.unwritten
    server.start()
    clock.advance(1)
    store.close()
    assert look(opened()).blocks


def test_expired_blocks_leave_the_memory_of_a_process_that_runs_for_long(opened, clock):
    store = opened()
    store.add([block()])
    look(store)
    clock.advance(timedelta(days=2).total_seconds())
    assert not look(store).blocks


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:p@ss/w@host:1/0?password=x", "redis://host:1/0"),
        ("rediss://:pw@host", "rediss://host"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock"),
        ("unix://u:p@/run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_a_url_is_shown_without_what_is_secret(url, shown):
    assert without_secrets(url) == shown


def test_an_option_is_taken_out_of_a_url():
    assert take_option("redis://h/0?db=1&namespace=a%20b", "namespace") == ("redis://h/0?db=1", "a b")
    assert take_option("unix:///s?namespace=a", "namespace") == ("unix:///s", "a")
    assert take_option("redis://h", "namespace") == ("redis://h", None)
