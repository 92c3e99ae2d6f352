"""The values that travel through a call: no behaviour, no I/O, no SDK's types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, NamedTuple

EMPTY: Mapping[Any, Any] = MappingProxyType({})
"""A mapping without entries that nobody can change."""

EVERY_KEY = "every key"
"""Stands for the key in the block of a withdrawn model."""


class Kind(StrEnum):
    """What a provider's "no" means."""

    RATE_LIMIT = "rate_limit"
    """RPM: a short window of requests, tokens or concurrency is full."""
    QUOTA = "quota"
    """RPD: spent until a reset, or until a person pays."""
    AUTH = "auth"
    """This key, or this key for this model, is not accepted."""
    UNAVAILABLE = "unavailable"
    """Not the key's fault: overload, time-out, a cut connection."""
    REQUEST = "request"
    """The request's own fault: neither a retry nor another key helps."""


class Scope(StrEnum):
    """How much of a key a verdict covers."""

    KEY = "key"
    """The key with all its models."""
    MODEL = "model"
    """The key with the one model that was asked."""
    FREE_MODELS = "free_models"
    """The key with every model whose name ends in ``:free`` (OpenRouter's free day is one pool)."""


FREE_MODELS = "*:free"
"""The name of OpenRouter's pool of free models, where a model's name would stand in a block."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key with its public name; its text is in ``secret`` and in no repr.

    Attributes:
        name: The environment variable's name, all that people ever see.
        secret: The key itself.
        group: Keys of one group share one quota; ``None`` means the key stands alone.
        tier: Keys of a lower tier are asked first.
        models: Patterns of the models that it serves; empty for all.
        base_url: Where it is sent; ``None`` for its provider's address.
        api_version: Azure's version, whose addresses name a deployment; ``None`` for all others.
        fingerprint: 12 hex digits of the secret's SHA-256, the key's identity.
    """

    name: str
    secret: str = field(repr=False)
    group: str | None = None
    tier: int = 1
    models: tuple[str, ...] = ()
    base_url: str | None = None
    api_version: str | None = None
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", fingerprint_of(self.secret))

    def serves(self, model: str) -> bool:
        """Return whether *model* may be asked with it."""
        return not self.models or any(fnmatchcase(model, pattern) for pattern in self.models)


def fingerprint_of(secret: str) -> str:
    """Return the 12 hex digits that identify a key without telling it."""
    import hashlib

    return hashlib.sha256(secret.encode()).hexdigest()[:12]


