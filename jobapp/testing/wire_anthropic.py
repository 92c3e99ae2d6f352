"""Anthropic's messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from jobapp.testing.faults import Fault, Rejection
from jobapp.testing.forms import ANTHROPIC
from jobapp.testing.http1 import RawRequest, dump
from jobapp.testing.http_values import Request, Response, Stream
from jobapp.testing.meters import Room
from jobapp.testing.wire import (
    EVENT_STREAM,
    KeyFacts,
    bearer,
    fields,
    last_prompt,
    parse,
    sse,
    tokens,
    whole_seconds,
)

TOLD_BY_DATE = (Fault.SPENT_DAY, Fault.SPENT_MONTH)
METERS = {Fault.BUSY_MINUTE: "requests", Fault.BUSY_TOKENS: "input-tokens"}
SECOND = 1_000_000


class AnthropicWire:
    """``/v1/messages`` and ``/v1/models``."""

    provider = "anthropic"

    def read(self, call: RawRequest, at: datetime) -> Request:
        """Return what *call* asks."""
        body = parse(call.content)
        asked = fields(body)
        return Request(
            provider=self.provider,
            key=call.headers.get("x-api-key") or bearer(call.headers),
            model=str(asked.get("model") or ""),
            prompt=last_prompt(asked.get("messages"), "content"),
            stream=asked.get("stream") is True,
            method=call.method,
            path=call.path,
            query=call.query,
            headers=call.headers,
            body=body,
            at=at,
        )

    def flaw(self, request: Request) -> str:
        """Return what is wrong with a request."""
        if not isinstance(request.body, dict):
            return "The request body is not valid JSON"
        if not request.model:
            return "model: String should have at least 1 character"
        missing = next((name for name in ("max_tokens", "messages") if not request.body.get(name)), None)
        return f"{missing}: Field required" if missing else ""

    def answer(self, request: Request, text: str, request_id: str) -> dict[str, Any]:
        """Return the body of the whole answer."""
        body = _message(request, request_id, tokens(text))
        body["content"] = [{"type": "text", "text": text}]
        body["stop_reason"] = "end_turn"
        return body

    def stream(self, request: Request, pieces: Sequence[str], request_id: str) -> Stream:
        """Return the answer as events: a message that starts, one block of text, the message's end."""
        end = {"stop_reason": "end_turn", "stop_sequence": None}
        said = {"output_tokens": tokens("".join(pieces))}
        return Stream(
            [
                {"type": "message_start", "message": _message(request, request_id, 1)},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                {"type": "ping"},
            ],
            [
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
                for piece in pieces
            ],
            [
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": end, "usage": said},
                {"type": "message_stop"},
            ],
        )

    def stream_type(self, request: Request) -> str:
        """Return the content type of a stream."""
        return EVENT_STREAM

    def encode(self, request: Request, events: Sequence[Any], *, ended: bool) -> list[bytes]:
        """Return each event under the name of its type."""
        return [_named(event) for event in events]

    def reject(self, request: Request, rejection: Rejection, request_id: str) -> Response:
        """Return a rejection; a window tells its wait in headers, a spend limit its date in the text."""
        headers = {**self.id_headers(request_id), **_hints(rejection)}
        body = _error(request, rejection)
        if "type" in body:
            body["request_id"] = request_id
        return Response(ANTHROPIC[rejection.fault].status, headers, body)

    def error_in_200(self, request: Request, rejection: Rejection, *, in_choice: bool) -> Any:
        """Return an error alone; in a stream it is an ``error`` event."""
        return _error(request, rejection)

    def id_headers(self, request_id: str) -> Mapping[str, str]:
        """Return ``request-id``."""
        return {"request-id": request_id}

    def room_headers(self, meter: str, room: Room, now: datetime) -> Mapping[str, str]:
        """Return ``anthropic-ratelimit-*``; the reset is when all of the limit is back."""
        return _room_headers("input-tokens" if meter == "tokens" else meter, room)

    def free_of_charge(self, request: Request, key: KeyFacts) -> Any:
        """Return the list of models."""
        created = "2026-01-01T00:00:00Z"
        rows = [
            {"type": "model", "id": name, "display_name": name, "created_at": created} for name in key.models
        ]
        first, last = (rows[0]["id"], rows[-1]["id"]) if rows else (None, None)
        return {"data": rows, "has_more": False, "first_id": first, "last_id": last}


def _message(request: Request, request_id: str, said: int) -> dict[str, Any]:
    return {
        "id": f"msg_{request_id}",
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": tokens(request.prompt), "output_tokens": said},
    }


def _error(request: Request, rejection: Rejection) -> dict[str, Any]:
    form = ANTHROPIC[rejection.fault]
    meter = METERS.get(rejection.fault, "").replace("-", " ")
    text = form.text.format(
        model=request.model, limit=f"{rejection.limit:,}", meter=meter, detail=rejection.detail
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


def _named(event: Any) -> bytes:
    if not isinstance(event, dict):
        return sse(event)
    return b"event: %b\n%b" % (dump(str(event.get("type", "error"))), sse(event))
