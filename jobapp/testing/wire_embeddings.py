"""Embeddings: OpenAI's, OpenRouter's and Gemini's. They count as requests, and answer with vectors."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from jobapp.testing.asked import tokens
from jobapp.testing.asked_google import either
from jobapp.testing.embeddings import as_base64, embedding, texts_of
from jobapp.testing.http1 import RawRequest
from jobapp.testing.http_values import Request
from jobapp.testing.steps import Answer
from jobapp.testing.wire import dicts, fields, text_of, whole_number
from jobapp.testing.wire_google import GoogleWire
from jobapp.testing.wire_openai import OpenAIWire
from jobapp.testing.wire_openrouter import OpenRouterWire

OPENAI_SIZE, GOOGLE_SIZE = 1536, 3072
"""Dimensions where none are asked for: text-embedding-3-small's, gemini-embedding-001's."""


class EmbeddingsWire(OpenAIWire):
    """``/v1/embeddings``."""

    def read(self, call: RawRequest, at: datetime) -> Request:
        """Return what *call* asks; the prompt is all of its texts."""
        plain = super().read(call, at)
        return replace(plain, prompt="\n".join(texts_of(fields(plain.body).get("input"))), stream=False)

    def flaw(self, request: Request) -> str:
        """Return what is wrong with a request."""
        if not isinstance(request.body, dict):
            return "We could not parse the JSON body of your request."
        if not request.model:
            return "you must provide a model parameter"
        return "" if texts_of(request.body.get("input")) else "'$.input' is invalid."

    def answer(self, request: Request, answer: Answer, request_id: str) -> dict[str, Any]:
        """Return a vector for each text."""
        asked = fields(request.body)
        size = whole_number(asked.get("dimensions")) or OPENAI_SIZE
        texts = texts_of(asked.get("input"))
        encoded = as_base64 if asked.get("encoding_format") == "base64" else list
        rows = [
            {"object": "embedding", "index": index, "embedding": encoded(embedding(text, size))}
            for index, text in enumerate(texts)
        ]
        count = sum(map(tokens, texts))
        used = {"prompt_tokens": count, "total_tokens": count}
        return {"object": "list", "data": rows, "model": request.model, "usage": used}

    def empty(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a list without a vector."""
        return {**body, "data": []}


class OpenRouterEmbeddingsWire(EmbeddingsWire, OpenRouterWire):
    """``/api/v1/embeddings``: OpenAI's form with OpenRouter's errors."""


class GoogleEmbeddingsWire(GoogleWire):
    """``:embedContent`` for one text, ``:batchEmbedContents`` for several."""

    def read(self, call: RawRequest, at: datetime) -> Request:
        """Return what *call* asks; the prompt is all of its texts."""
        plain = super().read(call, at)
        return replace(plain, prompt="\n".join(map(_text, _rows(plain))), stream=False)

    def flaw(self, request: Request) -> str:
        """Return what is wrong with a request."""
        if all(row.get("content") for row in _rows(request)) and _rows(request):
            return ""
        return "EmbedContentRequest.content: contents is not specified"

    def answer(self, request: Request, answer: Answer, request_id: str) -> dict[str, Any]:
        """Return a vector for each content."""
        vectors = [
            {
                "values": embedding(
                    _text(row), whole_number(either(row, "outputDimensionality")) or GOOGLE_SIZE
                )
            }
            for row in _rows(request)
        ]
        return {"embeddings": vectors} if "requests" in fields(request.body) else {"embedding": vectors[0]}

    def empty(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return nothing."""
        return {}


def _rows(request: Request) -> list[Any]:
    body = fields(request.body)
    return dicts(body["requests"]) if "requests" in body else [body]


def _text(row: Any) -> str:
    return text_of(fields(row.get("content")).get("parts"))
