"""Anthropic's messages, on the official SDK."""

from __future__ import annotations

import json
from typing import Any

from jobapp.domain.types import (
    ChatRequest,
    ImagePart,
    Message,
    NativePart,
    Part,
    Reply,
    TextPart,
    Usage,
)
from jobapp.providers.images import base64_of, media_type_of
from jobapp.providers.responses import blocked, headers_of, reply_error
from jobapp.providers.stainless import Endpoint, StainlessAdapter
from jobapp.providers.stream_reader import StreamReader

SYSTEM_ROLES = frozenset({"system", "developer"})
ROLES = frozenset({"user", "assistant"})


class EventReader(StreamReader):
    """Reads the events of a message.

    The SDK's own helper makes a message anew with every event, which would cost as much as a fifth of the
    wait for the first piece; here the message is made of its events once they are all there.
    """

    adapter: AnthropicAdapter
    finished = False

    def __init__(self, adapter: AnthropicAdapter, model: str, timeout: float) -> None:
        super().__init__(adapter, model, timeout)
        self.events: list[Any] = []

    def text_of(self, event: Any) -> str:
        """Return the text of a text delta."""
        self.events.append(event)
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            return str(event.delta.text)
        self.finished = event.type == "message_stop"
        return ""

    def reply(self) -> Reply:
        """Return the whole text, with the SDK's message as ``raw``."""
        if not self.finished:
            raise self.fail("the stream ended before the answer was complete")
        message = message_of(self.events)
        return self.adapter._reply(message, self.response, self.model)  # noqa: SLF001 (its own reader)


def message_of(events: list[Any]) -> Any:
    """Return the message that a stream's events tell (platform.claude.com, streaming, 2026)."""
    message: Any = None
    inputs: dict[int, str] = {}
    for event in events:
        match event.type:
            case "message_start":
                message = event.message
            case "content_block_start":
                message.content.append(event.content_block)
            case "content_block_delta":
                _add(event.delta, message.content[event.index], inputs, event.index)
            case "message_delta":
                message.stop_reason = event.delta.stop_reason
                message.stop_sequence = event.delta.stop_sequence
                message.usage.output_tokens = event.usage.output_tokens
    for index, text in inputs.items():
        message.content[index].input = json.loads(text)
    return message


def _add(delta: Any, block: Any, inputs: dict[int, str], index: int) -> None:
    match delta.type:
        case "text_delta":
            block.text += delta.text
        case "input_json_delta":
            inputs[index] = inputs.get(index, "") + delta.partial_json
        case "thinking_delta":
            block.thinking += delta.thinking
        case "signature_delta":
            block.signature = delta.signature
        case "citations_delta":
            block.citations = [*(block.citations or ()), delta.citation]


class AnthropicAdapter(StainlessAdapter):
    """Anthropic's messages."""

    sdk = "anthropic"
    client = "Anthropic"
    distribution = "anthropic"
    reader = EventReader

    def _endpoint(self, client: Any) -> Endpoint:
        from anthropic.types import Message as Answer
        from anthropic.types import RawMessageStreamEvent

        client.auth_token = None  # older SDKs send ANTHROPIC_AUTH_TOKEN beside a key
        client._custom_headers = {}  # noqa: SLF001 (ANTHROPIC_CUSTOM_HEADERS has no public switch)
        return Endpoint(client.messages.create, "/v1/messages", Answer, RawMessageStreamEvent)

    def _arguments(self, request: ChatRequest, timeout: float) -> dict[str, Any]:
        arguments = {
            "model": request.model,
            "max_tokens": self._settings.max_tokens,
            "messages": [
                self._message(message, request.model)
                for message in request.messages
                if message.role not in SYSTEM_ROLES
            ],
            "timeout": timeout,
        }
        if system := [message for message in request.messages if message.role in SYSTEM_ROLES]:
            arguments["system"] = self._system(system, request.model)
        return arguments | self._options(request) if request.options else arguments

    def _system(self, messages: list[Message], model: str) -> Any:
        if len(messages) == 1 and isinstance(messages[0].content, str):
            return messages[0].content
        return [block for message in messages for block in self._blocks(message.content, model)]

    def _message(self, message: Message, model: str) -> dict[str, Any]:
        if message.role not in ROLES:
            self._refuse(
                model,
                f"the role {message.role!r} is not known; a tool's result is a part of a user message:"
                ' {"type": "tool_result", "tool_use_id": …, "content": …}',
            )
        if unknown := message.extra.keys() - {"name"}:  # a name means nothing here, and is often sent
            self._refuse(model, f"a message has no field {', '.join(sorted(unknown))}")
        if isinstance(message.content, str):
            return {"role": message.role, "content": message.content}
        return {"role": message.role, "content": self._blocks(message.content, model)}

    def _blocks(self, content: str | tuple[Part, ...], model: str) -> list[dict[str, Any]]:
        parts = (TextPart(content),) if isinstance(content, str) else content
        return [self._block(part, model) for part in parts]

    def _block(self, part: Part, model: str) -> dict[str, Any]:
        match part:
            case TextPart(text):
                return {"type": "text", "text": text}
            case NativePart(value):
                return dict(value)
            case ImagePart():
                return {"type": "image", "source": self._image_source(part, model)}

    def _image_source(self, image: ImagePart, model: str) -> dict[str, Any]:
        if image.data is None:
            return {"type": "url", "url": image.url}
        if not (media_type := media_type_of(image)):
            self._refuse(model, "an image's bytes tell no type; give its media_type, image/png say")
        return {"type": "base64", "media_type": media_type, "data": base64_of(image)}

    def _reply(self, answer: Any, response: Any, model: str) -> Reply:
        if not isinstance(getattr(answer, "content", None), list):
            raise reply_error(self.provider, model, response, "the answer holds no content")
        text = "".join(block.text for block in answer.content if block.type == "text")
        if not text and answer.stop_reason == "refusal":
            body = {"stop_reason": "refusal"}
            raise reply_error(self.provider, model, response, blocked("refusal"), body)
        return Reply(text, _usage_of(answer.usage), answer, headers_of(response), answer.model or "")


def _usage_of(usage: Any) -> Usage:
    """Return the tokens; Anthropic counts those read from or written to its cache apart."""
    if usage is None:
        return Usage()
    cached = getattr(usage, "cache_read_input_tokens", None) or 0
    written = getattr(usage, "cache_creation_input_tokens", None) or 0
    return Usage(
        input_tokens=(usage.input_tokens or 0) + cached + written,
        output_tokens=usage.output_tokens or 0,
        cached_tokens=cached,
    )
