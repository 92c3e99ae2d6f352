"""Answers of every shape, as each protocol has them whole and streamed, and what they say.

Written from the providers' pages (chat completions; messages and their streaming; generateContent) and from
the shapes that compatible servers are known to send; see docs/how-to/messages.md for what is read of them.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from jobapp.domain.exceptions import InvalidRequestError
from jobapp.domain.types import FinishReason, ToolCall, Usage

STOP, LENGTH, TOOLS = FinishReason.STOP, FinishReason.LENGTH, FinishReason.TOOL_CALLS
FILTER, PAUSE, OTHER = FinishReason.CONTENT_FILTER, FinishReason.PAUSE, FinishReason.OTHER

CALL = ToolCall("call_1", "weather", '{"city": "Paris"}')
SECOND = ToolCall("call_2", "weather", '{"city": "Zürich"}')
BARE = CALL._replace(arguments="{}")

EMOJI = "\U0001f600!"
LONG = "word " * 20_000


SPENT = Usage(10, 5, 0, 2)


class Shape(NamedTuple):
    """One answer.

    Attributes:
        whole: The body of a response that is not streamed.
        events: The same as a stream's events.
        text: Its text.
        reason: How it ended.
        calls: The tools it asks for.
        usage: Its tokens.
        error: What is raised instead, where it is no answer.
    """

    whole: Any
    events: list[Any]
    text: str
    reason: FinishReason = STOP
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = SPENT
    error: type[Exception] | None = None


# --- OpenAI's chat completions, and servers that speak them -------------------------------------------------

OPENAI_USAGE: Any = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "completion_tokens_details": {"reasoning_tokens": 2},
}


def openai_answer(message: dict[str, Any], reason: str | None, usage: Any, **extra: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "finish_reason": reason,
        "message": {"role": "assistant", "content": None, **message},
    }
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    return {**head, "choices": [choice], "usage": usage, **extra}


def chunk(delta: Any, finish: str | None = None, index: int = 0, **extra: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**head, "choices": [choice], **extra}


def data(*chunks: Any) -> list[Any]:
    return [*(f"data: {json.dumps(each)}" for each in chunks), "data: [DONE]"]


def openai_events(deltas: list[Any], reason: str | None, usage: Any) -> list[Any]:
    last = {**chunk({}), "choices": [], "usage": usage}
    return data(chunk({"role": "assistant", "content": ""}), *map(chunk, deltas), chunk({}, reason), last)


def openai(
    message: dict[str, Any],
    deltas: list[Any],
    text: str,
    reason: FinishReason = STOP,
    *calls: ToolCall,
    word: str | None = "stop",
    usage: Any = OPENAI_USAGE,
    told: Usage = SPENT,
    error: type[Exception] | None = None,
) -> Shape:
    """Return the shape of a *message*, which the *deltas* tell piece by piece; *word* is the provider's."""
    whole, events = openai_answer(message, word, usage), openai_events(deltas, word, usage)
    return Shape(whole, events, text, reason, calls, told, error)


def said(*pieces: str, **more: Any) -> Shape:
    """Return the shape of plain text in *pieces*."""
    text = "".join(pieces)
    return openai({"content": text}, [{"content": piece} for piece in pieces], text, **more)


def function(call: ToolCall, **extra: Any) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
        **extra,
    }


def call_deltas(call: ToolCall, index: int = 0, size: int = 9) -> list[dict[str, Any]]:
    """Return the deltas of a call: its id and name with the first, its arguments in pieces."""
    pieces = [call.arguments[at : at + size] for at in range(0, len(call.arguments), size)]
    first = {"index": index, **function(call._replace(arguments=""))}
    rest = [{"index": index, "function": {"arguments": piece}} for piece in pieces]
    return [{"tool_calls": [each]} for each in (first, *rest)]


