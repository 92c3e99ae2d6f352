"""Tools in OpenAI's form, which every provider understands here: calls, definitions, choices. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jobapp.domain.types import Message, ToolCall


def arguments_of(call: ToolCall) -> dict[str, Any]:
    """Return a call's arguments as an object; what is none stands below ``arguments``."""
    try:
        parsed = json.loads(call.arguments or "{}")
    except ValueError:
        parsed = call.arguments
    return parsed if isinstance(parsed, dict) else {"arguments": parsed}


def result_of(message: Message) -> dict[str, Any]:
    """Return a tool's result as an object, as Gemini wants it; text that is none stands below ``result``."""
    content = message.content
    text = content if isinstance(content, str) else "".join(getattr(part, "text", "") for part in content)
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = text
    return parsed if isinstance(parsed, dict) else {"result": parsed}


def names_of_calls(messages: Sequence[Message]) -> dict[str, str]:
    """Return the name of the tool for each call's id in a conversation."""
    return {call.id: call.name for message in messages for call in message.tool_calls}


def functions_in(tools: Any) -> list[Mapping[str, Any]] | None:
    """Return the functions of *tools* where all are in OpenAI's form, else ``None``."""
    if not isinstance(tools, list | tuple) or not tools:
        return None
    found = [tool.get("function") if isinstance(tool, Mapping) else None for tool in tools]
    return [each for each in found if isinstance(each, Mapping)] if all(found) else None
