"""A deadline holds over everything: waits, rotation, fallback, a request and a stream's first piece.

What the rules decide is tested on a clock that moves by hand. What a socket does can't be: there the servers
would keep a client for ever, and the bound is many times the deadline.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest

from jobapp import providers
from jobapp.domain.clock import SystemClock
from jobapp.domain.exceptions import AllAttemptsFailedError, DeadlineExceededError, NoAPIKeysAvailableError
from jobapp.domain.types import Kind
from jobapp.testing import Fault, Trouble
from tests import slow_servers
from tests.calling import ONE, PROVIDERS, WAYS, unfinished, world_of

DEADLINE = 0.25
BOUND = 20.0
"""Seconds in which a call must be over that has a deadline of a quarter of one, on however busy a machine."""

SERVERS = {
    "says nothing": slow_servers.nothing,
    "drips headers": slow_servers.headers,
    "drips a body": slow_servers.body,
    "drips an error": slow_servers.rejection,
    "drips blank lines": slow_servers.blank_lines,
}


@pytest.fixture(params=PROVIDERS)
def any_world(request, tmp_path, monkeypatch):
    with world_of(request.param, "send", tmp_path, monkeypatch) as world:
        yield world


@pytest.fixture(params=WAYS)
def any_way(request, tmp_path, monkeypatch):
    with world_of("openai", request.param, tmp_path, monkeypatch) as world:
        yield world


def seconds_of_each(world, url, monkeypatch, ways=tuple(WAYS)):
    """Ask in all *ways* at once with a deadline, which none of them may overrun; return their times."""
    world.add(ONE)
    monkeypatch.setenv(providers.PROVIDERS[world.provider.name].base_url_env, url)
    arguments = {"provider": world.provider.name, "model": world.provider.model}
    with world.interface(clock=SystemClock()) as llm:
        for way in ways:  # imports and clients are not what is timed here
            with pytest.raises(DeadlineExceededError):
                WAYS[way](llm, "Hello", deadline=0.01, **arguments)

        def seconds(way):
            began = time.monotonic()
            with pytest.raises(DeadlineExceededError) as caught:
                WAYS[way](llm, "Hello", deadline=DEADLINE, **arguments)
            assert {attempt.verdict and attempt.verdict.kind for attempt in caught.value.attempts} <= {
                Kind.UNAVAILABLE
            }
            return time.monotonic() - began

        with ThreadPoolExecutor(len(ways)) as threads:
            return list(threads.map(seconds, ways))


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_that_keeps_the_client_waiting_does_not_overrun_the_deadline(any_world, server, monkeypatch):
    with slow_servers.serving(SERVERS[server]) as url:
        taken = seconds_of_each(any_world, url, monkeypatch)
    assert max(taken) < BOUND
    assert min(taken) >= DEADLINE * 0.9


def test_a_server_that_accepts_nobody_does_not_overrun_the_deadline(any_world, monkeypatch):
    with slow_servers.accepting_nobody() as port:
        taken = seconds_of_each(any_world, f"http://127.0.0.1:{port}", monkeypatch)
    assert max(taken) < BOUND


def test_many_addresses_that_answer_nothing_share_the_time(any_world, monkeypatch):
    look_up = socket.getaddrinfo

    def many(host, *arguments, **more):
        if host != "provider.invalid":
            return look_up(host, *arguments, **more)
        return [
            entry for number in range(1, 41) for entry in look_up(f"127.0.0.{number}", *arguments, **more)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", many)
    with slow_servers.accepting_nobody("0.0.0.0") as port:
        taken = seconds_of_each(any_world, f"http://provider.invalid:{port}", monkeypatch)
    assert max(taken) < BOUND


def test_a_resolver_that_finds_nothing_does_not_overrun_the_deadline(any_world, monkeypatch):
    over = threading.Event()

    def find_nothing(*_, **__):
        over.wait(60)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", find_nothing)
    ways = ("send", "stream")  # a loop that ends waits for its resolver
    try:
        taken = seconds_of_each(any_world, "http://provider.invalid", monkeypatch, ways)
    finally:
        over.set()
    assert max(taken) < BOUND


@contextmanager
def a_store_that_hangs(llm):
    """Let what writes to the store wait as long as the block lasts."""
    store, over, written = llm._store, threading.Event(), threading.Event()
    add = store.add

    def wait_and_add(blocks):
        over.wait(60)
        add(blocks)
        written.set()

    store.add = wait_and_add
    try:
        yield
    finally:
        over.set()
        assert written.wait(60)
        del store.add


async def ask_in_loop(llm, way, **arguments):
    if way == "asend":
        return await llm.asend_prompt("Hello", **arguments)
    return [piece async for piece in llm.astream_prompt("Hello", **arguments)]


def test_a_store_that_hangs_does_not_overrun_the_deadline_and_is_written_all_the_same(any_way):
    any_way.add(ONE, Fault.SPENT_DAY)
    any_way.simulator.on_request = lambda _: any_way.clock.advance(100.0 - DEADLINE)
    arguments = {"provider": any_way.provider.name, "model": any_way.provider.model, "deadline": 100.0}

    def ask(runner, llm):
        if any_way.way in ("send", "stream"):
            WAYS[any_way.way](llm, "Hello", **arguments)
        else:
            runner.run(ask_in_loop(llm, any_way.way, **arguments))

    with (
        any_way.interface() as llm,
        asyncio.Runner() as runner,  # it waits in the end for its threads
        a_store_that_hangs(llm),
    ):
        began = time.monotonic()
        with pytest.raises((DeadlineExceededError, NoAPIKeysAvailableError)):
            ask(runner, llm)
        assert time.monotonic() - began < BOUND
        runner.run(llm.aclose())
    with any_way.interface() as llm:
        assert [line.state for line in llm.key_status()] == ["quota"]


def test_a_request_gets_no_more_time_than_the_deadline_leaves(any_way):
    any_way.add(ONE).fail(Trouble(Fault.BUSY_MINUTE, wait=4.0), times=1)
    given: list[float] = []
    with any_way.interface() as llm:
        adapter = llm._targets(None, any_way.provider.name, any_way.provider.model, False)[0].adapter
        note_timeouts(adapter, any_way.way, given)
        WAYS[any_way.way](
            llm, "Hello", provider=any_way.provider.name, model=any_way.provider.model, deadline=10.0
        )
    assert given == [10.0, 6.0]


def note_timeouts(adapter, way, given):
    """Let *adapter* write down the seconds that each request is given."""
    ask = getattr(adapter, way)

    def noted(request, key, timeout, *left):
        given.append(min([timeout, *(each for each in left if each is not None)]))
        return ask(request, key, timeout, *left)

    setattr(adapter, way, noted)


def test_without_a_deadline_a_request_gets_the_providers_timeout(any_way):
    any_way.add(ONE)
    any_way.settings["providers"] = {any_way.provider.name: {"timeout": 77}}
    given: list[float] = []
    with any_way.interface() as llm:
        adapter = llm._targets(None, any_way.provider.name, any_way.provider.model, False)[0].adapter
        note_timeouts(adapter, any_way.way, given)
        WAYS[any_way.way](llm, "Hello", provider=any_way.provider.name, model=any_way.provider.model)
        WAYS[any_way.way](
            llm, "Hello", provider=any_way.provider.name, model=any_way.provider.model, deadline=100.0
        )
    assert given == [77.0, 77.0]


def test_rotation_ends_at_the_deadline(any_way):
    for number in range(5):
        any_way.add(f"sk-canary-{number}", Trouble(Fault.BUSY_MINUTE, wait=3.0))
    with pytest.raises((AllAttemptsFailedError, DeadlineExceededError)) as caught:
        any_way.call(deadline=10.0, max_retries=1)
    assert any_way.clock.monotonic() <= 10.0
    assert len(caught.value.attempts) < 10


def test_a_fallback_is_not_asked_after_the_deadline(any_way):
    any_way.add(ONE, Trouble(Fault.OVERLOADED, model=any_way.provider.model))
    any_way.fall_back_to_the_spare()
    any_way.simulator.on_request = lambda _: any_way.clock.advance(6.0)
    with pytest.raises(DeadlineExceededError) as caught:
        any_way.call(deadline=10.0, max_retries=5)
    assert {attempt.model for attempt in caught.value.attempts} == {any_way.provider.model}
    assert len(caught.value.attempts) == 2


def test_a_fallback_is_asked_where_the_first_models_wait_would_be_too_long(any_way):
    any_way.add(ONE, Trouble(Fault.BUSY_MINUTE, wait=30.0, model=any_way.provider.model))
    any_way.fall_back_to_the_spare()
    done = any_way.call(deadline=10.0)
    assert done.model == any_way.provider.spare
    assert any_way.clock.sleeps == []


def test_a_backoff_that_would_pass_the_deadline_is_not_begun(any_way):
    any_way.add(ONE, Fault.OVERLOADED)
    with pytest.raises(DeadlineExceededError) as caught:
        any_way.call(deadline=2.5)
    assert any_way.clock.sleeps == [1.0]
    assert len(caught.value.attempts) == 2


@pytest.mark.parametrize("deadline", [299.0, 0.001])
def test_waiting_for_a_key_that_is_free_too_late_is_not_begun(any_way, deadline):
    any_way.add(ONE, Trouble(Fault.BUSY_MINUTE, wait=300.0))
    with pytest.raises(DeadlineExceededError):
        any_way.call(deadline=deadline, on_exhausted="wait")
    assert any_way.clock.sleeps == []


def test_waiting_ends_at_the_deadline_where_the_key_turns_out_to_be_free_later(any_way):
    any_way.add(ONE, Trouble(Fault.BUSY_MINUTE, wait=90.0))
    with pytest.raises(DeadlineExceededError) as caught:
        any_way.call(deadline=100.0, on_exhausted="wait")
    assert any_way.clock.monotonic() == pytest.approx(90.0, abs=1.0)
    assert len(caught.value.attempts) == 2


def test_a_key_that_was_booked_is_given_back_when_the_deadline_comes_during_the_wait(any_way):
    any_way.add(ONE, Trouble(Fault.BUSY_MINUTE, wait=5.0))
    sleep = any_way.clock.sleep
    any_way.clock.sleep = lambda seconds: sleep(seconds + 10.0)  # a machine that was suspended
    with any_way.interface() as llm:
        with pytest.raises(DeadlineExceededError):
            WAYS[any_way.way](
                llm, "Hello", provider=any_way.provider.name, model=any_way.provider.model, deadline=8.0
            )
        assert not unfinished(llm)
    assert any_way.requests(ONE) == [1]


def test_a_streams_later_pieces_may_come_after_the_deadline(tmp_path, monkeypatch):
    with world_of("openai", "stream", tmp_path, monkeypatch) as world:
        world.add(ONE)
        with world.interface() as llm:
            stream = llm.stream_prompt("a b", provider="openai", model="gpt-4o-mini", deadline=1.0)
            pieces = [next(stream)]
            world.clock.advance(60)
            pieces.extend(stream)
    assert "".join(pieces) == "echo: a b"


def test_the_text_of_the_error_tells_what_was_tried_and_what_comes_too_late(any_way):
    key = any_way.add(ONE, Trouble(Fault.BUSY_MINUTE, wait=7.0))
    with pytest.raises(DeadlineExceededError) as caught:
        any_way.call(deadline=5.0)
    text = str(caught.value)
    assert text.startswith(
        "The call's deadline does not allow another step; the first key is free at 2026-11-23"
    )
    assert "(in 7 s); this call's turn comes in 7.0 s, which is too late" in text
    assert caught.value.available_at == any_way.clock.now() + timedelta(seconds=7)
    assert f"\n  openai {key.name} (gpt-4o-mini): rate limited, back at 2026-11-23" in text
    assert f"\n  1. openai gpt-4o-mini {key.name}: rate limited (HTTP 429)" in text
