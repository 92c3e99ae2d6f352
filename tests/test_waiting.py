"""``on_exhausted="wait"`` sleeps until the first key is free, or is freed early, and goes on; "raise" tells when."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta

import pytest

from jobapp.calls.call_policy import POLL
from jobapp.core.api_key_manager import APIKeyManager
from jobapp.domain.events import Waiting
from jobapp.domain.exceptions import ConfigError, NoAPIKeysAvailableError, QuotaExhaustedError
from jobapp.testing import Fault, Trouble
from tests.calling import ONE, TWO, WAYS, unfinished, world_of


@pytest.fixture(params=WAYS)
def world(request, tmp_path, monkeypatch):
    with world_of("openai", request.param, tmp_path, monkeypatch) as opened:
        yield opened


def busy(seconds, model=None):
    return Trouble(Fault.BUSY_MINUTE, wait=seconds, model=model)


def after(world, seconds, do):
    """Let *do* happen once, when *seconds* have passed on the world's clock."""
    sleep, at = world.clock.sleep, world.clock.monotonic() + seconds
    waiting = [do]

    def sleep_and_do(length):
        sleep(length)
        if waiting and world.clock.monotonic() >= at:
            waiting.pop()()

    world.clock.sleep = sleep_and_do


def test_the_call_sleeps_until_the_earliest_key_is_free(world):
    world.add(ONE).fail(busy(500.0), times=1)
    key = world.add(TWO)
    key.fail(busy(200.0), times=1)
    done = world.call(on_exhausted="wait")
    assert done.key == key.name
    assert world.clock.monotonic() == pytest.approx(200.0)
    assert done.attempts[-1].waited == pytest.approx(200.0)
    assert world.requests(ONE, TWO) == [1, 2]


def test_a_spent_day_is_slept_out(world):
    world.add(ONE).fail(Fault.SPENT_DAY, times=1)
    with pytest.raises(QuotaExhaustedError):
        world.call(retry=False)
    (line,) = world.record().keys
    world.call(on_exhausted="wait")
    assert world.clock.now() - line.until < timedelta(seconds=POLL)
    assert world.requests(ONE) == [2]


def test_the_wait_is_told_once_with_its_whole_length(world):
    world.add(ONE).fail(busy(200.0), times=1)
    world.call(on_exhausted="wait")
    assert [(e.key, e.seconds) for e in world.events if isinstance(e, Waiting)] == [(None, 200.0)]


def test_each_wait_is_told_where_there_are_several(world):
    world.add(ONE).fail(busy(200.0), times=2)
    world.call(on_exhausted="wait")
    assert [e.seconds for e in world.events if isinstance(e, Waiting)] == [200.0, 200.0]


def test_a_reset_by_another_process_wakes_the_call(world):
    world.add(ONE).fail(Fault.SPENT_DAY, times=1)
    program = "from jobapp import LLMInterface; LLMInterface().reset()"
    after(world, 30.0, lambda: subprocess.run([sys.executable, "-c", program], check=True))
    world.call(on_exhausted="wait")
    assert 30.0 <= world.clock.monotonic() <= 30.0 + 2 * POLL


def test_a_reset_by_hand_wakes_the_call(world):
    key = world.add(ONE)
    key.fail(Fault.SPENT_DAY, times=1)
    with world.interface() as other:
        after(world, 10.0, lambda: other.reset(key=key.name))
        world.call(on_exhausted="wait")
    assert 10.0 <= world.clock.monotonic() <= 10.0 + 2 * POLL


def test_a_reset_by_a_manager_wakes_the_call(world):
    world.add(ONE).fail(Fault.SPENT_DAY, times=1)
    with world.interface() as other:
        after(
            world, 10.0, APIKeyManager("YOUR_KEY", [], config_manager=other.config, clock=world.clock).reset
        )
        world.call(on_exhausted="wait")
    assert 10.0 <= world.clock.monotonic() <= 10.0 + 2 * POLL


def test_a_wait_for_a_key_that_stays_is_cut_short_by_a_reset_too(world):
    world.add(ONE).fail(busy(50.0), times=1)
    with world.interface() as llm:
        after(world, 10.0, llm.reset)
        done = WAYS[world.way](
            llm, "Hello", provider="openai", model=world.provider.model, on_exhausted="wait"
        )
        assert not unfinished(llm)
    assert 10.0 <= world.clock.monotonic() <= 10.0 + 2 * POLL
    assert len(done.attempts) == 2


