"""What Anthropic answers without asking a model: models, the count of tokens, batches, files.

Forms: anthropic 2.14's types, 2026-11.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jobapp.testing.asked import tokens
from jobapp.testing.http_values import Response
from jobapp.testing.objects import NoSuchObjectError
from jobapp.testing.visit import Visit, told
from jobapp.testing.wire import dicts, fields, text_of

CREATED = "2026-01-01T00:00:00Z"
CONTEXT, LONGEST = 200_000, 64_000
OK = 200


def listed(rows: Sequence[Mapping[str, Any]]) -> Response:
    """Return a page that holds all there is."""
    first, last = (rows[0]["id"], rows[-1]["id"]) if rows else (None, None)
    return told({"data": rows, "has_more": False, "first_id": first, "last_id": last})


def _model(name: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": CREATED,
        "lifecycle": "active",
        "max_input_tokens": CONTEXT,
        "max_tokens": LONGEST,
    }


def models(visit: Visit) -> Response:
    """Return the list of models."""
    return listed([_model(name) for name in visit.facts.models])


def model(visit: Visit) -> Response:
    """Return one model; any, where nobody said which there are."""
    (name,) = visit.names
    if not visit.facts.has_model(name):
        raise NoSuchObjectError(f"model: {name}")
    return told(_model(name))


def count_tokens(visit: Visit) -> Response:
    """Return the words of system, messages and tools."""
    texts = [text_of(visit.body.get("system"))]
    for message in dicts(visit.body.get("messages")):
        content = message.get("content")
        texts.append(text_of(content))
        texts += [
            json.dumps(block.get("input") or text_of(block.get("content")))
            for block in dicts(content)
            if "text" not in block
        ]
    texts += [json.dumps(tool) for tool in dicts(visit.body.get("tools"))]
    return told({"input_tokens": sum(tokens(text) for text in texts if text) or 1})


def create_batch(visit: Visit) -> Response:
    """Answer all of a batch at once; it costs no quota of requests."""
    results: list[dict[str, Any]] = []
    for row in dicts(visit.body.get("requests")):
        status, body = visit.ask("/v1/messages", fields(row.get("params")))
        result = (
            {"type": "succeeded", "message": body} if status == OK else {"type": "errored", "error": body}
        )
        results.append({"custom_id": row.get("custom_id"), "result": result})
    count = sum(result["result"]["type"] == "succeeded" for result in results)
    batch_id, now = f"msgbatch_{visit.number}", f"{visit.request.at:%Y-%m-%dT%H:%M:%SZ}"
    batch = {
        "id": batch_id,
        "type": "message_batch",
        "processing_status": "ended",
        "request_counts": {
            "processing": 0,
            "succeeded": count,
            "errored": len(results) - count,
            "canceled": 0,
            "expired": 0,
        },
        "created_at": now,
        "ended_at": now,
        "expires_at": now,
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": f"{visit.root}/v1/messages/batches/{batch_id}/results",
    }
    lines = "".join(f"{json.dumps(result)}\n" for result in results)
    return told(visit.account.keep(batch_id, batch, lines.encode()))


def batches(visit: Visit) -> Response:
    """Return the account's batches."""
    return listed(visit.account.rows("msgbatch_"))


def batch(visit: Visit) -> Response:
    """Return a batch; to cancel one that has ended changes nothing."""
    return told(visit.account.find(visit.names[0], _no_batch(visit)).row)


def batch_results(visit: Visit) -> Response:
    """Return the answers of a batch, a line each."""
    content = visit.account.find(visit.names[0], _no_batch(visit)).content
    return Response(headers={"content-type": "application/x-jsonl"}, body=content)


def delete_batch(visit: Visit) -> Response:
    """Forget a batch."""
    visit.account.remove(visit.names[0], _no_batch(visit))
    return told({"id": visit.names[0], "type": "message_batch_deleted"})


def _no_batch(visit: Visit) -> str:
    return f"Message batch not found: {visit.names[0]}"


def upload_file(visit: Visit) -> Response:
    """Keep a file."""
    name, content = visit.form().get("file", ("", b""))
    file_id = f"file_{visit.number}"
    row = {
        "id": file_id,
        "type": "file",
        "filename": name or "file",
        "mime_type": "application/octet-stream",
        "size_bytes": len(content),
        "created_at": f"{visit.request.at:%Y-%m-%dT%H:%M:%SZ}",
        "downloadable": False,
    }
    return told(visit.account.keep(file_id, row, content))


def files(visit: Visit) -> Response:
    """Return the account's files."""
    return listed(visit.account.rows("file_"))


def file(visit: Visit) -> Response:
    """Return what is known of a file."""
    return told(visit.account.find(visit.names[0], f"File not found: {visit.names[0]}").row)


def delete_file(visit: Visit) -> Response:
    """Forget a file."""
    visit.account.remove(visit.names[0], f"File not found: {visit.names[0]}")
    return told({"id": visit.names[0], "type": "file_deleted"})
