"""Streams, in both ways of streaming with every provider's real SDK: what breaks, what is closed, what is told."""

from __future__ import annotations

import asyncio

import pytest

from jobapp.domain.events import KeyBlocked
from jobapp.domain.exceptions import NoAPIKeysAvailableError, StreamInterruptedError
from jobapp.domain.types import Kind
from jobapp.testing import Fault, Trouble
from tests.calling import ONE, PROVIDERS, STREAMS, TWO, done_of, world_of

PIECES = ["echo: ", "one ", "two ", "three"]
PROMPT = "one two three"


@pytest.fixture(params=PROVIDERS)
def provider(request):
    return request.param


@pytest.fixture(params=STREAMS)
def world(provider, request, tmp_path, monkeypatch):
    with world_of(provider, request.param, tmp_path, monkeypatch) as opened:
        yield opened


def pieces_of(world, llm, count=None):
    """Return the first *count* pieces of a stream, the stream, and what ended it; close it then."""
    arguments = {"provider": world.provider.name, "model": world.provider.model}
    if world.way == "stream":
        return _pieces(llm.stream_prompt(PROMPT, **arguments), count)
    return asyncio.run(_apieces(llm, llm.astream_prompt(PROMPT, **arguments), count))


def _pieces(stream, count):
    got: list[str] = []
    try:
        with stream:
            while len(got) != count:
                got.append(next(stream))
    except (StopIteration, StreamInterruptedError) as end:
        return got, stream, end
    return got, stream, None


async def _apieces(llm, stream, count):
    got: list[str] = []
    async with llm:
        try:
            async with stream:
                while len(got) != count:
                    got.append(await anext(stream))
        except (StopAsyncIteration, StreamInterruptedError) as end:
            return got, stream, end
        return got, stream, None


def pools_are_at_rest(llm):
    """Return whether nothing is booked and nothing under way with any key."""
    slots = [
        slot
        for manager, _ in llm.managers()
        for lane in manager._pool._models.values()
        for slot in lane.states.values()
    ]
    return bool(slots) and all((slot.asked, slot.waiting) == (0, []) for slot in slots)


def test_the_pieces_come_as_they_are_and_the_whole_at_the_end(world):
    world.add(ONE)
    with world.interface() as llm:
        got, stream, _ = pieces_of(world, llm)
    assert got == PIECES
    assert stream.completion.text == "".join(PIECES)
    assert stream.completion.usage.output_tokens > 0
    assert stream.completion.raw is not None
    assert done_of(world).usage == stream.completion.usage


def test_nothing_is_sent_before_the_first_piece_is_asked_for(world):
    world.add(ONE)
    with world.interface() as llm:
        got, stream, _ = pieces_of(world, llm, 0)
        assert got == []
        assert stream.completion is None
        assert world.requests(ONE) == [0]
        assert world.events == []


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_stream_that_is_cut_raises_with_what_had_come_and_is_not_asked_again(world, after):
    key = world.add(ONE)
    key.fail(Trouble(Fault.CUT_SHORT, after=after), times=1)
    world.add(TWO)
    with world.interface() as llm:
        got, stream, error = pieces_of(world, llm)
        assert pools_are_at_rest(llm)
    assert got == PIECES[:after]
    assert isinstance(error, StreamInterruptedError)
    assert error.partial == "".join(PIECES[:after])
    assert (error.provider, error.model, error.key) == (world.provider.name, world.provider.model, key.name)
    assert error.verdict is not None
    assert error.verdict.kind is Kind.UNAVAILABLE
    assert error.__cause__ is not None
    assert stream.completion is None
    assert world.requests(ONE, TWO) == [1, 0]
    assert world.happened() == ["AttemptStarted", "CallDone"]
    assert done_of(world).error == "StreamInterruptedError"


def test_what_a_stream_tells_of_its_key_before_it_breaks_is_kept(world):
    world.add(ONE).fail(Trouble(Fault.ERROR_IN_200, after=2, says=Fault.SPENT_DAY))
    with world.interface() as llm:
        got, _, error = pieces_of(world, llm)
        assert pools_are_at_rest(llm)
    assert got == PIECES[:2]
    assert error.partial == "".join(PIECES[:2])
    assert error.verdict.kind is Kind.QUOTA
    assert world.happened() == ["AttemptStarted", "KeyBlocked", "CallDone"]
    assert [e.block.kind for e in world.events if isinstance(e, KeyBlocked)] == [Kind.QUOTA]
    with pytest.raises(NoAPIKeysAvailableError):
        world.call()
    assert world.requests(ONE) == [1]


