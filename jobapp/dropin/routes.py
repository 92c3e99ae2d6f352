"""What a request asks for, and so with which key it may go. Pure.

========  ================================================  ===============================================
route     for                                               keys
========  ================================================  ===============================================
ROTATE    questions that any account can answer             any that is free, by the rules of a call
PINNED    questions that name an object of one account      the key that made it, by the rules of a call
HOME      what belongs to an account or costs no quota      the object's key, else the first that is not bad
========  ================================================  ===============================================

An object (a file, a response, a cached content …) belongs to the account that made it; with another key the
provider does not find it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, NamedTuple

from jobapp.dropin.json_fields import top_level_fields


class Kind(Enum):
    """How a request may use keys."""

    ROTATE = auto()
    PINNED = auto()
    HOME = auto()


class Route(NamedTuple):
    """What a request asks for.

    Attributes:
        kind: How it may use keys.
        model: The model that is asked; empty where none is named.
        ids: The objects that it names, in order.
        items: Earlier items of a conversation that it names; only an account that keeps them knows them.
    """

    kind: Kind
    model: str = ""
    ids: tuple[str, ...] = ()
    items: tuple[str, ...] = ()


QUESTIONS = re.compile(
    r"/(?:chat/completions|completions|responses(?:/compact|/input_tokens)?|interactions|embeddings|images/(?:generations|edits|variations)|audio/\w+|"
    r"moderations|rerank|messages|messages/count_tokens|complete)$"
    r"|:(?:generateContent|streamGenerateContent|embedContent|batchEmbedContents|countTokens|predict)$"
)
"""Paths, without the host, whose answer does not depend on the account.

Sources: the API references of OpenAI, Anthropic, Gemini and OpenRouter, 2026-11.
"""

_PREFIXED = (
    r"(?:resp|conv|file|vs|batch|asst|thread|run|container|cntr|upload|ftjob|msgbatch|skill)"
    r"[-_][A-Za-z0-9_-]{6,}|v1_[A-Za-z0-9_-]{6,}"
)
OBJECT_ID = re.compile(
    rf"\b(?:{_PREFIXED}"
    rf"|(?:files|cachedContents|batches|tunedModels|fileSearchStores)/(?!{_PREFIXED})[A-Za-z0-9_-]{{3,}})"
)
"""Ids of objects that belong to an account, as the three providers write them.

Gemini's begin with a collection (``files/abc``), but an interaction's with ``v1_``; in a path of OpenAI's or
Anthropic's (``/files/file-abc``) the collection is no part of the id.
"""

_ITEM = re.compile(r'"id"\s*:\s*"((?:rs|msg|fc|ig|ws|ci|mcp)_[A-Za-z0-9]{6,})"')

_NAMING = (
    "previous_response_id",
    "previous_interaction_id",
    "conversation",
    "cachedContent",
    "cached_content",
    "container",
)
_MODEL_IN_PATH = re.compile(r"/models/([^/:]+):")
_ID_IN_TEXT = re.compile(
    rb'"(?:(?:input_)?file_id|file_ids|fileUri|file_uri|fileName|file_name|training_file|validation_file'
    rb'|assistant_id|vector_store_ids|skill_id|container)"'
)
_MAKING = ("/responses", "/interactions")
_NEAR = 512
_RECENT = 1_000_000


def route_of(method: str, path: str, content_type: str, body: bytes | None) -> Route:
    """Return what a request asks for.

    Args:
        method: The HTTP method.
        path: The path without the query.
        content_type: Of the body.
        body: The body; ``None`` where it can't be looked at.
    """
    fields = _fields(content_type, body)
    in_path = _MODEL_IN_PATH.search(path)
    model = in_path.group(1) if in_path else str(fields.get("model") or "")
    ids = tuple(dict.fromkeys((*OBJECT_ID.findall(path), *_ids_in(fields, body))))
    if method != "POST" or not QUESTIONS.search(path):
        return Route(Kind.HOME, model, ids)
    items = _items_in(body) if path.endswith("/responses") else ()
    return Route(Kind.PINNED if ids else Kind.ROTATE, model, ids, items)


def makes_objects(path: str) -> bool:
    """Return whether an answer from *path* is an object of its account, too: a later question may name it."""
    return path.endswith(_MAKING)


def ids_made(text: str) -> list[str]:
    """Return the ids of objects that an answer tells, each once."""
    return list(dict.fromkeys((*OBJECT_ID.findall(text), *_ITEM.findall(text))))


def _items_in(body: bytes | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_ITEM.findall((body or b"")[-_RECENT:].decode(errors="replace"))))


def _fields(content_type: str, body: bytes | None) -> Mapping[str, Any]:
    if not body:
        return {}
    if content_type.startswith("application/json"):
        return top_level_fields(body, ("model", *_NAMING))
    found = re.search(rb'name="model"\r\n\r\n([^\r\n]+)', body[:65_536])
    return {"model": found.group(1).decode(errors="replace")} if found else {}


def _ids_in(fields: Mapping[str, Any], body: bytes | None) -> list[str]:
    """Return the ids that stand where a request names objects, and not in what people wrote."""
    named = [str(fields[name]) for name in _NAMING if fields.get(name)]
    marks = _ID_IN_TEXT.finditer(body or b"")
    named += [(body or b"")[mark.end() : mark.end() + _NEAR].decode(errors="replace") for mark in marks]
    return [found for text in named for found in OBJECT_ID.findall(text)]
