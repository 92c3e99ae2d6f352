"""The rows that a batch writes: OpenAI's output rows, with a field ``jobapp`` more. Pure.

    {"id": "batch_req_…", "custom_id": "…", "response": {"status_code": 200, "request_id": "…", "body": {…}},
     "error": null, "jobapp": {"key": "…", "provider": "…", "model": "…", "attempts": 1, "usage": {…},
     "cost": null, "request": "…"}}

``body`` is OpenAI's chat completion; the answer as it came for a row in a provider's own form. A row that
failed by its own fault has no response, but an ``error`` with ``code`` and ``message``.
Source of the form: platform.openai.com/docs/guides/batch, 2026-11.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, NamedTuple

from jobapp.batch.rows import BatchResult
from jobapp.domain.types import Completion, FinishReason

_FINISH_REASONS = {
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.CONTENT_FILTER: "content_filter",
}
"""OpenAI's words; all else is ``stop``."""


_SUCCESS = 2


class StoredRow(NamedTuple):
    """What is read of a row of the output.

    Attributes:
        id: The row's id.
        request: The hash of the request that was answered; ``None`` where it is not told.
        is_answered: Whether it holds an answer, not a failure.
    """

    id: str
    request: str | None
    is_answered: bool


def output_row(result: BatchResult, request: str, now: datetime) -> dict[str, Any]:
    """Return what is written of *result*.

    Args:
        result: An answer, or a failure of the row's own.
        request: The hash of what was asked.
        now: The time of the answer, aware UTC.
    """
    row: dict[str, Any] = {
        "id": f"batch_req_{request}",
        "custom_id": result.id,
        "response": None,
        "error": None,
    }
    if result.completion is not None:
        answered = result.completion
        last = answered.attempts[-1]
        body = _body(answered, request, now)
        row["response"] = {"status_code": 200, "request_id": last.request_id or "", "body": body}
        return row | {"jobapp": _told(answered, request)}
    verdict = getattr(result.error, "verdict", None)
    code = verdict.rule if verdict else "invalid_request"
    told = {name: getattr(result.error, name, None) or None for name in ("key", "provider", "model")}
    row["error"] = {"code": code, "message": str(result.error)}
    return row | {"jobapp": told | {"status": getattr(result.error, "status", None), "request": request}}


def as_line(row: Mapping[str, Any]) -> bytes:
    """Return *row* as a line of JSON."""
    return (
        json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=str).encode(
            errors="backslashreplace"
        )
        + b"\n"
    )


def read_output(line: bytes) -> StoredRow | None:
    """Return what a line of an output says; ``None`` where it is no row of a batch's output."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not {"custom_id", "response", "error"} <= row.keys():
        return None
    response, told = row["response"], row.get("jobapp")
    status = response.get("status_code") if isinstance(response, dict) else None
    is_answered = isinstance(status, int) and status // 100 == _SUCCESS
    request = told.get("request") if isinstance(told, dict) else None
    return StoredRow(str(row["custom_id"]), request if isinstance(request, str) else None, is_answered)


def _told(answered: Completion, request: str) -> dict[str, Any]:
    usage = asdict(answered.usage)
    return {
        "key": answered.key,
        "provider": answered.provider,
        "model": answered.model,
        "attempts": len(answered.attempts),
        "cost": usage.pop("cost"),
        "usage": usage,
        "request": request,
    }


def _body(answered: Completion, request: str, now: datetime) -> Any:
    """Return the answer in the form of OpenAI's chat completions, or as it came where it is such JSON."""
    raw = answered.raw
    if isinstance(raw, dict):
        return raw
    if getattr(raw, "object", None) == "chat.completion" and hasattr(raw, "to_dict"):
        return raw.to_dict(mode="json")
    message: dict[str, Any] = {"role": "assistant", "content": answered.text or None}
    if answered.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in answered.tool_calls
        ]
    reason = _FINISH_REASONS.get(answered.finish_reason, "stop")
    return {
        "id": f"chatcmpl-{request}",
        "object": "chat.completion",
        "created": int(now.timestamp()),
        "model": answered.model,
        "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
        "usage": {
            "prompt_tokens": answered.usage.input_tokens,
            "completion_tokens": answered.usage.output_tokens,
            "total_tokens": answered.usage.total_tokens,
        },
    }
