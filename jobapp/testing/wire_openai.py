"""OpenAI's chat completions, also what every OpenAI-compatible server speaks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jobapp.testing import asked_openai, turning
from jobapp.testing.asked import tokens
from jobapp.testing.faults import Fault, Rejection
from jobapp.testing.forms import OPENAI
from jobapp.testing.http1 import RawRequest
from jobapp.testing.http_values import Request, Response, Stream
from jobapp.testing.meters import Room
from jobapp.testing.model import pieces_of
from jobapp.testing.steps import Answer
from jobapp.testing.turning import DONE
from jobapp.testing.wire import (
    EVENT_STREAM,
    KeepsNothing,
    bearer,
    fields,
    go_duration,
    masked,
    milliseconds,
    parse,
    said_tokens,
    sse,
    whole_seconds,
)

SERVICE_HEADERS = {
    "openai-organization": "org-simulated",
    "openai-processing-ms": "1",
    "openai-project": "proj_simulated",
    "openai-version": "2020-10-01",
}
METERS = {
    Fault.BUSY_MINUTE: "requests per min (RPM)",
    Fault.BUSY_TOKENS: "tokens per min (TPM)",
    Fault.SPENT_DAY: "requests per day (RPD)",
}


class OpenAIWire(KeepsNothing):
    """``/v1/chat/completions`` and ``/v1/models``.

    What every answer holds (``service_tier``, ``system_fingerprint``, the details of ``usage``, ``usage:
    null`` in chunks) is as in openai-python 3.57's types and in recordings of pydantic-ai and
    charmbracelet/fantasy, 2026.
    """

    provider = "openai"
    usual_limits: Mapping[str, int] = {"requests": 30_000, "tokens": 150_000_000}  # gpt-4o-mini, tier 5, 2026
    id_start = "chatcmpl-"
    thinking_field = "reasoning_content"

    def read(self, call: RawRequest, at: datetime) -> Request:
        """Return what *call* asks."""
        body = parse(call.content)
        asked = fields(body)
        return Request(
            provider=self.provider,
            key=bearer(call.headers),
            model=str(asked.get("model") or ""),
            prompt=asked_openai.chat_prompt(asked),
            stream=asked.get("stream") is True,
            method=call.method,
            path=call.path,
            query=call.query,
            headers=call.headers,
            body=body,
            at=at,
            tools=asked_openai.chat_tools(asked),
            tool_results=asked_openai.chat_results(asked),
            wanted=asked_openai.chat_wanted(asked),
            parts=asked_openai.chat_parts(asked),
        )

    def flaw(self, request: Request) -> str:
        """Return what is wrong with a request."""
        if not isinstance(request.body, dict):
            return "We could not parse the JSON body of your request."
        if not request.model:
            return "you must provide a model parameter"
        return "" if request.body.get("messages") else "Invalid 'messages': empty array."

    def answer(self, request: Request, answer: Answer, request_id: str) -> dict[str, Any]:
        """Return the body of the whole answer."""
        body = self.envelope(request, "chat.completion", request_id)
        body["choices"] = [
            {"index": index, "message": self._message(answer, f"{request_id}{index or ''}"), "logprobs": None}
            | self.finish(answer.finish)
            for index in range(request.wanted.choices)
        ]
        body["usage"] = self.usage(request, answer)
        return body

    def stream(self, request: Request, answer: Answer, request_id: str) -> Stream:
        """Return the answer as events, with the usage where ``stream_options`` wants it."""
        last = self._last_chunks(request, answer, request_id)
        if request.wanted.choices == 1:
            return self._choice_stream(request, answer, request_id, 0, last)
        streams = [
            self._choice_stream(request, answer, f"{request_id}{index or ''}", index, [])
            for index in range(request.wanted.choices)
        ]
        lead_in = [event for stream in streams for event in stream.lead_in]
        pieces = [event for stream in streams for event in stream.pieces]
        return Stream(lead_in, pieces, [*(event for stream in streams for event in stream.lead_out), *last])

    def _choice_stream(
        self, request: Request, answer: Answer, request_id: str, index: int, last: Sequence[Any]
    ) -> Stream:
        def chunk(delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
            return self.chunk(request, delta, request_id, finish, index)

        pieces = [chunk({self.thinking_field: piece}) for piece in pieces_of(answer.thinking)]
        pieces += [chunk({"content": piece}) for piece in pieces_of(answer.text or "")]
        pieces += [chunk({"refusal": piece}) for piece in pieces_of(answer.refusal)]
        for number, call in enumerate(_calls(answer, request_id)):
            empty = {**call, "function": {"name": call["function"]["name"], "arguments": ""}}
            pieces.append(chunk({"tool_calls": [{"index": number, **empty}]}))
            pieces += [
                chunk({"tool_calls": [{"index": number, "function": {"arguments": piece}}]})
                for piece in pieces_of(call["function"]["arguments"])
            ]
        first = {"role": "assistant", "content": None if answer.tool_calls else "", "refusal": None}
        return Stream([chunk(first)], pieces, [chunk({}, answer.finish), *last])

    def _last_chunks(self, request: Request, answer: Answer, request_id: str) -> list[Any]:
        if not _wants_usage(request):
            return [DONE]
        counted = {"choices": [], "usage": self.usage(request, answer)}
        return [self.envelope(request, "chat.completion.chunk", request_id) | counted, DONE]

    def envelope(self, request: Request, kind: str, request_id: str) -> dict[str, Any]:
        """Return what every answer and every chunk begins with."""
        return {
            "id": f"{self.id_start}{request_id}",
            "object": kind,
            "created": int(request.at.timestamp()),
            "model": request.model,
            "service_tier": "default",
            "system_fingerprint": "fp_simulated",
        }

    def chunk(
        self,
        request: Request,
        delta: Mapping[str, Any],
        request_id: str,
        finish: str | None = None,
        index: int = 0,
    ) -> dict[str, Any]:
        """Return one chunk of a stream."""
        choice = {"index": index, "delta": delta, "logprobs": None} | self.finish(finish)
        body = self.envelope(request, "chat.completion.chunk", request_id) | {"choices": [choice]}
        return body | {"usage": None} if _wants_usage(request) else body

    def finish(self, reason: str | None) -> dict[str, Any]:
        """Return the fields of a choice that tell why it ended."""
        return {"finish_reason": reason}

    def usage(self, request: Request, answer: Answer) -> dict[str, Any]:
        """Return the tokens as OpenAI tells them; thoughts are said too, and each choice counts."""
        thought = tokens(answer.thinking) if answer.thinking else 0
        asked, said = request.tokens, (said_tokens(answer) + thought) * request.wanted.choices
        return {
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
            "prompt_tokens_details": {"cached_tokens": answer.cached.read, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": thought,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def _message(self, answer: Answer, request_id: str) -> dict[str, Any]:
        without_text = not answer.text and (answer.tool_calls or answer.refusal)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if without_text else answer.text or "",
            "refusal": answer.refusal or None,
            "annotations": [],
        }
        if answer.thinking:
            message[self.thinking_field] = answer.thinking
        if answer.tool_calls:
            message["tool_calls"] = _calls(answer, request_id)
        return message

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
        """Return the headers of every answer, as recordings of 2026 have them."""
        return {"x-request-id": request_id, **SERVICE_HEADERS}

    def room_headers(self, meter: str, room: Room, now: datetime) -> Mapping[str, str]:
        """Return ``x-ratelimit-*``; the reset is a Go duration until all of the limit is back."""
        return _room_headers(meter, room, (room.full_at - now).total_seconds())

    def heartbeat(self, request: Request) -> Any:
        """Return a comment, as compatible servers send."""
        return ": keep-alive\n\n"

    def empty(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return an answer without a choice."""
        return {**body, "choices": []}

    def events_of(self, request: Request, body: Mapping[str, Any]) -> Sequence[Any] | None:
        """Return a whole answer as chunks."""
        return turning.chat_events(body, usage=_wants_usage(request))

    def body_of(self, request: Request, events: Sequence[Any]) -> Mapping[str, Any] | None:
        """Return chunks as a whole answer."""
        return turning.chat_body(events)


def _calls(answer: Answer, request_id: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{request_id}_{number}",
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
        }
        for number, call in enumerate(answer.tool_calls)
    ]


def _wants_usage(request: Request) -> bool:
    return bool(fields(fields(request.body).get("stream_options")).get("include_usage"))


def _error(request: Request, rejection: Rejection) -> dict[str, Any]:
    form = OPENAI[rejection.fault]
    text = form.text.format(
        model=request.model,
        masked_key=masked(request.key),
        limit=rejection.limit,
        meter=METERS.get(rejection.fault),
        detail=rejection.detail or "No such object.",
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
