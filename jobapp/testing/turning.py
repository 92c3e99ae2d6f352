"""A whole answer as the events of a stream, and the reverse, for scripts that hold the one but not the other.

What is written by hand may lack any field: ``None`` comes back where it is no answer at all. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobapp.testing.wire import dicts, fields

DONE = "data: [DONE]\n\n"
_DELTA_TEXTS = ("text", "thinking", "signature", "partial_json")


def parsed(events: Iterable[Any]) -> list[Mapping[str, Any]]:
    """Return the events that are objects, or text that holds one."""
    found: list[Mapping[str, Any]] = []
    for event in events:
        if isinstance(event, dict):
            found.append(event)
        elif isinstance(event, str):
            lines = (line.partition(":")[2] for line in event.splitlines() if line.startswith("data:"))
            found += (value for value in map(_json, lines) if isinstance(value, dict))
    return found


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def chat_events(body: Mapping[str, Any], *, usage: bool) -> list[Any] | None:
    """Return a chat completion as chunks: what each choice says, then why it ended."""
    choices = [choice for choice in dicts(body.get("choices")) if "message" in choice]
    if not choices:
        return None
    head = {name: value for name, value in body.items() if name not in ("choices", "usage")}
    head["object"] = "chat.completion.chunk"
    events: list[Any] = []
    for index, choice in enumerate(choices):
        rest = {"index": index, **{name: value for name, value in choice.items() if name != "message"}}
        delta = dict(fields(choice["message"]))
        if calls := dicts(delta.get("tool_calls")):
            delta["tool_calls"] = [{"index": number, **call} for number, call in enumerate(calls)]
        events.append({**head, "choices": [{**rest, "delta": delta, "finish_reason": None}]})
        events.append({**head, "choices": [{**rest, "delta": {}}]})
    if usage and "usage" in body:
        events.append({**head, "choices": [], "usage": body["usage"]})
    return [*events, DONE]


def chat_body(events: Sequence[Any]) -> dict[str, Any] | None:
    """Return the chunks of a chat completion as one."""
    body: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in parsed(events):
        body |= {name: value for name, value in chunk.items() if name != "choices" and value is not None}
        for choice in dicts(chunk.get("choices")):
            whole = choices.setdefault(choice.get("index", 0), {"message": {}})
            whole |= {name: value for name, value in choice.items() if name != "delta" and value is not None}
            _add(whole["message"], fields(choice.get("delta")))
    if not choices:
        return None
    for whole in choices.values():
        whole["message"].setdefault("content", None)
        whole.setdefault("finish_reason", None)
    return {**body, "object": "chat.completion", "choices": [choices[index] for index in sorted(choices)]}


def _add(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            calls = message.setdefault("tool_calls", [])
            for piece in dicts(value):
                _add_call(calls, piece)
        elif isinstance(value, str) and isinstance(message.get(name), str) and name != "role":
            message[name] += value
        elif value is not None or name not in message:
            message[name] = value


def _add_call(calls: list[dict[str, Any]], piece: Mapping[str, Any]) -> None:
    place = piece.get("index", len(calls))
    while len(calls) <= place:
        calls.append({"type": "function", "function": {"name": "", "arguments": ""}})
    function = fields(piece.get("function"))
    calls[place] |= {
        name: value for name, value in piece.items() if name not in ("index", "function") and value
    }
    for name in ("name", "arguments"):
        calls[place]["function"][name] += function.get(name) or ""


def messages_body(events: Sequence[Any]) -> dict[str, Any] | None:
    """Return the events of Anthropic's stream as one message."""
    message: dict[str, Any] | None = None
    blocks: dict[int, dict[str, Any]] = {}
    for event in parsed(events):
        match event.get("type"):
            case "message_start":
                message = dict(fields(event.get("message")))
            case "content_block_start":
                blocks[event.get("index", 0)] = dict(fields(event.get("content_block")))
            case "content_block_delta":
                _add_delta(blocks.setdefault(event.get("index", 0), {}), fields(event.get("delta")))
            case "message_delta" if message is not None:
                message |= fields(event.get("delta"))
                message["usage"] = {**fields(message.get("usage")), **fields(event.get("usage"))}
    if message is None:
        return None
    for block in blocks.values():
        if (text := block.pop("partial_json", None)) is not None:
            block["input"] = _json(text) or {}
    return {**message, "content": [blocks[index] for index in sorted(blocks)]}


def _add_delta(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for name in _DELTA_TEXTS:
        if isinstance(delta.get(name), str):
            block[name] = (block.get(name) or "") + delta[name]


def responses_body(events: Sequence[Any]) -> Mapping[str, Any] | None:
    """Return the response that the last event holds."""
    held = [event["response"] for event in parsed(events) if isinstance(event.get("response"), dict)]
    return held[-1] if held else None


def gemini_body(events: Sequence[Any]) -> dict[str, Any] | None:
    """Return the events of Gemini's stream as one answer: their parts in order, the rest as last told."""
    rows = [row for row in parsed(events) if "candidates" in row or "usageMetadata" in row]
    if not rows:
        return None
    body: dict[str, Any] = {}
    candidates: dict[int, dict[str, Any]] = {}
    for row in rows:
        body |= row
        for candidate in dicts(row.get("candidates")):
            whole = candidates.setdefault(candidate.get("index", 0), {})
            content = fields(candidate.get("content"))
            parts = [*fields(whole.get("content")).get("parts", ()), *dicts(content.get("parts"))]
            whole |= {**candidate, "content": {**fields(whole.get("content")), **content, "parts": parts}}
    return {**body, "candidates": [candidates[index] for index in sorted(candidates)]}
