"""The one common form of a prompt, checked before anything is sent. Pure.

A prompt is a string or a list of ``{"role", "content"}`` messages; content is a string or a list of parts:
``{"type": "text", "text": …}``, ``{"type": "image_url", "image_url": {"url": …}}`` (``data:`` URLs too),
``{"type": "image", "data": b"…", "media_type": "image/png"}``; a part of any other type, and any other
field of a message or a part, goes to the provider untouched, or is rejected before anything is sent.

An assistant's ``tool_calls`` and the results (role ``tool`` with ``tool_call_id``) are read in OpenAI's form,
which every provider understands. The SDKs' own objects are read as what they dump: a message, a block of
content, a content with parts. So are message objects with ``type`` and ``content``, or an object with
``to_messages()``, as LangChain has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from jobapp.domain.exceptions import ConfigError
from jobapp.domain.types import ImagePart, Message, NativePart, Part, TextPart, ToolCall

_ROLES = {"human": "user", "ai": "assistant"}


def read_prompt(prompt: Any, system: str | None = None) -> tuple[Message, ...]:
    """Return *prompt* as messages, *system* before them.

    Raises:
        ConfigError: The prompt is empty or has a shape that is not known.
    """
    if isinstance(prompt, str) and system is None and prompt and not prompt.isspace():
        return (Message("user", prompt),)  # what nearly every call is
    messages = (Message("user", prompt),) if isinstance(prompt, str) else tuple(_messages(prompt))
    if not any(map(_says_something, messages)):
        raise ConfigError(
            "prompt: is empty; write a text, or a list with at least one message that has content"
        )
    if system is None:
        return messages
    if not isinstance(system, str):
        raise ConfigError(f"system: must be a string, not {type(system).__name__}")
    return (Message("system", system), *messages) if system.strip() else messages


def characters(message: Message) -> int:
    """Return how long the texts of *message* are."""
    content = message.content
    return (
        len(content) if isinstance(content, str) else sum(len(getattr(part, "text", "")) for part in content)
    )


def _says_something(message: Message) -> bool:
    content = message.content.strip() if isinstance(message.content, str) else message.content
    return bool(content or message.extra or message.tool_calls)


def _messages(prompt: Any) -> Iterable[Message]:
    if hasattr(prompt, "to_messages"):
        prompt = prompt.to_messages()
    if isinstance(prompt, Mapping | bytes) or not isinstance(prompt, Iterable):
        raise ConfigError(
            f"prompt: must be a string or a list of messages, not {type(prompt).__name__};"
            ' write [{"role": "user", "content": "…"}]'
        )
    return [_message(turn, f"prompt[{i}]") for i, turn in enumerate(prompt)]


def _message(turn: Any, where: str) -> Message:
    turn = turn if isinstance(turn, Mapping) else _dumped(turn, where)
    role = turn.get("role")
    if not isinstance(role, str) or not role:
        raise ConfigError(f'{where}: has no "role"; write {{"role": "user", "content": "…"}}')
    extra = {name: value for name, value in turn.items() if name not in _OWN_FIELDS and value is not None}
    calls = _calls(turn.get("tool_calls"))
    if calls is None:
        extra["tool_calls"] = turn["tool_calls"]
    content = turn["parts"] if "content" not in turn and "parts" in turn else turn.get("content")
    if content is None and (extra or calls):
        content = ""
    result = str(turn.get("tool_call_id") or "")
    return Message(_ROLES.get(role, role), _content(content, where), extra, calls or (), result)


_OWN_FIELDS = frozenset({"role", "content", "parts", "tool_calls", "tool_call_id"})


def _calls(calls: Any) -> tuple[ToolCall, ...] | None:
    """Return tool calls in OpenAI's form; ``None`` where they have more than that form, or another."""
    if not calls:
        return ()
    read = [_call(call) for call in calls] if isinstance(calls, list | tuple) else [None]
    return None if None in read else tuple(call for call in read if call)


def _call(call: Any) -> ToolCall | None:
    call = call if isinstance(call, Mapping) else _as_mapping(call)
    function = call.get("function") if call else None
    if not isinstance(function, Mapping) or call is None or call.keys() - {"id", "type", "function", "index"}:
        return None
    name, arguments = function.get("name"), function.get("arguments", "")
    if not isinstance(name, str) or not isinstance(arguments, str) or function.keys() - {"name", "arguments"}:
        return None
    return ToolCall(str(call.get("id") or ""), name, arguments)


