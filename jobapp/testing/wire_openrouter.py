"""OpenRouter: OpenAI's protocol with errors of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any

from jobapp.testing.faults import Fault, Rejection
from jobapp.testing.forms import OPENROUTER, OPENROUTER_FREE, Form
from jobapp.testing.http1 import RawRequest
from jobapp.testing.http_values import Request, Response, Stream
from jobapp.testing.meters import Room
from jobapp.testing.steps import Answer
from jobapp.testing.turning import DONE
from jobapp.testing.wire import fields
from jobapp.testing.wire_openai import OpenAIWire

PROCESSING = ": OPENROUTER PROCESSING\n\n"
UPSTREAM = "{model} is temporarily rate-limited upstream. Please retry shortly, or add your own key."
DOLLARS = 1e-6
"""What a token costs, but with a model that is free."""


class OpenRouterWire(OpenAIWire):
    """``/api/v1/chat/completions``."""

    provider = "openrouter"
    usual_limits: Mapping[str, int] = {}
    id_start = "gen-"
    thinking_field = "reasoning"

    def read(self, call: RawRequest, at: datetime) -> Request:
        """Return what *call* asks; of several ``models`` the first is asked."""
        request = super().read(call, at)
        models = fields(request.body).get("models")
        if request.model or not isinstance(models, list) or not models:
            return request
        return replace(request, model=str(models[0]))

    def flaw(self, request: Request) -> str:
        """Return what is wrong with a request."""
        return "No models provided" if not request.model else super().flaw(request)

    def stream(self, request: Request, answer: Answer, request_id: str) -> Stream:
        """Return the answer as events, a comment first and the usage in a chunk of its own at the end."""
        plain = super().stream(request, answer, request_id)
        end = [event for event in plain.lead_out if event == DONE or event["choices"]]
        last = self.envelope(request, "chat.completion.chunk", request_id)
        last |= {"choices": [], "usage": self.usage(request, answer)}
        return Stream([PROCESSING, *plain.lead_in], plain.pieces, [*end[:-1], last, DONE])

    def heartbeat(self, request: Request) -> Any:
        """Return the comment that OpenRouter sends meanwhile."""
        return PROCESSING

    def envelope(self, request: Request, kind: str, request_id: str) -> dict[str, Any]:
        """Return what every answer and every chunk begins with; OpenRouter tells who ran the model."""
        return {**super().envelope(request, kind, request_id), "provider": "Simulated"}

    def finish(self, reason: str | None) -> dict[str, Any]:
        """Return why a choice ended, also in the words of who ran the model."""
        return {"finish_reason": reason, "native_finish_reason": reason}

    def usage(self, request: Request, answer: Answer) -> dict[str, Any]:
        """Return the tokens and what they cost in dollars."""
        told = super().usage(request, answer)
        cost = 0.0 if request.model.endswith(":free") else round(told["total_tokens"] * DOLLARS, 9)
        asked = round(told["prompt_tokens"] * DOLLARS, 9) if cost else 0.0
        details = {
            "upstream_inference_cost": None,
            "upstream_inference_prompt_cost": asked,
            "upstream_inference_completions_cost": round(cost - asked, 9),
        }
        return told | {"cost": cost, "is_byok": False, "cost_details": details}

    def reject(self, request: Request, rejection: Rejection, request_id: str) -> Response:
        """Return a rejection; windows and free days tell their reset in epoch milliseconds."""
        form, error = _form(request, rejection), _error(request, rejection)
        return Response(
            form.status, error["metadata"].get("headers", {}), {"error": error, "user_id": "user_simulated"}
        )

    def error_in_200(self, request: Request, rejection: Rejection, *, in_choice: bool) -> Any:
        """Return an error at the top or in the first choice; a stream has it in a chunk that ends."""
        error = _error(request, rejection)
        if request.stream:
            body = self.chunk(request, {"content": ""}, "error", finish="error")
        elif in_choice:
            message = {"role": "assistant", "content": ""}
            choice = {"index": 0, "message": message, "finish_reason": "error"}
            body = self.envelope(request, "chat.completion", "error") | {"choices": [choice]}
        else:
            body = {}
        (body["choices"][0] if in_choice else body)["error"] = error
        return body

    def id_headers(self, request_id: str) -> Mapping[str, str]:
        """Return nothing: the id is in the body."""
        return {}

    def room_headers(self, meter: str, room: Room, now: datetime) -> Mapping[str, str]:
        """Return nothing: successful answers carry no ``X-RateLimit`` headers."""
        return {}

    def record(
        self, request: Request, answer: Answer, request_id: str
    ) -> tuple[str, Mapping[str, Any]] | None:
        """Return what ``/api/v1/generation`` tells of an answer."""
        generation = f"{self.id_start}{request_id}"
        counted = OpenRouterWire.usage(self, request, answer)
        return generation, {
            "id": generation,
            "model": request.model,
            "created_at": _iso(request.at),
            "streamed": request.stream,
            "finish_reason": answer.finish,
            "native_finish_reason": answer.finish,
            "tokens_prompt": counted["prompt_tokens"],
            "tokens_completion": counted["completion_tokens"],
            "native_tokens_prompt": counted["prompt_tokens"],
            "native_tokens_completion": counted["completion_tokens"],
            "total_cost": counted["cost"],
            "usage": counted["cost"],
        }


def _form(request: Request, rejection: Rejection) -> Form:
    return (OPENROUTER_FREE if request.model.endswith(":free") else OPENROUTER)[rejection.fault]


def _error(request: Request, rejection: Rejection) -> dict[str, Any]:
    form = _form(request, rejection)
    metadata: dict[str, Any] = {"error_type": form.type}
    if form.code:
        metadata["limit_source"] = form.code
    if rejection.fault is Fault.UPSTREAM_LIMIT:
        metadata |= {"provider_name": "Simulated", "raw": UPSTREAM.format(model=request.model)}
    if rejection.free_at and form.status == HTTPStatus.TOO_MANY_REQUESTS:
        metadata["headers"] = _reset_headers(rejection.limit, rejection.free_at)
    elif rejection.free_at:
        metadata["resets_at"] = _iso(rejection.free_at)
    text = form.text.format(
        model=request.model, limit=rejection.limit, detail=rejection.detail or "No such object."
    )
    return {"message": text, "code": form.status, "metadata": metadata}


def _reset_headers(limit: int, free_at: datetime) -> dict[str, str]:
    microseconds = int(free_at.timestamp()) * 1_000_000 + free_at.microsecond
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(-(-microseconds // 1000)),
    }


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
