"""Nothing that a model said is lost: answers of every shape, whole and streamed, through the SDKs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.exceptions import ConfigError, InvalidRequestError, StreamInterruptedError
from jobapp.domain.types import Completion, FinishReason, ToolCall, Usage
from jobapp.testing import Response
from tests.calling import ONE, PROVIDERS, WAYS, World, world_of

CALL = ToolCall("call_1", "weather", '{"city": "Paris"}')


def openai_answer(message: dict[str, Any], reason: str | None, usage: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "finish_reason": reason,
        "message": {"role": "assistant", "content": None, **message},
    }
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }


def openai_events(deltas: list[dict[str, Any]], reason: str | None, usage: Any) -> list[Any]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}

    last = {**chunk({}), "choices": [], "usage": usage}
    events = [chunk({"role": "assistant", "content": ""}), *map(chunk, deltas), chunk({}, reason), last]
    return [*(f"data: {json.dumps(event)}" for event in events), "data: [DONE]"]


def anthropic_answer(blocks: list[dict[str, Any]], reason: str, usage: Any) -> dict[str, Any]:
    head = {"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
    return {**head, "content": blocks, "stop_reason": reason, "usage": usage}


def anthropic_events(blocks: list[list[dict[str, Any]]], reason: str, usage: Any) -> list[Any]:
    """Return the events of a message: of each block its start, then its deltas."""
    start: dict[str, Any] = {
        "type": "message_start",
        "message": {**anthropic_answer([], "", {"input_tokens": 0, "output_tokens": 0})},
    }
    start["message"]["stop_reason"] = None
    events: list[Any] = [start, {"type": "ping"}]
    for index, (block, *deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    end = {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}
    return [*events, end, {"type": "message_stop"}]


def gemini_answer(parts: list[dict[str, Any]] | None, reason: str, usage: Any) -> dict[str, Any]:
    content = {"role": "model", **({} if parts is None else {"parts": parts})}
    return {"candidates": [{"index": 0, "content": content, "finishReason": reason}], "usageMetadata": usage}


def gemini_events(parts: list[dict[str, Any]] | None, reason: str, usage: Any) -> list[Any]:
    each = [
        {"candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}}]} for part in parts or ()
    ]
    return [*each, gemini_answer(None, reason, usage)]


OPENAI_USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "completion_tokens_details": {"reasoning_tokens": 2},
}
ANTHROPIC_USAGE = {"input_tokens": 4, "cache_read_input_tokens": 6, "output_tokens": 5}
GEMINI_USAGE = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 3,
    "thoughtsTokenCount": 2,
    "totalTokenCount": 15,
}
OPENAI_CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": CALL.arguments}}
]
OPENAI_CALL_DELTAS = [
    {
        "tool_calls": [
            {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
        ]
    },
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"city": '}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '"Paris"}'}}]},
]
TOOL_USE = {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Paris"}}
TOOL_DELTAS = [
    {**TOOL_USE, "input": {}},
    {"type": "input_json_delta", "partial_json": '{"city": '},
    {"type": "input_json_delta", "partial_json": '"Paris"}'},
]
FUNCTION_CALL = {"functionCall": {"id": "call_1", "name": "weather", "args": {"city": "Paris"}}}


def openai_case(
    message: dict[str, Any],
    deltas: list[dict[str, Any]],
    reason: str | None = "stop",
    usage: Any = OPENAI_USAGE,
) -> Any:
    return openai_answer(message, reason, usage), openai_events(deltas, reason, usage)


def anthropic_case(
    blocks: list[Any], deltas: list[list[Any]], reason: str = "end_turn", usage: Any = ANTHROPIC_USAGE
) -> Any:
    return anthropic_answer(blocks, reason, usage), anthropic_events(deltas, reason, usage)


def gemini_case(parts: list[dict[str, Any]] | None, reason: str = "STOP", usage: Any = GEMINI_USAGE) -> Any:
    return gemini_answer(parts, reason, usage), gemini_events(parts, reason, usage)


def text_block(text: str, *pieces: str) -> list[Any]:
    return [
        {"type": "text", "text": ""},
        *({"type": "text_delta", "text": piece} for piece in pieces or (text,)),
    ]


SPENT = Usage(10, 5, 0, 2)
CACHED = Usage(10, 5, 6)

# provider, what the server sends whole and streamed, then text, reason, tools and usage
CASES: dict[str, tuple[str, Any, str, FinishReason, tuple[ToolCall, ...], Usage]] = {
    "openai text": (
        "openai",
        openai_case({"content": "Hi there"}, [{"content": "Hi "}, {"content": "there"}]),
        "Hi there",
        FinishReason.STOP,
        (),
        SPENT,
    ),
    "openai cut": (
        "openai",
        openai_case({"content": "Hi"}, [{"content": "Hi"}], "length"),
        "Hi",
        FinishReason.LENGTH,
        (),
        SPENT,
    ),
    "openai filtered half": (
        "openai",
        openai_case({"content": "Hi"}, [{"content": "Hi"}], "content_filter"),
        "Hi",
        FinishReason.CONTENT_FILTER,
        (),
        SPENT,
    ),
    "openai tool": (
        "openai",
        openai_case({"tool_calls": OPENAI_CALLS}, OPENAI_CALL_DELTAS, "tool_calls"),
        "",
        FinishReason.TOOL_CALLS,
        (CALL,),
        SPENT,
    ),
    "openai tool, called a stop": (
        "openai",
        openai_case({"tool_calls": OPENAI_CALLS}, OPENAI_CALL_DELTAS, "stop"),
        "",
        FinishReason.TOOL_CALLS,
        (CALL,),
        SPENT,
    ),
    "openai text and tool": (
        "openai",
        openai_case(
            {"content": "See:", "tool_calls": OPENAI_CALLS},
            [{"content": "See:"}, *OPENAI_CALL_DELTAS],
            "tool_calls",
        ),
        "See:",
        FinishReason.TOOL_CALLS,
        (CALL,),
        SPENT,
    ),
    "openai refusal": (
        "openai",
        openai_case({"refusal": "I can't."}, [{"refusal": "I can't."}]),
        "I can't.",
        FinishReason.CONTENT_FILTER,
        (),
        SPENT,
    ),
    "openai reasoning": (
        "openai",
        openai_case(
            {"content": "42", "reasoning_content": "hm hm"},
            [{"reasoning_content": "hm "}, {"reasoning_content": "hm"}, {"content": "42"}],
        ),
        "42",
        FinishReason.STOP,
        (),
        SPENT,
    ),
    "openai usage []": (
        "openai",
        openai_case({"content": "ok"}, [{"content": "ok"}], usage=[]),
        "ok",
        FinishReason.STOP,
        (),
        Usage(),
    ),
    "openai usage null": (
        "openai",
        openai_case({"content": "ok"}, [{"content": "ok"}], usage=None),
        "ok",
        FinishReason.STOP,
        (),
        Usage(),
    ),
    "openai usage odd": (
        "openai",
        openai_case(
            {"content": "ok"}, [{"content": "ok"}], usage={"prompt_tokens": None, "completion_tokens": "5"}
        ),
        "ok",
        FinishReason.STOP,
        (),
        Usage(),
    ),
    "openai unknown reason": (
        "openai",
        openai_case({"content": "ok"}, [{"content": "ok"}], "eos"),
        "ok",
        FinishReason.OTHER,
        (),
        SPENT,
    ),
    "openai emoji": (
        "openai",
        openai_case({"content": "\U0001f600!"}, [{"content": "\ud83d"}, {"content": "\ude00!"}]),
        "\U0001f600!",
        FinishReason.STOP,
        (),
        SPENT,
    ),
    "anthropic text": (
        "anthropic",
        anthropic_case([{"type": "text", "text": "Hi there"}], [text_block("", "Hi ", "there")]),
        "Hi there",
        FinishReason.STOP,
        (),
        CACHED,
    ),
    "anthropic cut": (
        "anthropic",
        anthropic_case([{"type": "text", "text": "Hi"}], [text_block("Hi")], "max_tokens"),
        "Hi",
        FinishReason.LENGTH,
        (),
        CACHED,
    ),
    "anthropic pause": (
        "anthropic",
        anthropic_case([{"type": "text", "text": "Hi"}], [text_block("Hi")], "pause_turn"),
        "Hi",
        FinishReason.PAUSE,
        (),
        CACHED,
    ),
    "anthropic refusal half": (
        "anthropic",
        anthropic_case([{"type": "text", "text": "Hi"}], [text_block("Hi")], "refusal"),
        "Hi",
        FinishReason.CONTENT_FILTER,
        (),
        CACHED,
    ),
    "anthropic tool": (
        "anthropic",
        anthropic_case([TOOL_USE], [TOOL_DELTAS], "tool_use"),
        "",
        FinishReason.TOOL_CALLS,
        (CALL,),
        CACHED,
    ),
    "anthropic tool without arguments": (
        "anthropic",
        anthropic_case(
            [{**TOOL_USE, "input": {}}],
            [[TOOL_DELTAS[0], {"type": "input_json_delta", "partial_json": ""}]],
            "tool_use",
        ),
        "",
        FinishReason.TOOL_CALLS,
        (CALL._replace(arguments="{}"),),
        CACHED,
    ),
    "anthropic thoughts": (
        "anthropic",
        anthropic_case(
            [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "42"}],
            [
                [
                    {"type": "thinking", "thinking": "", "signature": ""},
                    {"type": "thinking_delta", "thinking": "hm"},
                    {"type": "signature_delta", "signature": "s"},
                ],
                text_block("42"),
            ],
        ),
        "42",
        FinishReason.STOP,
        (),
        CACHED,
    ),
    "anthropic redacted thoughts": (
        "anthropic",
        anthropic_case(
            [{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "42"}],
            [[{"type": "redacted_thinking", "data": "x"}], text_block("42")],
        ),
        "42",
        FinishReason.STOP,
        (),
        CACHED,
    ),
    "google text": (
        "google",
        gemini_case([{"text": "Hi "}, {"text": "there"}]),
        "Hi there",
        FinishReason.STOP,
        (),
        SPENT,
    ),
    "google cut": (
        "google",
        gemini_case([{"text": "Hi"}], "MAX_TOKENS"),
        "Hi",
        FinishReason.LENGTH,
        (),
        SPENT,
    ),
    "google thoughts took all": (
        "google",
        gemini_case(None, "MAX_TOKENS"),
        "",
        FinishReason.LENGTH,
        (),
        SPENT,
    ),
    "google filtered half": (
        "google",
        gemini_case([{"text": "Hi"}], "SAFETY"),
        "Hi",
        FinishReason.CONTENT_FILTER,
        (),
        SPENT,
    ),
    "google tool": ("google", gemini_case([FUNCTION_CALL]), "", FinishReason.TOOL_CALLS, (CALL,), SPENT),
    "google thoughts": (
        "google",
        gemini_case([{"text": "hm", "thought": True}, {"text": "42"}]),
        "42",
        FinishReason.STOP,
        (),
        SPENT,
    ),
    "google other": ("google", gemini_case([{"text": "Hi"}], "OTHER"), "Hi", FinishReason.OTHER, (), SPENT),
}


@pytest.mark.parametrize("name", CASES)
def test_the_ways_of_calling_give_one_completion_for_one_answer(name, tmp_path, monkeypatch):
    provider, (whole, events), text, reason, calls, usage = CASES[name]
    got: list[Completion] = []
    for way in WAYS:
        (folder := tmp_path / way).mkdir()
        with world_of(provider, way, folder, monkeypatch) as world:
            world.add(ONE)
            answer = Response(events=events) if way in {"stream", "astream"} else Response(body=whole)
            world.simulator.script(provider, ONE, [answer])
            got.append(world.call())
    for done in got:
        assert (done.text, done.finish_reason, done.tool_calls, done.usage) == (text, reason, calls, usage)
    assert {replace(done, raw=None, attempts=()) for done in got} == {replace(got[0], raw=None, attempts=())}


@pytest.mark.parametrize("name", ["openai text and tool", "anthropic thoughts", "google thoughts"])
def test_a_streams_raw_holds_what_the_whole_answers_does(name, tmp_path, monkeypatch):
    provider, (whole, events), *_ = CASES[name]
    raw = []
    for way, answer in (("send", Response(body=whole)), ("stream", Response(events=events))):
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
        return {name: message[name] for name in ("content", "tool_calls") if message.get(name)}
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
        scripted(openai_world, openai_answer({"tool_calls": OPENAI_CALLS}, "tool_calls", None)) as llm,
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
        events = anthropic_events([text_block("Hi")], "end_turn", ANTHROPIC_USAGE)[:4]
        events[0]["message"]["usage"] = {"input_tokens": 90_000, "output_tokens": 1}
        world.simulator.script("anthropic", ONE, [Response(events=events, cut=True)])
        with world.interface() as llm, pytest.raises(StreamInterruptedError) as raised:
            list(llm.stream_prompt("Hello", provider="anthropic", model="m"))
    assert raised.value.partial == "Hi"
    assert raised.value.usage == Usage(90_000, 1)


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