ASKED = {"tool_calls": [function(CALL)]}
TWICE = {"tool_calls": [function(CALL), function(SECOND)]}
INTERLEAVED = [
    delta for pair in zip(call_deltas(CALL), call_deltas(SECOND, 1, 10), strict=False) for delta in pair
]
FORMER = {"function_call": {"name": "weather", "arguments": CALL.arguments}}
FORMER_DELTAS = [
    {"function_call": {"name": "weather", "arguments": ""}},
    {"function_call": {"arguments": '{"city": '}},
    {"function_call": {"arguments": '"Paris"}'}},
]
CUSTOM = {"id": "call_1", "type": "custom", "custom": {"name": "run", "input": "ls -l"}}
NO_TOLD: dict[str, Any] = {"told": Usage()}

OPENAI: dict[str, Shape] = {
    "text": said("Hi there"),
    "pieces": said("Hi ", "there"),
    "letters": said(*"Hi there, how are you?"),
    "other scripts": said("你好", "，", "мир", " שלום"),
    "emoji": said(EMOJI),
    "emoji in halves": openai({"content": EMOJI}, [{"content": "\ud83d"}, {"content": "\ude00!"}], EMOJI),
    "space and lines": said("\n\n  Hi", "\r\n", "\tthere  \n"),
    "long": said(LONG[:50_000], LONG[50_000:]),
    "json": said('{"sky": ', '"clear"}'),
    "event words": said("data: [DONE]", "\n\n", "event: error\n"),
    "cut": said("Hi", word="length")._replace(reason=LENGTH),
    "cut before text": openai({"content": ""}, [], "", LENGTH, word="length"),
    "filtered half": said("Hi", word="content_filter")._replace(reason=FILTER),
    "filtered whole": openai({}, [], "", word="content_filter", error=InvalidRequestError),
    "unknown reason": said("ok", word="eos")._replace(reason=OTHER),
    "tool": openai(ASKED, call_deltas(CALL), "", TOOLS, CALL, word="tool_calls"),
    "tool, called a stop": openai(ASKED, call_deltas(CALL), "", TOOLS, CALL),
    "tool at once": openai(ASKED, [{"tool_calls": [{"index": 0, **function(CALL)}]}], "", TOOLS, CALL),
    "tool without an index": openai(ASKED, [{"tool_calls": [function(CALL)]}], "", TOOLS, CALL),
    "tool with null fields": openai(
        {"tool_calls": [function(CALL, type=None)]},
        [
            {"tool_calls": [{"index": 0, **function(CALL._replace(arguments=""))}]},
            {
                "tool_calls": [
                    {"index": 0, "id": None, "function": {"name": None, "arguments": CALL.arguments}}
                ]
            },
        ],
        "",
        TOOLS,
        CALL,
    ),
    "tool without arguments": openai(
        {"tool_calls": [function(CALL._replace(arguments=""))]},
        call_deltas(CALL._replace(arguments="")),
        "",
        TOOLS,
        CALL._replace(arguments=""),
    ),
    "two tools": openai(TWICE, [*call_deltas(CALL), *call_deltas(SECOND, 1)], "", TOOLS, CALL, SECOND),
    "two tools by turns": openai(TWICE, INTERLEAVED, "", TOOLS, CALL, SECOND),
    "two tools without an index": openai(
        TWICE, [{"tool_calls": [function(CALL)]}, {"tool_calls": [function(SECOND)]}], "", TOOLS, CALL, SECOND
    ),
    "text and tool": openai(
        {"content": "See:", **ASKED}, [{"content": "See:"}, *call_deltas(CALL)], "See:", TOOLS, CALL
    ),
    "tool cut": openai(
        {"tool_calls": [function(CALL._replace(arguments='{"ci'))]},
        call_deltas(CALL._replace(arguments='{"ci')),
        "",
        LENGTH,
        CALL._replace(arguments='{"ci'),
        word="length",
    ),
    "custom tool": openai(
        {"tool_calls": [CUSTOM]},
        [{"tool_calls": [{"index": 0, **CUSTOM}]}],
        "",
        TOOLS,
        ToolCall("call_1", "run", "ls -l"),
    ),
    "former function": openai(FORMER, FORMER_DELTAS, "", TOOLS, CALL._replace(id=""), word="function_call"),
    "refusal": openai(
        {"refusal": "I can't."}, [{"refusal": "I "}, {"refusal": "can't."}], "I can't.", FILTER
    ),
    "reasoning": openai(
        {"content": "42", "reasoning_content": "hm hm"},
        [{"reasoning_content": "hm "}, {"reasoning_content": "hm", "content": None}, {"content": "42"}],
        "42",
    ),
    "reasoning of a router": openai(
        {"content": "42", "reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        [
            {
                "content": "",
                "reasoning": "hm",
                "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
            },
            {"content": "42", "reasoning": None},
        ],
        "42",
    ),
    "reasoning took all": openai(
        {"content": "", "reasoning_content": "hm"}, [{"reasoning_content": "hm"}], "", LENGTH, word="length"
    ),
    "reasoning and tool": openai(
        {"reasoning_content": "hm", **ASKED},
        [{"reasoning_content": "hm"}, *call_deltas(CALL)],
        "",
        TOOLS,
        CALL,
    ),
    "content in parts": openai(
        {"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "42"}]},
        [{"content": [{"type": "thinking", "thinking": []}]}, {"content": [{"type": "text", "text": "42"}]}],
        "42",
    ),
    "sources": openai(
        {"content": "ok", "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}]},
        [{"content": "ok", "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}]}],
        "ok",
    ),
    "null deltas": openai(
        {"content": "ok"},
        [{"content": None}, {"content": "ok", "tool_calls": None}, {}, {"role": None}],
        "ok",
    ),
    "usage null": said("ok", usage=None, **NO_TOLD),
    "usage []": said("ok", usage=[], **NO_TOLD),
    "usage {}": said("ok", usage={}, **NO_TOLD),
    "usage of words": said("ok", usage={"prompt_tokens": "10", "completion_tokens": "five"}, told=Usage(10)),
    "usage below zero": said("ok", usage={"prompt_tokens": -1, "completion_tokens": 5}, told=Usage(0, 5)),
    "usage in fractions": said(
        "ok", usage={"prompt_tokens": 10.0, "completion_tokens": 5.0}, told=Usage(10, 5)
    ),
    "usage with null details": said(
        "ok",
        usage={"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": None},
        told=Usage(10, 5),
    ),
    "usage with cached tokens": said(
        "ok",
        usage={"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 6}},
        told=Usage(10, 5, 6),
    ),
    "usage all the time": Shape(
        openai_answer({"content": "Hi there"}, "stop", OPENAI_USAGE),
        data(
            chunk({"content": "Hi "}, usage={"prompt_tokens": 10, "completion_tokens": 1}),
            chunk({"content": "there"}, usage={"prompt_tokens": 10, "completion_tokens": 3}),
            chunk({}, "stop", usage=OPENAI_USAGE),
        ),
        "Hi there",
    ),
    "reason with the last text": Shape(
        openai_answer({"content": "Hi there"}, "stop", OPENAI_USAGE),
        data(chunk({"content": "Hi "}), chunk({"content": "there"}, "stop", usage=OPENAI_USAGE)),
        "Hi there",
    ),
    "null choices beside good ones": Shape(
        {
            **openai_answer({"content": "ok"}, "stop", OPENAI_USAGE),
            "choices": [None, *openai_answer({"content": "ok"}, "stop", OPENAI_USAGE)["choices"]],
        },
        data(
            {**chunk({}), "choices": None},
            {**chunk({}), "choices": [None, *chunk({"content": "ok"})["choices"]]},
            chunk(None),
            chunk({}, "stop", usage=OPENAI_USAGE),
        ),
        "ok",
    ),
    "several choices": Shape(
        {
            **openai_answer({"content": "one"}, "stop", OPENAI_USAGE),
            "choices": [
                *openai_answer({"content": "one"}, "stop", None)["choices"],
                {"index": 1, "finish_reason": "length", "message": {"role": "assistant", "content": "two"}},
            ],
        },
        data(
            chunk({"content": "o"}),
            chunk({"content": "t"}, index=1),
            chunk({"content": "ne"}),
            chunk({"content": "wo"}, "length", index=1),
            chunk({}, "stop", usage=OPENAI_USAGE),
        ),
        "one",
    ),
    "sparse": Shape(
        {"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]},
        data(
            {"choices": [{"delta": {"content": "ok"}}]}, {"choices": [{"delta": {}, "finish_reason": "stop"}]}
        ),
        "ok",
        usage=Usage(),
    ),
    "odd side fields": Shape(
        openai_answer(
            {"content": "ok"}, "stop", OPENAI_USAGE, system_fingerprint=7, service_tier=[], created="x"
        ),
        data(
            chunk({"content": "ok"}, system_fingerprint=7, service_tier=[], created="x"),
            chunk({}, "stop", usage=OPENAI_USAGE, obfuscation="aaaa"),
        ),
        "ok",
    ),
    "comments between": Shape(
        openai_answer({"content": "ok"}, "stop", OPENAI_USAGE),
        [": OPENROUTER PROCESSING", *data(chunk({"content": "ok"}), chunk({}, "stop", usage=OPENAI_USAGE))],
        "ok",
    ),
}


# --- Anthropic's messages -----------------------------------------------------------------------------------

ANTHROPIC_USAGE: Any = {"input_tokens": 4, "cache_read_input_tokens": 6, "output_tokens": 5}
CACHED = Usage(10, 5, 6)


def anthropic_answer(blocks: list[Any], reason: str | None, usage: Any) -> dict[str, Any]:
    head = {"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
    return {**head, "content": blocks, "stop_reason": reason, "usage": usage}


def anthropic_events(blocks: list[list[dict[str, Any]]], reason: str | None, usage: Any) -> list[Any]:
    """Return the events of a message: of each block its start, then its deltas."""
    start = {
        "type": "message_start",
        "message": anthropic_answer([], None, {"input_tokens": 0, "output_tokens": 0}),
    }
    events: list[Any] = [start, {"type": "ping"}]
    for index, (block, *deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    end = {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}
    return [*events, end, {"type": "message_stop"}]


def anthropic(
    blocks: list[Any],
    deltas: list[list[Any]],
    text: str,
    reason: FinishReason = STOP,
    *calls: ToolCall,
    word: str = "end_turn",
    usage: Any = ANTHROPIC_USAGE,
    told: Usage = CACHED,
    error: type[Exception] | None = None,
) -> Shape:
    """Return the shape of *blocks*, each of which the *deltas* tell: its start, then its pieces."""
    whole, events = anthropic_answer(blocks, word, usage), anthropic_events(deltas, word, usage)
    return Shape(whole, events, text, reason, calls, told, error)


def text_block(*pieces: str) -> list[Any]:
    return [{"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces)]


def block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def wrote(*pieces: str, **more: Any) -> Shape:
    """Return the shape of one block of text in *pieces*."""
    text = "".join(pieces)
    return anthropic([block(text)], [text_block(*pieces)], text, **more)


def use(call: ToolCall, kind: str = "tool_use") -> dict[str, Any]:
    return {"type": kind, "id": call.id, "name": call.name, "input": json.loads(call.arguments)}


def use_deltas(call: ToolCall, *pieces: str, kind: str = "tool_use") -> list[Any]:
    parts = pieces or (call.arguments[:9], call.arguments[9:])
    return [
        {**use(call, kind), "input": {}},
        *({"type": "input_json_delta", "partial_json": part} for part in parts),
    ]


THOUGHT = {"type": "thinking", "thinking": "hm hm", "signature": "s"}
THOUGHT_DELTAS = [
    {"type": "thinking", "thinking": "", "signature": ""},
    {"type": "thinking_delta", "thinking": "hm "},
    {"type": "thinking_delta", "thinking": "hm"},
    {"type": "signature_delta", "signature": "s"},
]
HIDDEN = {"type": "redacted_thinking", "data": "x"}
SEARCH = ToolCall("srvtoolu_1", "web_search", '{"query": "sky"}')
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [
        {
            "type": "web_search_result",
            "url": "https://example.com",
            "title": "t",
            "encrypted_content": "e",
            "page_age": None,
        }
    ],
}
CITATION = {
    "type": "char_location",
    "cited_text": "sky",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 3,
}
UNKNOWN = {"type": "container_upload_of_tomorrow", "file": "f"}


def between(shape: Shape, *events: Any, at: int = 3) -> Shape:
    """Return *shape* with other *events* in its stream."""
    return shape._replace(events=[*shape.events[:at], *events, *shape.events[at:]])


ANTHROPIC: dict[str, Shape] = {
    "text": wrote("Hi there"),
    "pieces": wrote("Hi ", "there"),
    "letters": wrote(*"Hi there, how are you?"),
    "other scripts": wrote("你好", "，", "мир", " שלום"),
    "emoji": wrote(EMOJI),
    "emoji in halves": anthropic([block(EMOJI)], [text_block("\ud83d", "\ude00!")], EMOJI),
    "space and lines": wrote("\n\n  Hi", "\r\n", "\tthere  \n"),
    "long": wrote(LONG[:50_000], LONG[50_000:]),
    "json": wrote('{"sky": ', '"clear"}'),
    "event words": wrote("event: error\ndata: {}", "\n\n"),
    "two texts": anthropic(
        [block("Hi "), block("there")], [text_block("Hi "), text_block("there")], "Hi there"
    ),
    "text at the block's start": anthropic(
        [block("Hi there")], [[block("Hi "), *text_block("there")[1:]]], "Hi there"
    ),
    "an empty block beside text": anthropic(
        [block(""), block("ok")], [text_block(""), text_block("ok")], "ok"
    ),
    "cut": wrote("Hi", word="max_tokens")._replace(reason=LENGTH),
    "cut before text": anthropic([], [], "", LENGTH, word="max_tokens"),
    "context full": wrote("Hi", word="model_context_window_exceeded")._replace(reason=LENGTH),
    "stop sequence": wrote("Hi", word="stop_sequence"),
    "pause": wrote("Hi", word="pause_turn")._replace(reason=PAUSE),
    "refusal half": wrote("Hi", word="refusal")._replace(reason=FILTER),
    "refusal whole": anthropic([], [], "", word="refusal", error=InvalidRequestError),
    "unknown reason": wrote("ok", word="tomorrows_reason")._replace(reason=OTHER),
    "tool": anthropic([use(CALL)], [use_deltas(CALL)], "", TOOLS, CALL, word="tool_use"),
    "tool in letters": anthropic(
        [use(CALL)], [use_deltas(CALL, *CALL.arguments)], "", TOOLS, CALL, word="tool_use"
    ),
    "tool at the block's start": anthropic([use(CALL)], [[use(CALL)]], "", TOOLS, CALL, word="tool_use"),
    "tool without arguments": anthropic(
        [use(BARE)], [use_deltas(BARE, "")], "", TOOLS, BARE, word="tool_use"
    ),
    "tool without a delta": anthropic([use(BARE)], [[use(BARE)]], "", TOOLS, BARE, word="tool_use"),
    "two tools": anthropic(
        [use(CALL), use(SECOND)],
        [use_deltas(CALL), use_deltas(SECOND)],
        "",
        TOOLS,
        CALL,
        SECOND,
        word="tool_use",
    ),
    "text and tool": anthropic(
        [block("See:"), use(CALL)],
        [text_block("See:"), use_deltas(CALL)],
        "See:",
        TOOLS,
        CALL,
        word="tool_use",
    ),
    "tool cut": anthropic([use(BARE)], [use_deltas(BARE, '{"ci')], "", LENGTH, BARE, word="max_tokens"),
    "thoughts": anthropic([THOUGHT, block("42")], [THOUGHT_DELTAS, text_block("42")], "42"),
    "thoughts not shown": anthropic(
        [{**THOUGHT, "thinking": ""}, block("42")],
        [[THOUGHT_DELTAS[0], THOUGHT_DELTAS[-1]], text_block("42")],
        "42",
    ),
    "thoughts redacted": anthropic([HIDDEN, block("42")], [[HIDDEN], text_block("42")], "42"),
    "thoughts took all": anthropic([THOUGHT], [THOUGHT_DELTAS], "", LENGTH, word="max_tokens"),
    "thoughts and tool": anthropic(
        [THOUGHT, use(CALL)], [THOUGHT_DELTAS, use_deltas(CALL)], "", TOOLS, CALL, word="tool_use"
    ),
    "thoughts between tools": anthropic(
        [THOUGHT, use(CALL), THOUGHT, use(SECOND)],
        [THOUGHT_DELTAS, use_deltas(CALL), THOUGHT_DELTAS, use_deltas(SECOND)],
        "",
        TOOLS,
        CALL,
        SECOND,
        word="tool_use",
    ),
    "the server's own search": anthropic(
        [use(SEARCH, "server_tool_use"), FOUND, block("Blue.")],
        [use_deltas(SEARCH, kind="server_tool_use"), [FOUND], text_block("Blue.")],
        "Blue.",
    ),
    "citations": anthropic(
        [{**block("sky"), "citations": [CITATION]}],
        [[*text_block("sky"), {"type": "citations_delta", "citation": CITATION}]],
        "sky",
    ),
    "a block of tomorrow": anthropic([UNKNOWN, block("ok")], [[UNKNOWN], text_block("ok")], "ok"),
    "a delta of tomorrow": between(
        wrote("ok"), {"type": "content_block_delta", "index": 0, "delta": {"type": "new"}}
    ),
    "an event of tomorrow": between(wrote("ok"), {"type": "message_progress", "percent": 50}),
    "pings": between(wrote("ok"), {"type": "ping"}, {"type": "ping"}),
    "usage null": wrote("ok", usage=None, told=Usage()),
    "usage {}": wrote("ok", usage={}, told=Usage()),
    "usage of words": wrote("ok", usage={"input_tokens": "4", "output_tokens": None}, told=Usage(4)),
    "usage with a written cache": wrote(
        "ok",
        usage={"input_tokens": 4, "cache_creation_input_tokens": 6, "output_tokens": 5},
        told=Usage(10, 5, cache_write_tokens=6),
    ),
    "usage with more": wrote("ok", usage={**ANTHROPIC_USAGE, "server_tool_use": None, "service_tier": "x"}),
    "usage at the start and the end": Shape(
        anthropic_answer([block("ok")], "end_turn", ANTHROPIC_USAGE),
        [
            {
                "type": "message_start",
                "message": anthropic_answer([], None, {**ANTHROPIC_USAGE, "output_tokens": 1}),
            },
            *anthropic_events([text_block("ok")], "end_turn", {"output_tokens": 5})[1:],
        ],
        "ok",
        usage=CACHED,
    ),
    "sparse": Shape(
        {"type": "message", "content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn"},
        [
            {"type": "message_start", "message": {}},
            {"type": "content_block_start", "content_block": {"type": "text"}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "ok"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
            {"type": "message_stop"},
        ],
        "ok",
        usage=Usage(),
    ),
}


# --- Gemini's generateContent -------------------------------------------------------------------------------

GEMINI_USAGE: Any = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 3,
    "thoughtsTokenCount": 2,
    "totalTokenCount": 15,
}


def gemini_answer(parts: list[Any] | None, reason: str | None, usage: Any, **extra: Any) -> dict[str, Any]:
    content = {"role": "model", **({} if parts is None else {"parts": parts})}
    candidate: dict[str, Any] = {"index": 0, "content": content}
    if reason is not None:
        candidate["finishReason"] = reason
    answer = {"candidates": [{**candidate, **extra}]}
    return answer if usage is None else {**answer, "usageMetadata": usage}


def gemini(
    parts: list[Any] | None,
    text: str,
    reason: FinishReason = STOP,
    *calls: ToolCall,
    word: str = "STOP",
    usage: Any = GEMINI_USAGE,
    told: Usage = SPENT,
    error: type[Exception] | None = None,
    **extra: Any,
) -> Shape:
    """Return the shape of *parts*, one event each; *extra* are other fields of the candidate."""
    each = [gemini_answer([part], None, None) for part in parts or ()]
    events = [*each, gemini_answer(None, word, usage, **extra)]
    return Shape(gemini_answer(parts, word, usage, **extra), events, text, reason, calls, told, error)


def spoke(*pieces: str, **more: Any) -> Shape:
    """Return the shape of text in *pieces*."""
    return gemini([{"text": piece} for piece in pieces], "".join(pieces), **more)


def function_call(call: ToolCall) -> dict[str, Any]:
    told = {"id": call.id} if call.id else {}
    return {"functionCall": {**told, "name": call.name, "args": json.loads(call.arguments)}}


NO_ID = CALL._replace(id="")
GROUNDS = {"groundingChunks": [{"web": {"uri": "https://example.com", "title": "t"}}]}
BOTH = (
    function_call(CALL),
    function_call(SECOND),
)
BLOCKED: dict[str, Any] = {"error": InvalidRequestError}

GEMINI: dict[str, Shape] = {
    "text": spoke("Hi there"),
    "pieces": spoke("Hi ", "there"),
    "letters": spoke(*"Hi there, how are you?"),
    "other scripts": spoke("你好", "，", "мир", " שלום"),
    "emoji": spoke(EMOJI),
    "space and lines": spoke("\n\n  Hi", "\r\n", "\tthere  \n"),
    "long": spoke(LONG[:50_000], LONG[50_000:]),
    "json": spoke('{"sky": ', '"clear"}'),
    "event words": spoke("data: {}\n\nevent: error\n"),
    "reason with the last text": Shape(
        gemini_answer([{"text": "Hi there"}], "STOP", GEMINI_USAGE),
        [
            gemini_answer([{"text": "Hi "}], None, None),
            gemini_answer([{"text": "there"}], "STOP", GEMINI_USAGE),
        ],
        "Hi there",
    ),
    "an empty part beside text": gemini([{"text": ""}, {"text": "ok"}], "ok"),
    "empty parts at the end": Shape(
        gemini_answer([{"text": "ok"}], "STOP", GEMINI_USAGE),
        [gemini_answer([{"text": "ok"}], None, None), gemini_answer([{"text": ""}], "STOP", GEMINI_USAGE)],
        "ok",
    ),
    "cut": spoke("Hi", word="MAX_TOKENS")._replace(reason=LENGTH),
    "cut before text": gemini(None, "", LENGTH, word="MAX_TOKENS"),
    "filtered half": spoke("Hi", word="SAFETY")._replace(reason=FILTER),
    "recited half": spoke("Hi", word="RECITATION")._replace(reason=FILTER),
    "listed half": spoke("Hi", word="BLOCKLIST")._replace(reason=FILTER),
    "filtered whole": gemini(None, "", word="SAFETY", **BLOCKED),
    "recited whole": gemini(None, "", word="RECITATION", **BLOCKED),
    "prohibited whole": gemini(None, "", word="PROHIBITED_CONTENT", **BLOCKED),
    "the prompt blocked": Shape(
        {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": GEMINI_USAGE},
        [{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": GEMINI_USAGE}],
        "",
        error=InvalidRequestError,
    ),
    "other": spoke("Hi", word="OTHER")._replace(reason=OTHER),
    "a language it does not speak, half": spoke("Hi", word="LANGUAGE")._replace(reason=FILTER),
    "tool": gemini([function_call(CALL)], "", TOOLS, CALL),
    "tool without an id": gemini([function_call(NO_ID)], "", TOOLS, NO_ID),
    "tool without arguments": gemini([function_call(BARE)], "", TOOLS, BARE),
    "tool with null arguments": gemini(
        [{"functionCall": {"id": "call_1", "name": "weather"}}], "", TOOLS, BARE
    ),
    "tool with lists and numbers": gemini(
        [function_call(ToolCall("call_1", "weather", '{"days": [1, 2.5, null], "deep": {"on": true}}'))],
        "",
        TOOLS,
        ToolCall("call_1", "weather", '{"days": [1, 2.5, null], "deep": {"on": true}}'),
    ),
    "two tools": gemini([*BOTH], "", TOOLS, CALL, SECOND),
    "two tools in one event": Shape(
        gemini_answer([*BOTH], "STOP", GEMINI_USAGE),
        [gemini_answer([*BOTH], "STOP", GEMINI_USAGE)],
        "",
        TOOLS,
        (CALL, SECOND),
    ),
    "text and tool": gemini([{"text": "See:"}, function_call(CALL)], "See:", TOOLS, CALL),
    "signed tool": gemini([{**function_call(CALL), "thoughtSignature": "c2ln"}], "", TOOLS, CALL),
    "thoughts": gemini([{"text": "hm", "thought": True}, {"text": "42"}], "42"),
    "thoughts in pieces": gemini(
        [{"text": "h", "thought": True}, {"text": "m", "thought": True}, {"text": "4"}, {"text": "2"}], "42"
    ),
    "thoughts took all": gemini([{"text": "hm", "thought": True}], "", LENGTH, word="MAX_TOKENS"),
    "thoughts and tool": gemini([{"text": "hm", "thought": True}, function_call(CALL)], "", TOOLS, CALL),
    "signed text": gemini([{"text": "42", "thoughtSignature": "c2ln"}], "42"),
    "code and its result": gemini(
        [
            {"executableCode": {"language": "PYTHON", "code": "print(42)"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "42\n"}},
            {"text": "It is 42."},
        ],
        "It is 42.",
    ),
    "an image beside text": gemini(
        [{"text": "Here:"}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}}], "Here:"
    ),
    "grounds": spoke("Blue.", groundingMetadata=GROUNDS),
    "ratings": spoke("ok", safetyRatings=[{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}]),
    "citations": spoke("ok", citationMetadata={"citationSources": [{"uri": "https://example.com"}]}),
    "log probabilities": spoke("ok", avgLogprobs=-0.1),
    "usage missing": spoke("ok", usage=None, told=Usage()),
    "usage {}": spoke("ok", usage={}, told=Usage()),
    "usage without thoughts": spoke(
        "ok",
        usage={"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
        told=Usage(10, 5),
    ),
    "usage with a cache": spoke(
        "ok",
        usage={"promptTokenCount": 10, "candidatesTokenCount": 5, "cachedContentTokenCount": 6},
        told=Usage(10, 5, 6),
    ),
    "usage all the time": Shape(
        gemini_answer([{"text": "Hi there"}], "STOP", GEMINI_USAGE),
        [
            gemini_answer([{"text": "Hi "}], None, {"promptTokenCount": 10, "totalTokenCount": 10}),
            gemini_answer([{"text": "there"}], "STOP", GEMINI_USAGE),
        ],
        "Hi there",
    ),
    "several candidates": Shape(
        {
            "candidates": [
                *gemini_answer([{"text": "one"}], "STOP", None)["candidates"],
                {
                    "index": 1,
                    "content": {"role": "model", "parts": [{"text": "two"}]},
                    "finishReason": "STOP",
                },
            ],
            "usageMetadata": GEMINI_USAGE,
        },
        [
            {
                "candidates": [
                    *gemini_answer([{"text": "one"}], "STOP", None)["candidates"],
                    {"index": 1, "content": {"role": "model", "parts": [{"text": "two"}]}},
                ],
                "usageMetadata": GEMINI_USAGE,
            }
        ],
        "one",
    ),
    "sparse": Shape(
        {"candidates": [{"content": {"parts": [{"text": "ok"}]}, "finishReason": "STOP"}]},
        [
            {"candidates": [{"content": {"parts": [{"text": "ok"}]}}]},
            {"candidates": [{"finishReason": "STOP"}]},
        ],
        "ok",
        usage=Usage(),
    ),
}

SHAPES = {"openai": OPENAI, "anthropic": ANTHROPIC, "google": GEMINI}
