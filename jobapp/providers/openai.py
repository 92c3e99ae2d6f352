"""OpenAI, and every server that speaks its chat completions (``base_url``), on the official SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from jobapp.domain.types import (
    EMPTY,
    ChatRequest,
    ImagePart,
    Message,
    NativePart,
    Part,
    Reply,
    TextPart,
    Usage,
)
from jobapp.providers import PROVIDERS
from jobapp.providers.images import url_of
from jobapp.providers.responses import blocked, headers_of, reply_error
from jobapp.providers.stainless import Endpoint, StainlessAdapter
from jobapp.providers.stream_reader import StreamReader


class ChunkReader(StreamReader):
    """Reads the chunks of a chat completion."""

    adapter: OpenAIAdapter
    usage: Any = None
    last: Any = None
    finish_reason: str | None = None

    def text_of(self, event: Any) -> str:
        """Return the text of the first choice."""
        self.last = event
        self.usage = getattr(event, "usage", None) or self.usage
        choices = getattr(event, "choices", None)
        if not choices:
            return ""
        choice = choices[0]
        if choice.finish_reason:
            self.finish_reason = choice.finish_reason
            if self.adapter.is_failure(choice):
                raise self.fail("the stream holds an error", event.model_dump(exclude_unset=True))
        return _text_of(choice.delta)

    def reply(self) -> Reply:
        """Return the whole text, with the last chunk as ``raw``."""
        text = "".join(self.pieces)
        if self.finish_reason == "content_filter" and not text:
            raise self.fail(blocked("content_filter"), {"finish_reason": "content_filter"})
        # a server that is only compatible may tell no reason
        if self.finish_reason is None and (not text or self.adapter.provider in PROVIDERS):
            raise self.fail("the stream ended before the answer was complete")
        model = getattr(self.last, "model", None) or ""
        return Reply(text, _usage_of(self.usage), self.last, headers_of(self.response), model)


class OpenAIAdapter(StainlessAdapter):
    """Chat completions of OpenAI, or of a server that is compatible with it."""

    sdk = "openai"
    client = "OpenAI"
    distribution = "openai"
    reader = ChunkReader
    headers: ClassVar[Mapping[str, str]] = EMPTY
    """Sent with every request."""

    def is_failure(self, choice: Any) -> bool:
        """Return whether *choice* holds an error instead of an answer."""
        return bool(choice.finish_reason == "error")

    def _endpoint(self, client: Any) -> Endpoint:
        from openai.types.chat import ChatCompletion, ChatCompletionChunk

        client.organization = client.project = None
        client._custom_headers = dict(self.headers)  # noqa: SLF001 (OPENAI_CUSTOM_HEADERS has no public switch)
        create = client.chat.completions.create
        return Endpoint(create, "/chat/completions", ChatCompletion, ChatCompletionChunk)

    def _arguments(self, request: ChatRequest, timeout: float) -> dict[str, Any]:
        messages = [_message(message) for message in request.messages]
        arguments = {"model": request.model, "messages": messages, "timeout": timeout}
        return arguments | self._options(request) if request.options else arguments

    def _stream_arguments(self, request: ChatRequest, timeout: float) -> dict[str, Any]:
        arguments = self._arguments(request, timeout)
        # some servers that are only compatible refuse what they don't know
        if self.provider in PROVIDERS:
            arguments.setdefault("stream_options", {"include_usage": True})
        return arguments

    def _reply(self, answer: Any, response: Any, model: str) -> Reply:
        choices = getattr(answer, "choices", None)
        if not choices:
            raise reply_error(self.provider, model, response, "the answer holds no choice")
        choice = choices[0]
        if self.is_failure(choice):
            raise reply_error(self.provider, model, response, "the answer holds an error")
        text = _text_of(choice.message)
        if not text and choice.finish_reason == "content_filter":
            raise reply_error(self.provider, model, response, blocked("content_filter"))
        return Reply(text, _usage_of(answer.usage), answer, headers_of(response), answer.model or "")


def _message(message: Message) -> dict[str, Any]:
    content: Any = message.content
    if not isinstance(content, str):
        content = [_part(part) for part in content]
    native = {"role": message.role, "content": content}
    return {**native, **message.extra} if message.extra else native


def _part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart():
            return {"type": "image_url", "image_url": {"url": url_of(part)}}
        case NativePart(value):
            return dict(value)


def _text_of(message: Any) -> str:
    """Return the text of a message or a delta: its content (on some servers a list), else its refusal."""
    if message is None:
        return ""
    content = message.content
    if isinstance(content, list):
        content = "".join(part["text"] for part in content if part.get("type") == "text")
    return content or getattr(message, "refusal", None) or ""


def _usage_of(usage: Any) -> Usage:
    if usage is None:
        return Usage()
    prompt = getattr(usage, "prompt_tokens_details", None)
    completion = getattr(usage, "completion_tokens_details", None)
    return Usage(
        input_tokens=usage.prompt_tokens or 0,
        output_tokens=usage.completion_tokens or 0,
        cached_tokens=_count(prompt, "cached_tokens") if prompt else 0,
        reasoning_tokens=_count(completion, "reasoning_tokens") if completion else 0,
    )


def _count(details: Any, name: str) -> int:
    """Return a number of a usage's details, which are a mapping in SDKs that do not know them yet."""
    return (details.get(name) if isinstance(details, dict) else getattr(details, name, None)) or 0
