"""Read any exception into :class:`ErrorFacts`, by what it has, not by what it is: no SDK is imported.

Tried with openai 1.56 to 3.54, anthropic 0.42 to 2.12, google-genai 1.20 to 3.4, google-generativeai 0.8,
google.api_core on REST and gRPC, requests, httpx, httpx2, aiohttp, urllib, botocore, cohere, groq, mistralai,
langchain, litellm and tenacity (2026-11-24).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jobapp.domain.types import EMPTY, ErrorFacts

MAX_CHAIN = 24
"""Exceptions of a chain or a group that are looked at."""

_STATUS_NAMES = ("status_code", "http_status", "code", "status")
_BODY_NAMES = ("body", "json_body", "response_json", "details", "http_body", "error")
_INNER_NAMES = ("cause", "original_exception", "original_error", "reason", "exception")

_GRPC_STATUS = {
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "ABORTED": 409, "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429, "CANCELLED": 499, "INTERNAL": 500, "UNKNOWN": 500, "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504,
}  # fmt: skip


def read_exception(error: BaseException | str, provider: str, model: str | None = None) -> ErrorFacts:
    """Return what *error* tells; never raises, and reads no stream.

    Args:
        error: An exception of any SDK or library, one that wraps another, a group of them, or a text.
        provider: Who was asked, by canonical name.
        model: The model that was asked, where it is known.
    """
    if isinstance(error, str):
        return ErrorFacts(provider, message=error, model=model)
    facts = [_facts_of(one, provider, model) for one in _chain(error)]
    best = next((one for one in facts if one.status is not None or one.body is not None), facts[0])
    names = dict.fromkeys(name for one in (best, *facts) for name in one.exceptions)
    return replace(
        best,
        headers=best.headers or next((one.headers for one in facts if one.headers), EMPTY),
        body=best.body
        if best.body is not None
        else next((one.body for one in facts if one.body is not None), None),
        message=best.message or next((one.message for one in facts if one.message), ""),
        exceptions=tuple(names),
    )


def _facts_of(error: BaseException, provider: str, model: str | None) -> ErrorFacts:
    response = _get(error, "response")
    if isinstance(response, Mapping):
        return _of_botocore(error, response, provider, model)
    return ErrorFacts(
        provider=provider,
        status=_status(error, response),
        headers=_headers(error, response),
        body=_body(error, response),
        message=_text(error),
        model=model,
        exceptions=_names(error),
    )


def _of_botocore(
    error: BaseException, response: Mapping[Any, Any], provider: str, model: str | None
) -> ErrorFacts:
    """Read the dict that botocore keeps as ``response``."""
    about = response.get("ResponseMetadata")
    about = about if isinstance(about, Mapping) else EMPTY
    headers = about.get("HTTPHeaders")
    return ErrorFacts(
        provider=provider,
        status=_http_status(about.get("HTTPStatusCode")),
        headers=_as_headers(headers),
        body=response.get("Error"),
        message=_text(error),
        model=model,
        exceptions=_names(error),
    )


def _chain(error: BaseException) -> list[BaseException]:
    """Return *error* and what it wraps, nearest first; each once."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting and len(found) < MAX_CHAIN:
        one = waiting.pop(0)
        if not any(one is known for known in found):
            found.append(one)
            waiting.extend(_wrapped(one))
    return found


def _wrapped(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        yield from error.exceptions
    candidates = [
        error.__cause__,
        *(_get(error, name) for name in _INNER_NAMES),
        _last_attempt(error),
        *error.args,
    ]
    if not error.__suppress_context__:
        candidates.append(error.__context__)
    yield from (one for one in candidates if isinstance(one, BaseException))


def _last_attempt(error: BaseException) -> Any:
    """Return what tenacity's RetryError holds: the exception of the last try."""
    return _get(_get(error, "last_attempt"), "_exception")


def _status(error: BaseException, response: Any) -> int | None:
    for value in (
        *(_get(error, name) for name in _STATUS_NAMES),
        *(_get(response, name) for name in ("status_code", "status")),
        _get(error, "grpc_status_code"),
    ):
        status = _http_status(value)
        if status is not None:
            return status
    return None


def _http_status(value: Any) -> int | None:
    """Return an HTTP status told by a number, digits, an enum, a gRPC status or a method."""
    if callable(value) and not isinstance(value, type):
        value = _call(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:  # noqa: PLR2004 - HTTP
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value) if 100 <= value <= 599 else None  # noqa: PLR2004 - HTTP
    name = _get(value, "name")
    return _GRPC_STATUS.get(name) if isinstance(name, str) else None


def _headers(error: BaseException, response: Any) -> Mapping[str, str]:
    for value in (_get(response, "headers"), _get(error, "headers"), _call(_get(error, "trailing_metadata"))):
        headers = _as_headers(value)
        if headers:
            return headers
    return EMPTY


def _as_headers(value: Any) -> Mapping[str, str]:
    try:
        pairs = value.items() if hasattr(value, "items") else (value if isinstance(value, Sequence) else ())
        return {_plain(name).lower(): _plain(content) for name, content in pairs}
    except Exception:  # noqa: BLE001 - a foreign class may raise anything, and an error about an error helps nobody
        return {}


def _plain(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _body(error: BaseException, response: Any) -> Any:
    """Return the whole body: what the response had read, else what the SDK kept of it."""
    for source in (response, _get(error, "raw_response"), _get(error, "http_res")):
        read = _read_content(source)
        if read is not None:
            return _parsed(read)
    for name in _BODY_NAMES:
        value = _get(error, name)
        if isinstance(value, Mapping | str | bytes) and value:
            return _parsed(value)
        if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
            return {"error": {"details": [item for item in value if isinstance(item, Mapping)]}}
    return None


def _read_content(response: Any) -> Any:
    """Return what is already in memory of a response; a stream that was not read stays unread.

    ``_content`` is where httpx, httpx2 and requests keep it (requests has ``False`` there before), ``_body``
    where aiohttp does; the public properties would read the stream or raise.
    """
    for name in ("_content", "_body", "text", "body", "content"):
        value = _own(response, name)
        if isinstance(value, str | bytes) and value:
            return value
    return None


def _own(thing: Any, name: str) -> Any:
    """Return an attribute that is stored in *thing* itself, so that no property runs."""
    try:
        return vars(thing).get(name)
    except TypeError:
        return None


def _parsed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return text


def _names(error: BaseException) -> tuple[str, ...]:
    """Return the class names of *error* down to what all exceptions are."""
    return tuple(cls.__name__ for cls in type(error).__mro__ if cls not in (Exception, BaseException, object))


def _text(error: BaseException) -> str:
    """Return an exception's words; a plain gRPC error has them in a method."""
    text = _call(error.__str__) or _call(_get(error, "details"))
    return text if isinstance(text, str) else ""


def _get(thing: Any, name: str) -> Any:
    """Return an attribute; ``None`` where it is missing or raises (google.api_core's ``reason`` does)."""
    try:
        return getattr(thing, name, None)
    except Exception:  # noqa: BLE001 - a foreign class may raise anything
        return None


def _call(method: Any) -> Any:
    if not callable(method):
        return None
    try:
        return method()
    except Exception:  # noqa: BLE001 - a foreign class may raise anything
        return None
