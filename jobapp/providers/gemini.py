"""What both of Google's SDKs have in common: the form of a request, and when an answer is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from jobapp.domain.types import ChatRequest, ImagePart, Message, NativePart, Part, TextPart, Usage
from jobapp.providers.images import media_type_of
from jobapp.providers.responses import blocked

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
    """Return the turns without the system's."""
    return [
        {"role": _role(message, request.model, refuse), "parts": _parts(message, request.model, refuse)}
        for message in request.messages
        if message.role not in SYSTEM_ROLES
    ]


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


def common_names(options: dict[str, Any]) -> dict[str, Any]:
    """Return *options* with ``max_tokens`` and ``stop``, which every caller writes, under Gemini's names."""
    if "max_tokens" in options:
        options.setdefault("max_output_tokens", options.pop("max_tokens"))
    if "stop" in options:
        stop = options.pop("stop")
        options.setdefault("stop_sequences", [stop] if isinstance(stop, str) else stop)
    return options


def _role(message: Message, model: str, refuse: Refuse) -> str:
    if message.role not in ROLES:
        refuse(
            model,
            f"the role {message.role!r} is not known; a tool's result is a part of a user message:"
            ' {"function_response": {"name": …, "response": …}}',
        )
    if unknown := message.extra.keys() - {"name"}:  # a name means nothing here, and is often sent
        refuse(model, f"a message has no field {', '.join(sorted(unknown))}")
    return ROLES[message.role]


def _parts(message: Message, model: str, refuse: Refuse) -> list[dict[str, Any]]:
    if isinstance(message.content, str):
        return [{"text": message.content}]
    return [_part(part, model, refuse) for part in message.content]


def _part(part: Part, model: str, refuse: Refuse) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"text": text}
        case NativePart(value):
            return dict(value)
        case ImagePart() as image:
            media_type = media_type_of(image)
            if not media_type:
                refuse(model, "an image must tell its type; give its media_type, image/png say")
            if image.data is None:
                return {"file_data": {"file_uri": image.url, "mime_type": media_type}}
            return {"inline_data": {"data": image.data, "mime_type": media_type}}


def text_of(answer: Any) -> str:
    """Return the first candidate's text, its thoughts left out; ``""`` where there is no candidate."""
    return "".join(part.text for part in _said(answer) if part.text)


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


def model_of(answer: Any) -> str:
    """Return the model that answered; older SDKs leave it out."""
    return getattr(answer, "model_version", None) or ""


def is_complete(answer: Any) -> bool:
    """Return whether *answer* is the last one of a stream."""
    return bool(answer.candidates and _name(answer.candidates[0].finish_reason))


def _said(answer: Any) -> list[Any]:
    """Return the parts of the first candidate that are no thoughts."""
    content = answer.candidates[0].content if answer.candidates else None
    parts = getattr(content, "parts", None) or ()
    return [part for part in parts if not getattr(part, "thought", False)]


def _name(reason: Any) -> str:
    """Return the name of an enum's value, ``""`` for none and for the one that stands for none."""
    name = str(getattr(reason, "name", None) or reason or "")
    return "" if name.endswith("_UNSPECIFIED") else name


def usage_of(usage: Any) -> Usage:
    """Return the tokens; thoughts are counted apart by Google and are part of the output here."""
    if usage is None:
        return Usage()

    def count(name: str) -> int:
        return getattr(usage, name, None) or 0

    thoughts = count("thoughts_token_count")
    return Usage(
        input_tokens=count("prompt_token_count") + count("tool_use_prompt_token_count"),
        output_tokens=count("candidates_token_count") + thoughts,
        cached_tokens=count("cached_content_token_count"),
        reasoning_tokens=thoughts,
    )
