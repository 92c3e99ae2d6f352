"""Anthropic's messages, on the official SDK."""

from __future__ import annotations

import json
from typing import Any

from jobapp.domain.types import (
    ChatRequest,
    FinishReason,
    ImagePart,
    Message,
    NativePart,
    Part,
    Reply,
    TextPart,
    ToolCall,
    Usage,
)
from jobapp.providers.fields import count, field_of, list_of, text_of
from jobapp.providers.images import base64_of, media_type_of
from jobapp.providers.options import COMMON, check_names, for_anthropic
from jobapp.providers.responses import blocked, headers_of, reply_error
from jobapp.providers.stainless import Endpoint, StainlessAdapter, into_body, names_of
from jobapp.providers.stream_reader import StreamReader, whole_characters
from jobapp.providers.tools import arguments_of

SYSTEM_ROLES = frozenset({"system", "developer"})
ROLES = frozenset({"user", "assistant"})


BODY = ("temperature", "top_p", "top_k", "mcp_servers", "context_management", "betas")
"""Fields of the body that some SDKs have no argument for: 1.0 and later no ``temperature``."""

FINISH = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
    "pause_turn": FinishReason.PAUSE,
}
"""Anthropic's words for how an answer ended (anthropic 2.14, ``StopReason``)."""


class EventReader(StreamReader):
    """Reads the events of a message.

    The SDK's own helper makes a message anew with every event, which would cost as much as a fifth of the
    wait for the first piece; here the message is made of its events once they are all there.
    """

    adapter: AnthropicAdapter
    finished = False

    def __init__(
        self, adapter: AnthropicAdapter, model: str, timeout: float, left: float | None = None
    ) -> None:
        super().__init__(adapter, model, timeout, left)
        self.events: list[Any] = []

    def text_of(self, event: Any) -> str:
        """Return the text of a text delta."""
        self.events.append(event)
        if event.type == "content_block_delta" and field_of(event.delta, "type") == "text_delta":
            return text_of(event.delta, "text")
        if event.type == "content_block_start" and field_of(event.content_block, "type") == "text":
            return text_of(event.content_block, "text")
        self.finished = self.finished or event.type == "message_stop"
        return ""

    def brings_something(self, event: Any) -> bool:
        """Return whether *event* brings thoughts, a signature or a tool's arguments."""
        delta = field_of(event, "delta") if event.type == "content_block_delta" else None
        return any(field_of(delta, name) for name in ("thinking", "signature", "partial_json", "citation"))

    def usage_so_far(self) -> Usage:
        """Return the tokens that the events have told: the input with the first, the output with the last."""
        told: dict[str, Any] = {}
        for event in self.events:
            if event.type in {"message_start", "message_delta"}:
                usage = field_of(field_of(event, "message") or event, "usage")
                told.update({name: field_of(usage, name) or told.get(name) for name in _COUNTS})
        return _usage_of(told)

    def reply(self) -> Reply:
        """Return the whole text, with the SDK's message as ``raw``."""
        if not self.finished:
            raise self.fail("the stream ended before the answer was complete")
        message = message_of(self.events)
        return self.adapter._reply(message, self.response, self.model)  # noqa: SLF001 (its own reader)


def message_of(events: list[Any]) -> Any:
    """Return the message that a stream's events tell, sparse ones too; ``None`` where none began.

    It is made of the events' own objects, so it can be made once.

    Source: platform.claude.com, streaming, 2026: ``usage`` in ``message_delta`` is cumulative.
    """
    message: Any = None
    blocks: dict[int, Any] = {}
    inputs: dict[int, str] = {}
    for event in events:
        match event.type:
            case "message_start":
                message = event.message
            case "content_block_start":
                blocks[_index(event, len(blocks))] = event.content_block
            case "content_block_delta" if (block := blocks.get(_index(event, len(blocks) - 1))) is not None:
                _add(event.delta, block, inputs, _index(event, len(blocks) - 1))
            case "message_delta" if message is not None:
                _add_end(message, event)
    if message is not None:
        message.content = [*(message.content or ()), *(blocks[index] for index in sorted(blocks))]
    for index, text in inputs.items():
        blocks[index].input = _parsed(text, blocks[index])
    for block in blocks.values():
        if (text := text_of(block, "text")) and not text.isascii():
            block.text = whole_characters(text)
    return message


def _index(event: Any, default: int) -> int:
    index = field_of(event, "index")
    return index if isinstance(index, int) else default


def _add_end(message: Any, event: Any) -> None:
    delta, usage = field_of(event, "delta"), field_of(event, "usage")
    message.stop_reason = field_of(delta, "stop_reason") or field_of(message, "stop_reason")
    message.stop_sequence = field_of(delta, "stop_sequence")
    if usage is None or field_of(message, "usage") is None:
        message.usage = usage or field_of(message, "usage")
        return
    for name in _COUNTS:
        if (told := field_of(usage, name)) is not None:
            setattr(message.usage, name, told)


_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def _parsed(text: str, block: Any) -> Any:
    """Return a tool's arguments; what is cut or empty leaves what the block began with."""
    try:
        return json.loads(text) if text.strip() else field_of(block, "input") or {}
    except ValueError:
        return field_of(block, "input") or {}


