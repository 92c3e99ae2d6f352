"""Nothing that a model said is lost: answers of every shape, whole and streamed, through the SDKs."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.exceptions import ConfigError, InvalidRequestError, StreamInterruptedError
from jobapp.domain.types import FinishReason, Usage
from jobapp.testing import Response
from tests.answer_shapes import (
    GEMINI_USAGE,
    OPENAI_USAGE,
    SHAPES,
    anthropic_events,
    chunk,
    data,
    gemini_answer,
    openai_answer,
    text_block,
)
from tests.calling import ONE, PROVIDERS, STREAMS, World, done_of, world_of


@pytest.mark.parametrize(
    ("provider", "title"),
    [
        *(
            ("openai", title)
            for title in ("text and tool", "custom tool", "former function", "several choices")
        ),
        *(("anthropic", title) for title in ("thoughts", "emoji in halves", "the server's own search")),
        *(("google", title) for title in ("thoughts", "code and its result")),
    ],
)
def test_a_streams_raw_holds_what_the_whole_answers_does(provider, title, tmp_path, monkeypatch):
    shape, raw = SHAPES[provider][title], []
    for way, answer in (("send", Response(body=shape.whole)), ("stream", Response(events=shape.events))):
        (folder := tmp_path / way).mkdir()
        with world_of(provider, way, folder, monkeypatch) as world:
            world.add(ONE)
            world.simulator.script(provider, ONE, [answer])
            raw.append(world.call().raw)
    assert type(raw[0]) is type(raw[1])
    told = [said(each) for each in raw]
    assert told[0] == told[1]


def said(raw: Any) -> Any:
    """Return the message of an SDK's answer as plain values."""
    dumped = raw.model_dump(exclude_none=True, exclude_unset=False)
    if "choices" in dumped:
        message = dumped["choices"][0]["message"]
        told = ("content", "tool_calls", "function_call")
        return {name: message[name] for name in told if message.get(name)}
    return dumped["content"] if "content" in dumped else dumped["candidates"][0]["content"]


