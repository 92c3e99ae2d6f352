"""OpenAI's chat completions, also what every OpenAI-compatible server speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jobapp.testing.faults import Fault, Rejection
from jobapp.testing.forms import OPENAI
from jobapp.testing.http1 import RawRequest
from jobapp.testing.http_values import Request, Response, Stream
from jobapp.testing.meters import Room
from jobapp.testing.wire import (
    EVENT_STREAM,
    KeyFacts,
    bearer,
    fields,
    go_duration,
    last_prompt,
    masked,
    milliseconds,
    parse,
    sse,
    tokens,
    whole_seconds,
)

DONE = "data: [DONE]\n\n"
METERS = {
    Fault.BUSY_MINUTE: "requests per min (RPM)",
    Fault.BUSY_TOKENS: "tokens per min (TPM)",
    Fault.SPENT_DAY: "requests per day (RPD)",
}


class OpenAIWire:
    """``/v1/chat/completions`` and ``/v1/models``."""

    provider = "openai"

    def read(self, call: RawRequest, at: datetime) -> Request:
        """Return what *call* asks."""
        body = parse(call.content)
        asked = fields(body)
        return Request(
            provider=self.provider,
            key=bearer(call.headers),
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
            return "We could not parse the JSON body of your request."
        if not request.model:
            return "you must provide a model parameter"
        return "" if request.body.get("messages") else "Invalid 'messages': empty array."

    def answer(self, request: Request, text: str, request_id: str) -> dict[str, Any]:
        """Return the body of the whole answer."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        body = envelope(request, "chat.completion", request_id)
        body["choices"] = [choice]
        body["usage"] = usage(request.prompt, text)
        return body

    def stream(self, request: Request, pieces: Sequence[str], request_id: str) -> Stream:
        """Return the answer as events, with the usage where ``stream_options`` wants it."""
        lead_out: list[Any] = [delta_chunk(request, {}, request_id, finish="stop")]
        if fields(fields(request.body).get("stream_options")).get("include_usage"):
            counted = {"choices": [], "usage": usage(request.prompt, "".join(pieces))}
            lead_out.append(envelope(request, "chat.completion.chunk", request_id) | counted)
        return Stream(
            [delta_chunk(request, {"role": "assistant", "content": ""}, request_id)],
            [delta_chunk(request, {"content": piece}, request_id) for piece in pieces],
            [*lead_out, DONE],
        )

    def stream_type(self, request: Request) -> str:
        """Return the content type of a stream."""
        return EVENT_STREAM

    def encode(self, request: Request, events: Sequence[Any], *, ended: bool) -> list[bytes]:
        """Return each event with its ``data:``."""
        return [sse(event) for event in events]

    def reject(self, request: Request, rejection: Rejection, request_id: str) -> Response:
        """Return a rejection; a limit tells its wait in headers and text."""
        headers = {**self.id_headers(request_id), **_hints(rejection)}
        return Response(OPENAI[rejection.fault].status, headers, {"error": _error(request, rejection)})

    def error_in_200(self, request: Request, rejection: Rejection, *, in_choice: bool) -> Any:
        """Return an error alone."""
        return {"error": _error(request, rejection)}

    def id_headers(self, request_id: str) -> Mapping[str, str]:
        """Return ``x-request-id``."""
        return {"x-request-id": request_id}

    def room_headers(self, meter: str, room: Room, now: datetime) -> Mapping[str, str]:
        """Return ``x-ratelimit-*``; the reset is a Go duration until all of the limit is back."""
        return _room_headers(meter, room, (room.full_at - now).total_seconds())

    def free_of_charge(self, request: Request, key: KeyFacts) -> Any:
        """Return the list of models."""
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": "simulator"} for name in key.models]
        return {"object": "list", "data": rows}


def envelope(request: Request, kind: str, request_id: str) -> dict[str, Any]:
    """Return what every answer and every chunk begins with."""
    created = int(request.at.timestamp())
    return {"id": f"chatcmpl-{request_id}", "object": kind, "created": created, "model": request.model}


def delta_chunk(
    request: Request, delta: Mapping[str, Any], request_id: str, finish: str | None = None
) -> dict[str, Any]:
    """Return one chunk of a stream."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return envelope(request, "chat.completion.chunk", request_id) | {"choices": [choice]}


def usage(prompt: str, text: str) -> dict[str, int]:
    """Return the tokens as OpenAI tells them."""
    asked, said = tokens(prompt), tokens(text)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _error(request: Request, rejection: Rejection) -> dict[str, Any]:
    form = OPENAI[rejection.fault]
    text = form.text.format(
        model=request.model,
        masked_key=masked(request.key),
        limit=rejection.limit,
        meter=METERS.get(rejection.fault),
        detail=rejection.detail,
    )
    if rejection.fault in METERS and rejection.wait is not None:
        text += f" Please try again in {go_duration(rejection.wait)}."
    return {"message": text, "type": form.type, "param": None, "code": form.code}


def _hints(rejection: Rejection) -> dict[str, str]:
    if rejection.fault not in METERS or rejection.free_at is None or rejection.wait is None:
        return {}
    meter = "tokens" if rejection.fault is Fault.BUSY_TOKENS else "requests"
    return {
        "retry-after": whole_seconds(rejection.wait),
        "retry-after-ms": str(milliseconds(rejection.wait)),
        **_room_headers(meter, Room(rejection.limit, 0, rejection.free_at), rejection.wait),
    }


def _room_headers(meter: str, room: Room, full_in: float) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{meter}": str(room.limit),
        f"x-ratelimit-remaining-{meter}": str(room.remaining),
        f"x-ratelimit-reset-{meter}": go_duration(full_in),
    }