def _add(delta: Any, block: Any, inputs: dict[int, str], index: int) -> None:
    match field_of(delta, "type"):
        case "text_delta":
            block.text = text_of(block, "text") + text_of(delta, "text")
        case "input_json_delta":
            inputs[index] = inputs.get(index, "") + text_of(delta, "partial_json")
        case "thinking_delta":
            block.thinking = text_of(block, "thinking") + text_of(delta, "thinking")
        case "signature_delta":
            block.signature = delta.signature
        case "citations_delta":
            block.citations = [*list_of(block, "citations"), delta.citation]


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
        turns = [message for message in request.messages if message.role not in SYSTEM_ROLES]
        arguments = {
            "model": request.model,
            "max_tokens": self._settings.max_tokens,
            "messages": [self._message(message, request.model) for message in turns],
            "timeout": timeout,
        }
        if not turns:
            self._refuse(request.model, "a message of the user must follow the system's")
        if system := [message for message in request.messages if message.role in SYSTEM_ROLES]:
            arguments["system"] = self._system(system, request.model)
        return self._with_options(arguments, request) if request.options else arguments

    def _with_options(self, arguments: dict[str, Any], request: ChatRequest) -> dict[str, Any]:
        from anthropic.resources.messages import Messages

        known = names_of(Messages.create)
        options = self._options(request)
        check_names(options, {*known, *COMMON, *BODY}, self.provider)
        return into_body(arguments | for_anthropic(options), known)

    def _system(self, messages: list[Message], model: str) -> Any:
        if len(messages) == 1 and isinstance(messages[0].content, str):
            return messages[0].content
        return [block for message in messages for block in self._blocks(message.content, model)]

    def _message(self, message: Message, model: str) -> dict[str, Any]:
        if message.role == "tool":
            return {"role": "user", "content": [self._result(message, model)]}
        if message.role not in ROLES:
            self._refuse(
                model,
                f"the role {message.role!r} is not known; a tool's result has the role 'tool' and a "
                '"tool_call_id", or is a part of a user message:'
                ' {"type": "tool_result", "tool_use_id": …, "content": …}',
            )
        # a name means nothing here, and is often sent; a refusal is what the model said
        if unknown := message.extra.keys() - {"name", "refusal", "annotations", "audio", "function_call"}:
            self._refuse(model, f"a message has no field {', '.join(sorted(unknown))}")
        if isinstance(message.content, str) and not message.tool_calls:
            return {"role": message.role, "content": message.content}
        blocks = self._blocks(message.content, model) if message.content else []
        return {"role": message.role, "content": [*blocks, *map(self._tool_use, message.tool_calls)]}

    def _result(self, message: Message, model: str) -> dict[str, Any]:
        content: Any = message.content
        if not isinstance(content, str):
            content = self._blocks(content, model)
        return {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": content}

    def _tool_use(self, call: ToolCall) -> dict[str, Any]:
        return {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_of(call)}

    def _blocks(self, content: str | tuple[Part, ...], model: str) -> list[dict[str, Any]]:
        parts = (TextPart(content),) if isinstance(content, str) else content
        return [self._block(part, model) for part in parts]

    def _block(self, part: Part, model: str) -> dict[str, Any]:
        match part:
            case TextPart(text, extra):
                return {"type": "text", "text": text, **extra}
            case NativePart(value):
                return dict(value)
            case ImagePart():  # how closely to look is OpenAI's own question
                return {"type": "image", "source": self._image_source(part, model), **part.extra}

    def _image_source(self, image: ImagePart, model: str) -> dict[str, Any]:
        if image.data is None:
            return {"type": "url", "url": image.url}
        if not (media_type := media_type_of(image)):
            self._refuse(model, "an image's bytes tell no type; give its media_type, image/png say")
        return {"type": "base64", "media_type": media_type, "data": base64_of(image)}

    def _reply(self, answer: Any, response: Any, model: str) -> Reply:
        if not isinstance(field_of(answer, "content"), list):
            raise reply_error(self.provider, model, response, "the answer holds no content")
        blocks, reason = list_of(answer, "content"), field_of(answer, "stop_reason")
        text = "".join(text_of(block, "text") for block in blocks if field_of(block, "type") == "text")
        if not text and reason == "refusal":
            body = {"stop_reason": "refusal"}
            raise reply_error(self.provider, model, response, blocked("refusal"), body)
        calls = tuple(_call(block) for block in blocks if field_of(block, "type") == "tool_use")
        return Reply(
            text,
            _usage_of(field_of(answer, "usage")),
            answer,
            headers_of(response),
            text_of(answer, "model"),
            FINISH.get(reason, FinishReason.OTHER),
            calls,
        )


def _call(block: Any) -> ToolCall:
    arguments = json.dumps(field_of(block, "input") or {}, ensure_ascii=False)
    return ToolCall(text_of(block, "id"), text_of(block, "name"), arguments)


def _usage_of(usage: Any) -> Usage:
    """Return the tokens; Anthropic counts those read from or written to its cache apart."""
    cached = count(usage, "cache_read_input_tokens")
    written = count(usage, "cache_creation_input_tokens")
    return Usage(
        input_tokens=count(usage, "input_tokens") + cached + written,
        output_tokens=count(usage, "output_tokens"),
        cached_tokens=cached,
        cache_write_tokens=written,
    )
