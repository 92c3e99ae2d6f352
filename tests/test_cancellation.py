"""A call that is cancelled at any of its steps leaves nothing behind and marks no key."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from jobapp.core.llm_interface import LLMInterface
from jobapp.testing import Fault, Simulator

ONE, TWO = "sk-canary-one", "sk-canary-two"
ASKED: Any = {"provider": "openai", "model": "gpt-4o-mini"}
MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-3-haiku-20240307", "google": "gemini-2.5-flash"}


@pytest.fixture
def simulator(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBAPP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("JOBAPP_CONFIG_DIR", str(tmp_path))
    with Simulator(export=monkeypatch.setenv) as simulator:
        yield simulator


MOST_TURNS = 400
"""Turns of the event loop after which a call is cancelled at the latest."""


def unfinished(llm: LLMInterface) -> list[tuple[int, int]]:
    """Return the requests under way and the bookings of each key that has any."""
    lanes = [lane for manager, _ in llm.managers() for lane in manager._pool._lanes.values()]
    counts = [(slot.asked, slot.booked) for lane in lanes for slot in lane.slots.values()]
    return [count for count in counts if count != (0, 0)]


async def whole(llm: LLMInterface, provider: str) -> str:
    return await llm.asend_prompt("Hello", provider=provider, model=MODELS[provider])


async def streamed(llm: LLMInterface, provider: str) -> str:
    text = "Hello there, all of you"
    async with llm.astream_prompt(text, provider=provider, model=MODELS[provider]) as stream:
        return "".join([piece async for piece in stream])


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize("ask", [whole, streamed])
async def test_a_call_cancelled_at_any_step_leaves_nothing_behind(
    simulator, tmp_path, ask: Callable[[LLMInterface, str], Coroutine[Any, Any, str]], provider: str
):
    first = simulator.add_key(provider, ONE)
    simulator.add_key(provider, TWO)
    config = tmp_path / "jobapp.yaml"
    config.write_text("retry: {retry_delay: 0.001, jitter: none}")
    cancelled = 0
    async with LLMInterface(config, rng=random.Random(0)) as llm:
        await ask(llm, provider)
        for turns in range(MOST_TURNS):
            first.heal()
            first.fail(Fault.OVERLOADED, times=1)
            task = asyncio.ensure_future(ask(llm, provider))
            for _ in range(turns):
                await asyncio.sleep(0)
            if task.done():
                break
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            cancelled += 1
            assert not any(line.state != "free" for line in llm.key_status())
            assert unfinished(llm) == []
        first.heal()
        assert (await ask(llm, provider)).startswith("echo")
    simulator.wait_for(lambda: simulator.active_requests == 0)
    assert cancelled > 10


async def test_a_cancelled_call_keeps_what_it_had_learnt(simulator):
    simulator.add_key("openai", ONE, Fault.SPENT_DAY)
    simulator.add_key("openai", TWO)
    async with LLMInterface() as llm:
        with simulator.hold("openai", TWO) as hold:
            task = asyncio.ensure_future(llm.asend_prompt("Hello", **ASKED))
            await asyncio.to_thread(hold.wait_for, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert [line.state for line in llm.key_status()] == ["quota", "free"]
        await llm.asend_prompt("Hello", **ASKED)
    assert simulator.requests("openai", ONE) == 1


def test_an_interrupt_during_a_wait_marks_no_key_and_ends_the_call(llm_simulator, fake_clock, monkeypatch):
    llm_simulator.add_key("openai", ONE).fail(Fault.BUSY_MINUTE, times=1)
    seen: list[object] = []

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with LLMInterface(clock=fake_clock, on_event=seen.append) as llm:
        with monkeypatch.context() as patch:
            patch.setattr(fake_clock, "sleep", interrupted)
            with pytest.raises(KeyboardInterrupt):
                llm.send_prompt("Hello", **ASKED)
        assert [type(event).__name__ for event in seen][-1] == "CallDone"
        assert llm.send_prompt("Hello", **ASKED) == "echo: Hello"


def test_closing_a_stream_early_closes_its_connection(llm_simulator, fake_clock):
    llm_simulator.add_key("openai", ONE)
    seen: list[object] = []
    with (
        LLMInterface(clock=fake_clock, on_event=seen.append) as llm,
        llm_simulator.hold("openai", ONE, after=1),
    ):
        stream = llm.stream_prompt("Hello there, all of you", **ASKED)
        assert next(stream)
        stream.close()
        llm_simulator.wait_for(lambda: llm_simulator.active_requests == 0)
    assert stream.completion is None
    assert type(seen[-1]).__name__ == "CallDone"
