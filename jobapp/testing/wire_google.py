"""Google's Gemini API over REST."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jobapp.testing.exchange import Request, Response, Stream
from jobapp.testing.faults import Fault, Refusal
from jobapp.testing.http1 import Call, dump
from jobapp.testing.quota import Room
from jobapp.testing.wire import (
    BAD_GATEWAY,
    EVENT_STREAM,
    Form,
    fields,
    go_duration,
    last_prompt,
    milliseconds,
    parse,
    sse,
    tokens,
)

EXCEEDED = (
    "You exceeded your current quota, please check your plan and billing details."
    " \n* Quota exceeded for metric: {metric}, limit: {limit}, model: {model}"
)
METRIC = "generativelanguage.googleapis.com/generate_content_free_tier_"
METHODS = ("generateContent", "streamGenerateContent")

# ai.google.dev: rate limits, troubleshooting, billing; public issues. As gathered 2026-11-23.
# `type` is the status' name, `code` the reason of ErrorInfo.
FORMS: Mapping[Fault, Form] = {
    Fault.BUSY_MINUTE: Form(429, "RESOURCE_EXHAUSTED", None, EXCEEDED),
    Fault.BUSY_TOKENS: Form(429, "RESOURCE_EXHAUSTED", None, EXCEEDED),
    Fault.SPENT_DAY: Form(429, "RESOURCE_EXHAUSTED", None, EXCEEDED),
    Fault.NO_ACCESS: Form(429, "RESOURCE_EXHAUSTED", None, EXCEEDED),
    Fault.SPENT_MONTH: Form(
        429, "RESOURCE_EXHAUSTED", None, "Your project has exceeded its monthly spending cap."
    ),
    Fault.NO_CREDIT: Form(429, "RESOURCE_EXHAUSTED", None, "Your prepayment credits are depleted."),
    Fault.BAD_KEY: Form(
        400, "INVALID_ARGUMENT", "API_KEY_INVALID", "API key not valid. Please pass a valid API key."
    ),
    Fault.SUSPENDED: Form(
        403,
        "PERMISSION_DENIED",
        "CONSUMER_SUSPENDED",
        "Permission denied: Consumer 'api_key:{key}' has been suspended.",
    ),
    Fault.REGION: Form(400, "FAILED_PRECONDITION", None, "User location is not supported for the API use."),
    Fault.OVERLOADED: Form(503, "UNAVAILABLE", None, "The model is overloaded. Please try again later."),
    Fault.SERVER_ERROR: Form(500, "INTERNAL", None, "An internal error has occurred."),
    Fault.UNKNOWN_MODEL: Form(
        404,
        "NOT_FOUND",
        None,
        "models/{model} is not found for API version v1beta, or is not supported for generateContent.",
    ),
    Fault.BAD_REQUEST: Form(400, "INVALID_ARGUMENT", None, "{detail}"),
}
# quotaId and the metric's last words; a model outside the tier is told like a spent day of zero requests
QUOTAS: Mapping[Fault, tuple[str, str]] = {
    Fault.BUSY_MINUTE: ("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "requests"),
    Fault.BUSY_TOKENS: ("GenerateContentInputTokensPerModelPerMinute-FreeTier", "input_token_count"),
    Fault.SPENT_DAY: ("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "requests"),
    Fault.NO_ACCESS: ("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "requests"),
}


class GoogleWire:
    """``/v1beta/models/M:generateContent``, its streaming twin, ``/v1beta/models``; also ``/v1``."""

    provider = "google"

    def stream_type(self, request: Request) -> str:
        """Return the content type of a stream."""
        return EVENT_STREAM if _wants_sse(request) else "application/json"

    def read(self, call: Call, at: datetime) -> Request:
        """Return what *call* asks; model and method stand in the path."""
        body = parse(call.content)
        model, _, method = call.path.partition("/models/")[2].partition(":")
        return Request(
            provider=self.provider,
            key=call.headers.get("x-goog-api-key") or call.query.get("key", ""),
            model=model,
            prompt=last_prompt(fields(body).get("contents"), "parts"),
            stream=method == "streamGenerateContent",
            method=call.method,
            path=call.path,
            query=call.query,
            headers=call.headers,
            body=body,
            at=at,
        )

    def flaw(self, request: Request) -> str:
        """Return what is wrong with a request."""
        if not request.model:
            return "GenerateContentRequest.model: unexpected model name format"
        if fields(request.body).get("contents"):
            return ""
        return "GenerateContentRequest.contents: contents is not specified"

    def answer(self, request: Request, text: str, request_id: str) -> Response:
        """Return the whole answer."""
        return Response(body=_content(request, text, request_id, tokens(text), finish="STOP"))

    def stream(self, request: Request, pieces: Sequence[str], request_id: str) -> Stream:
        """Return the answer as events; the last piece brings the end and all of the usage."""
        last = len(pieces) - 1
        events = []
        for index, piece in enumerate(pieces):
            said = tokens("".join(pieces[: index + 1]))
            events.append(
                _content(request, piece, request_id, said, finish="STOP" if index == last else None)
            )
        return Stream([], events, [] if events else [_content(request, "", request_id, 0, finish="STOP")])

    def encode(self, request: Request, events: Sequence[Any], *, ended: bool) -> list[bytes]:
        """Return events with ``alt=sse``, else the elements of one JSON array."""
        if _wants_sse(request):
            return [sse(event) for event in events]
        marks = [b"[", *[b",\r\n"] * (len(events) - 1)] if events else []
        parts = [mark + dump(event) for mark, event in zip(marks, events, strict=True)]
        return [*parts, b"]" if parts else b"[]"] if ended else parts

    def refuse(self, request: Request, refusal: Refusal, *, hints: bool) -> Response:
        """Return a refusal: an object, in an array where a stream without ``alt=sse`` was asked for."""
        if refusal.fault is Fault.BAD_GATEWAY:
            return BAD_GATEWAY
        body = {"error": _error(request, refusal, hints=hints)}
        wrapped = request.stream and not _wants_sse(request)
        return Response(FORMS[refusal.fault].status, body=[body] if wrapped else body)

    def error_body(self, request: Request, refusal: Refusal, *, in_choice: bool) -> Any:
        """Return an error alone."""
        return {"error": _error(request, refusal, hints=True)}

    def error_event(self, request: Request, refusal: Refusal, *, in_choice: bool) -> Any:
        """Return an error alone."""
        return self.error_body(request, refusal, in_choice=in_choice)

    def room_headers(self, room: Room, now: datetime) -> Mapping[str, str]:
        """Return nothing: Gemini tells no room."""
        return {}

    def other(self, request: Request, models: Sequence[str]) -> Response | None:
        """Return the list of models."""
        if not request.path.endswith("/models"):
            return None
        rows = [
            {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": list(METHODS)}
            for name in models
        ]
        return Response(body={"models": rows})


def _wants_sse(request: Request) -> bool:
    return request.query.get("alt") == "sse"


def _content(request: Request, text: str, request_id: str, said: int, finish: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    asked = tokens(request.prompt)
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": asked,
            "candidatesTokenCount": said,
            "totalTokenCount": asked + said,
        },
        "modelVersion": request.model,
        "responseId": request_id,
    }


def _error(request: Request, refusal: Refusal, *, hints: bool) -> dict[str, Any]:
    form = FORMS[refusal.fault]
    _, metric = QUOTAS.get(refusal.fault, ("", ""))
    text = form.text.format(
        model=request.model,
        key=request.key,
        limit=refusal.limit,
        metric=METRIC + metric,
        detail=refusal.detail,
    )
    told = hints and refusal.wait is not None and refusal.fault in QUOTAS
    if told:
        text += f"\nPlease retry in {go_duration(refusal.wait or 0.0)}."
    error: dict[str, Any] = {"code": form.status, "message": text, "status": form.type}
    if details := [
        *_quota_failure(request, refusal),
        *_error_info(form),
        *(_retry_info(refusal) if told else []),
    ]:
        error["details"] = details
    return error


def _quota_failure(request: Request, refusal: Refusal) -> list[dict[str, Any]]:
    if refusal.fault not in QUOTAS:
        return []
    quota_id, metric = QUOTAS[refusal.fault]
    violation: dict[str, Any] = {
        "quotaMetric": METRIC + metric,
        "quotaId": quota_id,
        "quotaDimensions": {"location": "global", "model": request.model},
    }
    if refusal.limit:
        violation["quotaValue"] = str(refusal.limit)
    return [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}]


def _retry_info(refusal: Refusal) -> list[dict[str, Any]]:
    millis = milliseconds(refusal.wait or 0.0)
    delay = f"{millis / 1000:.3f}".rstrip("0").rstrip(".")
    return [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{delay}s"}]


def _error_info(form: Form) -> list[dict[str, Any]]:
    if form.code is None:
        return []
    service = {"service": "generativelanguage.googleapis.com"}
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    return [{"@type": kind, "reason": form.code, "domain": "googleapis.com", "metadata": service}]