class TextPart(NamedTuple):
    """A piece of text in a message; ``extra`` holds its other fields (``cache_control``, for example)."""

    text: str
    extra: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image in a message: by ``url``, or by ``data`` with its ``media_type`` (``image/png``).

    ``detail`` is how closely to look (OpenAI's word); ``extra`` holds the part's other fields.
    """

    url: str | None = None
    data: bytes | None = field(default=None, repr=False)
    media_type: str = ""
    detail: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


class NativePart(NamedTuple):
    """A content part in a provider's own form, passed on untouched."""

    value: Mapping[str, Any]


Part = TextPart | ImagePart | NativePart


class ToolCall(NamedTuple):
    """A tool that the model asks for.

    Attributes:
        id: What its result must name; Gemini may leave it empty.
        name: The tool's name.
        arguments: As JSON text, the model's own words.
    """

    id: str
    name: str
    arguments: str


class FinishReason(StrEnum):
    """How an answer ended, the same for every provider; the provider's own word is in ``raw``."""

    STOP = "stop"
    """The model had said what it had to say, or met a stop sequence."""
    LENGTH = "length"
    """It was cut off: ``max_tokens`` or the context is full."""
    TOOL_CALLS = "tool_calls"
    """It waits for the results of tools."""
    CONTENT_FILTER = "content_filter"
    """A filter cut it off, or the model refused."""
    PAUSE = "pause"
    """It may go on if it is sent back."""
    OTHER = "other"
    """The provider said something else, or nothing."""


class Message(NamedTuple):
    """One turn.

    Attributes:
        role: ``system``, ``user``, ``assistant`` or ``tool``, or a provider's own.
        content: Text or a tuple of parts.
        extra: Other fields, which go to the provider untouched.
        tool_calls: What the assistant asked for in this turn.
        tool_call_id: The call that this turn is the result of; empty for any other turn.
    """

    role: str
    content: str | tuple[Part, ...]
    extra: Mapping[str, Any] = EMPTY
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


class ChatRequest(NamedTuple):
    """One question to one model, the same for every provider.

    Attributes:
        model: The provider's name of the model.
        messages: The turns, oldest first; system turns have the role ``system``.
        options: Native arguments of the provider (temperature, max_tokens, tools …), untouched.
        needs_raw: Whether the SDK's own response object is wanted, too; to make one takes a tenth of a call.
    """

    model: str
    messages: tuple[Message, ...]
    options: Mapping[str, Any] = EMPTY
    needs_raw: bool = True


@dataclass(frozen=True, slots=True)
class Usage:
    """What one answer cost; a provider that tells nothing leaves zeros.

    Attributes:
        input_tokens: What was asked, cached or not.
        output_tokens: What was answered, reasoning included.
        cached_tokens: Those of the input that the provider had in its cache.
        reasoning_tokens: Those of the output that were reasoning.
        cache_write_tokens: Those of the input that the provider wrote into its cache, and charges for.
        cost: US dollars: as the provider told, else by the price of the settings or of genai-prices; ``None``
            where nobody knows.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost: float | None = None
    cache_write_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


class Reply(NamedTuple):
    """What an adapter makes of an SDK's answer.

    Attributes:
        text: The answer's text, ``""`` where the model answered without text (a tool call, say).
        usage: The tokens it cost.
        raw: The SDK's own response object; where the request needs none, its JSON perhaps.
        headers: The HTTP headers, lower-case names; empty where an SDK hides them.
        model: The model that answered, as the provider names it.
        finish_reason: How the answer ended.
        tool_calls: The tools that the model asks for.
    """

    text: str
    usage: Usage
    raw: Any
    headers: Mapping[str, str] = EMPTY
    model: str = ""
    finish_reason: FinishReason = FinishReason.OTHER
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """What a failed call told us, free of any SDK's types.

    Attributes:
        provider: The provider's name, ``openai`` say.
        status: The HTTP status; 200 for an error inside an answer; ``None`` where there was none.
        headers: The HTTP headers, names in any case.
        body: The parsed JSON, or the text where it does not parse.
        message: What else is known, an exception's text say.
        model: The model that was asked.
        exceptions: Class names of the exception and its bases, most special first
            (``("APITimeoutError", "APIConnectionError")``): how a failure without a status is told.
    """

    provider: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    message: str = ""
    model: str | None = None
    exceptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an :class:`ErrorFacts` means.

    Attributes:
        kind: Which of the five meanings.
        scope: How much of the key it covers.
        retry_after: Seconds the provider asks us to wait, a lower bound; ``None`` where it did not say.
        resets_at: Aware UTC at which a quota returns, where that can be believed; else ``None``.
        rule: The id of the rule that said so.
        reason: The rule's meaning in a few words, for people.
        message: The provider's own words, shortened and with anything like a key masked.
        repeat_resets_at: Aware UTC at which it returns if the key is rejected again after ``resets_at``.
    """

    kind: Kind
    scope: Scope = Scope.KEY
    retry_after: float | None = None
    resets_at: datetime | None = None
    rule: str = ""
    reason: str = ""
    message: str = ""
    repeat_resets_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """A key is not to be asked before ``until``.

    Attributes:
        provider: The provider's name.
        fingerprint: The key's identity.
        model: The one model that is blocked, :data:`FREE_MODELS`, or ``None`` for all of the key's models.
        kind: ``RATE_LIMIT``, ``QUOTA`` or ``AUTH``; ``REQUEST`` for a withdrawn model, whatever the key.
        until: Aware UTC at which the key is free again.
        since: Aware UTC at which this was learnt.
        reason: Why, for people; begins with the rule's id.
        key_name: The key's name where it was learnt.
        streak: Rejections in a row without an answer between them; the first is 1.
    """

    provider: str
    fingerprint: str
    model: str | None
    kind: Kind
    until: datetime
    since: datetime
    reason: str = ""
    key_name: str = ""
    streak: int = 1

    @property
    def id(self) -> BlockId:
        """What is blocked: a later block of the same id replaces this one."""
        return (self.provider, self.fingerprint, self.model)


BlockId = tuple[str, str, str | None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request of a call, for the result and for errors.

    Attributes:
        provider: Who was asked.
        model: Which model.
        key: The key's name.
        verdict: What its "no" meant; ``None`` for the attempt that was answered.
        waited: Seconds waited before it.
        status: The HTTP status, where there was one.
        request_id: The provider's id of the request, where it told one.
        tier: The key's; above the lowest where no key below was free for the call within ``tier_wait``.
    """

    provider: str
    model: str
    key: str
    verdict: Verdict | None = None
    waited: float = 0.0
    status: int | None = None
    request_id: str | None = None
    tier: int = 1


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer, with who gave it and what it took.

    Attributes:
        text: The answer's text.
        provider: Who answered.
        model: The model that answered, as it was asked for.
        key: The name of the key that was used.
        usage: The tokens it cost.
        attempts: Every request of this call, in order; the last one was answered.
        raw: The SDK's own response object; of a stream, the same with all that was said.
        finish_reason: How the answer ended.
        tool_calls: The tools that the model asks for.
    """

    text: str
    provider: str
    model: str
    key: str
    usage: Usage
    attempts: tuple[Attempt, ...]
    raw: Any = field(repr=False)
    finish_reason: FinishReason = FinishReason.OTHER
    tool_calls: tuple[ToolCall, ...] = ()
