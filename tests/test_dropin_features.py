"""What the SDKs can do goes through all keys unchanged: one is spent, one bad, one busy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from jobapp.core.llm_interface import LLMInterface
from jobapp.testing import FakeClock
from tests.account_server import ANSWERS, BAD, BUSY, SPENT, AccountServer, serving_accounts

KEYS = tuple(f"sk-canary-{name}-0123456789" for name in ("spent", "bad", "busy"))
MESSAGES: list[Any] = [{"role": "user", "content": "Hi"}]
CHAT, CLAUDE = "/v1/chat/completions", "/v1/messages"
GEMINI = "/v1/models/m:generateContent"


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[AccountServer]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBAPP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("JOBAPP_CONFIG_DIR", str(tmp_path / "config"))
    with serving_accounts() as opened:
        for prefix, path in (("OPENAI", "/v1"), ("ANTHROPIC", ""), ("GOOGLE", "")):
            monkeypatch.setenv(f"{prefix}_API_KEYS", ",".join(KEYS))
            monkeypatch.setenv(f"{prefix}_BASE_URL", opened.base + path)
        opened.states = dict(zip(KEYS, (SPENT, BAD, BUSY), strict=True))
        yield opened


class City(BaseModel):
    name: str


ARGUMENTS = {"name": "Oslo"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": json.dumps(ARGUMENTS)}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": City.model_json_schema()}}
CLAUDE_TOOL: Any = {"name": "look", "input_schema": City.model_json_schema()}


def chat_with(message: dict[str, Any], finish: str = "stop") -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", **message}}
    return {CHAT: {**ANSWERS[CHAT], "choices": [choice]}}


def tools_of_openai(client: Any) -> Any:
    answer = client.chat.completions.create(model="m", messages=MESSAGES, tools=[TOOL])
    return json.loads(answer.choices[0].message.tool_calls[0].function.arguments)


def parsed_by_openai(client: Any) -> Any:
    answer = client.chat.completions.parse(model="m", messages=MESSAGES, response_format=City)
    return answer.choices[0].message.parsed


def tools_of_anthropic(client: Any) -> Any:
    return (
        client.messages.create(model="m", max_tokens=9, messages=MESSAGES, tools=[CLAUDE_TOOL])
        .content[0]
        .input
    )


def with_raw_response(client: Any) -> Any:
    raw = client.chat.completions.with_raw_response.create(model="m", messages=MESSAGES)
    return (raw.status_code, raw.parse().choices[0].message.content)


FEATURES: dict[str, tuple[str, dict[str, Any], Callable[[Any], Any], Any]] = {
    "openai tools": (
        "openai",
        chat_with({"content": None, "tool_calls": [CALL]}, "tool_calls"),
        tools_of_openai,
        ARGUMENTS,
    ),
    "openai parse": (
        "openai",
        chat_with({"content": json.dumps(ARGUMENTS)}),
        parsed_by_openai,
        City(name="Oslo"),
    ),
    "openai raw response": ("openai", {}, with_raw_response, (200, "Hi")),
    "openai responses": (
        "openai",
        {},
        lambda c: c.responses.create(model="m", input="Hi").status,
        "completed",
    ),
    "openai embeddings": (
        "openai",
        {},
        lambda c: c.embeddings.create(model="m", input="Hi", encoding_format="float").data[0].embedding,
        [0.5],
    ),
    "openai images": (
        "openai",
        {},
        lambda c: c.images.generate(model="m", prompt="Hi").data[0].b64_json,
        "aW1hZ2U=",
    ),
    "anthropic tools": (
        "anthropic",
        {
            CLAUDE: {
                **ANSWERS[CLAUDE],
                "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": ARGUMENTS}],
            }
        },
        tools_of_anthropic,
        ARGUMENTS,
    ),
    "google structured output": (
        "google",
        {
            GEMINI: {
                "candidates": [{"content": {"role": "model", "parts": [{"text": json.dumps(ARGUMENTS)}]}}]
            }
        },
        lambda c: (
            c.models.generate_content(
                model="m",
                contents="Hi",
                config={"response_mime_type": "application/json", "response_schema": City},
            ).parsed
        ),
        City(name="Oslo"),
    ),
    "google embeddings": (
        "google",
        {},
        lambda c: c.models.embed_content(model="m", contents="Hi").embeddings[0].values,
        [0.5],
    ),
}


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_works_over_a_spent_a_bad_and_a_busy_key(name, server):
    provider, special, use, expected = FEATURES[name]
    server.special = special
    with LLMInterface(clock=FakeClock()) as llm:
        client = llm.client(provider)
        assert [use(client), use(client)] == [expected, expected]
    spent, bad, busy = KEYS
    assert [key for *_, key in server.asked] == [spent, bad, busy, busy, busy]


def test_the_async_clients_do_so_too(server):
    async def ask() -> Any:
        async with LLMInterface(clock=FakeClock()) as llm:
            client = llm.async_client("openai")
            answers = [
                client.embeddings.create(model="m", input="Hi", encoding_format="float"),
                client.responses.create(model="m", input="Hi"),
            ]
            return [(await each).object for each in answers]

    assert asyncio.run(ask()) == ["list", "response"]
