"""What a request to Anthropic's messages asks. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jobapp.testing.asked import ANY_TOOL, Tool, ToolResult, Wanted
from jobapp.testing.wire import dicts, fields, text_of, whole_number


def prompt(body: Mapping[str, Any]) -> str:
    """Return the text of the last message, what its tools returned before it."""
    messages = dicts(body.get("messages"))
    if not messages:
        return ""
    told = text_of(messages[-1].get("content"))
    return "\n".join([*(result.text for result in results(body)), *([told] if told else [])])


def parts(body: Mapping[str, Any]) -> list[str]:
    """Return the system's text and those of all messages, what tools returned among them."""
    return [
        text_of(body.get("system")),
        *(_all_text(message.get("content")) for message in dicts(body.get("messages"))),
    ]


def tools(body: Mapping[str, Any]) -> list[Tool]:
    """Return the tools that the caller runs; the provider's own have no schema."""
    return [
        Tool(str(row.get("name")), str(row.get("description") or ""), fields(row.get("input_schema")))
        for row in dicts(body.get("tools"))
        if "input_schema" in row
    ]


def results(body: Mapping[str, Any]) -> list[ToolResult]:
    """Return what tools returned, where the last message hands that in."""
    messages = dicts(body.get("messages"))
    names = {block.get("id"): str(block.get("name")) for block in _calls(messages)}
    return [
        ToolResult(
            call_id := str(block.get("tool_use_id") or ""),
            names.get(call_id, ""),
            text_of(block.get("content")),
        )
        for block in dicts(messages[-1].get("content") if messages else None)
        if block.get("type") == "tool_result"
    ]


def wanted(body: Mapping[str, Any]) -> Wanted:
    """Return the particulars of the answer."""
    choice = fields(body.get("tool_choice"))
    form = fields(fields(body.get("output_config")).get("format") or body.get("output_format"))
    return Wanted(
        tool_choice={"any": ANY_TOOL, "tool": str(choice.get("name") or "")}.get(str(choice.get("type")), ""),
        called=[str(block.get("name")) for block in _calls(dicts(body.get("messages")))],
        schema=fields(form.get("schema")) if form.get("type") == "json_schema" else None,
        max_tokens=whole_number(body.get("max_tokens")),
        stop=[text for text in body.get("stop_sequences") or () if isinstance(text, str)],
        cacheable=_cacheable(body),
    )


def _all_text(content: Any) -> str:
    returned = (text_of(b.get("content")) for b in dicts(content) if b.get("type") == "tool_result")
    return " ".join(filter(None, [*returned, text_of(content)]))


def _cacheable(body: Mapping[str, Any]) -> int:
    """Return how many parts stand before the last mark of the cache, the marked one among them."""
    marked = [index for index, part in enumerate(_whole_parts(body)) if "cache_control" in json.dumps(part)]
    return (len(marked) and marked[-1] + 1) if "cache_control" not in body else len(_whole_parts(body))


def _whole_parts(body: Mapping[str, Any]) -> list[Any]:
    return [body.get("system"), *dicts(body.get("messages"))]


def _calls(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    blocks = [block for message in messages for block in dicts(message.get("content"))]
    return [block for block in blocks if block.get("type") == "tool_use"]
