"""What both of Google's SDKs have in common: the form of a request, and when an answer is none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from jobapp.domain.types import (
    ChatRequest,
    FinishReason,
    ImagePart,
    Message,
    NativePart,
    Part,
    TextPart,
    ToolCall,
    Usage,
)
from jobapp.providers.fields import count, field_of
from jobapp.providers.images import media_type_of
from jobapp.providers.responses import blocked
from jobapp.providers.tools import arguments_of, names_of_calls, result_of

Refuse = Callable[[str, str], NoReturn]
"""Says before sending, for a model, what can't be done."""

ROLES = {"user": "user", "assistant": "model", "model": "model"}
SYSTEM_ROLES = frozenset({"system", "developer"})

FINISHED = frozenset({"", "STOP", "MAX_TOKENS"})
"""Reasons to finish with which an answer without text is one (ai.google.dev, FinishReason, 2026-10)."""

BLOCKS = frozenset(
    {
        *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"),
        *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
    }
)
"""Reasons that are the request's; others, a malformed call say, may be gone with the next try."""


def contents_of(request: ChatRequest, refuse: Refuse) -> list[dict[str, Any]]:
    """Return the turns without the system's; results of tools that follow each other are one turn."""
    names = names_of_calls(request.messages)
    contents: list[dict[str, Any]] = []
    follows_result = False
    for message in request.messages:
        if message.role in SYSTEM_ROLES:
            continue
        is_result = message.role == "tool"
        parts = [_result(message, names)] if is_result else _parts(message, request.model, refuse)
        if is_result and follows_result:
            contents[-1]["parts"] += parts
        else:
            role = "user" if is_result else _role(message, request.model, refuse)
            contents.append({"role": role, "parts": parts})
        follows_result = is_result
    if not contents:
        refuse(request.model, "a message of the user must follow the system's")
    return contents


def _result(message: Message, names: Mapping[str, str]) -> dict[str, Any]:
    name = names.get(message.tool_call_id) or str(message.extra.get("name") or message.tool_call_id)
    return {"function_response": {"name": name, "response": result_of(message)}}


def system_of(request: ChatRequest, refuse: Refuse) -> str | dict[str, Any] | None:
    """Return the system's turns as one instruction, as text where they are text."""
    parts = [
        part
        for message in request.messages
        if message.role in SYSTEM_ROLES
        for part in _parts(message, request.model, refuse)
    ]
    if all(part.keys() == {"text"} for part in parts):
        return "\n\n".join(part["text"] for part in parts) or None
    return {"parts": parts}


def _role(message: Message, model: str, refuse: Refuse) -> str:
    if message.role not in ROLES:
        refuse(
            model,
            f"the role {message.role!r} is not known; a tool's result has the role 'tool' and a "
            '"tool_call_id", or is a part of a user message:'
            ' {"function_response": {"name": …, "response": …}}',
        )
    # a name means nothing here, and is often sent; a refusal is what the model said
    if unknown := message.extra.keys() - {"name", "refusal", "annotations", "audio", "function_call"}:
        refuse(model, f"a message has no field {', '.join(sorted(unknown))}")
    return ROLES[message.role]


def _parts(message: Message, model: str, refuse: Refuse) -> list[dict[str, Any]]:
    calls = [
        {"function_call": {"name": call.name, "args": arguments_of(call)}} for call in message.tool_calls
    ]
    if isinstance(message.content, str):
        return [*([{"text": message.content}] if message.content or not calls else []), *calls]
    return [*(_part(part, model, refuse) for part in message.content), *calls]


def _part(part: Part, model: str, refuse: Refuse) -> dict[str, Any]:
    match part:
        case TextPart(text, extra):
            return {"text": text, **_known(extra, model, refuse)}
        case NativePart(value):
            said = {"text": value["text"]} if "text" in value else {}
            others = {name: each for name, each in value.items() if name not in {"type", "text"}}
            return {**said, **_known(others, model, refuse)}
        case ImagePart() as image:
            media_type = media_type_of(image)
            if not media_type:
                refuse(model, "an image must tell its type; give its media_type, image/png say")
            extra = _known(image.extra, model, refuse)
            if image.data is None:
                return {"file_data": {"file_uri": image.url, "mime_type": media_type}, **extra}
            return {"inline_data": {"data": image.data, "mime_type": media_type}, **extra}


def _known(extra: Mapping[str, Any], model: str, refuse: Refuse) -> dict[str, Any]:
    """Return a part's other fields under Gemini's names; Anthropic's cache mark has no like here."""
    fields = {_snake(name): each for name, each in extra.items() if name != "cache_control"}
    if unknown := fields.keys() - PART_FIELDS:
        refuse(model, f"a part has no field {', '.join(sorted(unknown))}")
    return fields


