"""OpenRouter: OpenAI's protocol with errors of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jobapp.testing.exchange import Request, Response, Stream
from jobapp.testing.faults import Fault, Refusal
from jobapp.testing.quota import Room
from jobapp.testing.wire import BAD_GATEWAY, Form
from jobapp.testing.wire_openai import OpenAIWire, usage

# openrouter.ai docs: limits, errors; OpenRouterTeam/docs 2026-08-22; public issues. As gathered 2026-11-23.
# `type` is metadata.error_type, `code` is metadata.limit_source.
FORMS: Mapping[Fault, Form] = {
    Fault.BUSY_MINUTE: Form(
        429, "rate_limit_exceeded", None, "Rate limit exceeded: limit_rpm/{model}/simulated."
    ),
    Fault.BUSY_TOKENS: Form(
        429, "rate_limit_exceeded", None, "Rate limit exceeded: limit_tpm/{model}/simulated."
    ),
    Fault.SPENT_DAY: Form(
        403, "payment_required", "openrouter_key_limit", "Key limit exceeded (daily limit)."
    ),
    Fault.SPENT_MONTH: Form(
        403, "payment_required", "openrouter_workspace_budget", "Budget limit exceeded (monthly limit)."
    ),
    Fault.NO_CREDIT: Form(402, "payment_required", "openrouter_credits", "Insufficient credits."),
    Fault.BAD_KEY: Form(401, "authentication", None, "No auth credentials found"),
    Fault.SUSPENDED: Form(401, "authentication", None, "User not found."),
    Fault.NO_ACCESS: Form(404, "not_found", None, "No endpoints found matching your data policy."),
    Fault.REGION: Form(403, "permission_denied", None, "{model} is not available in your region."),
    Fault.OVERLOADED: Form(503, "provider_overloaded", None, "No provider available"),
    Fault.SERVER_ERROR: Form(500, "server", None, "Internal Server Error"),
    Fault.UNKNOWN_MODEL: Form(400, "invalid_request", None, "{model} is not a valid model ID"),
    Fault.BAD_REQUEST: Form(400, "invalid_request", None, "{detail}"),
}
FREE_FORMS: Mapping[Fault, Form] = {
    Fault.BUSY_MINUTE: Form(429, "rate_limit_exceeded", None, "Rate limit exceeded: free-models-per-min."),
    Fault.SPENT_DAY: Form(
        429,
        "rate_limit_exceeded",
        "openrouter_free_tier_daily",
        "Rate limit exceeded: free-models-per-day. Add credits to unlock more free model requests per day",
    ),
}
PROCESSING = ": OPENROUTER PROCESSING\n\n"


class OpenRouterWire(OpenAIWire):
    """``/api/v1/chat/completions``, ``/api/v1/models`` and ``/api/v1/key``."""

    provider = "openrouter"

    def flaw(self, request: Request) -> str:
        """Return what is wrong with a request."""
        flaw = super().flaw(request)
        return "No models provided" if "model parameter" in flaw else flaw

    def answer(self, request: Request, text: str, request_id: str) -> Response:
        """Return the whole answer; OpenRouter tells the provider that ran and no request id in a header."""
        plain = super().answer(request, text, request_id)
        return Response(body=plain.body | {"provider": "Simulated"})

    def stream(self, request: Request, pieces: Sequence[str], request_id: str) -> Stream:
        """Return the answer as events, a comment first and the usage always in the last chunk."""
        plain = super().stream(request, pieces, request_id)
        last = plain.lead_out[0] | {"usage": usage(request.prompt, "".join(pieces))}
        return Stream([PROCESSING, *plain.lead_in], plain.pieces, [last, "data: [DONE]\n\n"])

    def refuse(self, request: Request, refusal: Refusal, *, hints: bool) -> Response:
        """Return a refusal; windows and free days tell their reset in epoch milliseconds."""
        if refusal.fault is Fault.BAD_GATEWAY:
            return BAD_GATEWAY
        form = _form(request, refusal)
        headers = reset_headers(refusal) if hints and form.status == 429 and refusal.free_at else {}  # noqa: PLR2004 - HTTP
        error = _error(request, refusal, hints=hints)
        if headers:
            error["metadata"]["headers"] = headers
        return Response(form.status, headers, {"error": error, "user_id": "user_simulated"})

    def error_body(self, request: Request, refusal: Refusal, *, in_choice: bool) -> Any:
        """Return an error alone, or in the first choice."""
        error = _error(request, refusal, hints=True)
        if not in_choice:
            return {"error": error}
        message = {"role": "assistant", "content": ""}
        choice = {"index": 0, "message": message, "finish_reason": "error", "error": error}
        return self._envelope(request, "chat.completion", "error") | {"choices": [choice]}

    def error_event(self, request: Request, refusal: Refusal, *, in_choice: bool) -> Any:
        """Return a chunk with the error at its top, or in the first choice."""
        error = _error(request, refusal, hints=True)
        chunk = self._chunk(request, {"content": ""}, "error", finish="error")
        if not in_choice:
            return chunk | {"error": error}
        chunk["choices"][0]["error"] = error
        return chunk

    def room_headers(self, room: Room, now: datetime) -> Mapping[str, str]:
        """Return nothing: successful answers carry no ``X-RateLimit`` headers."""
        return {}

    def other(self, request: Request, models: Sequence[str]) -> Response | None:
        """Return the list of models, or what is known of the key."""
        if request.path.endswith("/key"):
            data = {
                "label": "simulated",
                "limit": None,
                "limit_remaining": None,
                "usage": 0,
                "is_free_tier": False,
            }
            return Response(body={"data": data})
        return super().other(request, models)


def reset_headers(refusal: Refusal) -> dict[str, str]:
    """Return ``X-RateLimit-*`` of a window or day that is full."""
    free_at = refusal.free_at or refusal.now
    return {
        "X-RateLimit-Limit": str(refusal.limit),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(-(-int(free_at.timestamp() * 1_000_000) // 1000)),
    }


def _form(request: Request, refusal: Refusal) -> Form:
    free = FREE_FORMS.get(refusal.fault) if request.model.endswith(":free") else None
    return free or FORMS[refusal.fault]


def _error(request: Request, refusal: Refusal, *, hints: bool) -> dict[str, Any]:
    form = _form(request, refusal)
    metadata: dict[str, Any] = {"error_type": form.type}
    if form.code:
        metadata["limit_source"] = form.code
    if hints and form.status == 403 and refusal.free_at:  # noqa: PLR2004 - HTTP
        metadata["resets_at"] = refusal.free_at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    text = form.text.format(model=request.model, detail=refusal.detail)
    return {"message": text, "code": form.status, "metadata": metadata}
