"""A server whose objects belong to the key that made them, by the three providers' protocols.

Written from the API references (OpenAI: files, batches, uploads, vector stores, conversations, responses; Anthropic:
files, message batches, messages; Gemini: files, cachedContents, batches), 2026-11. It knows nothing of jobapp: an id
of another account is not found, whatever is asked.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BAD, SPENT, BUSY = "bad", "spent", "busy"
"""What may be the matter with a key; a busy one is busy once."""

WHEN = "2026-11-01T00:00:00Z"
_BATCH = {"object": "batch", "endpoint": "/v1/chat/completions", "completion_window": "24h", "created_at": 0}
_COUNTS = {"processing": 1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
_FILE = {
    "object": "file",
    "bytes": 1,
    "created_at": 0,
    "filename": "a.jsonl",
    "purpose": "batch",
    "status": "processed",
}

MADE: dict[str, tuple[str, dict[str, Any]]] = {
    "/v1/files": ("file-", _FILE),
    "/v1/batches": ("batch_", {**_BATCH, "input_file_id": "", "status": "validating"}),
    "/v1/vector_stores": (
        "vs_",
        {"object": "vector_store", "created_at": 0, "name": "", "status": "completed"},
    ),
    "/v1/conversations": ("conv_", {"object": "conversation", "created_at": 0, "metadata": {}}),
    "/v1/uploads": (
        "upload_",
        {"object": "upload", "bytes": 1, "status": "pending", "filename": "a", "purpose": "batch"},
    ),
    "/v1/fine_tuning/jobs": ("ftjob-", {"object": "fine_tuning.job", "status": "queued", "model": "m"}),
    "/v1/responses": (
        "resp_",
        {"object": "response", "created_at": 0, "model": "m", "output": [], "status": "completed"},
    ),
    "/v1/messages/batches": (
        "msgbatch_",
        {
            "type": "message_batch",
            "processing_status": "in_progress",
            "request_counts": _COUNTS,
            "created_at": WHEN,
        },
    ),
    "/v1/cachedContents": ("cachedContents/", {"model": "models/m", "createTime": WHEN}),
    "/v1/models/m:batchGenerateContent": ("batches/", {"metadata": {"state": "BATCH_STATE_PENDING"}}),
}
"""Where objects are made: how their ids begin, and what else the answer says."""

ANSWERS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
    },
    "/v1/embeddings": {
        "object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    },
    "/v1/images/generations": {"created": 0, "data": [{"b64_json": "aW1hZ2U="}]},
    "/v1/models/m:embedContent": {"embedding": {"values": [0.5]}},
    "/v1/models/m:batchEmbedContents": {"embeddings": [{"values": [0.5]}]},
    "/v1/models/m:predict": {"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": "aW1hZ2U="}]},
    "/v1/messages": {
        "id": "msg_01abcdefgh", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "Hi"}], "usage": {"input_tokens": 1, "output_tokens": 1},
    },
    "/v1/models/m:generateContent": {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
    },
}  # fmt: skip
"""Questions, which cost quota."""


@dataclass
class AccountServer:
    """What the server knows.

    Attributes:
        base: Its address.
        states: What is the matter with a key.
        owners: Which key made which object.
        asked: Each request: method, path, key.
        special: What is answered at a path instead of the usual.
    """

    base: str = ""
    states: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    special: dict[str, dict[str, Any]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(100_000_000))

    def answer(self, method: str, path: str, key: str, body: str) -> tuple[int, dict[str, Any]]:
        self.asked.append((method, path, key))
        is_question = method == "POST" and (path in ANSWERS or path == "/v1/responses")
        if self.states.get(key) == BAD:
            return 401, _error("invalid_api_key", "authentication_error", "Incorrect API key provided")
        if is_question and self.states.get(key) == SPENT:
            return 429, _error("insufficient_quota", "insufficient_quota", "You exceeded your current quota")
        if is_question and self.states.get(key) == BUSY:
            del self.states[key]
            return 429, _error(
                "rate_limit_exceeded", "rate_limit_error", "Rate limit reached: try again in 20s"
            )
        named = [id_ for id_ in self.owners if id_ in path or id_ in body]
        for id_ in named:
            if self.owners[id_] != key:
                return 404, _error("not_found", "invalid_request_error", f"No such object: {id_}")
        return 200, self._made(path, key) if method == "POST" and path in MADE else self._found(
            method, path, named
        )

    def _made(self, path: str, key: str) -> dict[str, Any]:
        prefix, fields = MADE[path]
        id_ = f"{prefix}{next(self._numbers)}"
        self.owners[id_] = key
        return {("name" if "/" in prefix else "id"): id_, **fields}

    def _found(self, method: str, path: str, named: list[str]) -> dict[str, Any]:
        if path in ANSWERS:
            return self.special.get(path, ANSWERS[path])
        if not named:
            return {"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None}
        fields = next(fields for prefix, fields in MADE.values() if named[0].startswith(prefix))
        return {"id": named[0], "name": named[0], **fields, "deleted": method == "DELETE"}


@contextmanager
def serving_accounts() -> Iterator[AccountServer]:
    """Run a server on loopback until the block ends."""
    server = AccountServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            told = [self.headers.get(name, "") for name in ("authorization", "x-api-key", "x-goog-api-key")]
            key = "".join(told).removeprefix("Bearer ")
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode(errors="replace")
            status, answer = server.answer(
                self.command, self.path.partition("?")[0].replace("/v1beta/", "/v1/"), key, body
            )
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = do_PATCH = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        server.base = f"http://127.0.0.1:{listener.server_address[1]}"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()


def _error(code: str, kind: str, message: str) -> dict[str, Any]:
    return {
        "type": "error",
        "error": {"code": code, "type": kind, "message": message, "status": "INVALID_ARGUMENT"},
    }