@pytest.fixture
def openai_world(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.add(ONE)
        yield world


def scripted(world: World, *answers: Any) -> LLMInterface:
    world.simulator.script("openai", ONE, [Response(body=answer) for answer in answers])
    return world.interface()


EMPTY_ANSWER = openai_answer({"content": ""}, "stop", OPENAI_USAGE)
TEXT_ANSWER = openai_answer({"content": "Hi"}, "stop", OPENAI_USAGE)
ASK: dict[str, Any] = {"provider": "openai", "model": "m"}


def test_an_empty_answer_is_asked_for_once_more(openai_world):
    with scripted(openai_world, EMPTY_ANSWER, TEXT_ANSWER) as llm:
        assert llm.send_prompt("Hello", **ASK) == "Hi"
    assert openai_world.requests(ONE) == [2]


def test_a_second_empty_answer_is_returned_with_its_reason(openai_world):
    with scripted(openai_world, EMPTY_ANSWER, EMPTY_ANSWER, TEXT_ANSWER) as llm:
        done = llm.complete("Hello", **ASK)
    assert (done.text, done.finish_reason, openai_world.requests(ONE)) == ("", FinishReason.STOP, [2])


@pytest.mark.parametrize("settings", [{"retry_empty": False}, {"max_retries": 0, "retry_empty": False}])
def test_a_setting_says_that_an_empty_answer_is_one(openai_world, settings):
    openai_world.settings["retry"] |= settings
    with scripted(openai_world, EMPTY_ANSWER, TEXT_ANSWER) as llm:
        assert llm.complete("Hello", **ASK).text == ""
    assert openai_world.requests(ONE) == [1]


def test_send_prompt_of_an_answer_that_only_asks_for_tools_names_complete(openai_world):
    with (
        scripted(openai_world, SHAPES["openai"]["tool"].whole) as llm,
        pytest.raises(InvalidRequestError, match=r"weather.*complete\(\)"),
    ):
        llm.send_prompt("Hello", **ASK)


def test_a_cut_answer_is_a_warning_in_the_log(openai_world, caplog):
    with scripted(openai_world, openai_answer({"content": "Hi"}, "length", None)) as llm:
        llm.send_prompt("Hello", **ASK)
    assert "the answer was cut off" in caplog.text


def test_a_stream_that_breaks_tells_the_tokens_that_had_been_told(tmp_path, monkeypatch):
    with world_of("anthropic", "stream", tmp_path, monkeypatch) as world:
        world.add(ONE)
        events = anthropic_events([text_block("Hi")], "end_turn", None)[:4]
        events[0]["message"]["usage"] = {"input_tokens": 90_000, "output_tokens": 1}
        world.simulator.script("anthropic", ONE, [Response(events=events, cut=True)])
        with world.interface() as llm, pytest.raises(StreamInterruptedError) as raised:
            list(llm.stream_prompt("Hello", provider="anthropic", model="m"))
    assert raised.value.partial == "Hi"
    assert raised.value.usage == Usage(90_000, 1)


USAGE_FIRST = {
    "openai": (
        data(
            chunk({"content": "Hi "}, usage={"prompt_tokens": 10, "completion_tokens": 1}),
            chunk({"content": "there"}, "stop", usage=OPENAI_USAGE),
        ),
        Usage(10, 1),
    ),
    "anthropic": (
        [
            {
                "type": "message_start",
                "message": {
                    "role": "assistant",
                    "content": [],
                    "usage": {"input_tokens": 10, "output_tokens": 1},
                },
            },
            *anthropic_events([text_block("Hi ", "there")], "end_turn", {"output_tokens": 5})[1:],
        ],
        Usage(10, 1),
    ),
    "google": (
        [
            gemini_answer([{"text": "Hi "}], None, {"promptTokenCount": 10, "candidatesTokenCount": 1}),
            gemini_answer([{"text": "there"}], "STOP", GEMINI_USAGE),
        ],
        Usage(10, 1),
    ),
}


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_stream_that_is_closed_early_tells_the_tokens_that_had_been_told(name, way, tmp_path, monkeypatch):
    provider = PROVIDERS[name]
    events, told = USAGE_FIRST.get(provider.name, USAGE_FIRST["openai"])
    with world_of(name, way, tmp_path, monkeypatch) as world:
        world.add(ONE)
        world.simulator.script(provider.name, ONE, [Response(events=events)])
        with world.interface() as llm:
            ask = {"provider": provider.name, "model": provider.model}
            stream = asyncio.run(aclosed(llm, ask)) if way == "astream" else closed(llm, ask)
        assert (stream.completion, stream.usage) == (None, told)
        assert done_of(world).usage == told


def closed(llm: LLMInterface, ask: Any) -> Any:
    with llm.stream_prompt("Hello", **ask) as stream:
        assert stream.usage is None
        assert next(stream) == "Hi "
    return stream


async def aclosed(llm: LLMInterface, ask: Any) -> Any:
    async with llm, llm.astream_prompt("Hello", **ask) as stream:
        assert await anext(stream) == "Hi "
    return stream


LOOP: list[Any] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Weather in Paris and Rome?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city": "Paris"}'},
            },
            {
                "id": "c2",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city": "Rome"}'},
            },
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    {"role": "tool", "tool_call_id": "c2", "content": '{"sky": "clear"}'},
]
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tells the weather.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]
SCHEMA = {"type": "object", "properties": {"sky": {"type": "string"}}, "required": ["sky"]}
OPTIONS: dict[str, Any] = {
    "tools": TOOLS,
    "tool_choice": "required",
    "temperature": 0.5,
    "top_p": 0.9,
    "max_tokens": 50,
    "stop": ["END"],
    "response_format": {"type": "json_schema", "json_schema": {"name": "sky", "schema": SCHEMA}},
}


def sent_body(provider: str, tmp_path, monkeypatch, messages: Any = LOOP, **options: Any) -> Any:
    (folder := tmp_path / f"{provider}-{len(list(tmp_path.iterdir()))}").mkdir()
    with world_of(provider, "send", folder, monkeypatch) as world:
        world.add(ONE)
        world.call(messages, **options)
        return world.simulator.received[-1].body


