"""The one common form of a prompt, checked before anything is sent. Pure.

A prompt is a string or a list of ``{"role", "content"}`` messages; content is a string or a list of parts:
``{"type": "text", "text": …}``, ``{"type": "image_url", "image_url": {"url": …}}`` (``data:`` URLs too),
``{"type": "image", "data": b"…", "media_type": "image/png"}``; a part of any other type, and any other
field of a message, goes to the provider untouched. Message objects with ``type`` and ``content``, or an
object with ``to_messages()``, as LangChain has them, are read too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobapp.domain.exceptions import ConfigError
from jobapp.domain.types import ImagePart, Message, NativePart, Part, TextPart

_ROLES = {"human": "user", "ai": "assistant"}


def read_prompt(prompt: Any, system: str | None = None) -> tuple[Message, ...]:
    """Return *prompt* as messages, *system* before them.

    Raises:
        ConfigError: The prompt is empty or has a shape that is not known.
    """
    if isinstance(prompt, str) and system is None and prompt and not prompt.isspace():
        return (Message("user", prompt),)  # what nearly every call is
    messages = (Message("user", prompt),) if isinstance(prompt, str) else tuple(_messages(prompt))
    if not any(_says_something(message) for message in messages if message.role != "system"):
        raise ConfigError(
            "prompt: is empty; write a text, or a list with at least one message that has content"
        )
    if system is None:
        return messages
    if not isinstance(system, str):
        raise ConfigError(f"system: must be a string, not {type(system).__name__}")
    return (Message("system", system), *messages) if system.strip() else messages


def _says_something(message: Message) -> bool:
    content = message.content.strip() if isinstance(message.content, str) else message.content
    return bool(content or message.extra)


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
    if not isinstance(turn, Mapping):
        turn = _from_object(turn, where)
    role = turn.get("role")
    if not isinstance(role, str) or not role:
        raise ConfigError(f'{where}: has no "role"; write {{"role": "user", "content": "…"}}')
    extra = {name: value for name, value in turn.items() if name not in ("role", "content")}
    content = turn.get("content")
    if content is None and extra:
        content = ""
    return Message(_ROLES.get(role, role), _content(content, where), extra)


def _from_object(turn: Any, where: str) -> Mapping[str, Any]:
    role, content = getattr(turn, "type", None), getattr(turn, "content", None)
    if not isinstance(role, str) or content is None:
        raise ConfigError(f'{where}: must be a {{"role", "content"}} mapping, not {type(turn).__name__}')
    return {"role": role, "content": content}


def _content(content: Any, where: str) -> str | tuple[Part, ...]:
    if isinstance(content, str):
        return content
    if not isinstance(content, list | tuple):
        raise ConfigError(
            f"{where}.content: must be a string or a list of parts, not {type(content).__name__}"
        )
    return tuple(_part(part, f"{where}.content[{i}]") for i, part in enumerate(content))


def _part(part: Any, where: str) -> Part:
    if isinstance(part, str):
        return TextPart(part)
    if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
        raise ConfigError(f'{where}: must be a string or a mapping with a "type", not {type(part).__name__}')
    match part["type"]:
        case "text":
            return TextPart(_string(part.get("text"), f"{where}.text"))
        case "image_url":
            return _image_by_url(part, where)
        case "image" if "data" in part:
            return _image_by_bytes(part, where)
        case _:
            return NativePart(part)


def _image_by_url(part: Mapping[str, Any], where: str) -> Part:
    image = part.get("image_url")
    if isinstance(image, Mapping) and image.keys() - {"url"}:
        return NativePart(part)
    url = _string(image.get("url") if isinstance(image, Mapping) else image, f"{where}.image_url.url")
    return _image_in_url(url, where) if url.startswith("data:") else ImagePart(url=url)


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
