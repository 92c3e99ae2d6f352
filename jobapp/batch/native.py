"""Rows in a provider's own batch form, which are sent as they are written. Pure.

=========  =======================================  ==================================================
form       fields                                   source (2026-11)
=========  =======================================  ==================================================
openai     ``custom_id, method, url, body``         platform.openai.com/docs/guides/batch
anthropic  ``custom_id, params``                    docs.anthropic.com, Message Batches
google     ``key, request``                         ai.google.dev/gemini-api/docs/batch-api
=========  =======================================  ==================================================

Of the ``url`` of an OpenAI row what follows ``/v1`` counts: the address before it is the provider's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobapp.domain.exceptions import ConfigError

MARKS = {"body": "openai", "params": "anthropic", "request": "google"}
"""The field that holds the request, and whose form has it."""

ENDPOINTS = (
    "/chat/completions",
    "/completions",
    "/responses",
    "/embeddings",
    "/moderations",
    "/images/generations",
)
"""What an OpenAI row may ask."""

_FIELDS = {
    "openai": frozenset({"custom_id", "id", "method", "url", "body"}),
    "anthropic": frozenset({"custom_id", "id", "params"}),
    "google": frozenset({"key", "custom_id", "id", "request"}),
}


@dataclass(frozen=True, slots=True)
class NativeRequest:
    """A request in a provider's own form.

    Attributes:
        form: Whose form it is: ``openai``, ``anthropic`` or ``google``.
        endpoint: What is asked, below the provider's address: ``/chat/completions``, ``generateContent`` …
        model: The model that the request names; empty where it names none.
        body: What is sent.
    """

    form: str
    endpoint: str
    model: str
    body: Mapping[str, Any] = field(repr=False)

    def path(self, model: str) -> str:
        """Return the path below the provider's address, for Gemini with *model* in it."""
        if self.form == "google":
            return f"/v1beta/models/{model}:{self.endpoint}"
        return self.endpoint


def form_of(written: Mapping[str, Any]) -> str | None:
    """Return whose batch form *written* has; ``None`` where it is no provider's."""
    for mark, form in MARKS.items():
        if mark in written and isinstance(written[mark], Mapping):
            return form
    return None


def mark_of(form: str) -> str:
    """Return the field that holds the request in rows of *form*."""
    return next(mark for mark, of in MARKS.items() if of == form)


def read_native(written: Mapping[str, Any], form: str, place: str) -> NativeRequest:
    """Return the request of a row in a provider's form; ``stream`` is left out, for an answer is one row.

    Raises:
        ConfigError: It can't be sent; the text names *place*.
    """
    if unknown := sorted(written.keys() - _FIELDS[form]):
        raise ConfigError(f"{place}: {unknown[0]} is no field of a batch row of {form}")
    body = {name: value for name, value in written[mark_of(form)].items() if name != "stream"}
    if form == "openai":
        return NativeRequest(form, _endpoint(written, place), str(body.get("model") or ""), body)
    if form == "anthropic":
        return NativeRequest(form, "/v1/messages", str(body.get("model") or ""), body)
    model = str(body.pop("model", "") or "").removeprefix("models/")
    return NativeRequest(form, "embedContent" if "content" in body else "generateContent", model, body)


def asks_for_stream(written: Any) -> bool:
    """Return whether a row asks for a stream."""
    if not isinstance(written, Mapping):
        return False
    form = form_of(written)
    body = written if form is None else written[mark_of(form)]
    return bool(body.get("stream"))


def text_of(body: Any) -> str:
    """Return the text of an answer in any of the forms; empty where it has none (an embedding, say)."""
    match body:
        case {"choices": [{"message": {"content": str(text)}}, *_]} | {"choices": [{"text": str(text)}, *_]}:
            return text
        case {"output": list(items)}:
            parts = [part for item in items for part in _list(item, "content")]
        case {"content": list(parts)}:
            pass
        case {"candidates": [{"content": {"parts": list(found)}}, *_]}:
            parts = [part for part in found if not _value(part, "thought")]
        case _:
            return ""
    return "".join(text for part in parts if isinstance(text := _value(part, "text"), str))


def _endpoint(written: Mapping[str, Any], place: str) -> str:
    method, url = written.get("method", "POST"), written.get("url", ENDPOINTS[0])
    if method != "POST":
        raise ConfigError(f"{place}: method: must be POST, not {method!r}")
    endpoint = str(url).partition("?")[0].removeprefix("/v1")
    if endpoint not in ENDPOINTS:
        known = ", ".join(f"/v1{each}" for each in ENDPOINTS)
        raise ConfigError(f"{place}: url: must be one of {known}, not {url!r}")
    return endpoint


def _value(part: Any, name: str) -> Any:
    return part.get(name) if isinstance(part, Mapping) else None


def _list(item: Any, name: str) -> list[Any]:
    found = _value(item, name)
    return found if isinstance(found, list) else []
