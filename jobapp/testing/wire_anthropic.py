"""Anthropic's messages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from jobapp.testing import asked_anthropic, turning
from jobapp.testing.asked import tokens
from jobapp.testing.faults import Fault, Rejection
from jobapp.testing.forms import ANTHROPIC
from jobapp.testing.http1 import RawRequest
from jobapp.testing.http_values import Request, Response, Stream
from jobapp.testing.meters import Room
from jobapp.testing.model import pieces_of
from jobapp.testing.steps import Answer
from jobapp.testing.wire import (
    EVENT_STREAM,
    KeepsNothing,
    as_stream,
    bearer,
    fields,
    named_sse,
    parse,
    said_tokens,
    whole_seconds,
)

TOLD_BY_DATE = (Fault.SPENT_DAY, Fault.SPENT_MONTH)
METERS = {Fault.BUSY_MINUTE: "requests", Fault.BUSY_TOKENS: "input-tokens"}
SECOND = 1_000_000
WORTH_A_RETRY = (429, 500, 529)
SIGNATURE = "c2ltdWxhdGVk"
STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}
EMPTIED: Mapping[str, Mapping[str, Any]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}
"""How a block of a stream begins."""
TOLD_AT_THE_END = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
)
"""What ``message_delta`` tells is cumulative: platform.claude.com, streaming, 2026; recordings of fantasy."""


class AnthropicWire(KeepsNothing):
    """``/v1/messages`` and ``/v1/models``."""

    provider = "anthropic"
    usual_limits: Mapping[str, int] = {"requests": 20_000, "tokens": 10_000_000, "output-tokens": 2_000_000}

    def read(self, call: RawRequest, at: datetime) -> Request:
        """Return what *call* asks."""
        body = parse(call.content)
        asked = fields(body)
        return Request(
            provider=self.provider,
            key=call.headers.get("x-api-key") or bearer(call.headers),
            model=str(asked.get("model") or ""),
            prompt=asked_anthropic.prompt(asked),
            stream=asked.get("stream") is True,
            method=call.method,
            path=call.path,
            query=call.query,
            headers=call.headers,
            body=body,
            at=at,
            tools=asked_anthropic.tools(asked),
            tool_results=asked_anthropic.results(asked),
            wanted=asked_anthropic.wanted(asked),
            parts=asked_anthropic.parts(asked),
        )

    def flaw(self, request: Request) -> str:
        """Return what is wrong with a request."""
        if not isinstance(request.body, dict):
            return "The request body is not valid JSON"
        if not request.model:
            return "model: String should have at least 1 character"
        missing = next((name for name in ("max_tokens", "messages") if not request.body.get(name)), None)
        return f"{missing}: Field required" if missing else ""

    def answer(self, request: Request, answer: Answer, request_id: str) -> dict[str, Any]:
        """Return the body of the whole answer."""
        body = _message(request, request_id, _usage(request, answer))
        return body | {"content": _blocks(answer, request_id), **_end(answer)}

    def stream(self, request: Request, answer: Answer, request_id: str) -> Stream:
        """Return the answer as events: a message that starts, its blocks, the message's end."""
        counted = _usage(request, answer)
        message = _message(request, request_id, {**counted, "output_tokens": 1})
        told = {name: counted[name] for name in TOLD_AT_THE_END}
        events = _events(message, _blocks(answer, request_id), _end(answer), told)
        return as_stream(events, lambda event: event["type"] == "content_block_delta")

    def stream_type(self, request: Request) -> str:
        """Return the content type of a stream."""
        return EVENT_STREAM

    def encode(self, request: Request, events: Sequence[Any], *, ended: bool) -> list[bytes]:
        """Return each event under the name of its type."""
        return [named_sse(event) for event in events]

    def reject(self, request: Request, rejection: Rejection, request_id: str) -> Response:
        """Return a rejection; a window tells its wait in headers, a spend limit its date in the text."""
        form = ANTHROPIC[rejection.fault]
        headers = {**self.id_headers(request_id), **_hints(rejection)}
        if form.status in WORTH_A_RETRY:
            headers["x-should-retry"] = "true"
        body = _error(request, rejection)
        if "type" in body:
            body["request_id"] = request_id
        return Response(form.status, headers, body)

    def error_in_200(self, request: Request, rejection: Rejection, *, in_choice: bool) -> Any:
        """Return an error alone; in a stream it is an ``error`` event."""
        return _error(request, rejection)

    def id_headers(self, request_id: str) -> Mapping[str, str]:
        """Return the headers of every answer."""
        return {"request-id": request_id, "anthropic-organization-id": "00000000-0000-4000-8000-000000000000"}

    def room_headers(self, meter: str, room: Room, now: datetime) -> Mapping[str, str]:
        """Return ``anthropic-ratelimit-*``; the reset is when all of the limit is back."""
        return _room_headers("input-tokens" if meter == "tokens" else meter, room)

    def heartbeat(self, request: Request) -> Any:
        """Return a ping."""
        return {"type": "ping"}

    def empty(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return an answer without a block."""
        return {**body, "content": [], "stop_reason": "end_turn"}

    def events_of(self, request: Request, body: Mapping[str, Any]) -> Sequence[Any] | None:
        """Return a message as its events."""
        if not isinstance(body.get("content"), list):
            return None
        end = {name: body.get(name) for name in ("stop_reason", "stop_sequence")}
        start = {**body, "content": [], "stop_reason": None, "stop_sequence": None}
        start.setdefault("usage", {"input_tokens": 0, "output_tokens": 0})
        return _events(start, body["content"], end, fields(body.get("usage")) or {"output_tokens": 0})

    def body_of(self, request: Request, events: Sequence[Any]) -> Mapping[str, Any] | None:
        """Return events as one message."""
        return turning.messages_body(events)


def _message(request: Request, request_id: str, usage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"msg_{request_id}",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def _usage(request: Request, answer: Answer) -> dict[str, Any]:
    thought = tokens(answer.thinking) if answer.thinking else 0
    read, written = answer.cached
    return {
        "input_tokens": request.tokens - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": said_tokens(answer) + thought,
        "service_tier": "standard",
    }


def _end(answer: Answer) -> dict[str, Any]:
    """Return why the answer ended."""
    reason = STOP_REASONS.get(answer.finish, answer.finish)
    if answer.refusal and not answer.finish_reason:
        reason = "refusal"
    elif answer.stop_sequence is not None:
        reason = "stop_sequence"
    return {"stop_reason": reason, "stop_sequence": answer.stop_sequence}


def _blocks(answer: Answer, request_id: str) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if answer.thinking:
        blocks.append({"type": "thinking", "thinking": answer.thinking, "signature": SIGNATURE})
    if answer.said or not answer.tool_calls:
        blocks.append({"type": "text", "text": answer.said})
    for number, call in enumerate(answer.tool_calls):
        tool_id = f"toolu_{request_id}_{number}"
        blocks.append({"type": "tool_use", "id": tool_id, "name": call.name, "input": dict(call.arguments)})
    return blocks


def _events(
    message: Mapping[str, Any],
    blocks: Sequence[Mapping[str, Any]],
    end: Mapping[str, Any],
    usage: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Return a stream: a message that starts, its blocks, the message's end."""
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    for index, block in enumerate(blocks):
        events += _block_events(index, block)
    events.insert(2, {"type": "ping"})
    return [*events, {"type": "message_delta", "delta": end, "usage": usage}, {"type": "message_stop"}]


def _block_events(index: int, block: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a stream tells of a block, from its start to its end."""
    kind = block.get("type", "")
    if kind not in DELTAS:  # a script may hold what streams at once
        return [
            {"type": "content_block_start", "index": index, "content_block": block},
            {"type": "content_block_stop", "index": index},
        ]
    text = json.dumps(block["input"]) if kind == "tool_use" else block[kind]
    delta, field = DELTAS[kind]
    deltas = [{"type": delta, field: piece} for piece in pieces_of(text)]
    if kind == "thinking":
        deltas.append({"type": "signature_delta", "signature": SIGNATURE})
    return [
        {"type": "content_block_start", "index": index, "content_block": {**block, **EMPTIED[kind]}},
        *({"type": "content_block_delta", "index": index, "delta": each} for each in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _error(request: Request, rejection: Rejection) -> dict[str, Any]:
    form = ANTHROPIC[rejection.fault]
    meter = METERS.get(rejection.fault, "").replace("-", " ")
    text = form.text.format(
        model=request.model,
        limit=f"{rejection.limit:,}",
        meter=meter,
        detail=rejection.detail or "No such object.",
    )
    if rejection.free_at and rejection.fault in TOLD_BY_DATE:
        text += f" You will regain access on {rejection.free_at:%Y-%m-%d at %H:%M} UTC."
    error: dict[str, Any] = {"type": form.type, "message": text}
    if form.code:
        error["details"] = {"error_code": form.code}
    # the gate that blocks regions stands in front of the API and knows no outer type
    return {"error": error} if rejection.fault is Fault.REGION else {"type": "error", "error": error}


def _hints(rejection: Rejection) -> dict[str, str]:
    if rejection.fault not in METERS or rejection.free_at is None or rejection.wait is None:
        return {}
    room = Room(rejection.limit, 0, rejection.free_at)
    return {"retry-after": whole_seconds(rejection.wait), **_room_headers(METERS[rejection.fault], room)}


def _room_headers(meter: str, room: Room) -> dict[str, str]:
    start = f"anthropic-ratelimit-{meter}"
    return {
        f"{start}-limit": str(room.limit),
        f"{start}-remaining": str(room.remaining),
        f"{start}-reset": _rfc3339(room.full_at),
    }


def _rfc3339(moment: datetime) -> str:
    """Return *moment* in whole seconds, rounded up: a client that comes then is not too early."""
    return f"{moment + timedelta(microseconds=-moment.microsecond % SECOND):%Y-%m-%dT%H:%M:%SZ}"
