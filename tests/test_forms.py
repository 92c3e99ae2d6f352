"""Which forms of a request and an answer each provider takes: ``python -m tests.test_forms`` writes the page's table.

Each form is asked for through the real SDKs in four ways. What reaches the provider is searched for the mark
that its protocol has for the form; what does not reach it must have been refused before anything was sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from jobapp.domain.exceptions import ConfigError, InvalidRequestError
from jobapp.testing import Response
from tests.answer_shapes import SHAPES
from tests.calling import ONE, PROVIDERS, STREAMS, WAYS, World, world_of
from tests.test_error_docs import table

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "messages.md"
BEGIN, END = "<!-- forms: made by python -m tests.test_forms -->\n", "\n<!-- end of forms -->"

COLUMNS = {
    "openai": "OpenAI, compatible",
    "openrouter": "OpenRouter",
    "anthropic": "Anthropic",
    "google": "Gemini",
    "google-old-sdk": "Gemini, older SDK",
}
YES, LEFT_OUT = "yes", "left out"


class Weather(BaseModel):
    sky: str


class Form(NamedTuple):
    """One form: what is asked, and what shows that it arrived.

    Attributes:
        prompt: The prompt.
        options: Other arguments of the call.
        marks: What the body holds, by protocol; one text where all have the same.
        answer: The name of the answer's shape; the completion must be what the shape says.
    """

    prompt: Any = "Hello"
    options: Mapping[str, Any] = {}
    marks: Mapping[str, str] | str = "Hello"
    answer: str | None = None


def user(*parts: Any) -> list[Any]:
    return [{"role": "user", "content": list(parts)}]


def by_protocol(openai: str, anthropic: str, google: str) -> Mapping[str, str]:
    return {"openai": openai, "anthropic": anthropic, "google": google}


PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"sky": {"type": "string"}}, "required": ["sky"]}
TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "Tells it.", "parameters": SCHEMA},
}
ASKED: dict[str, Any] = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": name, "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
        for name in ("c1", "c2")
    ],
}
RESULTS = [{"role": "tool", "tool_call_id": name, "content": f"rain {name}"} for name in ("c1", "c2")]
SEE = {"type": "text", "text": "See:"}
LINK = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
BYTES = {"type": "image", "data": b"\x89PNG\r\n\x1a\n", "media_type": "image/png"}
IN_URL = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
CLOSELY = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}}
IMAGE_MARKS = by_protocol(f"data:image/png;base64,{PNG}", f'"data": "{PNG}"', f'"data": "{PNG}"')
FORMAT = {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA}}
FORMAT_MARKS = by_protocol(
    '"json_schema": {"name"', '"output_config": {"format"', '"responseMimeType": "application/json"'
)

FORMS: dict[str, Form] = {
    "a text": Form(),
    "messages": Form(
        [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}, *user(SEE)], {}, "See:"
    ),
    "`system=`": Form("Hello", {"system": "Be brief."}, "Be brief."),
    "a system message alone": Form([{"role": "system", "content": "Say hello."}], {}, "Say hello."),
    "an image by address": Form(user(SEE, LINK), {}, "example.com/a.png"),
    "an image's bytes": Form(user(SEE, BYTES), {}, IMAGE_MARKS),
    "an image in a `data:` address": Form(user(SEE, IN_URL), {}, IMAGE_MARKS),
    "an image's `detail`": Form(user(SEE, CLOSELY), {}, '"detail": "high"'),
    "a part's `cache_control`": Form(
        user({**SEE, "cache_control": {"type": "ephemeral"}}), {}, '"cache_control": {"type": "ephemeral"}'
    ),
    "a message's `name`": Form([{"role": "user", "name": "ann", "content": "Hello"}], {}, '"name": "ann"'),
    "a part that only a provider knows": Form(
        user(SEE, {"type": "input_thing", "thing": {"id": 7}}), {}, "thing"
    ),
    "`tools`": Form(
        "Hello",
        {"tools": [TOOL]},
        by_protocol('"parameters": {', '"input_schema": {', '"functionDeclarations": ['),
    ),
    "`tool_choice=`": Form(
        "Hello",
        {"tools": [TOOL], "tool_choice": "required"},
        {
            **by_protocol('"tool_choice": "required"', '"tool_choice": {"type": "any"}', '"mode": "ANY"'),
            "google-old-sdk": '"mode": 2',  # protobuf's number for it
        },
    ),
    "a tool's result": Form(
        [*user(SEE), {**ASKED, "tool_calls": ASKED["tool_calls"][:1]}, RESULTS[0]],
        {"tools": [TOOL]},
        by_protocol('"role": "tool"', '"type": "tool_result"', '"functionResponse": {'),
    ),
    "results of parallel calls": Form([*user(SEE), ASKED, *RESULTS], {"tools": [TOOL]}, "rain c2"),
    "`response_format` with a schema": Form("Hello", {"response_format": FORMAT}, FORMAT_MARKS),
    "`response_format` with a pydantic class": Form("Hello", {"response_format": Weather}, FORMAT_MARKS),
    "`response_format` without a schema": Form(
        "Hello",
        {"response_format": {"type": "json_object"}},
        by_protocol('"json_object"', '"json_object"', '"responseMimeType": "application/json"'),
    ),
    "`temperature`": Form("Hello", {"temperature": 0.5}, '"temperature": 0.5'),
    "`top_p`": Form("Hello", {"top_p": 0.5}, by_protocol('"top_p": 0.5', '"top_p": 0.5', '"topP": 0.5')),
    "`max_tokens`": Form(
        "Hello",
        {"max_tokens": 50},
        by_protocol('"max_tokens": 50', '"max_tokens": 50', '"maxOutputTokens": 50'),
    ),
    "`stop`": Form(
        "Hello",
        {"stop": "END"},
        by_protocol('"stop": "END"', '"stop_sequences": ["END"]', '"stopSequences": ["END"]'),
    ),
    "an option that the SDK does not know": Form("Hello", {"xyz_setting": 7}, '"xyz_setting": 7'),
    "a misspelt option": Form("Hello", {"temprature": 0.5}, '"temprature"'),
    "text of an answer": Form(answer="pieces"),
    "tool calls of an answer": Form(answer="two tools"),
    "how an answer ended": Form(answer="cut"),
    "an answer's tokens": Form(answer="text"),
}


def protocol_of(name: str) -> str:
    return PROVIDERS[name].name if PROVIDERS[name].name in SHAPES else "openai"


def outcome(world: World, name: str, form: Form) -> str:
    """Return what becomes of *form*: it arrives, it is left out, or it is refused with these words."""
    provider, protocol = world.provider.name, protocol_of(name)
    shape = SHAPES[protocol][form.answer or "text"]
    streamed = world.way in STREAMS
    world.simulator.script(
        provider, ONE, [Response(events=shape.events) if streamed else Response(body=shape.whole)]
    )
    before = world.simulator.requests(provider, ONE)
    try:
        done = world.call(form.prompt, **form.options)
    except (ConfigError, InvalidRequestError) as error:
        assert world.simulator.requests(provider, ONE) == before, "a refusal comes before anything is sent"
        world.simulator.key(provider, ONE).script([])
        return f"no: {error}"
    if form.answer:
        return YES if (done.text, done.finish_reason, done.tool_calls, done.usage) == shape[2:6] else LEFT_OUT
    mark = form.marks if isinstance(form.marks, str) else form.marks.get(name, form.marks[protocol])
    return YES if mark in json.dumps(world.simulator.received[-1].body, ensure_ascii=False) else LEFT_OUT


@cache
def outcomes(name: str) -> Mapping[str, Mapping[str, str]]:
    """Return what becomes of each form with a provider, by the way of calling."""
    told: dict[str, dict[str, str]] = {form: {} for form in FORMS}
    for way in WAYS:
        for title, form in FORMS.items():
            with (
                TemporaryDirectory() as folder,
                pytest.MonkeyPatch.context() as patch,
                world_of(name, way, Path(folder), patch) as world,
            ):
                world.add(ONE)
                told[title][way] = outcome(world, name, form)
    return told


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_way_of_calling_takes_or_refuses_the_same_forms(name):
    assert {
        title: set(ways.values()) for title, ways in outcomes(name).items() if len(set(ways.values())) > 1
    } == {}


def test_the_page_shows_what_becomes_of_each_form():
    assert written() in PAGE.read_text(encoding="utf-8")


def written() -> str:
    """Return the table, and below it the words of each refusal."""
    notes: dict[str, int] = {}
    rows = []
    for title in FORMS:
        cells = [outcomes(name)[title]["send"] for name in COLUMNS]
        rows.append([title, *(cell_of(cell, notes) for cell in cells)])
    words = [f"{number}. {refusal}" for refusal, number in notes.items()]
    return BEGIN + table(("Form", *COLUMNS.values()), rows) + "\n\n" + "\n".join(words) + END


def cell_of(cell: str, notes: dict[str, int]) -> str:
    if not cell.startswith("no: "):
        return cell
    words = "`" + cell.removeprefix("no: ") + "`"
    return f"refused ({notes.setdefault(words, len(notes) + 1)})"


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    PAGE.write_text(head + written() + rest.split(END)[1], encoding="utf-8")
