"""Anthropic's messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from jobapp.testing.exchange import Request, Response, Stream
from jobapp.testing.faults import Fault, Refusal
from jobapp.testing.http1 import Call, dump
from jobapp.testing.quota import Room
from jobapp.testing.wire import (
    BAD_GATEWAY,
    EVENT_STREAM,
    Form,
    bearer,
    fields,
    last_prompt,
    parse,
    sse,
    tokens,
    whole_seconds,
)

EXCEED = (
    "This request would exceed your organization's rate limit of {limit} {meter} per minute"
    " (org: simulated, model: {model})."
)

# platform.claude.com: rate limits, errors; anthropic 2.12.0; public issues. As gathered 2026-11-23.
# `code` is error.details.error_code.
FORMS: Mapping[Fault, Form] = {
    Fault.BUSY_MINUTE: Form(429, "rate_limit_error", None, EXCEED),
    Fault.BUSY_TOKENS: Form(429, "rate_limit_error", None, EXCEED),
    Fault.SPENT_DAY: Form(
        400, "invalid_request_error", None, "You have reached your specified API usage limits."
    ),
    Fault.SPENT_MONTH: Form(
        429, "rate_limit_error", "enforced_spend_limit_reached", "You have reached your API usage limits."
    ),
    Fault.NO_CREDIT: Form(
        400, "invalid_request_error", None, "Your credit balance is too low to access the Anthropic API."
    ),
    Fault.BAD_KEY: Form(401, "authentication_error", None, "invalid x-api-key"),
    Fault.SUSPENDED: Form(400, "invalid_request_error", None, "This organization has been disabled."),
    Fault.NO_ACCESS: Form(
        403, "permission_error", None, "Your API key does not have access to model {model}."
    ),
    Fault.REGION: Form(403, "forbidden", None, "Request not allowed"),
    Fault.OVERLOADED: Form(529, "overloaded_error", None, "Overloaded"),
    Fault.SERVER_ERROR: Form(500, "api_error", None, "Internal server error"),
    Fault.UNKNOWN_MODEL: Form(404, "not_found_error", None, "model: {model}"),
    Fault.BAD_REQUEST: Form(400, "invalid_request_error", None, "{detail}"),
}
TOLD_BY_DATE = (Fault.SPENT_DAY, Fault.SPENT_MONTH)
TOLD_BY_HEADER = (Fault.BUSY_MINUTE, Fault.BUSY_TOKENS)


class AnthropicWire:
    """``/v1/messages`` and ``/v1/models``."""

    provider = "anthropic"

    def stream_type(self, request: Request) -> str:
        """Return the content type of a stream."""
        return EVENT_STREAM

    def read(self, call: Call, at: datetime) -> Request:
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

    def answer(self, request: Request, text: str, request_id: str) -> Response:
        """Return the whole answer."""
        message = _message(request, request_id, tokens(text))
        message |= {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}
        return Response(200, {"request-id": request_id}, message)

    def stream(self, request: Request, pieces: Sequence[str], request_id: str) -> Stream:
        """Return the answer as events: a message that starts, one block of text, the message's end."""
        said = tokens("".join(pieces))
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
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                    "usage": {"output_tokens": said},
                },
                {"type": "message_stop"},
            ],
        )

    def encode(self, request: Request, events: Sequence[Any], *, ended: bool) -> list[bytes]:
        """Return each event under the name of its type."""
        return [_named(event) for event in events]

    def refuse(self, request: Request, refusal: Refusal, *, hints: bool) -> Response:
        """Return a refusal."""
        if refusal.fault is Fault.BAD_GATEWAY:
            return BAD_GATEWAY
        headers = {"request-id": "req_refused"}
        if hints and refusal.free_at and refusal.fault in TOLD_BY_HEADER:
            meter = "input-tokens" if refusal.fault is Fault.BUSY_TOKENS else "requests"
            headers |= {"retry-after": whole_seconds(refusal.wait or 0.0)}
            headers |= _room_headers(meter, Room(refusal.limit, 0, refusal.free_at))
        return Response(FORMS[refusal.fault].status, headers, _error(request, refusal, hints=hints))

    def error_body(self, request: Request, refusal: Refusal, *, in_choice: bool) -> Any:
        """Return an error alone."""
        return _error(request, refusal, hints=True)

    def error_event(self, request: Request, refusal: Refusal, *, in_choice: bool) -> Any:
        """Return an ``error`` event."""
        return _error(request, refusal, hints=True)

    def room_headers(self, room: Room, now: datetime) -> Mapping[str, str]:
        """Return ``anthropic-ratelimit-requests-*``; the reset is when all of the limit is back."""
        return _room_headers("requests", room)

    def other(self, request: Request, models: Sequence[str]) -> Response | None:
        """Return the list of models."""
        if not request.path.endswith("/models"):
            return None
        rows = [
            {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
            for name in models
        ]
        ends = (
            {"first_id": rows[0]["id"], "last_id": rows[-1]["id"]}
            if rows
            else {"first_id": None, "last_id": None}
        )
        return Response(body={"data": rows, "has_more": False, **ends})


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


def _error(request: Request, refusal: Refusal, *, hints: bool) -> dict[str, Any]:
    form = FORMS[refusal.fault]
    meter = "input tokens" if refusal.fault is Fault.BUSY_TOKENS else "requests"
    text = form.text.format(model=request.model, limit=refusal.limit, meter=meter, detail=refusal.detail)
    if hints and refusal.free_at and refusal.fault in TOLD_BY_DATE:
        text += f" You will regain access on {refusal.free_at:%Y-%m-%d at %H:%M} UTC."
    error: dict[str, Any] = {"type": form.type, "message": text}
    if form.code:
        error["details"] = {"error_code": form.code}
    if refusal.fault is Fault.REGION:  # the gate in front of the API knows no outer type
        return {"error": error}
    return {"type": "error", "error": error, "request_id": "req_refused"}


def _room_headers(meter: str, room: Room) -> dict[str, str]:
    start = f"anthropic-ratelimit-{meter}"
    return {
        f"{start}-limit": str(room.limit),
        f"{start}-remaining": str(room.remaining),
        f"{start}-reset": _rfc3339(room.full_at),
    }


def _rfc3339(moment: datetime) -> str:
    """Return *moment* in whole seconds, rounded up: a client that comes then is not too early."""
    up = moment + timedelta(microseconds=-moment.microsecond % 1_000_000)
    return f"{up.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _named(event: Any) -> bytes:
    if not isinstance(event, dict):
        return sse(event)
    return b"event: %b\n%b" % (dump(str(event.get("type", "error"))), sse(event))
