"""The promise of every store, over both of them."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings

from jobapp.domain.types import ApiKey, Kind
from jobapp.stores.state import NOTHING, Reset, believable
from tests.store_support import NOON, block, look
from tests.test_state import MEMORIES, learn

pytest_plugins = ["tests.store_fixtures"]


def test_what_one_process_learns_another_finds(open_store_anew):
    open_store_anew().add([block()])
    assert look(open_store_anew()).blocks == {block().id: block()}


def test_a_process_that_is_running_already_sees_it_at_its_next_call(open_store_anew):
    reader, writer = open_store_anew(), open_store_anew()
    assert not look(reader).blocks
    writer.add([block()])
    assert look(reader).blocks == {block().id: block()}


def test_the_view_is_the_same_object_while_nothing_changed(open_store_anew):
    store = open_store_anew()
    store.add([block()])
    first = look(store)
    assert look(store) is first
    open_store_anew().add([block("b" * 12)])
    assert look(store) is not first


def test_every_field_comes_back(open_store_anew):
    full = block(
        "ab" * 6,
        provider="openrouter",
        model="vendor/modèle:free|*",
        kind=Kind.AUTH,
        seconds=3600.000007,
        reason='rule: "words" \\ / — ✓ \x00 \u2028',
        key_name="OPENROUTER_API_KEY",
        streak=3,
    )
    open_store_anew().add([full])
    assert list(look(open_store_anew())) == [full]


def test_the_later_end_wins_whoever_is_last(open_store_anew):
    one, other = open_store_anew(), open_store_anew()
    one.add([block(seconds=7200)])
    other.add([block(seconds=3600)])
    assert look(open_store_anew()).blocks[block().id].until == NOON + timedelta(hours=2)


def test_a_reset_ends_what_was_learnt_and_tells_what(open_store_anew, clock):
    one, other = open_store_anew(), open_store_anew()
    one.add([block(), block(provider="google")])
    clock.advance(1)
    assert other.reset(Reset(clock.now(), provider="openai")) == (block(),)
    assert list(look(one)) == [block(provider="google")]
    assert list(look(open_store_anew())) == [block(provider="google")]


def test_a_reset_of_one_kind_or_key_leaves_the_others(open_store_anew, clock):
    store = open_store_anew()
    blocks = [block(), block("b" * 12), block("b" * 12, model="m", kind=Kind.AUTH)]
    store.add(blocks)
    store.reset(Reset(clock.now(), fingerprint="b" * 12, kind=Kind.AUTH))
    assert set(look(open_store_anew())) == set(blocks[:2])


def test_an_older_memory_does_not_bring_back_what_was_reset(open_store_anew, clock):
    store = open_store_anew()
    clock.advance(1)
    open_store_anew().reset(Reset(clock.now()))
    store.add([block()])
    assert not look(store).blocks
    clock.advance(1)
    store.add([block(since=clock.now())])
    assert look(open_store_anew()).blocks


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(memories=MEMORIES)
def test_no_order_of_writers_loses_anything(new_place, clock, memories):
    clock.at = NOON + timedelta(hours=8)
    open_store_anew = new_place()
    earlier = open_store_anew()
    expected = NOTHING
    for news in memories:
        store = open_store_anew()
        if isinstance(news, Reset):
            store.reset(news)
            expected = learn(expected, news)
        elif news.until > news.since:  # what ends at once is brief, and stays in memory
            store.add([news])
            expected = learn(expected, believable(news, clock.now()))
    assert look(earlier) == look(open_store_anew()) == expected


def test_threads_of_one_store_lose_nothing(open_store_anew):
    store = open_store_anew()
    blocks = [block(f"{n:012x}") for n in range(64)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda one: store.add([one]), blocks))
    assert set(look(open_store_anew())) == set(blocks)
    assert not store.unwritten


def test_a_view_never_waits_for_a_write(open_store_anew):
    store = open_store_anew()
    store.add([block()])
    with store._writing if hasattr(store, "_writing") else store._talking:
        seen = []
        reader = threading.Thread(target=lambda: seen.append(store.view()))
        reader.start()
        reader.join(10)
    assert seen == [store.view()]


def test_many_tasks_of_an_event_loop_share_a_store(open_store_anew):
    store = open_store_anew()

    async def learn_one(number: int) -> None:
        await asyncio.to_thread(store.add, [block(f"{number:012x}")])
        assert (("openai", f"{number:012x}", None)) in store.view().blocks

    async def learn_all() -> None:
        await asyncio.gather(*(learn_one(number) for number in range(20)))

    asyncio.run(learn_all())
    assert len(look(open_store_anew()).blocks) == 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_store_works_in_a_forked_child_whatever_threads_held(open_store_anew):
    store = open_store_anew()
    store.add([block()])
    locks = [lock for name, lock in vars(store).items() if name in ("_memory", "_writing", "_talking")]
    for lock in locks:
        lock.acquire()  # as another thread of the parent might
    child = os.fork()
    if child == 0:
        store.add([block("c" * 12)])
        os._exit(0 if len(look(store).blocks) == 2 and not store.unwritten else 1)
    for lock in locks:
        lock.release()
    assert os.waitpid(child, 0)[1] == 0
    assert len(look(store).blocks) == 2


def test_sweeping_drops_what_expired_long_ago_only_of_that_provider(open_store_anew, clock):
    store = open_store_anew()
    store.add([block(), block(provider="google")])
    look(store)
    clock.advance(timedelta(days=1, hours=2).total_seconds())
    store.sweep("google", clock.now())
    assert [one.provider for one in store.view()] == ["openai"]


def test_closing_a_store_leaves_it_usable(open_store_anew):
    store = open_store_anew()
    store.add([block()])
    store.close()
    store.close()
    store.add([block("b" * 12)])
    assert len(look(open_store_anew()).blocks) == 2


def test_a_block_from_a_clock_a_day_ahead_holds_no_longer_than_it_was_meant_to(open_store_anew, clock):
    clock.jump(timedelta(days=1))
    open_store_anew().add([block(kind=Kind.RATE_LIMIT, since=clock.now(), seconds=60)])
    clock.jump(timedelta(days=-1))
    (held,) = look(open_store_anew())
    assert held.until == NOON + timedelta(seconds=60)


def test_a_running_process_whose_clock_goes_back_a_day_is_not_blocked_a_day_longer(open_store_anew, clock):
    store = open_store_anew()
    clock.jump(timedelta(days=1))
    store.add([block(kind=Kind.RATE_LIMIT, since=clock.now(), seconds=60)])
    look(store)
    clock.jump(timedelta(days=-1))
    (held,) = look(store)
    assert held.until == NOON + timedelta(seconds=60)


def test_a_clock_that_went_back_and_was_put_right_loses_no_block_in_a_running_process(open_store_anew, clock):
    store = open_store_anew()
    known = block(kind=Kind.QUOTA, since=clock.now(), seconds=36_000)
    store.add([known])
    assert set(look(store)) == {known}
    clock.jump(timedelta(days=-1))
    (shorter,) = look(store)
    assert shorter.until < known.until
    clock.jump(timedelta(days=1))
    assert set(look(store)) == {known}


def test_no_key_is_anywhere_in_what_is_kept(open_store_anew, tmp_path, request):
    key = ApiKey("OPENAI_API_KEY", "sk-canary-0123456789abcdef")
    open_store_anew().add([block(key.fingerprint, key_name=key.name)])
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    if "redis" in request.node.name:
        kept = request.getfixturevalue("shared_redis").dump()
    assert key.fingerprint.encode() in kept
    assert b"canary" not in kept
