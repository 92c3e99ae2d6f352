"""One answer is one completion, whatever shape it has and whatever way it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.exceptions import InvalidRequestError, JobAppError
from jobapp.domain.types import Completion
from jobapp.testing import Response
from tests.answer_shapes import SHAPES, Shape
from tests.calling import ONE, PROVIDERS, STREAMS, WAYS, World, world_of

FEWEST = 40
"""Shapes that each protocol must have at least."""

THOUGHTS = {name for name in SHAPES["google"] if "thoughts" in name and "usage" not in name}
"""Google's older SDK can neither ask for thoughts nor tell them from text."""

CASES = [
    (name, shape)
    for name in PROVIDERS
    for shape in SHAPES.get(PROVIDERS[name].name, SHAPES["openai"])
    if not (name == "google-old-sdk" and shape in THOUGHTS)
]


def sent(llm: LLMInterface, prompt: str, **arguments: Any) -> str:
    return llm.send_prompt(prompt, **arguments)


def asent(llm: LLMInterface, prompt: str, **arguments: Any) -> str:
    async def ask() -> str:
        async with llm:
            return await llm.asend_prompt(prompt, **arguments)

    return asyncio.run(ask())


TEXTS: dict[str, Callable[..., str]] = {"send_prompt": sent, "asend_prompt": asent}
"""The two ways that return the text alone."""


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], World]]:
    """Give the world of each provider, made when it is first asked for."""
    opened: dict[str, World] = {}
    with pytest.MonkeyPatch.context() as patch:
        contexts = []

        def world(name: str) -> World:
            if name not in opened:
                contexts.append(world_of(name, "send", tmp_path_factory.mktemp(name), patch))
                opened[name] = contexts[-1].__enter__()
                opened[name].add(ONE)
            return opened[name]

        yield world
        for context in reversed(contexts):
            context.__exit__(None, None, None)


def shape_of(name: str, shape: str) -> Shape:
    return SHAPES.get(PROVIDERS[name].name, SHAPES["openai"])[shape]


def asked(world: World, shape: Shape, ask: Callable[..., Any], *, streamed: bool) -> Any:
    """Return what *ask* makes of the answer, or the kind of error it raises."""
    answer = Response(events=shape.events) if streamed else Response(body=shape.whole)
    world.simulator.script(world.provider.name, ONE, [answer])
    with world.interface() as llm:
        try:
            return ask(llm, "Hello", provider=world.provider.name, model=world.provider.model)
        except JobAppError as error:
            return type(error)


def plain(done: Any) -> Any:
    """Return *done* without what two requests differ in."""
    return replace(done, raw=None, attempts=()) if isinstance(done, Completion) else done


@pytest.mark.parametrize("protocol", SHAPES)
def test_each_protocol_has_many_shapes(protocol):
    assert len(SHAPES[protocol]) >= FEWEST


@pytest.mark.parametrize(("name", "title"), CASES)
def test_six_ways_of_calling_give_one_completion_for_one_answer(worlds, name, title):
    world, shape = worlds(name), shape_of(name, title)
    got = {way: plain(asked(world, shape, WAYS[way], streamed=way in STREAMS)) for way in WAYS}
    whole = got["send"]
    assert got == dict.fromkeys(WAYS, whole)
    texts = {way: asked(world, shape, TEXTS[way], streamed=False) for way in TEXTS}
    if shape.error is not None:
        assert {whole, *texts.values()} == {shape.error}
        return
    told = (whole.text, whole.finish_reason, whole.tool_calls, whole.usage)
    assert told == (shape.text, shape.reason, shape.calls, shape.usage)
    only_tools = shape.calls and not shape.text
    assert set(texts.values()) == {InvalidRequestError if only_tools else shape.text}
