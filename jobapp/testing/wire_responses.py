"""OpenAI's responses, which agents call by themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any

from jobapp.testing import asked_openai, turning
from jobapp.testing.asked import tokens
from jobapp.testing.faults import Fault, Rejection
from jobapp.testing.http1 import RawRequest
from jobapp.testing.http_values import Request, Response, Stream
from jobapp.testing.model import pieces_of
from jobapp.testing.objects import Account
from jobapp.testing.steps import Answer
from jobapp.testing.wire import as_stream, fields, named_sse, said_tokens
from jobapp.testing.wire_openai import OpenAIWire
from jobapp.testing.wire_openrouter import OpenRouterWire

ECHOED = ("instructions", "max_output_tokens", "metadata", "previous_response_id", "tools", "user")
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class ResponsesWire(OpenAIWire):
    """``/v1/responses``; fields and order of the events are those of openai-python 3.57's types."""

    def read(self, call: RawRequest, at: datetime) -> Request:
        """Return what *call* asks."""
        plain = super().read(call, at)
        asked = fields(plain.body)
        items = asked_openai.responses_items(asked)
        return replace(
            plain,
            prompt=asked_openai.responses_prompt(items),
            tools=asked_openai.responses_tools(asked),
            tool_results=asked_openai.responses_results(items),
            wanted=asked_openai.responses_wanted(asked, items),
            parts=asked_openai.responses_parts(asked, items),
        )

    def flaw(self, request: Request) -> str:
        """Return what is wrong with a request."""
        if not isinstance(request.body, dict):
            return "We could not parse the JSON body of your request."
        if not request.model:
            return "Missing required parameter: 'model'."
        return "" if request.body.get("input") else "Missing required parameter: 'input'."

    def missing(self, request: Request, account: Account) -> str:
        """Return what the request names that its account does not have."""
        earlier = fields(request.body).get("previous_response_id")
        if earlier and not account.has(str(earlier)):
            return f"Previous response with id '{earlier}' not found."
        return ""

    def record(
        self, request: Request, answer: Answer, request_id: str
    ) -> tuple[str, Mapping[str, Any]] | None:
        """Return what the account keeps of an answer, unless ``store`` is false."""
        body = self.answer(request, answer, request_id)
        return None if fields(request.body).get("store") is False else (str(body["id"]), body)

    def answer(self, request: Request, answer: Answer, request_id: str) -> dict[str, Any]:
        """Return the body of the whole answer."""
        reason = INCOMPLETE.get(answer.finish)
        body = _envelope(request, request_id)
        return body | {
            "status": "incomplete" if reason else "completed",
            "incomplete_details": {"reason": reason} if reason else None,
            "completed_at": body["created_at"],
            "output": _items(answer, request_id),
            "usage": self.usage(request, answer),
        }

    def usage(self, request: Request, answer: Answer) -> dict[str, Any]:
        """Return the tokens as responses tell them."""
        thought = tokens(answer.thinking) if answer.thinking else 0
        asked, said = request.tokens, said_tokens(answer) + thought
        return {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": answer.cached.read, "cache_write_tokens": 0},
            "output_tokens": said,
            "output_tokens_details": {"reasoning_tokens": thought},
            "total_tokens": asked + said,
        }

    def empty(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a response without an item."""
        return {**body, "output": []}

    def events_of(self, request: Request, body: Mapping[str, Any]) -> Sequence[Any] | None:
        """Return a response as its events."""
        return _events(body) if isinstance(body.get("output"), list) else None

    def body_of(self, request: Request, events: Sequence[Any]) -> Mapping[str, Any] | None:
        """Return the response that a stream's last event holds."""
        return turning.responses_body(events)

    def stream(self, request: Request, answer: Answer, request_id: str) -> Stream:
        """Return the answer as events: the response that starts, its items, the response as a whole."""
        whole = self.answer(request, answer, request_id)
        return as_stream(_events(whole), lambda event: event["type"].endswith(".delta"))

    def encode(self, request: Request, events: Sequence[Any], *, ended: bool) -> list[bytes]:
        """Return each event under the name of its type."""
        return [named_sse(event) for event in events]

    def reject(self, request: Request, rejection: Rejection, request_id: str) -> Response:
        """Return a rejection; an earlier response that is not there is a fault of the request."""
        response = super().reject(request, rejection, request_id)
        if rejection.fault is Fault.UNKNOWN_OBJECT and request.method == "POST":
            marks = {"param": "previous_response_id", "code": "previous_response_not_found"}
            body = {"error": {**response.body["error"], **marks}}
            return replace(response, status=HTTPStatus.BAD_REQUEST, body=body)
        return response

    def error_in_200(self, request: Request, rejection: Rejection, *, in_choice: bool) -> Any:
        """Return an error alone; in a stream it is an event."""
        body = super().error_in_200(request, rejection, in_choice=False)
        if not request.stream:
            return body
        error = body["error"]
        return {
            "type": "error",
            "code": error.get("code"),
            "message": error["message"],
            "param": None,
            "sequence_number": 0,
        }


class OpenRouterResponsesWire(ResponsesWire, OpenRouterWire):
    """``/api/v1/responses``: OpenAI's form with OpenRouter's errors."""


def _envelope(request: Request, request_id: str) -> dict[str, Any]:
    asked = fields(request.body)
    return {
        "id": f"resp_{request_id}",
        "object": "response",
        "created_at": int(request.at.timestamp()),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": request.model,
        "output": [],
        "parallel_tool_calls": True,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": asked.get("store", True),
        "temperature": 1.0,
        "text": asked.get("text") or {"format": {"type": "text"}},
        "tool_choice": asked.get("tool_choice") or "auto",
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        **{name: asked.get(name) for name in ECHOED},
        "tools": asked.get("tools") or [],
        "metadata": asked.get("metadata") or {},
    }


def _events(whole: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a stream tells of a response, from its start to its end."""
    started = {**whole, "status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": started},
        {"type": "response.in_progress", "response": started},
    ]
    for index, item in enumerate(whole["output"]):
        events += ({**event, "output_index": index} for event in _item_events(item))
    events.append({"type": f"response.{whole.get('status', 'completed')}", "response": whole})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _items(answer: Answer, request_id: str) -> list[dict[str, Any]]:
    """Return the output: thoughts, the message, the calls."""
    items: list[dict[str, Any]] = []
    if answer.thinking:
        summary = [{"type": "summary_text", "text": answer.thinking}]
        items.append({"id": f"rs_{request_id}", "type": "reasoning", "summary": summary})
    if answer.said or not answer.tool_calls:
        status = "incomplete" if answer.finish in INCOMPLETE else "completed"
        content = {"type": "output_text", "text": answer.text or "", "annotations": [], "logprobs": []}
        if answer.refusal:
            content = {"type": "refusal", "refusal": answer.refusal}
        items.append(
            {
                "id": f"msg_{request_id}",
                "type": "message",
                "status": status,
                "role": "assistant",
                "content": [content],
            }
        )
    items += [
        {
            "id": f"fc_{request_id}_{number}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_{request_id}_{number}",
            "name": call.name,
            "arguments": json.dumps(call.arguments),
        }
        for number, call in enumerate(answer.tool_calls)
    ]
    return items


def _item_events(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a stream tells of an item, from its start to its end."""
    emptied: dict[str, dict[str, Any]]
    emptied = {"reasoning": {"summary": []}, "message": {"content": []}, "function_call": {"arguments": ""}}
    running = {} if item["type"] == "reasoning" else {"status": "in_progress"}
    yield {"type": "response.output_item.added", "item": {**item, **running, **emptied.get(item["type"], {})}}
    at = {"item_id": item["id"]}
    match item["type"]:
        case "reasoning" if item["summary"]:
            yield from _part_events(at, "reasoning_summary_text", "summary_index", item["summary"][0])
        case "message" if item["content"]:
            part = item["content"][0]
            kind = "output_text" if part["type"] == "output_text" else "refusal"
            yield from _part_events(at, kind, "content_index", part)
        case "function_call":
            start = "response.function_call_arguments"
            for piece in pieces_of(item["arguments"]):
                yield {"type": f"{start}.delta", **at, "delta": piece}
            yield {"type": f"{start}.done", **at, "arguments": item["arguments"], "name": item["name"]}
    yield {"type": "response.output_item.done", "item": item}


def _part_events(
    at: Mapping[str, Any], kind: str, index: str, part: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    field = "refusal" if kind == "refusal" else "text"
    frame = "reasoning_summary_part" if index == "summary_index" else "content_part"
    here = {**at, index: 0}
    probabilities: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
    yield {"type": f"response.{frame}.added", **here, "part": {**part, field: ""}}
    for piece in pieces_of(part[field]):
        yield {"type": f"response.{kind}.delta", **here, "delta": piece, **probabilities}
    yield {"type": f"response.{kind}.done", **here, field: part[field], **probabilities}
    yield {"type": f"response.{frame}.done", **here, "part": part}