def test_an_overload_after_the_first_piece_marks_no_key(world):
    world.add(ONE).fail(Trouble(Fault.ERROR_IN_200, after=1, says=Fault.OVERLOADED), times=1)
    with world.interface() as llm:
        _, _, error = pieces_of(world, llm)
    assert error.verdict.kind is Kind.UNAVAILABLE
    world.call()
    assert world.requests(ONE) == [2]


@pytest.mark.parametrize("count", [1, 2])
def test_closing_early_closes_the_connection_and_ends_the_call(world, count):
    world.add(ONE)
    with world.interface() as llm, world.simulator.hold(after=count):
        got, stream, _ = pieces_of(world, llm, count)
        assert got == PIECES[:count]
        world.simulator.wait_for(lambda: world.simulator.active_requests == 0)
        world.simulator.wait_for(lambda: world.simulator.open_connections == 0)
        assert stream.completion is None
        assert pools_are_at_rest(llm)
    assert world.happened() == ["AttemptStarted", "CallDone"]
    assert done_of(world).error == "GeneratorExit"
    with world.interface() as llm:
        assert {line.state for line in llm.key_status()} == {"free"}


def test_a_stream_that_is_let_go_is_closed(world):
    world.add(ONE)
    with world.interface() as llm, world.simulator.hold(after=1):
        if world.way == "stream":
            next(llm.stream_prompt(PROMPT, provider=world.provider.name, model=world.provider.model))
        else:
            asyncio.run(_let_go(world, llm))
        world.simulator.wait_for(lambda: world.simulator.open_connections == 0)
    assert done_of(world).error == "GeneratorExit"


async def _let_go(world, llm):
    async with llm:
        async for _ in llm.astream_prompt(PROMPT, provider=world.provider.name, model=world.provider.model):
            break
        await asyncio.get_running_loop().shutdown_asyncgens()


def test_a_closed_or_exhausted_stream_stays_so(world):
    world.add(ONE)
    with world.interface() as llm:
        for count in (None, 1):
            _, stream, _ = pieces_of(world, llm, count)
            before = len(world.events)
            if world.way == "stream":
                stream.close()
                assert list(stream) == []
            else:
                asyncio.run(_exhaust(stream))
            assert len(world.events) == before


async def _exhaust(stream):
    await stream.aclose()
    assert [piece async for piece in stream] == []


def test_what_a_listener_raises_at_the_end_of_a_stream_the_stream_raises(world):
    world.add(ONE)

    def listen(event):
        world.events.append(event)
        if type(event).__name__ == "CallDone":
            raise LookupError("the listener's own")

    with world.interface(on_event=listen) as llm:
        with pytest.raises(LookupError, match="the listener's own"):
            pieces_of(world, llm)
        assert pools_are_at_rest(llm)
    assert done_of(world).error is None


def test_a_stream_that_has_begun_ends_the_trial_of_its_key(world):
    world.add(ONE).fail(Fault.SPENT_DAY, times=1)
    with world.interface() as llm:
        with pytest.raises(NoAPIKeysAvailableError) as caught:
            pieces_of(world, llm)
        world.clock.set(caught.value.available_at)
        arguments = {"provider": world.provider.name, "model": world.provider.model}
        if world.way == "stream":
            with llm.stream_prompt(PROMPT, **arguments) as stream:
                assert next(stream) == PIECES[0]
                assert llm.send_prompt("Hello", **arguments) == "echo: Hello"
        else:
            asyncio.run(_stream_and_ask(llm, arguments))
    assert world.clock.sleeps == []


async def _stream_and_ask(llm, arguments):
    async with llm, llm.astream_prompt(PROMPT, **arguments) as stream:
        assert await anext(stream) == PIECES[0]
        assert await llm.asend_prompt("Hello", **arguments) == "echo: Hello"


def test_a_long_streams_headers_are_old_news_at_its_end(world):
    world.add(ONE, limit=1, window=30.0)
    with world.interface() as llm:
        if world.way == "astream":
            asyncio.run(_read_slowly(world, llm))
        else:
            with llm.stream_prompt(
                PROMPT, provider=world.provider.name, model=world.provider.model
            ) as stream:
                next(stream)
                world.clock.advance(31)
                list(stream)
        llm.send_prompt("Hello", provider=world.provider.name, model=world.provider.model)
    assert world.clock.sleeps == []
    assert world.requests(ONE) == [2]


async def _read_slowly(world, llm):
    async with llm:
        stream = llm.astream_prompt(PROMPT, provider=world.provider.name, model=world.provider.model)
        await anext(stream)
        world.clock.advance(31)
        assert [piece async for piece in stream] == PIECES[1:]
