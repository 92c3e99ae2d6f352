"""What the adapters send and what they make of the answers, by the real SDKs over HTTP."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from jobapp.domain.exceptions import InvalidRequestError
from jobapp.domain.types import ChatRequest, ImagePart, Message, NativePart, TextPart, Usage
from jobapp.providers.sdk_adapter import SDKAdapter
from jobapp.testing import FakeClock, Response, Simulator
from tests.adapter_support import (
    ADAPTERS,
    HELLO,
    KEY,
    MODEL,
    PIECES,
    SECONDS,
    STREAMS,
    WAYS,
    Open,
    ask,
    opener,
)

PNG = b"\x89PNG\r\n\x1a\n and the rest"
PNG_TEXT = base64.b64encode(PNG).decode()

TALK = (
    Message("system", "Be short."),
    Message("user", "What is 1 + 1?"),
    Message("assistant", "2"),
    Message("user", "And 2 + 2?"),
)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(FakeClock()) as simulator:
        for provider in ("openai", "anthropic", "google", "openrouter"):
            simulator.add_key(provider, KEY.secret, limit=50)
        yield simulator


@pytest.fixture(params=ADAPTERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opened(simulator: Simulator) -> Iterator[Open]:
    with opener(simulator) as opened:
        yield opened


@pytest.fixture
def adapter(opened: Open, name: str) -> SDKAdapter:
    return opened(name)


def sent(simulator: Simulator) -> Any:
    return simulator.received[-1].body


@pytest.mark.parametrize("way", WAYS)
class TestAnswers:
    def test_an_answer_has_text_usage_model_and_headers(self, adapter: SDKAdapter, way: str) -> None:
        reply = ask(adapter, way)
        assert reply.text == "echo: Hello there my friend"
        cost = 9e-06 if adapter.provider == "openrouter" else None
        assert reply.usage == Usage(input_tokens=4, output_tokens=5, cost=cost)
        assert reply.model == MODEL
        assert reply.headers["content-type"]
        assert all(name == name.lower() for name in reply.headers)

    def test_headers_tell_the_room_where_the_provider_does(
        self, adapter: SDKAdapter, name: str, way: str
    ) -> None:
        headers = ask(adapter, way).headers
        left = {
            "openai": "x-ratelimit-remaining-requests",
            "anthropic": "anthropic-ratelimit-requests-remaining",
        }
        if name in left:
            assert headers[left[name]] == "49"

    def test_raw_is_the_sdks_own_object(self, adapter: SDKAdapter, name: str, way: str) -> None:
        raw = ask(adapter, way).raw
        assert type(raw).__module__.startswith(adapter.sdk if name != "openrouter" else "openai")

    def test_an_answer_without_text_is_an_empty_text(
        self, simulator: Simulator, adapter: SDKAdapter, way: str
    ) -> None:
        simulator.answer = ""
        assert ask(adapter, way).text == ""


@pytest.mark.parametrize("way", STREAMS)
def test_a_stream_yields_pieces_that_are_never_empty_then_the_whole(adapter: SDKAdapter, way: str) -> None:
    pieces: list[str] = []
    reply = ask(adapter, way, pieces=pieces)
    assert pieces == PIECES
    assert reply.text == "".join(pieces)


class TestConversations:
    def test_openai_forms_keep_system_and_turns_in_order(self, simulator: Simulator, opened: Open) -> None:
        for name in ("openai", "openrouter"):
            ask(opened(name), "send", ChatRequest(MODEL, TALK))
            assert sent(simulator)["messages"] == [
                {"role": turn.role, "content": turn.content} for turn in TALK
            ]

    def test_anthropic_has_the_system_apart(self, simulator: Simulator, opened: Open) -> None:
        ask(opened("anthropic"), "send", ChatRequest(MODEL, TALK))
        body = sent(simulator)
        assert body["system"] == "Be short."
        assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]

    @pytest.mark.parametrize("name", ["google-genai", "google-generativeai"])
    def test_google_has_the_system_apart_and_calls_the_assistant_model(
        self, simulator: Simulator, opened: Open, name: str
    ) -> None:
        ask(opened(name), "send", ChatRequest(MODEL, TALK))
        body = sent(simulator)
        assert body["systemInstruction"]["parts"] == [{"text": "Be short."}]
        assert [(turn["role"], turn["parts"]) for turn in body["contents"]] == [
            ("user", [{"text": "What is 1 + 1?"}]),
            ("model", [{"text": "2"}]),
            ("user", [{"text": "And 2 + 2?"}]),
        ]

    def test_several_system_turns_reach_anthropic_as_blocks(self, simulator: Simulator, opened: Open) -> None:
        talk = (Message("system", "One."), Message("developer", "Two."), Message("user", "Hi"))
        ask(opened("anthropic"), "send", ChatRequest(MODEL, talk))
        assert sent(simulator)["system"] == [{"type": "text", "text": text} for text in ("One.", "Two.")]

    def test_extra_fields_of_a_message_reach_openai_untouched(
        self, simulator: Simulator, opened: Open
    ) -> None:
        calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
        talk = (
            Message("user", "Hi", {"name": "Ann"}),
            Message("assistant", "", {"tool_calls": calls}),
            Message("tool", "42", {"tool_call_id": "c1"}),
        )
        ask(opened("openai"), "send", ChatRequest(MODEL, talk))
        assert sent(simulator)["messages"] == [
            {"role": "user", "content": "Hi", "name": "Ann"},
            {"role": "assistant", "content": "", "tool_calls": calls},
            {"role": "tool", "content": "42", "tool_call_id": "c1"},
        ]

    @pytest.mark.parametrize("name", ["anthropic", "google-genai", "google-generativeai"])
    @pytest.mark.parametrize(
        "turn", [Message("critic", "42"), Message("assistant", "", {"tool_calls": []})], ids=["role", "field"]
    )
    def test_what_a_provider_does_not_know_is_refused_before_sending(
        self, simulator: Simulator, opened: Open, name: str, turn: Message
    ) -> None:
        adapter = opened(name)
        with pytest.raises(InvalidRequestError, match=r"tool|no field tool_calls"):
            adapter.send(ChatRequest(MODEL, (Message("user", "Hi"), turn)), KEY, SECONDS)
        assert simulator.requests() == 0


IMAGES = [
    pytest.param(ImagePart(data=PNG, media_type="image/png"), id="bytes"),
    pytest.param(ImagePart(data=PNG), id="bytes-without-type"),
]
LINK = ImagePart(url="https://example.org/cat.png?size=2")


def picture(part: ImagePart | NativePart) -> ChatRequest:
    return ChatRequest(MODEL, (Message("user", (TextPart("What is this?"), part)),))


class TestImages:
    @pytest.mark.parametrize("image", IMAGES)
    def test_bytes_reach_openai_as_a_data_url(
        self, simulator: Simulator, opened: Open, image: ImagePart
    ) -> None:
        ask(opened("openai"), "send", picture(image))
        assert sent(simulator)["messages"][0]["content"] == [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG_TEXT}"}},
        ]

    @pytest.mark.parametrize("image", IMAGES)
    def test_bytes_reach_anthropic_in_base64(
        self, simulator: Simulator, opened: Open, image: ImagePart
    ) -> None:
        ask(opened("anthropic"), "send", picture(image))
        source = {"type": "base64", "media_type": "image/png", "data": PNG_TEXT}
        assert sent(simulator)["messages"][0]["content"][1] == {"type": "image", "source": source}

    @pytest.mark.parametrize("image", IMAGES)
    @pytest.mark.parametrize("name", ["google-genai", "google-generativeai"])
    def test_bytes_reach_google_inline(
        self, simulator: Simulator, opened: Open, name: str, image: ImagePart
    ) -> None:
        ask(opened(name), "send", picture(image))
        [inline] = sent(simulator)["contents"][0]["parts"][1].values()
        assert set(inline.values()) == {"image/png", PNG_TEXT}

    def test_links_are_sent_as_links(self, simulator: Simulator, opened: Open) -> None:
        ask(opened("openai"), "send", picture(LINK))
        assert sent(simulator)["messages"][0]["content"][1]["image_url"] == {"url": LINK.url}
        ask(opened("anthropic"), "send", picture(LINK))
        assert sent(simulator)["messages"][0]["content"][1]["source"] == {"type": "url", "url": LINK.url}
        for name in ("google-genai", "google-generativeai"):
            ask(opened(name), "send", picture(LINK))
            [link] = sent(simulator)["contents"][0]["parts"][1].values()
            assert set(link.values()) == {"image/png", LINK.url}

    @pytest.mark.parametrize("name", ["anthropic", "google-genai", "google-generativeai"])
    def test_bytes_of_no_known_type_are_refused_before_sending(
        self, simulator: Simulator, opened: Open, name: str
    ) -> None:
        with pytest.raises(InvalidRequestError, match="media_type"):
            opened(name).send(picture(ImagePart(data=b"?")), KEY, SECONDS)
        assert simulator.requests() == 0

    def test_native_parts_go_untouched(self, simulator: Simulator, opened: Open) -> None:
        cached = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}
        ask(opened("anthropic"), "send", picture(NativePart(cached)))
        assert sent(simulator)["messages"][0]["content"][1] == cached


class TestOptions:
    def test_native_options_go_to_the_provider_untouched(self, simulator: Simulator, opened: Open) -> None:
        options = {"temperature": 0.5, "tools": [{"type": "function", "function": {"name": "f"}}], "seed": 7}
        ask(opened("openai"), "send", ChatRequest(MODEL, HELLO.messages, options))
        assert options.items() <= sent(simulator).items()

    def test_anthropic_gets_its_max_tokens_from_the_settings_unless_told(
        self, simulator: Simulator, opened: Open
    ) -> None:
        adapter = opened("anthropic", max_tokens=77)
        ask(adapter, "send")
        assert sent(simulator)["max_tokens"] == 77
        ask(adapter, "send", ChatRequest(MODEL, HELLO.messages, {"max_tokens": 5}))
        assert sent(simulator)["max_tokens"] == 5

    def test_anthropic_may_be_asked_for_very_long_answers(self, simulator: Simulator, opened: Open) -> None:
        ask(opened("anthropic", max_tokens=60_000), "send")
        assert sent(simulator)["max_tokens"] == 60_000

    @pytest.mark.parametrize("name", ["google-genai", "google-generativeai"])
    def test_google_gets_the_common_names_under_its_own(
        self, simulator: Simulator, opened: Open, name: str
    ) -> None:
        options = {"temperature": 0.5, "max_tokens": 9, "stop": "END", "top_p": 0.5}
        ask(opened(name), "send", ChatRequest(MODEL, HELLO.messages, options))
        config = sent(simulator)["generationConfig"]
        assert config == {"temperature": 0.5, "maxOutputTokens": 9, "stopSequences": ["END"], "topP": 0.5}

    def test_google_genai_takes_a_config_as_a_whole(self, simulator: Simulator, opened: Open) -> None:
        from google.genai import types

        for config in (types.GenerateContentConfig(temperature=0.25), {"temperature": 0.25}):
            options = {"config": config, "top_p": 0.5}
            ask(opened("google-genai"), "send", ChatRequest(MODEL, TALK, options))
            assert sent(simulator)["generationConfig"] == {"temperature": 0.25, "topP": 0.5}
            assert sent(simulator)["systemInstruction"]["parts"] == [{"text": "Be short."}]

    @pytest.mark.parametrize("option", ["model", "messages", "stream", "timeout"])
    def test_what_every_call_sets_itself_is_no_option(
        self, simulator: Simulator, adapter: SDKAdapter, option: str
    ) -> None:
        with pytest.raises(InvalidRequestError, match=option):
            adapter.send(ChatRequest(MODEL, HELLO.messages, {option: 1}), KEY, SECONDS)
        assert simulator.requests() == 0

    def test_unknown_options_are_no_fact_about_a_key(self, simulator: Simulator, adapter: SDKAdapter) -> None:
        request = ChatRequest(MODEL, HELLO.messages, {"no_such_option": object()})
        with pytest.raises((TypeError, ValueError)) as caught:
            adapter.send(request, KEY, SECONDS)
        assert adapter.error_facts(caught.value, MODEL, KEY) is None
        assert simulator.requests() == 0

    def test_usage_in_streams_is_asked_of_known_providers_only(
        self, simulator: Simulator, opened: Open
    ) -> None:
        from jobapp.domain.settings import ProviderSettings
        from jobapp.providers.openai import OpenAIAdapter

        ask(opened("openai"), "stream")
        assert sent(simulator)["stream_options"] == {"include_usage": True}
        local = OpenAIAdapter(ProviderSettings("local", base_url=simulator.base_url("openai")))
        assert ask(local, "stream").text == "echo: Hello there my friend"
        local.close()
        assert "stream_options" not in sent(simulator)

    def test_openrouter_hears_the_programs_name(self, simulator: Simulator, opened: Open) -> None:
        ask(opened("openrouter"), "send")
        assert simulator.received[-1].headers["x-openrouter-title"] == "jobapp"


ANTHROPIC_TOOL_STREAM = [
    {
        "type": "message_start",
        "message": {
            "id": "m", "type": "message", "role": "assistant", "model": MODEL, "content": [],
            "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Let me "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "see."}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start", "index": 1,
        "content_block": {"type": "tool_use", "id": "t", "name": "look", "input": {}},
    },
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"at'}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '": 1}'}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 9},
    },
    {"type": "message_stop"},
]  # fmt: skip


class TestOddAnswers:
    def test_a_streamed_message_of_anthropic_is_whole_in_raw(
        self, simulator: Simulator, opened: Open
    ) -> None:
        simulator.script("anthropic", KEY.secret, [Response(events=ANTHROPIC_TOOL_STREAM, lead=2)])
        reply = ask(opened("anthropic"), "stream")
        assert reply.text == "Let me see."
        assert reply.usage == Usage(input_tokens=3, output_tokens=9)
        assert reply.raw.stop_reason == "tool_use"
        assert (reply.raw.content[0].text, reply.raw.content[1].input) == ("Let me see.", {"at": 1})

    def test_a_tool_call_of_openai_has_no_text(self, simulator: Simulator, opened: Open) -> None:
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        body = completion({"index": 0, "message": message, "finish_reason": "tool_calls"})
        simulator.script("openai", KEY.secret, [Response(body=body)])
        reply = ask(opened("openai"), "send")
        assert reply.text == ""
        assert reply.raw.choices[0].message.tool_calls[0].function.name == "f"

    def test_a_refusal_of_openai_is_its_text(self, simulator: Simulator, opened: Open) -> None:
        message = {"role": "assistant", "content": None, "refusal": "I can't help with that."}
        body = completion({"index": 0, "message": message, "finish_reason": "stop"})
        simulator.script("openai", KEY.secret, [Response(body=body)])
        assert ask(opened("openai"), "send").text == "I can't help with that."

    def test_cached_and_reasoning_tokens_are_told(self, simulator: Simulator, opened: Open) -> None:
        usage = {
            "prompt_tokens": 10, "completion_tokens": 6, "total_tokens": 16,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 5},
        }  # fmt: skip
        choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
        simulator.script("openai", KEY.secret, [Response(body=completion(choice) | {"usage": usage})])
        assert ask(opened("openai"), "send").usage == Usage(10, 6, 4, 5)

    @pytest.mark.parametrize("name", ["google-genai", "google-generativeai"])
    @pytest.mark.parametrize("way", WAYS)
    def test_thoughts_that_took_all_tokens_leave_an_empty_text(
        self, simulator: Simulator, opened: Open, name: str, way: str
    ) -> None:
        usage = {"promptTokenCount": 3, "thoughtsTokenCount": 8, "totalTokenCount": 11}
        body = {"candidates": [{"index": 0, "finishReason": "MAX_TOKENS"}], "usageMetadata": usage}
        events = None if "stream" not in way else [body]
        simulator.script("google", KEY.secret, [Response(body=body, events=events)])
        reply = ask(opened(name), way)
        assert reply.text == ""
        assert reply.usage.input_tokens == 3


def completion(choice: dict[str, Any]) -> dict[str, Any]:
    return {"id": "x", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [choice]}
