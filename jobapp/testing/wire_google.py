"""Google's Gemini API over REST."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jobapp.testing.faults import Rejection
from jobapp.testing.forms import GOOGLE, GOOGLE_QUOTAS, Form
from jobapp.testing.http1 import RawRequest, dump
from jobapp.testing.http_values import Request, Response, Stream
from jobapp.testing.meters import Room
from jobapp.testing.wire import (
    EVENT_STREAM,
    KeyFacts,
    decimal_seconds,
    fields,
    go_duration,
    last_prompt,
    parse,
    sse,
    tokens,
)

METHODS = ("generateContent", "streamGenerateContent")
METRIC = "generativelanguage.googleapis.com/generate_content_free_tier_"
TYPE = "type.googleapis.com/google.rpc."


class GoogleWire:
    """``/v1beta/models/M:generateContent``, its streaming twin, ``/v1beta/models``; also ``/v1``."""

    provider = "google"

    def read(self, call: RawRequest, at: datetime) -> Request:
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

    def answer(self, request: Request, text: str, request_id: str) -> dict[str, Any]:
        """Return the body of the whole answer."""
        return _content(request, text, request_id, tokens(text), finish="STOP")

    def stream(self, request: Request, pieces: Sequence[str], request_id: str) -> Stream:
        """Return the answer as events; the last one brings the end, and usage grows with each."""
        said, events = 0, []
        for piece in pieces:
            said += tokens(piece)
            events.append(_content(request, piece, request_id, said))
        return Stream([], events, [_content(request, "", request_id, said, finish="STOP")])

    def stream_type(self, request: Request) -> str:
        """Return the content type of a stream."""
        return EVENT_STREAM if _wants_sse(request) else "application/json"

    def encode(self, request: Request, events: Sequence[Any], *, ended: bool) -> list[bytes]:
        """Return events with ``alt=sse``, else the elements of one JSON array."""
        if _wants_sse(request):
            return [sse(event) for event in events]
        parts = [(b",\r\n" if index else b"[") + dump(event) for index, event in enumerate(events)]
        return [*parts, b"]" if parts else b"[]"] if ended else parts

    def reject(self, request: Request, rejection: Rejection, request_id: str) -> Response:
        """Return a rejection: an object, in an array where a stream without ``alt=sse`` was asked for."""
        body = {"error": _error(request, rejection)}
        wrapped = request.stream and not _wants_sse(request)
        return Response(GOOGLE[rejection.fault].status, body=[body] if wrapped else body)

    def error_in_200(self, request: Request, rejection: Rejection, *, in_choice: bool) -> Any:
        """Return an error alone."""
        return {"error": _error(request, rejection)}

    def id_headers(self, request_id: str) -> Mapping[str, str]:
        """Return nothing: the id is in the body."""
        return {}

    def room_headers(self, meter: str, room: Room, now: datetime) -> Mapping[str, str]:
        """Return nothing: Gemini tells no room."""
        return {}

    def free_of_charge(self, request: Request, key: KeyFacts) -> Any:
        """Return the list of models."""
        rows = [
            {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": METHODS}
            for name in key.models
        ]
        return {"models": rows}


def _wants_sse(request: Request) -> bool:
    return request.query.get("alt") == "sse"


def _content(
    request: Request, text: str, request_id: str, said: int, finish: str | None = None
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    asked = tokens(request.prompt)
    usage = {"promptTokenCount": asked, "candidatesTokenCount": said, "totalTokenCount": asked + said}
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": request.model,
        "responseId": request_id,
    }


def _error(request: Request, rejection: Rejection) -> dict[str, Any]:
    form = GOOGLE[rejection.fault]
    _, metric = GOOGLE_QUOTAS.get(rejection.fault, ("", ""))
    text = form.text.format(
        model=request.model,
        key=request.key,
        limit=rejection.limit,
        metric=METRIC + metric,
        detail=rejection.detail,
    )
    details = [*_quota_failure(request, rejection), *_error_info(form)]
    if details and rejection.wait is not None:
        text += f"\nPlease retry in {go_duration(rejection.wait)}."
        details.append({"@type": f"{TYPE}RetryInfo", "retryDelay": f"{decimal_seconds(rejection.wait)}s"})
    error: dict[str, Any] = {"code": form.status, "message": text, "status": form.type}
    return error | {"details": details} if details else error


def _quota_failure(request: Request, rejection: Rejection) -> list[dict[str, Any]]:
    if rejection.fault not in GOOGLE_QUOTAS:
        return []
    quota_id, metric = GOOGLE_QUOTAS[rejection.fault]
    violation: dict[str, Any] = {
        "quotaMetric": METRIC + metric,
        "quotaId": quota_id,
        "quotaDimensions": {"location": "global", "model": request.model},
    }
    if rejection.limit:
        violation["quotaValue"] = str(rejection.limit)
    return [{"@type": f"{TYPE}QuotaFailure", "violations": [violation]}]


def _error_info(form: Form) -> list[dict[str, Any]]:
    if form.code is None:
        return []
    service = {"service": "generativelanguage.googleapis.com"}
    info = {"reason": form.code, "domain": "googleapis.com", "metadata": service}
    return [{"@type": f"{TYPE}ErrorInfo", **info}]