def test_a_tool_loop_in_openais_form_reaches_every_provider_in_its_own(tmp_path, monkeypatch):
    body = sent_body("openai", tmp_path, monkeypatch)
    assert [turn["role"] for turn in body["messages"]] == ["system", "user", "assistant", "tool", "tool"]
    assert body["messages"][2]["tool_calls"] == LOOP[2]["tool_calls"]

    body = sent_body("anthropic", tmp_path, monkeypatch)
    assert body["messages"][1]["content"] == [
        {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Paris"}},
        {"type": "tool_use", "id": "c2", "name": "weather", "input": {"city": "Rome"}},
    ]
    results = [block for turn in body["messages"][2:] for block in turn["content"]]
    assert [(block["tool_use_id"], block["content"]) for block in results] == [
        ("c1", "rain"),
        ("c2", '{"sky": "clear"}'),
    ]

    for name in ("google", "google-old-sdk"):
        body = sent_body(name, tmp_path, monkeypatch)
        _, asked, answered = body["contents"]
        assert [part["functionCall"]["args"] for part in asked["parts"]] == [
            {"city": "Paris"},
            {"city": "Rome"},
        ]
        assert [part["functionResponse"]["response"] for part in answered["parts"]] == [
            {"result": "rain"},
            {"sky": "clear"},
        ]


def test_common_options_mean_the_same_everywhere(tmp_path, monkeypatch):
    body = sent_body("openai", tmp_path, monkeypatch, **OPTIONS)
    assert {name: body[name] for name in OPTIONS} == OPTIONS

    body = sent_body("anthropic", tmp_path, monkeypatch, **OPTIONS)
    assert (body["temperature"], body["top_p"], body["max_tokens"], body["stop_sequences"]) == (
        0.5,
        0.9,
        50,
        ["END"],
    )
    assert body["tools"] == [
        {
            "name": "weather",
            "description": "Tells the weather.",
            "input_schema": TOOLS[0]["function"]["parameters"],
        }
    ]
    assert body["tool_choice"] == {"type": "any"}
    assert body["output_config"]["format"]["schema"] == {**SCHEMA, "additionalProperties": False}

    body = sent_body("google", tmp_path, monkeypatch, **OPTIONS)
    config = body["generationConfig"]
    assert (config["temperature"], config["topP"], config["maxOutputTokens"], config["stopSequences"]) == (
        0.5,
        0.9,
        50,
        ["END"],
    )
    assert (config["responseMimeType"], config["responseJsonSchema"]) == ("application/json", SCHEMA)
    assert body["tools"][0]["functionDeclarations"][0]["name"] == "weather"
    assert body["toolConfig"]["functionCallingConfig"]["mode"] == "ANY"


def test_a_reasoning_model_of_openai_gets_its_own_word_for_max_tokens(tmp_path, monkeypatch):
    body = sent_body("openai", tmp_path, monkeypatch, "Hello", model="o3-mini", max_tokens=50)
    assert (body.get("max_tokens"), body["max_completion_tokens"]) == (None, 50)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_a_misspelt_option_is_told_before_anything_is_sent(provider, tmp_path, monkeypatch):
    with world_of(provider, "send", tmp_path, monkeypatch) as world:
        world.add(ONE)
        with pytest.raises(ConfigError, match=r"temprature.*did you mean 'temperature'"):
            world.call(temprature=0)
        assert world.requests(ONE) == [0]


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_an_option_that_the_sdk_does_not_know_goes_into_the_body(provider, tmp_path, monkeypatch):
    assert sent_body(provider, tmp_path, monkeypatch, "Hello", xyz_setting=7)["xyz_setting"] == 7


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_parts_other_fields_reach_the_provider_or_are_left_out_by_the_docs(provider, tmp_path, monkeypatch):
    part = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}
    body = sent_body(provider, tmp_path, monkeypatch, [{"role": "user", "content": [part]}])
    assert ("cache_control" in json.dumps(body)) is (PROVIDERS[provider].name != "google")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_sdks_own_messages_are_taken_back(provider, tmp_path, monkeypatch):
    with world_of(provider, "send", tmp_path, monkeypatch) as world:
        world.add(ONE)
        raw = world.call("Hello").raw
        match PROVIDERS[provider].name:
            case "anthropic":
                turn: Any = {"role": "assistant", "content": raw.content}
            case "google":
                turn = raw.candidates[0].content
                turn = (
                    turn
                    if hasattr(turn, "model_dump")
                    else {"role": "model", "parts": [{"text": turn.parts[0].text}]}
                )
            case _:
                turn = raw.choices[0].message
        world.call([{"role": "user", "content": "Hello"}, turn, {"role": "user", "content": "Again"}])
        assert "echo: Hello" in json.dumps(world.simulator.received[-1].body)


def test_a_system_prompt_alone_goes_where_the_provider_takes_it(tmp_path, monkeypatch, openai_world):
    alone = [{"role": "system", "content": "Say hello."}]
    assert sent_body("openai", tmp_path, monkeypatch, alone)["messages"] == alone
    with world_of("anthropic", "send", tmp_path, monkeypatch) as world:
        world.add(ONE)
        with pytest.raises(InvalidRequestError, match="must follow the system's"):
            world.call(alone)
