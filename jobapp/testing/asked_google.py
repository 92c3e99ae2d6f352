"""What a request to Gemini asks, in camel case as its SDKs write, or in snake case. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jobapp.testing.asked import ANY_TOOL, Tool, ToolResult, Wanted
from jobapp.testing.wire import dicts, fields, text_of, whole_number


def prompt(body: Mapping[str, Any]) -> str:
    """Return the text of the last content, what its tools returned before it."""
    parts = _last_parts(body)
    told = text_of(list(parts))
    return "\n".join([*(result.text for result in results(body)), *([told] if told else [])])


def parts(body: Mapping[str, Any]) -> list[str]:
    """Return the instructions' text and those of all contents, what tools returned among them."""
    contents = [dicts(content.get("parts")) for content in dicts(body.get("contents"))]
    system = text_of(fields(either(body, "systemInstruction")).get("parts"))
    return [system, *(" ".join(filter(None, [_returned(rows), text_of(rows)])) for rows in contents)]


def _returned(rows: Sequence[Mapping[str, Any]]) -> str:
    found = [fields(either(row, "functionResponse")) for row in rows]
    return " ".join(_text(each.get("response")) for each in found if each)


def tools(body: Mapping[str, Any]) -> list[Tool]:
    """Return the functions that are declared; with ``allowedFunctionNames`` only those."""
    rows = [row for tool in dicts(body.get("tools")) for row in dicts(either(tool, "functionDeclarations"))]
    allowed = either(_calling(body), "allowedFunctionNames")
    return [
        Tool(
            str(row.get("name")),
            str(row.get("description") or ""),
            fields(either(row, "parametersJsonSchema") or row.get("parameters")),
        )
        for row in rows
        if not allowed or row.get("name") in allowed
    ]


def results(body: Mapping[str, Any]) -> list[ToolResult]:
    """Return what tools returned, where the last content hands that in."""
    returned = [fields(either(part, "functionResponse")) for part in _last_parts(body)]
    return [
        ToolResult(str(each.get("id") or ""), str(each.get("name") or ""), _text(each.get("response")))
        for each in returned
        if each
    ]


def wanted(body: Mapping[str, Any]) -> Wanted:
    """Return the particulars of the answer."""
    config = fields(either(body, "generationConfig"))
    schema = either(config, "responseJsonSchema") or either(config, "responseSchema")
    return Wanted(
        tool_choice=ANY_TOOL if str(_calling(body).get("mode")).upper() == "ANY" else "",
        called=[str(call.get("name")) for call in _calls(body)],
        schema=fields(schema) if schema else None,
        json=either(config, "responseMimeType") == "application/json",
        max_tokens=whole_number(either(config, "maxOutputTokens")),
        stop=[text for text in either(config, "stopSequences") or () if isinstance(text, str)],
        choices=whole_number(either(config, "candidateCount")) or 1,
    )


def either(row: Mapping[str, Any], name: str) -> Any:
    """Return the field *name*, which is given in camel case, as whichever case has it."""
    if name in row:
        return row[name]
    return row.get("".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name))


def _calling(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return fields(either(fields(either(body, "toolConfig")), "functionCallingConfig"))


def _last_parts(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    contents = dicts(body.get("contents"))
    return dicts(contents[-1].get("parts")) if contents else ()


def _calls(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    parts = [part for content in dicts(body.get("contents")) for part in dicts(content.get("parts"))]
    return [call for part in parts if (call := fields(either(part, "functionCall")))]


def _text(response: Any) -> str:
    told = fields(response)
    if len(told) == 1 and isinstance(only := next(iter(told.values())), str):
        return only
    return json.dumps(response)
