"""One request of an SDK, sent with the key that the policy chose: an adapter that hands responses on.

It serves the two loops of :mod:`jobapp.calls.drive` as an adapter does: the HTTP response is its first piece,
and a rejection is an exception. A stream is looked at until it brings something, an answer in JSON to its
end; all else is unread.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any, NamedTuple, NoReturn
from zlib import decompressobj

from jobapp.classification.exception_facts import read_exception
from jobapp.domain.exceptions import JobAppError
from jobapp.domain.types import ApiKey, ChatRequest, ErrorFacts
from jobapp.dropin.credentials import ACCOUNT_HEADERS, header_for, put_key, query_without_key, unnamed
from jobapp.dropin.first_event import FirstEvent
from jobapp.dropin.whole_answer import WholeAnswer
from jobapp.providers import azure
from jobapp.providers.request_context import AnswerTooLargeError, SizeLimit
from jobapp.providers.responses import facts_without, headers_of, whole_body

STREAMED = ("text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream")

MOST = 2**24
"""Bytes of a rejection that are read."""

FIRST_ERROR = 400
"""The first status of errors."""

REPEAT = "idempotency-key"
"""The header that tells the repeat of a request."""


class RejectedResponseError(Exception):
    """A response that is a rejection, by its status or by what it says in a 200."""

    def __init__(self, response: Any, body: Any) -> None:
        super().__init__(f"HTTP {response.status_code}")
        self.response = response
        self.body = body


class LastRejection(NamedTuple):
    """What the provider said last, unpacked, to hand up when no key is left."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes


class Peeked:
    """A response, with what was read of its body to see how it begins."""

    __slots__ = ("held_back", "response", "rest")

    def __init__(self, response: Any) -> None:
        self.response = response
        self.held_back: list[bytes] = []
        self.rest: Any = response.stream

    @property
    def encoding(self) -> str:
        """How the body is compressed."""
        return str(self.response.headers.get("content-encoding", "")).lower()

    @property
    def content(self) -> bytes:
        """What was read, unpacked: of an error, which could be read."""
        packed = b"".join(self.held_back)
        return packed if self.encoding in {"", "identity"} else decompressobj(wbits=47).decompress(packed)


