"""What Gemini answers without asking a model: models, the count of tokens, files, cached contents.

Forms: google-genai 3.6's types and the discovery document of ``v1beta``, 2026-11.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from jobapp.testing.asked import tokens
from jobapp.testing.asked_google import either
from jobapp.testing.faults import Fault
from jobapp.testing.http_values import Response
from jobapp.testing.objects import NoSuchObjectError
from jobapp.testing.visit import Visit, told
from jobapp.testing.wire import dicts, fields, text_of
from jobapp.testing.wire_google import NO_CACHED_CONTENT, NO_FILE

METHODS = ("generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents")
CONTEXT, LONGEST = 1_048_576, 65_536
FILES_LIVE = timedelta(hours=48)
CACHED_CONTENTS_LIVE = timedelta(hours=1)


def _model(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name,
        "description": "A simulated model.",
        "inputTokenLimit": CONTEXT,
        "outputTokenLimit": LONGEST,
        "supportedGenerationMethods": METHODS,
        "temperature": 1.0,
        "topP": 0.95,
        "topK": 64,
    }


def models(visit: Visit) -> Response:
    """Return the list of models."""
    return told({"models": [_model(name) for name in visit.facts.models]})


def model(visit: Visit) -> Response:
    """Return one model; any, where nobody said which there are."""
    (name,) = visit.names
    if not visit.facts.has_model(name):
        raise NoSuchObjectError(name, Fault.UNKNOWN_MODEL)
    return told(_model(name))


def count_tokens(visit: Visit) -> Response:
    """Return the words of the contents, and of what else the request would send."""
    whole = fields(either(visit.body, "generateContentRequest"))
    count = counted(visit.body) + counted(whole)
    return told({"totalTokens": count, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": count}]})


def counted(body: Mapping[str, Any]) -> int:
    """Return the words of a request's contents, instructions and tools."""
    texts = [text_of(content.get("parts")) for content in dicts(body.get("contents"))]
    texts.append(text_of(fields(either(body, "systemInstruction")).get("parts")))
    texts += [json.dumps(tool) for tool in dicts(body.get("tools"))]
    return sum(tokens(text) for text in texts if text)


def upload_file(visit: Visit) -> Response:
    """Begin or end an upload, as the resumable protocol has it: a start, the bytes, ``finalize``."""
    headers = visit.request.headers
    command = headers.get("x-goog-upload-command", "start")
    if "start" in command:
        upload = f"uploads/{visit.number}"
        visit.account.keep(upload, {**fields(visit.body.get("file")), "mimeType": _type(visit)})
        # what follows comes without the key's header
        query = urlencode({"upload_id": visit.number, "key": visit.request.key})
        url = f"{visit.root}/upload/v1beta/files?{query}"
        return Response(headers={"x-goog-upload-url": url, "x-goog-upload-status": "active"}, body={})
    upload = f"uploads/{visit.request.query.get('upload_id', '')}"
    begun = visit.account.find(upload, "Upload not found.")
    content = begun.content + visit.content
    if "finalize" not in command:
        visit.account.keep(upload, begun.row, content)
        return Response(headers={"x-goog-upload-status": "active"}, body={})
    visit.account.remove(upload, "")
    row = _file(visit, begun.row, content)
    return Response(headers={"x-goog-upload-status": "final"}, body={"file": row})


def _type(visit: Visit) -> str:
    return visit.request.headers.get("x-goog-upload-header-content-type") or "application/octet-stream"


def _file(visit: Visit, begun: Mapping[str, Any], content: bytes) -> Mapping[str, Any]:
    name = str(begun.get("name") or f"files/{visit.number.replace('_', '-')}")
    digest = base64.b64encode(hashlib.sha256(content).hexdigest().encode()).decode()
    row = {
        "name": name,
        "displayName": either(begun, "displayName") or "",
        "mimeType": begun["mimeType"],
        "sizeBytes": str(len(content)),
        "createTime": _iso(visit.request.at),
        "updateTime": _iso(visit.request.at),
        "expirationTime": _iso(visit.request.at + FILES_LIVE),
        "sha256Hash": digest,
        "uri": f"{visit.root}/v1beta/{name}",
        "state": "ACTIVE",
        "source": "UPLOADED",
    }
    return visit.account.keep(name, row, content)


def files(visit: Visit) -> Response:
    """Return the account's files."""
    return told({"files": visit.account.rows("files/")})


def file(visit: Visit) -> Response:
    """Return what is known of a file."""
    return told(visit.account.find(f"files/{visit.names[0]}", NO_FILE.format(name=visit.names[0])).row)


def delete_file(visit: Visit) -> Response:
    """Forget a file."""
    visit.account.remove(f"files/{visit.names[0]}", NO_FILE.format(name=visit.names[0]))
    return told({})


def create_cache(visit: Visit) -> Response:
    """Keep contents that later requests name."""
    name = f"cachedContents/{visit.number.replace('_', '-')}"
    row = {
        "name": name,
        "model": visit.body.get("model"),
        "displayName": either(visit.body, "displayName") or "",
        "createTime": _iso(visit.request.at),
        "updateTime": _iso(visit.request.at),
        "expireTime": _expires(visit),
        "usageMetadata": {"totalTokenCount": counted(visit.body)},
    }
    return told(visit.account.keep(name, row))


def caches(visit: Visit) -> Response:
    """Return the account's cached contents."""
    return told({"cachedContents": visit.account.rows("cachedContents/")})


def cache(visit: Visit) -> Response:
    """Return what is known of cached contents."""
    return told(visit.account.find(f"cachedContents/{visit.names[0]}", NO_CACHED_CONTENT).row)


def update_cache(visit: Visit) -> Response:
    """Let cached contents live longer, or less long."""
    name = f"cachedContents/{visit.names[0]}"
    row = visit.account.find(name, NO_CACHED_CONTENT).row
    changed = {"updateTime": _iso(visit.request.at), "expireTime": _expires(visit)}
    return told(visit.account.keep(name, {**row, **changed}))


def delete_cache(visit: Visit) -> Response:
    """Forget cached contents."""
    visit.account.remove(f"cachedContents/{visit.names[0]}", NO_CACHED_CONTENT)
    return told({})


def _expires(visit: Visit) -> str:
    lives = str(visit.body.get("ttl") or "").removesuffix("s")
    try:
        end = visit.request.at + (timedelta(seconds=float(lives)) if lives else CACHED_CONTENTS_LIVE)
    except (ValueError, OverflowError):
        end = visit.request.at + CACHED_CONTENTS_LIVE
    return str(either(visit.body, "expireTime") or _iso(end))


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}Z"
