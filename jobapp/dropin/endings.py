"""The answer that goes up when no key could serve: the provider's last word, else one in its form. Pure.

``x-should-retry: false`` stops the retries of the SDKs that Stainless makes (openai 3.57, anthropic 2.14):
they would repeat what the keys have tried already, and anthropic sleeps for as long as ``retry-after`` says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from jobapp.domain.types import Kind, Verdict
from jobapp.domain.wording import utc

Headers = list[tuple[str, str]]

NO_REPEAT = ("x-should-retry", "false")
"""What keeps an SDK from repeating a request."""

RATE_LIMITED = 429

_REWRITTEN = frozenset(
    {"content-length", "content-encoding", "transfer-encoding", "x-should-retry", "connection"}
)

_GOOGLE_STATUS = {
    429: "RESOURCE_EXHAUSTED",
    401: "UNAUTHENTICATED",
    504: "DEADLINE_EXCEEDED",
    503: "UNAVAILABLE",
}
_TYPES = {429: "rate_limit_error", 401: "authentication_error", 504: "timeout_error", 503: "api_error"}
_CODES = {429: "rate_limit_exceeded", 401: "invalid_api_key", 504: "timeout", 503: "unavailable"}


def last_word(headers: Iterable[tuple[str, str]], told: Headers) -> Headers:
    """Return the *headers* of the provider's last response with what jobapp tells added.

    Args:
        headers: As they came; the body is handed up unpacked.
        told: Of :func:`told_headers`.
    """
    names = {name for name, _ in told}
    kept = [(name, value) for name, value in headers if name.lower() not in _REWRITTEN | names]
    return [*kept, *told]


def told_headers(provider: str, text: str, available_at: datetime | None, now: datetime) -> Headers:
    """Return what jobapp tells in headers: that a repeat is of no use, why, and when a key is free.

    Google's SDK heeds no ``x-should-retry``, and its interactions sleep for as long as ``retry-after`` says
    (google-genai 3.6): it is not told so.
    """
    headers = [NO_REPEAT, ("x-jobapp-reason", _one_line(text))]
    if available_at is not None:
        seconds = max(0, -int(-(available_at - now).total_seconds() // 1))
        headers += [("retry-after", str(seconds))] if provider != "google" else []
        headers.append(("x-jobapp-available-at", utc(available_at)))
    return headers


def own_status(kinds: Iterable[str], *, deadline: bool) -> int:
    """Return the HTTP status of an answer of our own: 401 where every key was rejected as bad, else 429.

    Args:
        kinds: What keeps each key from being asked.
        deadline: Whether it is the call's deadline that ends it.
    """
    if deadline:
        return 504
    states = set(kinds)
    return 401 if states and states == {Kind.AUTH.value} else RATE_LIMITED


def hides_a_return(last: Verdict | None, status: int) -> bool:
    """Return whether the provider's *last* word is of a bad key, while another key comes back (*status*).

    Programs take a bad key for the end, and a spent one for a wait.
    """
    return last is not None and last.kind is Kind.AUTH and status == RATE_LIMITED


def own_body(provider: str, status: int, text: str) -> bytes:
    """Return an error body in the form of *provider*."""
    body: dict[str, object]
    if provider == "google":
        body = {"error": {"code": status, "message": text, "status": _GOOGLE_STATUS[status]}}
    elif provider == "anthropic":
        body = {"type": "error", "error": {"type": _TYPES[status], "message": text}}
    elif provider == "openrouter":
        body = {"error": {"code": status, "message": text}}
    else:
        body = {"error": {"message": text, "type": _TYPES[status], "param": None, "code": _CODES[status]}}
    return json.dumps(body).encode()


def _one_line(text: str) -> str:
    return " ".join(text.split()).encode("ascii", "replace").decode()[:1000]
