"""The short way through google-genai asks and answers as the SDK's own way does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jobapp.domain.types import ChatRequest, Message
from jobapp.providers import google_plain
from jobapp.providers.adapter import ErrorInReplyError
from jobapp.testing import FakeClock, Response, Simulator
from tests.adapter_support import HELLO, KEY, MODEL, STREAMS, WAYS, Open, ask, opener
from tests.answer_shapes import GEMINI, Shape

SHAPES = list(GEMINI.values())[::3]

HISTORY = "automatic_function_calling_history"
"""Of the functions that the SDK calls by itself: none in either way, ``[]`` in one and ``None`` in the other."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(FakeClock()) as simulator:
        simulator.add_key("google", KEY.secret)
        yield simulator


@pytest.fixture(scope="module")
def opened(simulator: Simulator) -> Iterator[Open]:
    with opener(simulator) as opened:
        yield opened


def asked(simulator: Simulator, opened: Open, way: str, shape: Shape) -> Any:
    """Return what the SDK makes of the answer, and the request that it sent."""
    answer = Response(events=shape.events) if way in STREAMS else Response(body=shape.whole)
    simulator.script("google", KEY.secret, [answer])
    try:
        raw = ask(opened("google-genai"), way).raw.model_dump(exclude={"sdk_http_response", HISTORY})
    except ErrorInReplyError as error:
        raw = error.facts.message
    request = simulator.received[-1]
    headers = {name: value for name, value in request.headers.items() if name != "host"}
    return raw, request.path, request.body, headers


@pytest.mark.parametrize("way", WAYS)
def test_it_sends_and_returns_what_the_sdks_own_way_does(simulator, opened, way, monkeypatch):
    short = [asked(simulator, opened, way, shape) for shape in SHAPES]
    monkeypatch.setattr(google_plain, "_sender_and_reader", lambda *_: None)
    assert short == [asked(simulator, opened, way, shape) for shape in SHAPES]


def test_the_short_way_is_there_for_this_version_of_the_sdk(simulator, opened, monkeypatch):
    from google.genai import models

    adapter = opened("google-genai")
    ask(adapter, "send")
    monkeypatch.setattr(models, "_GenerateContentParameters_to_mldev", None)  # the long way needs it
    assert ask(adapter, "send").text == "echo: Hello there my friend"


@pytest.mark.parametrize(
    "request_",
    [
        HELLO._replace(options={"temperature": 0}),
        HELLO._replace(model=f"models/{MODEL}"),
        ChatRequest(MODEL, (Message("user", "Hi"), Message("assistant", "Ho"), Message("user", "Hello"))),
        ChatRequest(MODEL, (Message("system", "Be brief."), Message("user", "Hello"))),
    ],
)
def test_what_is_more_than_one_plain_turn_goes_the_sdks_own_way(simulator, opened, request_):
    for way in WAYS:
        assert ask(opened("google-genai"), way, request_).text.startswith("echo: Hello")