def test_keys_that_are_all_rejected_as_bad_are_told_at_once_and_not_waited_for(world):
    world.add(ONE, Fault.BAD_KEY)
    world.add(TWO, Fault.BAD_KEY)
    with pytest.raises(NoAPIKeysAvailableError):
        world.call(on_exhausted="wait")
    assert world.clock.sleeps == []


def test_the_fallback_is_asked_before_the_waiting(world):
    world.add(ONE, busy(300.0, world.provider.model))
    world.fall_back_to_the_spare()
    assert world.call(on_exhausted="wait").model == world.provider.spare
    assert world.clock.sleeps == []


def test_a_fallback_that_refuses_the_request_is_not_asked_again_with_each_look(world):
    key = world.add(ONE)
    key.fail(busy(300.0, world.provider.model), times=1)
    key.fail(Trouble(Fault.BAD_REQUEST, model=world.provider.spare))
    world.fall_back_to_the_spare()
    done = world.call(on_exhausted="wait")
    assert [a.model for a in done.attempts] == [
        world.provider.model,
        world.provider.spare,
        world.provider.model,
    ]
    assert world.clock.monotonic() == pytest.approx(300.0)


def test_the_first_of_several_models_to_be_free_answers(world):
    key = world.add(ONE)
    key.fail(busy(300.0, world.provider.model), times=1)
    key.fail(busy(100.0, world.provider.spare), times=1)
    world.fall_back_to_the_spare()
    done = world.call(on_exhausted="wait")
    assert done.model == world.provider.spare
    assert world.clock.monotonic() == pytest.approx(100.0)


def test_a_busy_minute_that_outlasts_the_retries_is_waited_for(world):
    world.add(ONE).fail(busy(2.0), times=3)
    done = world.call(on_exhausted="wait", max_retries=0)
    assert len(done.attempts) == 4


def test_a_faulty_request_is_not_waited_for(world):
    world.add(ONE, Fault.BAD_REQUEST)
    with pytest.raises(Exception, match="refused"):
        world.call(on_exhausted="wait")
    assert world.clock.sleeps == []


def test_without_retry_nothing_is_waited_for(world):
    world.add(ONE, Fault.SPENT_DAY)
    with pytest.raises(QuotaExhaustedError):
        world.call(on_exhausted="wait", retry=False)
    with pytest.raises(NoAPIKeysAvailableError):
        world.call(on_exhausted="wait", retry=False)
    assert world.clock.sleeps == []


def test_raise_is_the_default_and_tells_when_the_first_key_is_free(world):
    world.add(ONE, busy(500.0))
    world.add(TWO, busy(200.0))
    with pytest.raises(NoAPIKeysAvailableError) as caught:
        world.call()
    assert caught.value.available_at == world.clock.now() + timedelta(seconds=200)
    assert world.events[-1].available_at == caught.value.available_at
    assert "The first is free at 2026-11-23 12:03:20 UTC (in 3 min 20 s)" in str(caught.value)
    assert world.clock.sleeps == []


def test_the_configuration_may_say_wait(world):
    world.settings["retry"]["on_exhausted"] = "wait"
    world.add(ONE).fail(busy(200.0), times=1)
    assert len(world.call().attempts) == 2
    world.simulator.key("openai", ONE).fail(busy(200.0), times=1)
    with pytest.raises(NoAPIKeysAvailableError):
        world.call(on_exhausted="raise")


def test_another_word_is_refused_before_anything_is_sent(world):
    world.add(ONE)
    with pytest.raises(ConfigError, match="on_exhausted"):
        world.call(on_exhausted="sleep")
    assert world.requests(ONE) == [0]


async def test_many_calls_that_wait_for_one_key_all_go_on(tmp_path, monkeypatch):
    with world_of("openai", "asend", tmp_path, monkeypatch) as world:
        world.add(ONE).fail(busy(200.0), times=1)
        async with world.interface() as llm:
            calls = (
                llm.asend_prompt(f"{i}", provider="openai", model="gpt-4o-mini", on_exhausted="wait")
                for i in range(20)
            )
            assert await asyncio.gather(*calls) == [f"echo: {i}" for i in range(20)]
            assert not unfinished(llm)
        assert world.simulator.rejections() <= 20
