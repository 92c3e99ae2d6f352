"""Google's Gemini API, on google-genai."""

from __future__ import annotations

import logging
import ssl
from typing import Any

from jobapp.domain.types import ApiKey, ChatRequest, Reply, Usage
from jobapp.providers.gemini import (
    calls_in,
    contents_of,
    finish_of,
    is_complete,
    model_of,
    parts_of,
    system_of,
    text_of,
    usage_of,
    why_silent,
)
from jobapp.providers.google_plain import ashortened, shortened
from jobapp.providers.http_client import open_async_client, open_client
from jobapp.providers.options import COMMON, check_names, for_gemini
from jobapp.providers.responses import headers_of, reply_error
from jobapp.providers.sdk_adapter import Calls, SDKAdapter
from jobapp.providers.stream_reader import StreamReader

API_VERSION = "v1beta"
"""The one that has every feature and that all majors of the SDK know; by default they differ."""


class AnswerReader(StreamReader):
    """Reads the answers of a stream, each with a piece."""

    adapter: GoogleAdapter

    def __init__(self, adapter: GoogleAdapter, model: str, timeout: float, left: float | None = None) -> None:
        super().__init__(adapter, model, timeout, left)
        self.usage: Any = None
        self.last: Any = None
        self.finished = False
        self._parts: list[Any] = []

    def text_of(self, event: Any) -> str:
        """Return the first candidate's text."""
        self.usage = event.usage_metadata or self.usage
        if event.candidates or why_silent(event):
            self.last = event
            self.finished = self.finished or is_complete(event)
        self._parts += parts_of(event)
        return text_of(event)

    def brings_something(self, event: Any) -> bool:
        """Return whether *event* has any part: a thought, a tool's call, an image."""
        return bool(parts_of(event))

    def usage_so_far(self) -> Usage:
        """Return the tokens that the answers have told."""
        return usage_of(self.usage)

    def reply(self) -> Reply:
        """Return the whole text, with an answer that holds all that was said as ``raw``."""
        if self.last is not None and not self.pieces and (why := self._why_silent()):
            raise self.fail(*why)
        if not self.finished:
            raise self.fail("the stream ended before the answer was complete")
        whole, calls = self.adapter.whole(self.last, self._parts), calls_in(self._parts)
        return Reply(
            "".join(self.pieces),
            usage_of(self.usage),
            self.adapter.raw(whole),
            headers_of(self.response),
            model_of(self.last) or self.model,
            finish_of(self.last, calls),
            calls,
        )

    def _why_silent(self) -> Any:
        return None if calls_in(self._parts) else why_silent(self.last)


class GoogleAdapter(SDKAdapter):
    """Gemini's ``generateContent``.

    Options are fields of the SDK's ``GenerateContentConfig``, or a ``config`` as a whole; ``max_tokens`` and
    ``stop``, as the other providers call them, stand for ``max_output_tokens`` and ``stop_sequences``. What
    the SDK does not know goes into the body's ``generationConfig`` as it is.
    """

    sdk = "google.genai"
    distribution = "google-genai"
    reader = AnswerReader

    def raw(self, answer: Any) -> Any:
        """Return *answer* as callers of the SDK know it."""
        return answer

    def whole(self, last: Any, parts: list[Any]) -> Any:
        """Return the *last* answer of a stream with all the *parts* that came, texts joined."""
        from google.genai import types

        joined: list[Any] = []
        for part in parts:
            before = joined[-1] if joined else None
            if before is not None and _is_text(part) and _is_text(before) and part.thought == before.thought:
                joined[-1] = before.model_copy(update={"text": before.text + part.text})
            elif part.text != "":
                joined.append(part)
        content = types.Content(role="model", parts=joined or None)
        candidate = last.candidates[0].model_copy(update={"content": content})
        return last.model_copy(update={"candidates": [candidate, *last.candidates[1:]]})

    def _open_pool(self) -> Any:
        return open_client(http_library().Client)

    def _open_async_pool(self) -> Any:
        return open_async_client(http_library().AsyncClient)

    def _open_client(self, pool: Any, key: ApiKey) -> Calls:
        library = http_library()
        unused = library.AsyncClient(transport=library.AsyncBaseTransport())
        client = self._client(key, httpx_client=pool, httpx_async_client=unused)
        return shortened(client)

    def _open_async_client(self, pool: Any, key: ApiKey) -> Calls:
        library = http_library()
        unused = library.Client(transport=library.BaseTransport())
        client = self._client(key, httpx_client=unused, httpx_async_client=pool)
        return ashortened(client)

    def _client(self, key: ApiKey, **http_clients: Any) -> Any:
        """Make a client; each HTTP client it is not given it would make itself, certificates and all."""
        from google import genai

        logging.getLogger("google_genai._api_client").addFilter(_is_no_word_about_environment)
        options = genai.types.HttpOptions(
            base_url=self._address(key),
            api_version=API_VERSION,
            timeout=round(self._settings.timeout * 1000),  # milliseconds; each request's own is set below it
            # for web sockets, which are not used: it trusts nobody, and costs nothing
            async_client_args={"ssl": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)},
            **http_clients,
        )
        return genai.Client(api_key=key.secret, vertexai=False, http_options=options)

    def _arguments(self, request: ChatRequest, timeout: float) -> dict[str, Any]:  # noqa: ARG002 (in HttpOptions: +0.3 ms)
        contents = contents_of(request, self._refuse)
        return {
            "model": request.model,
            "contents": contents[0] if len(contents) == 1 else contents,  # a list of one costs more
            "config": self._config(request),
        }

    def _config(self, request: ChatRequest) -> Any:
        options = self._common(request) if request.options else {}
        config = options.pop("config", None)
        if system := system_of(request, self._refuse):
            options.setdefault("system_instruction", system)
        if config is None or isinstance(config, dict):
            return {**(config or {}), **options} or None
        return config.model_copy(update=options)

    def _common(self, request: ChatRequest) -> dict[str, Any]:
        """Return the options under Gemini's names."""
        from google.genai.types import GenerateContentConfig

        known, options = {*GenerateContentConfig.model_fields, *COMMON, "config"}, self._options(request)
        check_names(options, known, self.provider)
        unknown = {name: options.pop(name) for name in sorted(options.keys() - known)}
        if unknown:
            options.setdefault("http_options", {"extra_body": {"generationConfig": unknown}})
        return for_gemini(options, "response_json_schema", "parameters_json_schema")

    def _reply(self, answer: Any, response: Any, model: str) -> Reply:
        if why := why_silent(answer):
            raise reply_error(self.provider, model, response, *why)
        if not answer.candidates:
            raise reply_error(self.provider, model, response, "the answer holds no candidate")
        calls = calls_in(parts_of(answer))
        return Reply(
            text_of(answer),
            usage_of(answer.usage_metadata),
            self.raw(answer),
            headers_of(response),
            model_of(answer) or model,
            finish_of(answer, calls),
            calls,
        )


def _is_text(part: Any) -> bool:
    return bool(part.text) and not part.thought_signature


def http_library() -> Any:
    """Return the library that the SDK prefers: httpx, from 3.0 on httpx2."""
    from google.genai import _api_client

    return getattr(_api_client, "httpx2", None) or _api_client.httpx


def _is_no_word_about_environment(record: logging.LogRecord) -> bool:
    """Return whether a record may pass: which variable a key comes from is not the SDK's choice here."""
    return "GOOGLE_API_KEY" not in record.getMessage()
