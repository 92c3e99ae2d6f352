"""What an answer, or its failure, tells besides its text. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from jobapp.domain.types import ErrorFacts, FinishReason, Reply, Usage

_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-goog-request-id", "cf-ray")

CUT_OFF = {
    FinishReason.LENGTH: "%s %s: the answer was cut off: max_tokens, or the context, is used up",
    FinishReason.CONTENT_FILTER: "%s %s: a filter cut the answer off, or the model refused",
    FinishReason.PAUSE: "%s %s: the answer paused; send it back for the rest",
}
"""What is said of an answer that is not whole."""


def usage_told(error: BaseException | None) -> Usage | None:
    """Return the tokens that a stream had told before *error*, where it had told any."""
    while error is not None:
        usage = getattr(error, "usage_so_far", None)
        if isinstance(usage, Usage) and usage.total_tokens:
            return usage
        error = error.__cause__
    return None


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return what the provider calls the request, to be told to its support."""
    for name in _REQUEST_ID_HEADERS:
        if name in headers:
            return headers[name]
    return None


def is_empty(reply: Reply) -> bool:
    """Return whether the model said nothing at all, although it says that it was done."""
    return not reply.text and not reply.tool_calls and reply.finish_reason is FinishReason.STOP


def timed_out(facts: ErrorFacts) -> bool:
    """Return whether a request was sent, and silence followed."""
    names = set(facts.exceptions)
    return bool(names & {"ReadTimeout", "TimeoutError"}) and "ConnectTimeout" not in names
