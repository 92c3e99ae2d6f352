"""A call that is cancelled or interrupted at any moment leaves nothing behind, and marks no key.

Calls are cancelled at each of their awaits in turn, in waits, during a write of the state and during requests.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Coroutine, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.events import AttemptFailed, KeyBlocked
from jobapp.stores import atomic_file
from jobapp.testing import Fault, Hold, Trouble
from tests.calling import ONE, PROVIDERS, TWO, WAYS, World, done_of, unfinished, world_of

PROMPT = "one two three"
ANSWER = "echo: one two three"

SCENARIOS: Mapping[str, tuple[Fault | Trouble | None, str]] = {
    "an answer": (None, "free"),
    "a spent day": (Fault.SPENT_DAY, "quota"),
    "an overload told inside": (Trouble(Fault.ERROR_IN_200), "free"),
    "a busy minute": (Trouble(Fault.BUSY_MINUTE, wait=7.0), "free"),
    "a bad key": (Fault.BAD_KEY, "auth"),
    "an overload": (Fault.OVERLOADED, "free"),
    "a cut connection": (Fault.CUT, "free"),
}
"""What strikes the first key once, and the state that it is in after a call that is not cancelled."""

IN_BETWEEN = {"a busy minute": {"rate_limit"}}
"""Other states that it may be in when a call was cancelled."""

COMBINATIONS = [
    (provider, scenario)
    for provider in PROVIDERS
    for scenario in (SCENARIOS if provider == "openai" else list(SCENARIOS)[:3])
]


class CancelledAt:
    """A coroutine whose task is cancelled during its await of that number.

    Attributes:
        awaits: How many there were.
    """

    def __init__(self, call: Coroutine[Any, Any, Any], number: int) -> None:
        self.awaits = 0
        self._call = call
        self._number = number

    async def run(self) -> Any:
        return await self

    def __await__(self) -> Generator[Any, None, Any]:
        steps = self._call.__await__()
        step = partial(next, steps)
        while True:
            try:
                future = step()
            except StopIteration as end:
                return end.value
            if self.awaits == self._number:
                asyncio.current_task().cancel()  # type: ignore[union-attr]  # only tasks await this
            self.awaits += 1
            try:
                yield future
                step = partial(next, steps)
            except BaseException as error:  # noqa: BLE001 - it is passed on
                step = partial(steps.throw, error)


async def whole(world: World, llm: LLMInterface) -> str:
    return await llm.asend_prompt(PROMPT, provider=world.provider.name, model=world.provider.model)


async def streamed(world: World, llm: LLMInterface) -> str:
    async with llm.astream_prompt(PROMPT, provider=world.provider.name, model=world.provider.model) as stream:
        return "".join([piece async for piece in stream])


async def cancel_at(world: World, ask, number: int) -> tuple[int, object, LLMInterface]:
    """Cancel a call at its await of that number; return how many it had, what came of it, its interface."""
    simulator = world.simulator
    async with world.interface() as llm:
        call = CancelledAt(ask(world, llm), number)
        outcome: object
        (outcome,) = await asyncio.gather(asyncio.ensure_future(call.run()), return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(None, int)  # the store's thread has come to rest
        await asyncio.to_thread(simulator.wait_for, lambda: simulator.active_requests == 0)
        assert unfinished(llm) == [], number
    await asyncio.to_thread(simulator.wait_for, lambda: simulator.open_connections == 0)
    return call.awaits, outcome, llm


def state_of(world: World, llm: LLMInterface, secret: str) -> str:
    name = world.simulator.key(world.provider.name, secret).name
    (state,) = {line.state for line in llm.key_status() if line.key == name}
    return state


def reset(world: World, llm: LLMInterface) -> None:
    """Free the keys; what is learnt later is learnt at a later time."""
    llm.reset()
    world.clock.advance(1)


def check_files(folder: Path) -> None:
    """See that nothing is left half written; who is writing the counts just now has their lock."""
    with atomic_file.locked(folder / "api_key_state.counts.json", 10.0):
        for path in folder.rglob("*"):
            assert path.suffix in {".json", ".lock", ".room"}, path
            if path.suffix == ".json":
                json.loads(path.read_text())


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize(("provider", "scenario"), COMBINATIONS)
async def test_a_call_cancelled_at_any_await_leaves_nothing_behind(
    provider, scenario, ask, tmp_path, monkeypatch
):
    fault, last = SCENARIOS[scenario]
    states = {"free", last} | IN_BETWEEN.get(scenario, set())
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))  # so that its rest can be awaited
    with world_of(provider, "asend", tmp_path, monkeypatch) as world:
        key = world.add(ONE)
        world.add(TWO)
        number, awaits = -1, 0
        while number < awaits:
            number += 1
            key.heal()
            if fault is not None:
                key.fail(fault, times=1)
            world.events.clear()
            awaits, outcome, llm = await cancel_at(world, ask, number)
            if number < awaits:
                assert isinstance(outcome, asyncio.CancelledError), number
                assert not world.events or done_of(world).error == "CancelledError"
            assert state_of(world, llm, ONE) in states
            assert state_of(world, llm, TWO) == "free"
            check_files(tmp_path / "cache")
            assert number < awaits or (outcome, state_of(world, llm, ONE)) == (ANSWER, last)
            reset(world, llm)
        assert awaits >= 1


NATIVE = [name for name in PROVIDERS if name != "google-old-sdk"]
"""Adapters whose asyncio ends a request by closing its connection; a thread can't be told to."""