def _dumped(turn: Any, where: str) -> Mapping[str, Any]:
    """Return a message object as a mapping: an SDK's own, or LangChain's."""
    role, content = getattr(turn, "type", None), getattr(turn, "content", None)
    if isinstance(role, str) and content is not None and not isinstance(getattr(turn, "role", None), str):
        return _of_langchain(turn, role, content)
    if (mapping := _as_mapping(turn)) and isinstance(mapping.get("role"), str):
        return mapping
    raise ConfigError(
        f'{where}: must be a {{"role", "content"}} mapping, not {type(turn).__name__}; an SDK\'s message '
        "becomes one by model_dump()"
    )


def _of_langchain(turn: Any, role: str, content: Any) -> Mapping[str, Any]:
    """Return a message of LangChain as OpenAI has it, its tool calls included."""
    message: dict[str, Any] = {"role": role, "content": content}
    if calls := getattr(turn, "tool_calls", None):
        message["tool_calls"] = [
            {
                "id": call.get("id"),
                "function": {"name": call["name"], "arguments": json.dumps(call.get("args") or {})},
            }
            for call in calls
        ]
    if result := getattr(turn, "tool_call_id", None):
        message["tool_call_id"] = result
    return message


def _as_mapping(value: Any) -> Mapping[str, Any] | None:
    """Return what a pydantic object, or a message of Google's, says of itself, without what is not set."""
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        dumped = dump(exclude_none=True)
        return dumped if isinstance(dumped, Mapping) else None
    to_dict = getattr(type(value), "to_dict", None)
    told = to_dict(value) if callable(to_dict) else None
    return told if isinstance(told, Mapping) else None


def _content(content: Any, where: str) -> str | tuple[Part, ...]:
    if isinstance(content, str):
        return content
    if not isinstance(content, list | tuple):
        raise ConfigError(
            f"{where}.content: must be a string or a list of parts, not {type(content).__name__}"
        )
    return tuple(_part(part, f"{where}.content[{i}]") for i, part in enumerate(content))


_GEMINI_FIELDS = frozenset(
    {"text", "function_call", "functionCall", "function_response", "functionResponse", "thought"}
    | {"inline_data", "inlineData", "file_data", "fileData", "executable_code", "code_execution_result"}
)
"""What a part of Gemini's has in place of a type."""


def _part(part: Any, where: str) -> Part:
    if isinstance(part, str):
        return TextPart(part)
    if not isinstance(part, Mapping):
        part = _as_mapping(part) or part
    if isinstance(part, Mapping) and "type" not in part and part.keys() & _GEMINI_FIELDS:
        return NativePart(part)
    if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
        raise ConfigError(f'{where}: must be a string or a mapping with a "type", not {type(part).__name__}')
    match part["type"]:
        case "text":
            return TextPart(_string(part.get("text"), f"{where}.text"), _others(part, "text"))
        case "image_url":
            return _image_by_url(part, where)
        case "image" if "data" in part:
            return _image_by_bytes(part, where)
        case _:
            return NativePart(part)


def _others(part: Mapping[str, Any], *known: str) -> Mapping[str, Any]:
    """Return the fields of a part beside its type and the *known* ones, those that are set."""
    return {name: each for name, each in part.items() if name not in ("type", *known) and each is not None}


def _image_by_url(part: Mapping[str, Any], where: str) -> Part:
    image = part.get("image_url")
    if isinstance(image, Mapping) and image.keys() - {"url", "detail"}:
        return NativePart(part)
    url = _string(image.get("url") if isinstance(image, Mapping) else image, f"{where}.image_url.url")
    read = _image_in_url(url, where) if url.startswith("data:") else ImagePart(url=url)
    detail = str(image.get("detail") or "") if isinstance(image, Mapping) else ""
    extra = _others(part, "image_url")
    return replace(read, detail=detail, extra=extra) if detail or extra else read


def _image_in_url(url: str, where: str) -> ImagePart:
    import base64
    import binascii

    head, _, payload = url.removeprefix("data:").partition(",")
    media_type, _, encoding = head.partition(";")
    try:
        data = base64.b64decode(payload, validate=True)
    except binascii.Error:
        data = b""
    if encoding != "base64" or not data or not media_type:
        raise ConfigError(f"{where}.image_url.url: a data URL must read data:image/png;base64,…")
    return ImagePart(data=data, media_type=media_type)


def _image_by_bytes(part: Mapping[str, Any], where: str) -> ImagePart:
    if not isinstance(part["data"], bytes) or not part["data"]:
        raise ConfigError(f"{where}.data: must be the image's bytes, not {type(part['data']).__name__}")
    return ImagePart(data=part["data"], media_type=_string(part.get("media_type"), f"{where}.media_type"))


def _string(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where}: must be a string that is not empty, not {type(value).__name__}")
    return value
