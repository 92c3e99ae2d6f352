"""Each account has its own prompt cache: what a conversation costs by staying with a key, and by leaving it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from jobapp.testing import FakeClock, Fault, Quota, Simulator
from jobapp.testing.prompt_cache import KEPT, MOST, Cached, PromptCache

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TALK = ["be brief", "one two three", "four five"]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(FakeClock()) as started:
        started.cache_from = 4
        for provider in ("openai", "anthropic", "google"):
            started.add_key(provider, "one")
            started.add_key(provider, "two")
        yield started


def chat(*texts: str) -> list[Any]:
    roles = ["system", *["user", "assistant"] * len(texts)]
    return [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]


def test_openai_tells_what_the_account_had_in_its_cache(simulator):
    def cached(key: str, *texts: str) -> tuple[int, int]:
        with openai.OpenAI(api_key=key, base_url=simulator.base_url("openai"), max_retries=0) as client:
            used: Any = client.chat.completions.create(model="m", messages=chat(*texts)).usage
        return used.prompt_tokens, used.prompt_tokens_details.cached_tokens

    assert cached("one", *TALK[:2]) == (5, 0)
    assert cached("one", *TALK) == (7, 5)
    assert cached("one", *TALK) == (7, 7)
    assert cached("two", *TALK) == (7, 0)
    assert cached("one", "other", *TALK[1:]) == (6, 0)
    simulator.clock.advance(KEPT.total_seconds())
    assert cached("one", *TALK) == (7, 0)


def test_responses_tell_it_too(simulator):
    with openai.OpenAI(api_key="one", base_url=simulator.base_url("openai"), max_retries=0) as client:
        for expected in (0, 5):
            used: Any = client.responses.create(
                model="m", instructions="be brief", input="one two three"
            ).usage
            assert (used.input_tokens, used.input_tokens_details.cached_tokens) == (5, expected)


def test_anthropic_caches_what_is_marked(simulator):
    marked: Any = [{"type": "text", "text": "a b c d e", "cache_control": {"type": "ephemeral"}}]

    def used(**arguments: Any) -> tuple[int, int, int]:
        with anthropic.Anthropic(
            api_key="one", base_url=simulator.base_url("anthropic"), max_retries=0
        ) as client:
            told = client.messages.create(
                model="m", max_tokens=9, messages=[{"role": "user", "content": "one two"}], **arguments
            ).usage
        return told.input_tokens, told.cache_creation_input_tokens or 0, told.cache_read_input_tokens or 0

    assert used(system="a b c d e") == (7, 0, 0)
    assert used(system=marked) == (2, 5, 0)
    assert used(system=marked) == (2, 0, 5)


def test_gemini_tells_it_where_there_is_some(simulator):
    options = types.HttpOptions(base_url=simulator.base_url("google"))
    config = types.GenerateContentConfig(system_instruction="be very brief")
    with genai.Client(api_key="one", http_options=options) as client:
        told = [
            client.models.generate_content(model="m", contents="one two", config=config).usage_metadata
            for _ in range(2)
        ]
    assert [(each.prompt_token_count, each.cached_content_token_count) for each in told if each] == [
        (5, None),
        (5, 5),
    ]


def test_keys_of_one_account_share_it_and_a_rejection_leaves_nothing(simulator):
    shared = Quota()
    keys = [simulator.add_key("openai", name, quota=shared) for name in ("a", "b")]
    keys[0].fail(Fault.OVERLOADED, times=1)
    told = []
    for key in ("a", "a", "b"):
        with openai.OpenAI(api_key=key, base_url=simulator.base_url("openai"), max_retries=0) as client:
            try:
                done: Any = client.chat.completions.create(model="m", messages=chat(*TALK))
                told.append(done.usage.prompt_tokens_details.cached_tokens)
            except openai.InternalServerError:
                told.append(None)
    assert told == [None, 0, 7]


def test_short_beginnings_are_not_cached_and_models_have_their_own():
    cache = PromptCache()
    cache.keep("m", TALK, NOON)
    assert cache.look("m", TALK[:1], NOON, 3) == Cached()
    assert cache.look("m", [TALK[0], "new text"], NOON, 3) == Cached(0, 4)
    assert cache.look("m", [*TALK, "more"], NOON, 3) == Cached(7, 1)
    assert cache.look("n", TALK, NOON, 3) == Cached(0, 7)
    assert cache.look("m", TALK, NOON + KEPT - timedelta(seconds=1), 3).read == 7


def test_what_is_over_is_forgotten_when_there_is_much():
    cache = PromptCache()
    for number in range(MOST + 1):
        cache.keep("m", [str(number)], NOON)
    cache.keep("m", ["late"], NOON + KEPT)
    assert len(cache._until) == 1