@pytest.mark.parametrize("after", [None, 1])
@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize("provider", NATIVE)
async def test_cancelling_a_request_that_is_under_way_closes_its_connection(
    provider, ask, after, tmp_path, monkeypatch
):
    with world_of(provider, "asend", tmp_path, monkeypatch) as world:
        world.add(ONE)
        async with world.interface() as llm:
            with world.simulator.hold(after=after) as hold:
                task = asyncio.ensure_future(ask(world, llm))
                await asyncio.to_thread(hold.wait_for)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await asyncio.to_thread(
                    world.simulator.wait_for, lambda: world.simulator.open_connections == 0
                )
            assert unfinished(llm) == []
            assert state_of(world, llm, ONE) == "free"
        assert done_of(world).error == "CancelledError"


async def test_a_thread_that_nobody_waits_for_ends_with_its_request(tmp_path, monkeypatch):
    with world_of("google-old-sdk", "asend", tmp_path, monkeypatch) as world:
        world.add(ONE)
        with world.simulator.hold() as hold:
            async with world.interface() as llm:
                task = asyncio.ensure_future(whole(world, llm))
                await asyncio.to_thread(hold.wait_for)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert unfinished(llm) == []
        await asyncio.to_thread(world.simulator.wait_for, lambda: world.simulator.open_connections == 0)


async def test_what_a_cancelled_call_had_learnt_is_written_even_if_its_write_had_not_begun(
    tmp_path, monkeypatch
):
    threads = ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(threads)
    with world_of("openai", "asend", tmp_path, monkeypatch) as world:
        world.add(ONE, Fault.SPENT_DAY)
        world.add(TWO)
        async with world.interface() as llm:
            await llm.asend_prompt(PROMPT, provider="openai", model="gpt-4o-mini")  # warm, and reset then
            reset(world, llm)
            free, rejected = threading.Event(), asyncio.Event()
            llm.key_status()  # looks at what others counted, which the call would do in the thread
            threads.submit(free.wait, 60)
            world.events.clear()
            llm._on_event = lambda event: rejected.set() if isinstance(event, AttemptFailed) else None
            task = asyncio.ensure_future(whole(world, llm))
            await rejected.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            free.set()
            await asyncio.get_running_loop().run_in_executor(None, int)
        assert [line.state for line in world.record().keys] == ["quota", "free"]
        written = json.loads((tmp_path / "cache" / "api_key_state.json").read_text())
        assert "quota" in json.dumps(written)


async def test_a_wait_that_is_cancelled_gives_its_booking_back(tmp_path, monkeypatch):
    with world_of("openai", "asend", tmp_path, monkeypatch) as world:
        world.add(ONE, limit=1, window=30.0)
        waiting = asyncio.Event()

        async def asleep(_):
            waiting.set()
            await asyncio.Event().wait()

        world.clock.asleep = asleep  # type: ignore[method-assign]  # it sleeps until it is cancelled
        async with world.interface() as llm:
            await whole(world, llm)
            task = asyncio.ensure_future(whole(world, llm))
            await waiting.wait()
            assert unfinished(llm) == [(0, 1)]
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert unfinished(llm) == []


