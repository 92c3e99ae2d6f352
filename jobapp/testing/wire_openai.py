"""OpenAI's chat completions, also what every OpenAI-compatible server speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jobapp.testing.exchange import Request, Response, Stream
from jobapp.testing.faults import Fault, Refusal
from jobapp.testing.http1 import Call
from jobapp.testing.quota import Room
from jobapp.testing.wire import (
    BAD_GATEWAY,
    EVENT_STREAM,
    Form,
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

REACHED = (
    "Rate limit reached for {model} in organization org-simulated on {meter}:"
    " Limit {limit}, Used {limit}, Requested 1."
)
QUOTA_TEXT = "You exceeded your current quota, please check your plan and billing details."

# platform.openai.com: error codes, rate limits; public issues. As gathered 2026-11-23.
FORMS: Mapping[Fault, Form] = {
    Fault.BUSY_MINUTE: Form(429, "requests", "rate_limit_exceeded", REACHED),
    Fault.BUSY_TOKENS: Form(429, "tokens", "rate_limit_exceeded", REACHED),
    Fault.SPENT_DAY: Form(429, "requests", "rate_limit_exceeded", REACHED),
    Fault.SPENT_MONTH: Form(429, "insufficient_quota", "organization_usage_limit_exceeded", QUOTA_TEXT),
    Fault.NO_CREDIT: Form(429, "insufficient_quota", "insufficient_quota", QUOTA_TEXT),
    Fault.BAD_KEY: Form(
        401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: {key}."
    ),
    Fault.SUSPENDED: Form(
        401,
        "invalid_request_error",
        "account_deactivated",
        "The account of this API key has been deactivated.",
    ),
    Fault.NO_ACCESS: Form(
        403,
        "invalid_request_error",
        "model_not_found",
        "Project `proj_simulated` does not have access to model `{model}`",
    ),
    Fault.REGION: Form(
        403,
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    Fault.OVERLOADED: Form(
        503, "service_unavailable_error", "server_is_overloaded", "The server is overloaded."
    ),
    Fault.SERVER_ERROR: Form(
        500, "server_error", None, "The server had an error while processing your request."
    ),
    Fault.UNKNOWN_MODEL: Form(
        404,
        "invalid_request_error",
        "model_not_found",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    Fault.BAD_REQUEST: Form(400, "invalid_request_error", "invalid_value", "{detail}"),
}
METERS = {
    Fault.BUSY_MINUTE: "requests per min (RPM)",
    Fault.BUSY_TOKENS: "tokens per min (TPM)",
    Fault.SPENT_DAY: "requests per day (RPD)",
}


class OpenAIWire:
    """``/v1/chat/completions`` and ``/v1/models``."""

    provider = "openai"

    def stream_type(self, request: Request) -> str:
        """Return the content type of a stream."""
        return EVENT_STREAM

    def read(self, call: Call, at: datetime) -> Request:
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

    def answer(self, request: Request, text: str, request_id: str) -> Response:
        """Return the whole answer."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        body = self._envelope(request, "chat.completion", request_id)
        body |= {"choices": [choice], "usage": usage(request.prompt, text)}
        return Response(200, {"x-request-id": request_id}, body)

    def stream(self, request: Request, pieces: Sequence[str], request_id: str) -> Stream:
        """Return the answer as events."""
        out: list[Any] = [self._chunk(request, {}, request_id, finish="stop")]
        if fields(fields(request.body).get("stream_options")).get("include_usage"):
            out.append(self._usage_chunk(request, pieces, request_id))
        return Stream(
            [self._chunk(request, {"role": "assistant", "content": ""}, request_id)],
            [self._chunk(request, {"content": piece}, request_id) for piece in pieces],
            [*out, "data: [DONE]\n\n"],
        )

    def encode(self, request: Request, events: Sequence[Any], *, ended: bool) -> list[bytes]:
        """Return each event with its ``data:``."""
        return [sse(event) for event in events]

    def refuse(self, request: Request, refusal: Refusal, *, hints: bool) -> Response:
        """Return a refusal."""
        if refusal.fault is Fault.BAD_GATEWAY:
            return BAD_GATEWAY
        headers = self._hint_headers(refusal) if hints and refusal.wait is not None else {}
        body = {"error": self._error(request, refusal, hints=hints)}
        return Response(FORMS[refusal.fault].status, {"x-request-id": "req_refused", **headers}, body)

    def error_body(self, request: Request, refusal: Refusal, *, in_choice: bool) -> Any:
        """Return an error alone."""
        return {"error": self._error(request, refusal, hints=True)}

    def error_event(self, request: Request, refusal: Refusal, *, in_choice: bool) -> Any:
        """Return an error alone."""
        return self.error_body(request, refusal, in_choice=in_choice)

    def room_headers(self, room: Room, now: datetime) -> Mapping[str, str]:
        """Return ``x-ratelimit-*-requests``; the reset is a Go duration until all of the limit is back."""
        return {
            "x-ratelimit-limit-requests": str(room.limit),
            "x-ratelimit-remaining-requests": str(room.remaining),
            "x-ratelimit-reset-requests": go_duration((room.full_at - now).total_seconds()),
        }

    def other(self, request: Request, models: Sequence[str]) -> Response | None:
        """Return the list of models."""
        if not request.path.endswith("/models"):
            return None
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": "simulator"} for name in models]
        return Response(body={"object": "list", "data": rows})

    def _error(self, request: Request, refusal: Refusal, *, hints: bool) -> dict[str, Any]:
        form = FORMS[refusal.fault]
        text = form.text.format(
            model=request.model,
            key=masked(request.key),
            limit=refusal.limit,
            meter=METERS.get(refusal.fault),
            detail=refusal.detail,
        )
        if hints and refusal.wait is not None:
            text += f" Please try again in {go_duration(refusal.wait)}."
        return {"message": text, "type": form.type, "param": None, "code": form.code}

    def _hint_headers(self, refusal: Refusal) -> dict[str, str]:
        wait = refusal.wait or 0.0
        meter = "tokens" if refusal.fault is Fault.BUSY_TOKENS else "requests"
        return {
            "retry-after": whole_seconds(wait),
            "retry-after-ms": str(milliseconds(wait)),
            f"x-ratelimit-limit-{meter}": str(refusal.limit),
            f"x-ratelimit-remaining-{meter}": "0",
            f"x-ratelimit-reset-{meter}": go_duration(wait),
        }

    def _envelope(self, request: Request, kind: str, request_id: str) -> dict[str, Any]:
        created = int(request.at.timestamp())
        return {"id": f"chatcmpl-{request_id}", "object": kind, "created": created, "model": request.model}

    def _chunk(
        self, request: Request, delta: Mapping[str, Any], request_id: str, finish: str | None = None
    ) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._envelope(request, "chat.completion.chunk", request_id) | {"choices": [choice]}

    def _usage_chunk(self, request: Request, pieces: Sequence[str], request_id: str) -> dict[str, Any]:
        body = self._envelope(request, "chat.completion.chunk", request_id)
        return body | {"choices": [], "usage": usage(request.prompt, "".join(pieces))}


def usage(prompt: str, text: str) -> dict[str, int]:
    """Return the tokens as OpenAI counts them out."""
    asked, said = tokens(prompt), tokens(text)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
