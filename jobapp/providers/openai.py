"""OpenAI, and every server that speaks its chat completions (``base_url``), on the official SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, ClassVar

from jobapp.domain.types import (
    EMPTY,
    ApiKey,
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
from jobapp.providers import PROVIDERS, azure
from jobapp.providers.fields import count, field_of, list_of, text_of
from jobapp.providers.images import url_of
from jobapp.providers.options import check_names, for_openai
from jobapp.providers.responses import blocked, headers_of, reply_error
from jobapp.providers.sdk_adapter import Calls
from jobapp.providers.stainless import Endpoint, StainlessAdapter, into_body, names_of
from jobapp.providers.stream_reader import StreamReader

FINISH = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}
"""OpenAI's words for how an answer ended (API reference, chat completions, 2026-11)."""

COMPATIBLE = (
    *("top_k", "min_p", "repetition_penalty", "think"),
    *("provider", "models", "plugins", "transforms", "route"),
)
"""Options of servers that are compatible, which OpenAI's SDK does not know."""

_WORK = (
    "content",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "tool_calls",
    "function_call",
    "audio",
)
"""Fields of a delta that show the model at work; those of reasoning are compatible servers'."""


class ChunkReader(StreamReader):
    """Reads the chunks of a chat completion, and makes the completion of them."""

    adapter: OpenAIAdapter

    def __init__(self, adapter: OpenAIAdapter, model: str, timeout: float, left: float | None = None) -> None:
        super().__init__(adapter, model, timeout, left)
        self.usage: Any = None
        self.last: Any = None
        self.finish_reason: str | None = None
        self._refused = False
        self._deltas: list[Any] = []

    def text_of(self, event: Any) -> str:
        """Return the text of the first choice."""
        self.last = event
        self.usage = getattr(event, "usage", None) or self.usage
        choice = _first_choice(event)
        if choice is None:
            return ""
        if choice.finish_reason:
            self.finish_reason = choice.finish_reason
            if self.adapter.is_failure(choice):
                raise self.fail("the stream holds an error", event.model_dump(exclude_unset=True))
        delta = choice.delta
        if any(getattr(delta, name, None) for name in ("model_extra", "tool_calls", "function_call")):
            self._deltas.append(delta)
        self._refused = self._refused or bool(text_of(delta, "refusal"))
        return _text_of(delta)

    def brings_something(self, event: Any) -> bool:
        """Return whether a choice brings reasoning, a tool's arguments or, beside the first, text."""
        deltas = [field_of(choice, "delta") for choice in list_of(event, "choices")]
        return any(field_of(delta, name) for delta in deltas for name in _WORK)

    def usage_so_far(self) -> Usage:
        """Return the tokens that a chunk has told; OpenAI tells them with the last one."""
        return self.adapter.usage_of(self.usage)

    def reply(self) -> Reply:
        """Return the whole answer, with a completion that holds all that was said as ``raw``."""
        text = "".join(self.pieces)
        if self.finish_reason == "content_filter" and not text:
            raise self.fail(blocked("content_filter"), {"finish_reason": "content_filter"})
        # a server that is only compatible may tell no reason
        if self.finish_reason is None and (not text or self.adapter.provider in PROVIDERS):
            raise self.fail("the stream ended before the answer was complete")
        raw = self._completion(text)
        return self.adapter._reply(raw, self.response, self.model)  # noqa: SLF001 (its own reader)

    def _completion(self, text: str) -> Any:
        """Return the completion that the chunks tell, as the whole answer would have been."""
        from openai.types.chat import ChatCompletion

        message: dict[str, Any] = {"role": "assistant", "content": text, **joined(self._deltas)}
        if self._refused:
            message.update(content=None, refusal=text)
        elif not text and ("tool_calls" in message or "function_call" in message):
            message["content"] = None
        choice = {"index": 0, "finish_reason": self.finish_reason or "stop", "message": message}
        said = {name: field_of(self.last, name) for name in ("id", "created", "model", "service_tier")}
        whole = {**said, "object": "chat.completion", "choices": [choice], "usage": self.usage}
        return ChatCompletion.construct(**whole)