@pytest.fixture(params=WAYS)
def world(request, tmp_path, monkeypatch):
    with world_of("openai", request.param, tmp_path, monkeypatch) as opened:
        yield opened


def ask_in_its_way(world: World, llm: LLMInterface) -> str:
    return WAYS[world.way](llm, PROMPT, provider=world.provider.name, model=world.provider.model).text


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_interrupt_in_a_listener_at_any_event_leaves_nothing_behind(world, scenario):
    fault, last = SCENARIOS[scenario]
    states = {"free", last} | IN_BETWEEN.get(scenario, set())
    key = world.add(ONE)
    world.add(TWO)
    number, events = 0, 1
    while number < events:
        key.heal()
        if fault is not None:
            key.fail(fault, times=1)
        world.events.clear()

        def listen(event, at=number):
            world.events.append(event)
            if len(world.events) == at + 1:
                raise KeyboardInterrupt

        with world.interface(on_event=listen) as llm:
            with pytest.raises(KeyboardInterrupt):
                ask_in_its_way(world, llm)
            assert unfinished(llm) == []
            assert world.happened()[-1] == "CallDone"
            assert state_of(world, llm, ONE) in states
            assert state_of(world, llm, TWO) == "free"
            events = len(world.events) if world.events[-1].error is None else number + 2
            reset(world, llm)
        number += 1
    assert number >= 2


def test_what_was_learnt_before_an_interrupt_is_written(world):
    world.add(ONE, Fault.SPENT_DAY)
    world.add(TWO)

    def listen(event):
        if isinstance(event, KeyBlocked):
            raise KeyboardInterrupt

    with world.interface(on_event=listen) as llm, pytest.raises(KeyboardInterrupt):
        ask_in_its_way(world, llm)
    world.call()
    assert world.requests(ONE, TWO) == [1, 1]


def test_an_interrupt_during_a_wait_gives_the_booking_back(world):
    world.add(ONE).fail(Trouble(Fault.BUSY_MINUTE, wait=30.0), times=1)
    sleep = world.clock.sleep

    def interrupted(_):
        world.clock.sleep = sleep
        raise KeyboardInterrupt

    world.clock.sleep = interrupted
    with world.interface() as llm:
        with pytest.raises(KeyboardInterrupt):
            ask_in_its_way(world, llm)
        assert unfinished(llm) == []
        assert done_of(world).error == "KeyboardInterrupt"
        assert ask_in_its_way(world, llm) == ANSWER


@pytest.mark.parametrize("way", ["send", "stream"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_ctrl_c_during_a_request_closes_its_connection(provider, way, tmp_path, monkeypatch):
    with world_of(provider, way, tmp_path, monkeypatch) as world:
        world.add(ONE)
        with world.interface() as llm:
            ask_in_its_way(world, llm)  # so that the SDK is there
            world.events.clear()
            with world.simulator.hold() as hold, ctrl_c_when(hold):
                with pytest.raises(KeyboardInterrupt):
                    ask_in_its_way(world, llm)
                world.simulator.wait_for(lambda: world.simulator.open_connections == 0)
            assert unfinished(llm) == []
            assert state_of(world, llm, ONE) == "free"
            assert done_of(world).error == "KeyboardInterrupt"
            assert ask_in_its_way(world, llm) == ANSWER


@contextmanager
def ctrl_c_when(hold: Hold) -> Iterator[None]:
    """Send this process the signal of Ctrl-C as soon as a request is held."""

    def interrupt() -> None:
        hold.wait_for()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_ctrl_c_in_an_event_loop_cancels_the_call(tmp_path, monkeypatch):
    with world_of("openai", "asend", tmp_path, monkeypatch) as world:
        world.add(ONE)
        with world.interface() as llm, world.simulator.hold() as hold, ctrl_c_when(hold):
            with pytest.raises(KeyboardInterrupt):
                ask_in_its_way(world, llm)
            world.simulator.wait_for(lambda: world.simulator.open_connections == 0)
            assert unfinished(llm) == []
        assert done_of(world).error == "CancelledError"
