"""What a request in one of OpenAI's two forms asks: chat completions and responses. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from jobapp.testing.asked import ANY_TOOL, Tool, ToolResult, Wanted
from jobapp.testing.wire import dicts, fields, text_of, whole_number

TOOL_ROLES = ("tool", "function")
MUST = {"required": ANY_TOOL}


def chat_prompt(body: Mapping[str, Any]) -> str:
    """Return the text of the last message, of tools' results all of the turn's."""
    results = chat_results(body)
    if results:
        return "\n".join(result.text for result in results)
    messages = dicts(body.get("messages"))
    return text_of(messages[-1].get("content")) if messages else ""


def chat_parts(body: Mapping[str, Any]) -> list[str]:
    """Return the texts of all messages."""
    return [text_of(message.get("content")) for message in dicts(body.get("messages"))]


def chat_tools(body: Mapping[str, Any]) -> list[Tool]:
    """Return the functions and custom tools that are offered."""
    rows = [tool.get(str(tool.get("type"))) for tool in dicts(body.get("tools"))]
    return [_tool(row) for row in [*map(fields, rows), *dicts(body.get("functions"))] if row.get("name")]


def chat_results(body: Mapping[str, Any]) -> list[ToolResult]:
    """Return the results that stand at the end of the conversation."""
    messages = dicts(body.get("messages"))
    last = list(takewhile(lambda message: message.get("role") in TOOL_ROLES, reversed(messages)))[::-1]
    names = {call.get("id"): fields(call.get("function")).get("name") for call in _chat_calls(messages)}
    return [
        ToolResult(
            call_id := str(message.get("tool_call_id") or ""),
            str(message.get("name") or names.get(call_id) or ""),
            text_of(message.get("content")),
        )
        for message in last
    ]


def chat_wanted(body: Mapping[str, Any]) -> Wanted:
    """Return the particulars of the answer."""
    form = fields(body.get("response_format"))
    return Wanted(
        tool_choice=_choice(body.get("tool_choice") or body.get("function_call")),
        called=[
            str(fields(call.get("function")).get("name")) for call in _chat_calls(dicts(body.get("messages")))
        ],
        schema=_schema(form, form.get("json_schema")),
        json=form.get("type") == "json_object",
        max_tokens=whole_number(body.get("max_completion_tokens") or body.get("max_tokens")),
        stop=_texts(body.get("stop")),
        choices=whole_number(body.get("n")) or 1,
    )


def responses_items(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the items of ``input``; a text is one message of the user."""
    asked = body.get("input")
    if isinstance(asked, str):
        return [{"type": "message", "role": "user", "content": asked}] if asked else []
    return dicts(asked)


def responses_prompt(items: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of the last item, of tools' results all of the turn's."""
    results = responses_results(items)
    if results:
        return "\n".join(result.text for result in results)
    return text_of(items[-1].get("content")) if items else ""


def responses_parts(body: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the instructions and the texts of all items."""
    texts = [_output(item) if _is_result(item) else text_of(item.get("content")) for item in items]
    return [text_of(body.get("instructions")), *texts]


def responses_tools(body: Mapping[str, Any]) -> list[Tool]:
    """Return the functions and custom tools that are offered; the provider's own have no name."""
    return [_tool(tool) for tool in dicts(body.get("tools")) if tool.get("name")]


def responses_results(items: Sequence[Mapping[str, Any]]) -> list[ToolResult]:
    """Return the results that stand at the end of the input."""
    last = list(takewhile(_is_result, reversed(items)))[::-1]
    names = {item.get("call_id"): item.get("name") for item in items if _is_call(item)}
    return [
        ToolResult(call_id := str(item.get("call_id") or ""), str(names.get(call_id) or ""), _output(item))
        for item in last
    ]


def responses_wanted(body: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> Wanted:
    """Return the particulars of the answer."""
    form = fields(fields(body.get("text")).get("format"))
    return Wanted(
        tool_choice=_choice(body.get("tool_choice")),
        called=[str(item.get("name")) for item in items if _is_call(item)],
        schema=_schema(form, form),
        json=form.get("type") == "json_object",
        max_tokens=whole_number(body.get("max_output_tokens")),
    )


def _is_call(item: Mapping[str, Any]) -> bool:
    return item.get("type") in ("function_call", "custom_tool_call")


def _is_result(item: Mapping[str, Any]) -> bool:
    return str(item.get("type")).endswith("_call_output")


def _output(item: Mapping[str, Any]) -> str:
    output = item.get("output")
    return text_of(output) if isinstance(output, str | list) else json.dumps(output)


def _chat_calls(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [call for message in messages for call in dicts(message.get("tool_calls"))]


def _tool(row: Mapping[str, Any]) -> Tool:
    return Tool(str(row["name"]), str(row.get("description") or ""), fields(row.get("parameters")))


def _choice(choice: Any) -> str:
    if isinstance(choice, str):
        return MUST.get(choice, "")
    named = fields(choice)
    if named.get("type") == "allowed_tools":
        inner = fields(named.get("allowed_tools")) or named
        return ANY_TOOL if inner.get("mode") == "required" else ""
    return str((fields(named.get(str(named.get("type")))) or named).get("name") or "")


def _schema(form: Mapping[str, Any], holder: Any) -> Mapping[str, Any] | None:
    return fields(fields(holder).get("schema")) if form.get("type") == "json_schema" else None


def _texts(stop: Any) -> list[str]:
    return [stop] if isinstance(stop, str) else [text for text in stop or () if isinstance(text, str)]