def joined(deltas: Sequence[Any]) -> dict[str, Any]:
    """Return the fields that *deltas* tell piece by piece: tool calls, reasoning, and what is unknown."""
    fields: dict[str, Any] = {}
    calls: dict[int, dict[str, Any]] = {}
    for delta in deltas:
        for call in list_of(delta, "tool_calls"):
            _add_call(calls, call)
        if former := field_of(delta, "function_call"):
            _add_function(fields.setdefault("function_call", {"name": "", "arguments": ""}), former)
        for name, value in (delta.model_extra or {}).items():
            if isinstance(value, str) and isinstance(fields.get(name), str):
                fields[name] += value
            elif isinstance(value, list) and isinstance(fields.get(name), list):
                fields[name] = [*fields[name], *value]
            elif value is not None:
                fields[name] = value
    return {**fields, "tool_calls": list(calls.values())} if calls else fields


def _add_call(calls: dict[int, dict[str, Any]], part: Any) -> None:
    """Add a piece of a tool call: its id and name come once, its arguments in pieces."""
    index = getattr(part, "index", None)
    index = len(calls) if index is None else index
    call = calls.setdefault(index, {"id": "", "type": "function"})
    call["id"] = getattr(part, "id", None) or call["id"]
    call.update({name: value for name, value in (part.model_extra or {}).items() if name != "custom"})
    if custom := field_of(part, "custom"):
        call["type"] = "custom"
        _add_function(call.setdefault("custom", {"name": "", "input": ""}), custom, "input")
    else:
        function = getattr(part, "function", None)
        _add_function(call.setdefault("function", {"name": "", "arguments": ""}), function)


def _add_function(whole: dict[str, Any], part: Any, told: str = "arguments") -> None:
    """Add a piece of what is called: its name comes once, what is *told* to it in pieces."""
    whole["name"] = text_of(part, "name") or whole["name"]
    whole[told] += text_of(part, told)


def _without_bearer(request: Any) -> None:
    request.headers.pop("authorization", None)


async def _awithout_bearer(request: Any) -> None:
    _without_bearer(request)


def _as_azure(calls: Calls, key: ApiKey, *, is_async: bool) -> Calls:
    """Let a client send its key, and the version, as Azure has it: its bearers are tokens, not keys."""
    client = calls.owner
    client._custom_headers[azure.KEY_HEADER] = key.secret  # noqa: SLF001 (no public switch)
    client._prepare_request = _awithout_bearer if is_async else _without_bearer  # noqa: SLF001 (made to be replaced)
    if key.api_version:
        client._custom_query = {"api-version": key.api_version}  # noqa: SLF001 (so)
    return calls


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
        return bool(field_of(choice, "finish_reason") == "error")

    def usage_of(self, usage: Any) -> Usage:
        """Return what an answer cost."""
        return Usage(
            input_tokens=count(usage, "prompt_tokens"),
            output_tokens=count(usage, "completion_tokens"),
            cached_tokens=count(field_of(usage, "prompt_tokens_details"), "cached_tokens"),
            reasoning_tokens=count(field_of(usage, "completion_tokens_details"), "reasoning_tokens"),
        )

    def _calls(self, pool: Any, key: ApiKey, kind: str, address: str) -> Calls:
        """Return what is used of a client; with Azure's versions each model has an address, and a client."""
        make = partial(super()._calls, pool, key, kind)
        if not azure.is_azure(self.provider, address, key):
            return make(address)
        if not key.api_version:
            return _as_azure(make(address), key, is_async=bool(kind))

        @lru_cache(maxsize=32)
        def of(model: str) -> Calls:
            return _as_azure(make(azure.deployment_of(address, model)), key, is_async=bool(kind))

        return Calls(
            lambda **arguments: of(arguments["model"]).create(**arguments),
            lambda **arguments: of(arguments["model"]).stream(**arguments),
            of,
        )

    def _endpoint(self, client: Any) -> Endpoint:
        from openai.types.chat import ChatCompletion, ChatCompletionChunk

        client.organization = client.project = None
        client._custom_headers = dict(self.headers)  # noqa: SLF001 (OPENAI_CUSTOM_HEADERS has no public switch)
        create = client.chat.completions.create
        return Endpoint(create, "/chat/completions", ChatCompletion, ChatCompletionChunk)

    def _arguments(self, request: ChatRequest, timeout: float) -> dict[str, Any]:
        messages = [_message(message) for message in request.messages]
        arguments = {"model": request.model, "messages": messages, "timeout": timeout}
        return self._with_options(arguments, request) if request.options else arguments

    def _with_options(self, arguments: dict[str, Any], request: ChatRequest) -> dict[str, Any]:
        from openai.resources.chat.completions import Completions

        known = names_of(Completions.create)
        options = for_openai(self._options(request), request.model)
        check_names(options, {*known, *COMPATIBLE}, self.provider)
        return into_body(arguments | options, known)

    def _stream_arguments(self, request: ChatRequest, timeout: float) -> dict[str, Any]:
        arguments = self._arguments(request, timeout)
        # some servers that are only compatible refuse what they don't know
        if self.provider in PROVIDERS:
            arguments.setdefault("stream_options", {"include_usage": True})
        return arguments

    def _reply(self, answer: Any, response: Any, model: str) -> Reply:
        choices = list_of(answer, "choices")
        if not choices:
            raise reply_error(self.provider, model, response, "the answer holds no choice")
        choice = choices[0]
        if self.is_failure(choice):
            raise reply_error(self.provider, model, response, "the answer holds an error")
        message = field_of(choice, "message")
        if message is None:
            raise reply_error(self.provider, model, response, "the answer's choice holds no message")
        text, reason = _text_of(message), field_of(choice, "finish_reason")
        if not text and reason == "content_filter":
            raise reply_error(self.provider, model, response, blocked("content_filter"))
        calls = calls_of(message)
        return Reply(
            text,
            self.usage_of(field_of(answer, "usage")),
            answer,
            headers_of(response),
            text_of(answer, "model"),
            _finish(reason, message, calls),
            calls,
        )