PART_FIELDS = frozenset(
    {
        *("thought", "thought_signature", "function_call", "function_response", "tool_call", "tool_response"),
        *("inline_data", "file_data", "executable_code", "code_execution_result", "media_resolution"),
        *("media_processing", "audio_transcription", "part_metadata", "audio_metadata", "document_metadata"),
        *("speech_metadata", "spreadsheet_metadata", "video_metadata"),
    }
)
"""Fields of a part beside its text (google-genai 3.6, ``types.Part``)."""


def _snake(name: str) -> str:
    """Return a field's name as the SDKs have it: ``functionResponse`` is ``function_response``."""
    return re.sub(r"(?<=[a-z])[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def text_of(answer: Any) -> str:
    """Return the first candidate's text, its thoughts left out; ``""`` where there is no candidate."""
    return "".join(part.text for part in _said(answer) if field_of(part, "text"))


def parts_of(answer: Any) -> list[Any]:
    """Return the parts of the first candidate, thoughts among them."""
    candidates = getattr(answer, "candidates", None)
    content = candidates[0].content if candidates else None
    return [part for part in getattr(content, "parts", None) or () if part is not None]


def why_silent(answer: Any) -> tuple[str, Mapping[str, Any]] | None:
    """Return why an answer says nothing, in words and in the provider's own fields; ``None`` where it is one.

    An answer may well have no text: a tool call, or thoughts that took all tokens.
    """
    feedback = getattr(answer, "prompt_feedback", None)
    if reason := _name(getattr(feedback, "block_reason", None)):
        return blocked(reason), {"promptFeedback": {"blockReason": reason}}
    if not answer.candidates or _said(answer):
        return None
    reason = _name(answer.candidates[0].finish_reason)
    if reason in FINISHED:
        return None
    words = blocked(reason) if reason in BLOCKS else f"the model gave no answer: {reason}"
    return words, {"finishReason": reason}


def finish_of(answer: Any, calls: Sequence[ToolCall]) -> FinishReason:
    """Return how an answer ended."""
    candidates = getattr(answer, "candidates", None)
    reason = _name(candidates[0].finish_reason) if candidates else ""
    if reason in BLOCKS:
        return FinishReason.CONTENT_FILTER
    if reason == "MAX_TOKENS":
        return FinishReason.LENGTH
    if calls:
        return FinishReason.TOOL_CALLS
    return FinishReason.STOP if reason == "STOP" else FinishReason.OTHER


def calls_in(parts: Iterable[Any]) -> tuple[ToolCall, ...]:
    """Return the tools that *parts* ask for."""
    calls = [field_of(part, "function_call") for part in parts]
    return tuple(
        ToolCall(
            str(field_of(call, "id") or ""),
            str(field_of(call, "name") or ""),
            json.dumps(_plain(field_of(call, "args") or {}), ensure_ascii=False),
        )
        for call in calls
        if call
    )


def _plain(value: Any) -> Any:
    """Return the arguments of a call as JSON has them; the older SDK has containers and no whole numbers."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return [_plain(each) for each in value]


def model_of(answer: Any) -> str:
    """Return the model that answered; older SDKs leave it out."""
    return getattr(answer, "model_version", None) or ""


def is_complete(answer: Any) -> bool:
    """Return whether *answer* is the last one of a stream."""
    return bool(answer.candidates and _name(answer.candidates[0].finish_reason))


def _said(answer: Any) -> list[Any]:
    """Return the parts of the first candidate that are no thoughts."""
    return [part for part in parts_of(answer) if not getattr(part, "thought", False)]


def _name(reason: Any) -> str:
    """Return the name of an enum's value, ``""`` for none and for the one that stands for none."""
    name = str(getattr(reason, "name", None) or reason or "")
    return "" if name.endswith("_UNSPECIFIED") else name


def usage_of(usage: Any) -> Usage:
    """Return the tokens; thoughts are counted apart by Google and are part of the output here.

    The older SDK does not know their field, but its total holds them.
    """
    asked = count(usage, "prompt_token_count") + count(usage, "tool_use_prompt_token_count")
    said = count(usage, "candidates_token_count")
    rest = count(usage, "total_token_count") - asked - said
    thoughts = count(usage, "thoughts_token_count") or max(0, rest)
    return Usage(
        input_tokens=asked,
        output_tokens=said + thoughts,
        cached_tokens=count(usage, "cached_content_token_count"),
        reasoning_tokens=thoughts,
    )
