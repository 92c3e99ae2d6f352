"""What a script lets a model say, and what a request wants of it, as each provider's own SDK reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal

import anthropic
import openai
import pytest
from google import genai
from google.genai import types
from pydantic import BaseModel

from jobapp.testing import Answer, FakeClock, Fault, Refusal, Response, Simulator, Thinking, ToolCall
from jobapp.testing.routing import WIRE_OF
from jobapp.testing.schema import NoValueError, least

PARIS = ToolCall("weather", city="Paris")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
Heard = tuple[str, str, list[tuple[str, Any]], str]
"""Text, thoughts, calls, and why it ended."""


class Sky(BaseModel):
    colour: Literal["blue", "grey"]
    clouds: int
    notes: list[str]
    wind: float | None


class OpenAIClient:
    ends: Mapping[str, str] = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}
    refused = "stop"

    def __init__(
        self, simulator: Simulator, name: str = "openai", thinking: str = "reasoning_content"
    ) -> None:
        self.client = openai.OpenAI(api_key="k", base_url=simulator.base_url(name), max_retries=0)
        self.thinking = thinking
        self.provider = name

    def ask(self, prompt: str, *, stream: bool = False, **options: Any) -> Heard:
        arguments: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
        if tool := options.pop("tool", None):
            function = {"name": tool, "description": "Tells.", "parameters": SCHEMA}
            arguments["tools"] = [{"type": "function", "function": function}]
        if options.pop("must", None):
            arguments["tool_choice"] = "required"
        arguments |= {name: value for name, value in options.items() if value is not None}
        if stream:
            with self.client.chat.completions.stream(**arguments) as events:
                events.until_done()
                done: Any = events.current_completion_snapshot
        else:
            done = self.client.chat.completions.create(**arguments)
        message = done.choices[0].message
        calls = [
            (call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or ()
        ]
        assert len({call.id for call in message.tool_calls or ()}) == len(calls)
        thoughts = (message.model_extra or {}).get(self.thinking, "")
        return message.content or message.refusal or "", thoughts, calls, done.choices[0].finish_reason


class AnthropicClient:
    ends: Mapping[str, str] = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
    refused = "refusal"
    provider = "anthropic"

    def __init__(self, simulator: Simulator) -> None:
        self.client = anthropic.Anthropic(
            api_key="k", base_url=simulator.base_url("anthropic"), max_retries=0
        )

    def ask(self, prompt: str, *, stream: bool = False, **options: Any) -> Heard:
        arguments: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
        arguments["max_tokens"] = options.get("max_tokens") or 99
        if stop := options.get("stop"):
            arguments["stop_sequences"] = [stop]
        if tool := options.get("tool"):
            arguments["tools"] = [{"name": tool, "input_schema": SCHEMA}]
        if options.get("must"):
            arguments["tool_choice"] = {"type": "any"}
        if stream:
            with self.client.messages.stream(**arguments) as events:
                done: Any = events.get_final_message()
        else:
            done = self.client.messages.create(**arguments)
        text = "".join(block.text for block in done.content if block.type == "text")
        thoughts = "".join(block.thinking for block in done.content if block.type == "thinking")
        calls = [(block.name, block.input) for block in done.content if block.type == "tool_use"]
        return text, thoughts, calls, done.stop_reason


class GoogleClient:
    ends: Mapping[str, str] = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"}
    refused = "SAFETY"
    provider = "google"

    def __init__(self, simulator: Simulator) -> None:
        options = types.HttpOptions(base_url=simulator.base_url("google"))
        self.client = genai.Client(api_key="k", http_options=options)

    def ask(self, prompt: str, *, stream: bool = False, **options: Any) -> Heard:
        stop = options.get("stop")
        config = types.GenerateContentConfig(
            max_output_tokens=options.get("max_tokens"), stop_sequences=[stop] if stop else None
        )
        if tool := options.get("tool"):
            declared = types.FunctionDeclaration(name=tool, parameters_json_schema=SCHEMA)
            config.tools = [types.Tool(function_declarations=[declared])]
        if options.get("must"):
            any_of_them = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY)
            config.tool_config = types.ToolConfig(function_calling_config=any_of_them)
        if stream:
            events: list[Any] = list(
                self.client.models.generate_content_stream(model="m", contents=prompt, config=config)
            )
        else:
            events = [self.client.models.generate_content(model="m", contents=prompt, config=config)]
        parts = [part for event in events for part in event.candidates[0].content.parts]
        text = "".join(part.text for part in parts if part.text and not part.thought)
        thoughts = "".join(part.text for part in parts if part.text and part.thought)
        calls = [(part.function_call.name, part.function_call.args) for part in parts if part.function_call]
        return text, thoughts, calls, events[-1].candidates[0].finish_reason.value


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(FakeClock()) as started:
        for provider in ("openai", "anthropic", "google", "openrouter"):
            started.add_key(provider, "k")
        yield started


@pytest.fixture(scope="module")
def clients(simulator: Simulator) -> Iterator[dict[str, Any]]:
    opened: dict[str, Any] = {
        "openai": OpenAIClient(simulator),
        "openrouter": OpenAIClient(simulator, "openrouter", "reasoning"),
        "anthropic": AnthropicClient(simulator),
        "google": GoogleClient(simulator),
    }
    yield opened
    for each in opened.values():
        each.client.close()


@pytest.fixture(params=["openai", "openrouter", "anthropic", "google"])
def client(request, clients):
    return clients[request.param]


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def stream(request):
    return request.param


@pytest.mark.parametrize(
    ("step", "text", "thoughts", "calls", "end"),
    [
        (PARIS, "", "", [PARIS], "tool_calls"),
        ([PARIS, ToolCall("now", zone="CET", name="x")], "", "", [PARIS, ToolCall("now", zone="CET", name="x")], "tool_calls"),
        ([Thinking("Let me see."), "I look.", PARIS], "I look.", "Let me see.", [PARIS], "tool_calls"),
        (Thinking("Hm, hm."), "echo: Hello there", "Hm, hm.", [], "stop"),
        (Answer("It is", finish_reason="length"), "It is", "", [], "length"),
        (Answer("Ha", tool_calls=[PARIS]), "Ha", "", [PARIS], "tool_calls"),
        ("plain", "plain", "", [], "stop"),
    ],
)  # fmt: skip
def test_a_step_says_the_same_at_every_provider(step, text, thoughts, calls, end, client, stream, simulator):
    simulator.script(client.provider, "k", [step])
    heard = client.ask("Hello there", stream=stream)
    assert heard == (text, thoughts, [(call.name, dict(call.arguments)) for call in calls], client.ends[end])


def test_a_refusal_is_told_as_the_provider_does(client, stream, simulator):
    simulator.script(client.provider, "k", [Refusal("I will not.")])
    assert client.ask("Hello", stream=stream) == ("I will not.", "", [], client.refused)


def test_a_tool_that_must_be_called_is_called_with_the_least_arguments(client, stream):
    heard = client.ask("Hello", stream=stream, tool="weather", must=True)
    assert heard == ("", "", [("weather", {"city": ""})], client.ends["tool_calls"])
    assert client.ask("Hello", stream=stream, tool="weather")[0] == "echo: Hello"


def test_an_answer_is_no_longer_than_asked_and_ends_at_a_stop(client, stream):
    assert client.ask("a b c d", stream=stream, max_tokens=3) == ("echo: a b ", "", [], client.ends["length"])
    text, _, _, end = client.ask("a b c d", stream=stream, stop=" c")
    assert (text, end) == (
        "echo: a b",
        "stop_sequence" if client.provider == "anthropic" else client.ends["stop"],
    )
    assert client.ask("a", stream=stream, max_tokens=2) == ("echo: a", "", [], client.ends["stop"])


def test_as_many_answers_come_as_are_asked_for(clients):
    openai_client = clients["openai"].client
    done = openai_client.chat.completions.create(
        model="m", n=3, messages=[{"role": "user", "content": "Hello"}]
    )
    assert [choice.message.content for choice in done.choices] == ["echo: Hello"] * 3
    assert [choice.index for choice in done.choices] == [0, 1, 2]
    with openai_client.chat.completions.stream(
        model="m", n=2, messages=[{"role": "user", "content": "Hello"}]
    ) as events:
        assert [c.message.content for c in events.get_final_completion().choices] == ["echo: Hello"] * 2
    told = clients["google"].client.models.generate_content(
        model="m", contents="Hello", config=types.GenerateContentConfig(candidate_count=2)
    )
    assert [each.content.parts[0].text for each in told.candidates] == ["echo: Hello"] * 2


def test_a_schema_is_answered_with_what_fits_it(clients):
    parsed: Any = clients["openai"].client.chat.completions.parse(
        model="m", messages=[{"role": "user", "content": "Sky?"}], response_format=Sky
    )
    least_sky = Sky(colour="blue", clouds=0, notes=[], wind=0)
    assert parsed.choices[0].message.parsed == least_sky
    google = clients["google"].client.models.generate_content(
        model="m",
        contents="Sky?",
        config=types.GenerateContentConfig(response_mime_type="application/json", response_schema=Sky),
    )
    assert google.parsed == least_sky
    message: Any = clients["anthropic"].client.messages.parse(
        model="m", max_tokens=99, messages=[{"role": "user", "content": "Sky?"}], output_format=Sky
    )
    assert message.parsed_output == least_sky


def test_an_object_without_a_schema_is_an_empty_one(clients):
    done = clients["openai"].client.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "JSON?"}],
        response_format={"type": "json_object"},
    )
    assert done.choices[0].message.content == "{}"


def test_automatic_function_calling_comes_to_its_end(clients, simulator):
    asked = []

    def weather(city: str) -> str:
        """Tell the weather."""
        asked.append(city)
        return "rain"

    simulator.script("google", "k", [PARIS])
    done = clients["google"].client.models.generate_content(
        model="m", contents="Weather?", config=types.GenerateContentConfig(tools=[weather])
    )
    assert (asked, done.text) == (["Paris"], "echo: rain")
    assert [tool.name for tool in simulator.received[-1].tools] == ["weather"]
    assert simulator.received[-1].tools[0].description == "Tell the weather."


CALLED = {
    "openai": [
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": "{}"}}
                for n, name in enumerate(("weather", "now"))
            ],
        },
        {"role": "tool", "tool_call_id": "c0", "content": "rain"},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "noon"}]},
    ],
    "anthropic": [
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": f"c{n}", "name": name, "input": {}}
                for n, name in enumerate(("weather", "now"))
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c0", "content": "rain"},
                {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "noon"}]},
            ],
        },
    ],
    "google": [
        {"role": "user", "parts": [{"text": "Weather?"}]},
        {"role": "model", "parts": [{"functionCall": {"name": name, "args": {}}} for name in ("weather", "now")]},
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "c0", "name": "weather", "response": {"result": "rain"}}},
                {"functionResponse": {"id": "c1", "name": "now", "response": {"result": "noon"}}},
            ],
        },
    ],
}  # fmt: skip


@pytest.mark.parametrize("provider", CALLED)
def test_what_tools_returned_is_read_alike(provider, clients, simulator):
    client = clients[provider].client
    conversation: Any = CALLED[provider]
    if provider == "openai":
        client.chat.completions.create(model="m", messages=conversation)
    elif provider == "anthropic":
        client.messages.create(model="m", max_tokens=9, messages=conversation)
    else:
        client.models.generate_content(model="m", contents=conversation)
    request = simulator.received[-1]
    assert request.prompt == "rain\nnoon"
    assert [(r.id, r.name, r.text) for r in request.tool_results] == [
        ("c0", "weather", "rain"),
        ("c1", "now", "noon"),
    ]
    assert request.wanted.called == ["weather", "now"]


def test_what_no_model_can_say_is_told(simulator, clients):
    simulator.script("openai", "k", [42])
    with pytest.raises(openai.InternalServerError):
        clients["openai"].ask("Hello")


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "STRING", "enum": ["a", "b"]}, "a"),
        ({"type": ["null", "string"]}, None),
        ({"const": 7}, 7),
        ({"type": "string", "minLength": 3}, "aaa"),
        ({"type": "string", "pattern": "^[0-9]{4}$"}, "0000"),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "integer", "maximum": -2}, -2),
        ({"type": "integer", "minimum": -9, "maximum": 9}, 0),
        ({"type": "integer", "minimum": 7, "multipleOf": 5}, 10),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, 0.5),
        ({"type": "number", "exclusiveMaximum": 0}, -1.0),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [0, 0]),
        ({"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}]}, ["", None]),
        ({"properties": {"a": {}}, "required": ["a"]}, {"a": {}}),
        ({"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"required": ["b"]}]}, {"a": 1, "b": {}}),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "boolean"}}}, False),
        (
            {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "required": ["next"], "properties": {"next": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}}}}},
            "ends",
        ),
    ],
)  # fmt: skip
def test_the_least_value_fits_its_schema(schema, value):
    found = least(schema)
    if value == "ends":
        while found:
            found = found["next"]
        value = None
    assert found == value


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^x{9}$"},
        {"type": "string", "maxLength": -1},
        {"type": "odd"},
        {"$ref": "#/nowhere"},
        {"$ref": "#"},
        {"type": "integer", "minimum": 2, "maximum": 1},
        {"anyOf": []},
    ],
)
def test_a_schema_without_a_value_is_told(schema):
    with pytest.raises(NoValueError):
        least(schema)


SAID = Answer("I look.", tool_calls=[PARIS, ToolCall("now")], thinking="Let me see.")
HEARD = ("I look.", "Let me see.", [("weather", {"city": "Paris"}), ("now", {})])


def test_a_scripted_body_serves_a_stream_and_scripted_events_a_whole_answer(client, stream, simulator):
    client.ask("Hello", stream=stream)
    request, wire = simulator.received[-1], WIRE_OF[client.provider]
    if stream:
        answer = Response(body=wire.answer(request, SAID, "req_1"))
    else:
        parts = wire.stream(request, SAID, "req_1")
        flat: list[Any] = []
        for event in (*parts.lead_in, *parts.pieces, *parts.lead_out):
            flat += event if isinstance(event, tuple) else [event]
        answer = Response(events=flat)
    simulator.script(client.provider, "k", [answer])
    assert client.ask("Hello", stream=stream) == (*HEARD, client.ends["tool_calls"])


@pytest.mark.parametrize("streamed", [False, True])
def test_a_scripted_response_serves_both_ways_of_the_responses_api(streamed, clients, simulator):
    client = clients["openai"].client
    done = client.responses.create(model="m", input="Hello")
    body = json.loads(done.model_dump_json())
    body["output"][0]["content"][0]["text"] = "Scripted."
    if streamed:
        simulator.script("openai", "k", [Response(body=body)])
        events = list(client.responses.create(model="m", input="Hello", stream=True))
        assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == "Scripted."
        assert events[-1].response.output_text == "Scripted."
    else:
        simulator.script("openai", "k", [Response(events=[{"type": "response.completed", "response": body}])])
        assert client.responses.create(model="m", input="Hello").output_text == "Scripted."


def test_what_can_not_be_turned_is_told(client, stream, simulator, caplog):
    odd = Response(body={"odd": 1}) if stream else Response(events=["data: odd\n\n"])
    simulator.script(client.provider, "k", [odd])
    with suppress(Exception):  # each SDK makes of it what it can
        client.ask("Hello", stream=stream)
    assert f"no answer of {client.provider}" in caplog.text


def test_answers_hold_what_the_providers_always_send(clients, simulator):
    raw = clients["openai"].client.chat.completions.with_raw_response
    told = raw.create(model="m", messages=[{"role": "user", "content": "Hello"}])
    headers = {"openai-processing-ms", "openai-version", "x-request-id", "x-ratelimit-remaining-requests"}
    assert headers <= told.headers.keys()
    done = told.parse()
    assert done.usage.prompt_tokens_details.cached_tokens == 0
    assert done.usage.completion_tokens_details.reasoning_tokens == 0
    assert (done.service_tier, done.system_fingerprint) == ("default", "fp_simulated")
    stream = raw.create(
        model="m",
        messages=[{"role": "user", "content": "Hello"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    *chunks, last = stream.parse()
    assert all("usage" in chunk.model_fields_set and chunk.usage is None for chunk in chunks)
    assert (last.choices, last.usage.total_tokens) == ([], 3)

    anthropic_client = clients["anthropic"].client
    arguments: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "a b c d"}]}
    message = anthropic_client.messages.with_raw_response.create(**arguments)
    assert "anthropic-ratelimit-output-tokens-remaining" in message.headers
    used = message.parse().usage
    assert (used.input_tokens + used.cache_read_input_tokens + used.cache_creation_input_tokens) == 4
    assert (used.service_tier, used.cache_creation.ephemeral_5m_input_tokens) == ("standard", 0)
    (delta,) = (
        e for e in anthropic_client.messages.create(**arguments, stream=True) if e.type == "message_delta"
    )
    assert (delta.usage.input_tokens, delta.usage.output_tokens) == (4, 5)
    simulator.key("anthropic", "k").fail(Fault.BUSY_MINUTE, times=1)
    with pytest.raises(anthropic.RateLimitError) as caught:
        anthropic_client.messages.create(**arguments)
    assert caught.value.response.headers["x-should-retry"] == "true"

    routed = clients["openrouter"].client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Hello"}], stream=True
    )
    *_, end, usage = routed
    assert (end.choices[0].finish_reason, end.choices[0].native_finish_reason) == ("stop", "stop")
    assert (usage.choices, usage.usage.cost > 0, usage.provider) == ([], True, "Simulated")
    told_by_google = clients["google"].client.models.generate_content(model="m", contents="a b")
    assert told_by_google.usage_metadata.prompt_tokens_details[0].token_count == 2


def test_a_simulator_without_hints_tells_no_limits():
    with Simulator(FakeClock(), hints=False) as quiet:
        quiet.add_key("openai", "k")
        with openai.OpenAI(api_key="k", base_url=quiet.base_url("openai"), max_retries=0) as client:
            told = client.chat.completions.with_raw_response.create(
                model="m", messages=[{"role": "user", "content": "Hello"}]
            )
    assert not any(name.startswith("x-ratelimit") for name in told.headers)