def _finish(reason: Any, message: Any, calls: tuple[ToolCall, ...]) -> FinishReason:
    """Return how the answer ended; compatible servers say ``stop`` beside a tool call, or nothing."""
    if text_of(message, "refusal"):
        return FinishReason.CONTENT_FILTER
    known = FINISH.get(reason, FinishReason.OTHER)
    return FinishReason.TOOL_CALLS if calls and known in {FinishReason.STOP, FinishReason.OTHER} else known


def calls_of(message: Any) -> tuple[ToolCall, ...]:
    """Return the tools that a message asks for: functions, custom tools, and the one of the former form."""
    calls = []
    if former := field_of(message, "function_call"):
        calls.append(ToolCall("", text_of(former, "name"), text_of(former, "arguments")))
    for call in list_of(message, "tool_calls"):
        function = field_of(call, "function")
        custom = field_of(call, "custom")
        arguments = text_of(function, "arguments") if function else text_of(custom, "input")
        calls.append(ToolCall(text_of(call, "id"), text_of(function or custom, "name"), arguments))
    return tuple(calls)


def _first_choice(event: Any) -> Any:
    """Return the first choice of a chunk; with ``n`` others come between."""
    return next((each for each in list_of(event, "choices") if not field_of(each, "index")), None)


def _message(message: Message) -> dict[str, Any]:
    content: Any = message.content
    if not isinstance(content, str):
        content = [_part(part) for part in content]
    native = {"role": message.role, "content": content}
    if message.tool_calls:
        native["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.tool_call_id:
        native["tool_call_id"] = message.tool_call_id
    return {**native, **message.extra} if message.extra else native


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart(text, extra):
            return {"type": "text", "text": text, **extra}
        case ImagePart():
            detail = {"detail": part.detail} if part.detail else {}
            return {"type": "image_url", "image_url": {"url": url_of(part), **detail}, **part.extra}
        case NativePart(value):
            return dict(value)


def _text_of(message: Any) -> str:
    """Return the text of a message or a delta: its content (on some servers a list), else its refusal."""
    content = field_of(message, "content")
    if isinstance(content, list):
        content = "".join(text_of(part, "text") for part in content if field_of(part, "type") == "text")
    return content if isinstance(content, str) and content else text_of(message, "refusal")
