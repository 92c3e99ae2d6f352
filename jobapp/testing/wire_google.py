"""Google's Gemini API over REST."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jobapp.testing import asked_google, turning
from jobapp.testing.asked import tokens
from jobapp.testing.asked_google import either
from jobapp.testing.faults import Rejection
from jobapp.testing.forms import GOOGLE, GOOGLE_QUOTAS, Form
from jobapp.testing.http1 import RawRequest, dump
from jobapp.testing.http_values import Request, Response, Stream
from jobapp.testing.meters import Room
from jobapp.testing.model import pieces_of
from jobapp.testing.objects import Account
from jobapp.testing.steps import Answer
from jobapp.testing.wire import (
    EVENT_STREAM,
    KeepsNothing,
    decimal_seconds,
    dicts,
    fields,
    go_duration,
    parse,
    said_tokens,
    sse,
)

NO_FILE = "You do not have permission to access the File {name} or it may not exist."
NO_CACHED_CONTENT = "CachedContent not found (or permission denied)"
"""googleapis/python-genai#1218, 2025-08; snailyp/gemini-balance#401, 2026-02."""
METRIC = "generativelanguage.googleapis.com/generate_content_free_tier_"
FINISH_REASONS = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}
TYPE = "type.googleapis.com/google.rpc."


class GoogleWire(KeepsNothing):
    """``/v1beta/models/M:generateContent``, its streaming twin, ``/v1beta/models``; also ``/v1``."""

    provider = "google"
    usual_limits: Mapping[str, int] = {}

    def read(self, call: RawRequest, at: datetime) -> Request:
        """Return what *call* asks; model and method stand in the path."""
        body = parse(call.content)
        asked = fields(body)
        model, _, method = call.path.partition("/models/")[2].partition(":")
        return Request(
            provider=self.provider,
            key=call.headers.get("x-goog-api-key") or call.query.get("key", ""),
            model=model,
            prompt=asked_google.prompt(asked),
            stream=method == "streamGenerateContent",
            method=call.method,
            path=call.path,
            query=call.query,
            headers=call.headers,
            body=body,
            at=at,
            tools=asked_google.tools(asked),
            tool_results=asked_google.results(asked),
            wanted=asked_google.wanted(asked),
            parts=asked_google.parts(asked),
        )

    def flaw(self, request: Request) -> str:
        """Return what is wrong with a request."""
        if not request.model:
            return "GenerateContentRequest.model: unexpected model name format"
        if fields(request.body).get("contents"):
            return ""
        return "GenerateContentRequest.contents: contents is not specified"

    def answer(self, request: Request, answer: Answer, request_id: str) -> dict[str, Any]:
        """Return the body of the whole answer."""
        thought = tokens(answer.thinking) if answer.thinking else 0
        parts = [part for piece in _parts(answer, request_id, whole=True) for part in piece]
        return _content(request, parts, request_id, (said_tokens(answer), thought), answer, end=True)

    def stream(self, request: Request, answer: Answer, request_id: str) -> Stream:
        """Return the answer as events; the last one brings the end, and usage grows with each."""
        said = thought = 0
        events = []
        for parts in _parts(answer, request_id, whole=False):
            for part in parts:
                count = tokens(part.get("text") or json.dumps(part.get("functionCall", "")))
                thought, said = (thought + count, said) if part.get("thought") else (thought, said + count)
            events.append(_content(request, parts, request_id, (said, thought), answer))
        last = _content(request, [{"text": ""}], request_id, (said, thought), answer, end=True)
        return Stream([], events, [last])

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

    def heartbeat(self, request: Request) -> Any:
        """Return an event without a candidate; its SDK can't read comments."""
        asked = request.tokens
        return {"usageMetadata": {"promptTokenCount": asked, "totalTokenCount": asked}}

    def empty(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return an answer without a candidate."""
        return {**body, "candidates": []}

    def events_of(self, request: Request, body: Mapping[str, Any]) -> Sequence[Any] | None:
        """Return an answer as its one event."""
        return [body] if "candidates" in body or "promptFeedback" in body else None

    def body_of(self, request: Request, events: Sequence[Any]) -> Mapping[str, Any] | None:
        """Return events as one answer."""
        return turning.gemini_body(events)

    def missing(self, request: Request, account: Account) -> str:
        """Return what the request names that its account does not have: cached contents, files."""
        body = fields(request.body)
        cached = either(body, "cachedContent")
        if cached and not account.has(str(cached)):
            return NO_CACHED_CONTENT
        parts = [part for content in dicts(body.get("contents")) for part in dicts(content.get("parts"))]
        uris = [str(either(fields(either(part, "fileData")), "fileUri") or "") for part in parts]
        for name in (f"files/{uri.rpartition('/files/')[2]}" for uri in uris if "/files/" in uri):
            if not account.has(name):
                return NO_FILE.format(name=name.removeprefix("files/"))
        return ""


def _wants_sse(request: Request) -> bool:
    return request.query.get("alt") == "sse"


def _parts(answer: Answer, request_id: str, *, whole: bool) -> list[list[dict[str, Any]]]:
    """Return the parts of an answer, those of one event together; calls are never cut."""
    cut = (lambda text: [text] if text else []) if whole else pieces_of
    events: list[list[dict[str, Any]]] = [
        [{"text": piece, "thought": True}] for piece in cut(answer.thinking)
    ]
    events += [[{"text": piece}] for piece in cut(answer.said)]
    calls: list[dict[str, Any]] = [
        {
            "functionCall": {
                "id": f"call_{request_id}_{number}",
                "name": call.name,
                "args": dict(call.arguments),
            }
        }
        for number, call in enumerate(answer.tool_calls)
    ]
    if calls:
        events.append(calls)
    return events or ([[{"text": ""}]] if whole else [])


def _finish(answer: Answer) -> str:
    if answer.refusal and not answer.finish_reason:
        return "SAFETY"
    return FINISH_REASONS.get(answer.finish, answer.finish)


def _content(
    request: Request,
    parts: Sequence[Mapping[str, Any]],
    request_id: str,
    said: tuple[int, int],
    answer: Answer,
    *,
    end: bool = False,
) -> dict[str, Any]:
    """Return one body or event; *said* counts the tokens of the text and of the thoughts."""
    candidates: list[dict[str, Any]] = [
        {"content": {"parts": parts, "role": "model"}, "index": index}
        for index in range(request.wanted.choices)
    ]
    if end:
        for candidate in candidates:
            candidate["finishReason"] = _finish(answer)
    text, thought = (count * request.wanted.choices for count in said)
    asked = request.tokens
    usage: dict[str, Any] = {
        "promptTokenCount": asked,
        "candidatesTokenCount": text,
        "totalTokenCount": asked + text + thought,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": asked}],
    }
    if answer.cached.read:
        usage["cachedContentTokenCount"] = answer.cached.read
    if thought:
        usage["thoughtsTokenCount"] = thought
    return {
        "candidates": candidates,
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
        detail=rejection.detail or NO_FILE.format(name="simulated"),
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