class Forwarder:
    """One request of an SDK.

    Args:
        provider: Who is asked.
        home: The address that the SDK was given: the provider's, or a key's own.
        address: The provider's, where keys are sent that have none of their own.
        model: The model that is asked; empty where none is named.
        key_header: The header for the key, where the SDK's request has none.
        request: The SDK's request; it is copied, never changed.
        send: Sends a request: the transport of a client that knows no key.
        first: The fingerprint of the first key, whose organisation the SDK's own headers name.
        wants_stream: Whether the answer may be a stream without saying so in its head (Gemini's JSON array).

    Attributes:
        last: The last response that was a rejection, read.
    """

    def __init__(
        self,
        provider: str,
        key_header: str,
        request: Any,
        send: Any,
        *,
        home: str,
        address: str,
        model: str,
        first: str,
        wants_stream: bool,
    ) -> None:
        self.provider = provider
        self._home, self._address = home, address
        self._model = model
        self.last: LastRejection | None = None
        self._key_header = key_header
        self._request = request
        self._send = send
        self._first = first
        self._began_with: str | None = None
        self._wants_stream = wants_stream

    def warm_up(self, key: ApiKey) -> None:
        """Do nothing: the SDK is there."""

    async def awarm_up(self, key: ApiKey) -> None:
        """Do nothing."""

    def stream(
        self,
        request: ChatRequest,  # noqa: ARG002 - the adapter's form
        key: ApiKey,
        timeout: float,
        left: float | None = None,
    ) -> Generator[Any]:
        """Send with *key* and yield the response, which begins well."""
        ends = math.inf if left is None else time.monotonic() + left
        response = self._send(self.keyed(key, timeout if left is None else min(timeout, left)))
        if response.status_code >= FIRST_ERROR:
            self._reject(key, response, *_read(response))
        peeked = Peeked(response)
        if error := self._peek(peeked, ends):
            response.close()
            self._reject(key, response, peeked.content, error)
        yield peeked

    async def astream(
        self,
        request: ChatRequest,  # noqa: ARG002 - the adapter's form
        key: ApiKey,
        timeout: float,
        left: float | None = None,
    ) -> AsyncGenerator[Any]:
        """Do so in the running event loop."""
        response = await self._send(self.keyed(key, timeout if left is None else min(timeout, left)))
        if response.status_code >= FIRST_ERROR:
            self._reject(key, response, *await _aread(response))
        peeked = Peeked(response)
        if error := await self._apeek(peeked):
            await response.aclose()
            self._reject(key, response, peeked.content, error)
        yield peeked

    def error_facts(self, error: Exception, model: str, key: ApiKey | None = None) -> ErrorFacts | None:
        """Return what *error* tells, without the text of *key*; ``None`` for what is no rejection."""
        if isinstance(error, RejectedResponseError):
            response = error.response
            facts = ErrorFacts(
                self.provider, response.status_code, headers_of(response), error.body, model=model
            )
        elif isinstance(error, JobAppError) or not _is_of_http(error):
            return None
        else:
            facts = read_exception(error, self.provider, model)
        return facts_without(facts, key.secret) if key else facts

    def keyed(self, key: ApiKey, timeout: float) -> Any:
        """Return a copy of the SDK's request with *key* in place of every credential."""
        request, url = self._request, self._url(key)
        copy = type(request)(
            request.method,
            url,
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        self._adapt(copy.headers, key)
        if url is not request.url:
            copy.headers["host"] = url.netloc.decode("ascii")
        copy.extensions["timeout"] = _within(request.extensions.get("timeout") or {}, timeout)
        return copy

    def _url(self, key: ApiKey) -> Any:
        """Return what the SDK asks for, at the address of *key*, without a key in it."""
        url = self._request.url
        address = key.base_url or self._address
        if address != self._home or key.api_version:
            url = type(url)(azure.moved(str(url), self._home, address, self._model, key.api_version))
        query = url.query.decode("ascii")
        if "key=" in query:
            url = url.copy_with(query=query_without_key(query).encode() or None)
        return url

    def _adapt(self, headers: Any, key: ApiKey) -> None:
        """Make *headers* those of *key*: another account gets no organisation and no repeat of ours."""
        self._began_with = self._began_with or key.fingerprint
        is_azure = azure.is_azure(self.provider, key.base_url or self._address, key)
        name = azure.KEY_HEADER if is_azure else header_for(headers, self._key_header)
        put_key(headers, name, key.secret)
        if key.fingerprint != self._first:
            for name in ACCOUNT_HEADERS:
                headers.pop(name, None)
        if key.fingerprint != self._began_with and (repeat := headers.get(REPEAT)):
            headers[REPEAT] = f"{repeat}-{key.fingerprint}"

    def _looked_at(self, peeked: Peeked) -> FirstEvent | WholeAnswer | None:
        """Return what looks at an answer: at its first event, or at all of it; ``None`` for a file."""
        content_type = str(peeked.response.headers.get("content-type", ""))
        if self._wants_stream or content_type.startswith(STREAMED):
            return FirstEvent(peeked.encoding)
        return WholeAnswer(peeked.encoding) if content_type.startswith("application/json") else None

    def _peek(self, peeked: Peeked, ends: float) -> Any:
        """Hold back what comes until it is clear what it is; return the error if it is one.

        Raises:
            TimeoutError: It drips, and the instant *ends* is over.
        """
        if (seen := self._looked_at(peeked)) is None:
            return None
        parts = peeked.rest = iter(peeked.response.stream)
        while not seen.is_clear and (part := next(parts, None)) is not None:
            if time.monotonic() > ends:
                peeked.response.close()
                raise TimeoutError("the deadline passed while the answer came")
            peeked.held_back.append(part)
            seen.feed(part)
        return seen.error

    async def _apeek(self, peeked: Peeked) -> Any:
        if (seen := self._looked_at(peeked)) is None:
            return None
        parts = peeked.rest = aiter(peeked.response.stream)
        while not seen.is_clear and (part := await anext(parts, None)) is not None:
            peeked.held_back.append(part)
            seen.feed(part)
        return seen.error

    def _reject(self, key: ApiKey, response: Any, content: bytes, body: Any) -> NoReturn:
        headers = response.headers.multi_items()
        self.last = LastRejection(response.status_code, *unnamed(headers, content, key.secret))
        raise RejectedResponseError(response, body)


def _within(timeouts: Any, seconds: float) -> dict[str, float]:
    """Return the SDK's time-outs, none longer than *seconds*: what is left of the deadline."""
    names = ("connect", "read", "write", "pool")
    return {name: min(seconds, timeouts.get(name) or seconds) for name in names}


def _is_of_http(error: Exception) -> bool:
    """Return whether *error* is one of the HTTP library, or of the system below it."""
    library = sys.modules.get(type(error).__module__.partition(".")[0])
    return isinstance(error, OSError) or (library is not None and hasattr(library, "HTTPTransport"))


def _read(response: Any) -> tuple[bytes, Any]:
    """Return the body of a rejection as it came and as it is read; what is too large is left."""
    response.iter_bytes = SizeLimit(MOST).watch(response.iter_bytes)
    try:
        response.read()
    except AnswerTooLargeError as error:
        response.close()
        return b"", str(error)
    return response.content, whole_body(response)


async def _aread(response: Any) -> tuple[bytes, Any]:
    response.aiter_bytes = SizeLimit(MOST).awatch(response.aiter_bytes)
    try:
        await response.aread()
    except AnswerTooLargeError as error:
        await response.aclose()
        return b"", str(error)
    return response.content, whole_body(response)
