"""The forms in which providers say no, shortened to what tells them apart; each with its meaning and scope.

They are data, a line each, in ``error_forms.jsonl``: one provider after the other, then texts without a
status, rows that nothing else needs, and wrappings. Beside them stand the bodies that tests build forms of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobapp.domain.types import ErrorFacts, Kind, Scope

FILE = Path(__file__).with_suffix(".jsonl")


def _read() -> Iterator[tuple[Kind, Scope, ErrorFacts]]:
    for line in FILE.read_text(encoding="utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        kind, scope = Kind(row.pop("kind")), Scope(row.pop("scope"))
        exceptions = tuple(row.pop("exceptions", ()))
        yield kind, scope, ErrorFacts(**row, exceptions=exceptions)


FORMS = [*_read(), (Kind.UNAVAILABLE, Scope.MODEL, ErrorFacts("openai", 200, body=b"\xff\xfe\x00"))]
"""The last one is no text, and so can't stand in the file."""


def openai(message, type_=None, code=None):
    return {"error": {"message": message, "type": type_, "param": None, "code": code}}


def anthropic(type_, message, **more):
    return {"type": "error", "error": {"type": type_, "message": message, **more}, "request_id": "req_011"}


def gemini(status, message, *details, code=429):
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def violations(*ids, **more):
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [
            {"quotaMetric": "generativelanguage.googleapis.com/x", "quotaId": id_, **more} for id_ in ids
        ],
    }


def retry_info(delay):
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def error_info(reason, **metadata):
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "metadata": metadata}


def openrouter(code, message, **metadata):
    return {"error": {"code": code, "message": message, **({"metadata": metadata} if metadata else {})}}


MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
