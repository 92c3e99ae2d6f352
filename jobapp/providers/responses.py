"""Facts about answers that are errors, whatever their HTTP status says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from traceback import clear_frames
from typing import Any

from jobapp.domain.redaction import without
from jobapp.domain.types import EMPTY, ErrorFacts
from jobapp.providers.adapter import ErrorInReplyError

SHORTEST_SECRET = 8
"""A shorter text is no key, and taking it out of a body would take words apart."""


def reply_error(
    provider: str, model: str, response: Any, message: str, body: Any = None
) -> ErrorInReplyError:
    """Return an error for raising that tells what came.

    Args:
        provider: The provider's name.
        model: The model that was asked.
        response: The HTTP response; ``None`` where an SDK hides it.
        message: What is wrong with it.
        body: The part that tells; ``None`` for all of the response.
    """
    status = None if response is None else response.status_code
    return ErrorInReplyError(
        ErrorFacts(
            provider=provider,
            status=status,
            headers=headers_of(response),
            body=whole_body(response) if body is None else body,
            message=message,
            model=model,
        )
    )


def blocked(reason: str) -> str:
    """Return the words for an answer that a filter held back; the classifier knows OpenAI's name for it."""
    return f"the answer was blocked by a content_filter: {reason}"


def whole_body(response: Any) -> Any:
    """Return the parsed JSON of an HTTP response, else its text; ``None`` where it can't be had any more."""
    try:
        text = response.text
    except Exception:  # noqa: BLE001 (each HTTP library has its own for a stream that was read, or was not)
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def headers_of(response: Any) -> Mapping[str, str]:
    """Return the headers of an HTTP response with lower-case names, as a plain mapping.

    A look into httpx's own headers is a scan; this costs as much as five of them.
    """
    if response is None:
        return EMPTY
    raw = getattr(response.headers, "raw", None)
    if raw is None:  # requests has text
        return {name.lower(): value for name, value in response.headers.items()}
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


def facts_without(facts: ErrorFacts, secret: str) -> ErrorFacts:
    """Return *facts* without *secret*: some providers repeat the key they refuse."""
    if len(secret) < SHORTEST_SECRET:
        return facts
    return replace(
        facts,
        headers=_without(dict(facts.headers), secret),
        body=_without(facts.body, secret),
        message=_without(facts.message, secret),
    )


def mask_in(error: BaseException | None, secret: str) -> None:
    """Take *secret* out of what *error*, and what it was raised from, says; type and fields stay.

    The locals of the frames that they came through go too: headers and bodies are among them, and tools that
    report errors print them.
    """
    while error is not None and len(secret) >= SHORTEST_SECRET:
        clear_frames(error.__traceback__)
        error.args = tuple(_without(each, secret) for each in error.args)
        for name, value in vars(error).items():
            if isinstance(value, str | Mapping | list | ErrorFacts):
                with suppress(AttributeError, TypeError):  # a field may be read only
                    setattr(error, name, _without(value, secret))
        error = error.__cause__ or error.__context__


def _without(value: Any, secret: str) -> Any:
    match value:
        case str():
            return without(value, secret)
        case bytes():
            return without(value.decode("latin-1"), secret).encode("latin-1")
        case ErrorFacts():
            return facts_without(value, secret)
        case Mapping():
            return {_without(name, secret): _without(each, secret) for name, each in value.items()}
        case list() | tuple():
            return type(value)(_without(each, secret) for each in value)
        case _:
            return value
