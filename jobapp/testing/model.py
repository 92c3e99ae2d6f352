"""What the simulated model says: what it was told, else what the request wants of it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

from jobapp.testing.asked import ANY_TOOL, Tool
from jobapp.testing.http_values import Request
from jobapp.testing.schema import least
from jobapp.testing.steps import Answer, Said, ToolCall, as_answer

PIECE = re.compile(r"\s*\S+\s*|\s+")


def echo(request: Request) -> str:
    """Return the default answer: the prompt with ``echo:`` before it."""
    return f"echo: {request.prompt}"


def pieces_of(text: str) -> list[str]:
    """Return *text* word by word, as a stream sends it."""
    return PIECE.findall(text)


def unscripted(request: Request) -> Answer:
    """Return what a model says that was told nothing: a tool where one must be called, what fits, an echo.

    Where a tool must be called, it is the first that was not called before, else the last: a conversation
    that has a tool for its result at the end of the list comes to an end.
    """
    wanted = request.wanted
    if wanted.tool_choice and request.tools:
        tool = _chosen(request)
        return Answer(tool_calls=(ToolCall(tool.name, **_arguments(tool)),))
    if wanted.schema is not None:
        return Answer(json.dumps(least(wanted.schema)))
    return Answer("{}" if wanted.json else echo(request))


def normal(request: Request, said: Said | Callable[[Request], Said]) -> Answer:
    """Return the answer that *said*, or what it returns, gives to everything; ``echo`` is told nothing."""
    if said is echo:
        return limited(request, unscripted(request))
    answer = as_answer(said(request) if callable(said) else said)
    return completed(request, answer, answer if answer.is_whole else unscripted(request))


def completed(request: Request, answer: Answer, usual: Answer) -> Answer:
    """Return *answer* with the *usual* text where it has none, within the limits that the request sets."""
    if not answer.is_whole:
        answer = replace(answer, text=usual.text, tool_calls=usual.tool_calls)
    return limited(request, replace(answer, text=answer.text or ""))


def limited(request: Request, answer: Answer) -> Answer:
    """Return *answer* cut where the request's ``stop`` or ``max_tokens`` ends it.

    One that has a reason for its end stays as it is.
    """
    wanted, text = request.wanted, answer.text or ""
    if not text or answer.finish_reason or not (wanted.stop or wanted.max_tokens):
        return answer
    places = [(text.find(stop), stop) for stop in wanted.stop if stop and stop in text]
    if places:
        place, stop = min(places)
        answer = replace(answer, text=text[:place], finish_reason="stop", stop_sequence=stop)
    if wanted.max_tokens:
        said = list(islice(PIECE.finditer(answer.text or ""), wanted.max_tokens + 1))
        if len(said) > wanted.max_tokens:
            cut = text[: said[wanted.max_tokens].start()]
            answer = replace(answer, text=cut, finish_reason="length", stop_sequence=None)
    return answer


def _chosen(request: Request) -> Tool:
    wanted = request.wanted
    if wanted.tool_choice != ANY_TOOL:
        return next((tool for tool in request.tools if tool.name == wanted.tool_choice), request.tools[-1])
    return next((tool for tool in request.tools if tool.name not in wanted.called), request.tools[-1])


def _arguments(tool: Tool) -> dict[str, object]:
    value = least(tool.schema) if tool.schema else {}
    return value if isinstance(value, dict) else {}
