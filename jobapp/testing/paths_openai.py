"""What OpenAI answers without asking a model: models, files, batches, moderations, responses that are kept.

Forms and texts: openai-python 3.57's types, and the errors of its public issues, 2026-11.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jobapp.testing.asked_openai import responses_items
from jobapp.testing.embeddings import texts_of
from jobapp.testing.http_values import Response
from jobapp.testing.objects import NoSuchObjectError
from jobapp.testing.visit import Visit, told
from jobapp.testing.wire import parse

HARMS = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent"),
    *("self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors"),
    *("violence", "violence/graphic"),
)
BATCH_PATHS = ("/v1/chat/completions", "/v1/embeddings", "/v1/responses")


def listed(rows: Sequence[Mapping[str, Any]]) -> Response:
    """Return a page that holds all there is."""
    ends = {"first_id": rows[0]["id"], "last_id": rows[-1]["id"]} if rows else {}
    return told({"object": "list", "data": rows, "has_more": False, **ends})


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "simulator"}


def models(visit: Visit) -> Response:
    """Return the list of models."""
    return told({"object": "list", "data": [_model(name) for name in visit.facts.models]})


def model(visit: Visit) -> Response:
    """Return one model; any, where nobody said which there are."""
    (name,) = visit.names
    if not visit.facts.has_model(name):
        raise NoSuchObjectError(f"The model '{name}' does not exist")
    return told(_model(name))


def moderations(visit: Visit) -> Response:
    """Return that nothing is wrong with any of the texts."""
    result = {
        "flagged": False,
        "categories": dict.fromkeys(HARMS, False),
        "category_scores": dict.fromkeys(HARMS, 0.0),
        "category_applied_input_types": {harm: ["text"] for harm in HARMS},
    }
    count = len(texts_of(visit.body.get("input"))) or 1
    name = visit.body.get("model") or "omni-moderation-latest"
    return told({"id": f"modr-{visit.number}", "model": name, "results": [result] * count})


def upload_file(visit: Visit) -> Response:
    """Keep a file."""
    form = visit.form()
    name, content = form.get("file", ("", b""))
    return told(
        _keep_file(visit, f"file-{visit.number}", name, content, form.get("purpose", ("", b""))[1].decode())
    )


def _keep_file(visit: Visit, file_id: str, name: str, content: bytes, purpose: str) -> Mapping[str, Any]:
    row = {
        "id": file_id,
        "object": "file",
        "bytes": len(content),
        "created_at": visit.seconds,
        "expires_at": None,
        "filename": name or "file",
        "purpose": purpose or "user_data",
        "status": "processed",
        "status_details": None,
    }
    return visit.account.keep(file_id, row, content)


def files(visit: Visit) -> Response:
    """Return the account's files."""
    return listed(visit.account.rows("file-"))


def file(visit: Visit) -> Response:
    """Return what is known of a file."""
    return told(visit.account.find(visit.names[0], _no_file(visit)).row)


def file_content(visit: Visit) -> Response:
    """Return a file."""
    stored = visit.account.find(visit.names[0], _no_file(visit))
    return Response(headers={"content-type": "application/octet-stream"}, body=stored.content)


def delete_file(visit: Visit) -> Response:
    """Forget a file."""
    visit.account.remove(visit.names[0], _no_file(visit))
    return told({"id": visit.names[0], "object": "file", "deleted": True})


def _no_file(visit: Visit) -> str:
    return f"No such File object: {visit.names[0]}"


def create_batch(visit: Visit) -> Response:
    """Answer all of a batch at once; it costs no quota of requests."""
    source = str(visit.body.get("input_file_id") or "")
    content = visit.account.find(source, f"No such File object: {source}").content
    lines = [parse(line) for line in content.splitlines() if line.strip()]
    rows = [_batch_row(visit, number, line) for number, line in enumerate(lines)]
    done = [row for row in rows if row["response"]["status_code"] == 200]  # noqa: PLR2004 - HTTP's OK
    failed = [row for row in rows if row not in done]
    output = _written(visit, "output", done)
    batch_id = f"batch_{visit.number}"
    batch = {
        "id": batch_id,
        "object": "batch",
        "endpoint": visit.body.get("endpoint"),
        "errors": None,
        "input_file_id": source,
        "completion_window": visit.body.get("completion_window") or "24h",
        "status": "completed",
        "output_file_id": output,
        "error_file_id": _written(visit, "error", failed),
        "created_at": visit.seconds,
        "in_progress_at": visit.seconds,
        "expires_at": visit.seconds + 86_400,
        "finalizing_at": visit.seconds,
        "completed_at": visit.seconds,
        "request_counts": {"total": len(rows), "completed": len(done), "failed": len(failed)},
        "metadata": visit.body.get("metadata"),
    }
    return told(visit.account.keep(batch_id, batch))


def _batch_row(visit: Visit, number: int, line: Any) -> dict[str, Any]:
    row = line if isinstance(line, dict) else {}
    path = str(row.get("url") or "")
    if path in BATCH_PATHS:
        status, body = visit.ask(path, row.get("body") or {})
    else:
        status, body = (
            400,
            {"error": {"message": f"Invalid URL {path!r} in a batch", "type": "invalid_request_error"}},
        )
    response = {"status_code": status, "request_id": f"req_{visit.number}_{number}", "body": body}
    return {
        "id": f"batch_req_{visit.number}_{number}",
        "custom_id": row.get("custom_id"),
        "response": response,
        "error": None,
    }


def _written(visit: Visit, what: str, rows: Sequence[Any]) -> str | None:
    if not rows:
        return None
    content = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    file_id = f"file-{visit.number}-{what}"
    _keep_file(visit, file_id, f"batch_{visit.number}_{what}.jsonl", content, "batch_output")
    return file_id


def batches(visit: Visit) -> Response:
    """Return the account's batches."""
    return listed(visit.account.rows("batch_"))


def batch(visit: Visit) -> Response:
    """Return a batch; to cancel one that is done changes nothing."""
    return told(visit.account.find(visit.names[0], f"No batch found with id '{visit.names[0]}'.").row)


def response(visit: Visit) -> Response:
    """Return a response that was kept."""
    return told(visit.account.find(visit.names[0], _no_response(visit)).row)


def delete_response(visit: Visit) -> Response:
    """Forget a response."""
    visit.account.remove(visit.names[0], _no_response(visit))
    return told({"id": visit.names[0], "object": "response", "deleted": True})


def input_items(visit: Visit) -> Response:
    """Return what a response was asked."""
    stored = visit.account.find(visit.names[0], _no_response(visit))
    rows = [{"id": f"msg_{number}", **item} for number, item in enumerate(responses_items(stored.row))]
    return listed(rows)


def _no_response(visit: Visit) -> str:
    return f"Response with id '{visit.names[0]}' not found."
