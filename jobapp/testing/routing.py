"""Which provider a request is for, and what answers its path.

The providers' own addresses differ by host; here it is the path that tells them apart and, where several have
the same, the headers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jobapp.testing import paths_anthropic, paths_google, paths_openai, paths_openrouter
from jobapp.testing.http1 import RawRequest
from jobapp.testing.visit import Serve
from jobapp.testing.wire import Wire
from jobapp.testing.wire_anthropic import AnthropicWire
from jobapp.testing.wire_embeddings import EmbeddingsWire, GoogleEmbeddingsWire, OpenRouterEmbeddingsWire
from jobapp.testing.wire_google import GoogleWire
from jobapp.testing.wire_openai import OpenAIWire
from jobapp.testing.wire_openrouter import OpenRouterWire
from jobapp.testing.wire_responses import OpenRouterResponsesWire, ResponsesWire

OPENAI, ANTHROPIC, GOOGLE, OPENROUTER = OpenAIWire(), AnthropicWire(), GoogleWire(), OpenRouterWire()
RESPONSES, EMBEDDINGS, GOOGLE_EMBEDDINGS = ResponsesWire(), EmbeddingsWire(), GoogleEmbeddingsWire()
WIRES: Sequence[Wire] = (OPENAI, ANTHROPIC, GOOGLE, OPENROUTER)
WIRE_OF: Mapping[str, Wire] = {wire.provider: wire for wire in WIRES}


Names = tuple[str, ...]
"""What a path names: ids, models."""


class Route(NamedTuple):
    """What answers a path.

    Attributes:
        method: The HTTP method.
        path: The path, with ``{}`` for each name in it.
        wire: The protocol.
        serve: What answers without a model; ``None`` where a model is asked.
    """

    method: str
    path: str
    wire: Wire
    serve: Serve | None = None


GEMINI = "/v1(?:beta|alpha)?"
"""Each of Gemini's versions."""

ROUTES: Sequence[Route] = (
    Route("POST", "/v1/chat/completions", OPENAI),
    Route("POST", "/v1/responses", RESPONSES),
    Route("GET", "/v1/responses/{}", OPENAI, paths_openai.response),
    Route("DELETE", "/v1/responses/{}", OPENAI, paths_openai.delete_response),
    Route("GET", "/v1/responses/{}/input_items", OPENAI, paths_openai.input_items),
    Route("POST", "/v1/embeddings", EMBEDDINGS),
    Route("POST", "/v1/moderations", OPENAI, paths_openai.moderations),
    Route("GET", "/v1/models", OPENAI, paths_openai.models),
    Route("GET", "/v1/models/{}", OPENAI, paths_openai.model),
    Route("POST", "/v1/files", OPENAI, paths_openai.upload_file),
    Route("GET", "/v1/files", OPENAI, paths_openai.files),
    Route("GET", "/v1/files/{}", OPENAI, paths_openai.file),
    Route("GET", "/v1/files/{}/content", OPENAI, paths_openai.file_content),
    Route("DELETE", "/v1/files/{}", OPENAI, paths_openai.delete_file),
    Route("POST", "/v1/batches", OPENAI, paths_openai.create_batch),
    Route("GET", "/v1/batches", OPENAI, paths_openai.batches),
    Route("GET", "/v1/batches/{}", OPENAI, paths_openai.batch),
    Route("POST", "/v1/batches/{}/cancel", OPENAI, paths_openai.batch),
    Route("POST", "/v1/messages", ANTHROPIC),
    Route("POST", "/v1/messages/count_tokens", ANTHROPIC, paths_anthropic.count_tokens),
    Route("POST", "/v1/messages/batches", ANTHROPIC, paths_anthropic.create_batch),
    Route("GET", "/v1/messages/batches", ANTHROPIC, paths_anthropic.batches),
    Route("GET", "/v1/messages/batches/{}", ANTHROPIC, paths_anthropic.batch),
    Route("DELETE", "/v1/messages/batches/{}", ANTHROPIC, paths_anthropic.delete_batch),
    Route("POST", "/v1/messages/batches/{}/cancel", ANTHROPIC, paths_anthropic.batch),
    Route("GET", "/v1/messages/batches/{}/results", ANTHROPIC, paths_anthropic.batch_results),
    Route("GET", "/v1/models", ANTHROPIC, paths_anthropic.models),
    Route("GET", "/v1/models/{}", ANTHROPIC, paths_anthropic.model),
    Route("POST", "/v1/files", ANTHROPIC, paths_anthropic.upload_file),
    Route("GET", "/v1/files", ANTHROPIC, paths_anthropic.files),
    Route("GET", "/v1/files/{}", ANTHROPIC, paths_anthropic.file),
    Route("DELETE", "/v1/files/{}", ANTHROPIC, paths_anthropic.delete_file),
    Route("POST", f"{GEMINI}/models/{{}}:generateContent", GOOGLE),
    Route("POST", f"{GEMINI}/models/{{}}:streamGenerateContent", GOOGLE),
    Route("POST", f"{GEMINI}/models/{{}}:embedContent", GOOGLE_EMBEDDINGS),
    Route("POST", f"{GEMINI}/models/{{}}:batchEmbedContents", GOOGLE_EMBEDDINGS),
    Route("POST", f"{GEMINI}/models/{{}}:countTokens", GOOGLE, paths_google.count_tokens),
    Route("GET", f"{GEMINI}/models", GOOGLE, paths_google.models),
    Route("GET", f"{GEMINI}/models/{{}}", GOOGLE, paths_google.model),
    Route("POST", f"/upload{GEMINI}/files", GOOGLE, paths_google.upload_file),
    Route("GET", f"{GEMINI}/files", GOOGLE, paths_google.files),
    Route("GET", f"{GEMINI}/files/{{}}", GOOGLE, paths_google.file),
    Route("DELETE", f"{GEMINI}/files/{{}}", GOOGLE, paths_google.delete_file),
    Route("POST", f"{GEMINI}/cachedContents", GOOGLE, paths_google.create_cache),
    Route("GET", f"{GEMINI}/cachedContents", GOOGLE, paths_google.caches),
    Route("GET", f"{GEMINI}/cachedContents/{{}}", GOOGLE, paths_google.cache),
    Route("PATCH", f"{GEMINI}/cachedContents/{{}}", GOOGLE, paths_google.update_cache),
    Route("DELETE", f"{GEMINI}/cachedContents/{{}}", GOOGLE, paths_google.delete_cache),
    Route("POST", "/api/v1/chat/completions", OPENROUTER),
    Route("POST", "/api/v1/responses", OpenRouterResponsesWire()),
    Route("POST", "/api/v1/embeddings", OpenRouterEmbeddingsWire()),
    Route("GET", "/api/v1/models", OPENROUTER, paths_openrouter.models),
    Route("GET", "/api/v1/key", OPENROUTER, paths_openrouter.key),
    Route("GET", "/api/v1/credits", OPENROUTER, paths_openrouter.credits_left),
    Route("GET", "/api/v1/generation", OPENROUTER, paths_openrouter.generation),
)
"""Every path there is; docs/reference/simulator.md shows them."""

UNAMBIGUOUS = {
    (route.method, route.path): route
    for route in ROUTES
    if "{" not in route.path and route.method == "POST" and route.path != "/v1/files"
}
"""What is asked most, found without a search."""

_NAMED = [
    (route, re.compile(re.sub(r"\{\}", "([^/:]*)" if ":" in route.path else "([^/]+)", route.path)))
    for route in ROUTES
]


def route_of(call: RawRequest) -> tuple[Route | None, Names]:
    """Return what answers *call*, and the names in its path; ``None`` where no provider has such a path."""
    if exact := UNAMBIGUOUS.get((call.method, call.path)):
        return exact, ()
    provider = provider_of(call)
    for route, pattern in _NAMED:
        if (
            route.method == call.method
            and route.wire.provider == provider
            and (found := pattern.fullmatch(call.path))
        ):
            return route, found.groups()
    return None, ()


def provider_of(call: RawRequest) -> str:
    """Return whose protocol a request seems to speak, by its path, else by its headers."""
    if call.path.startswith("/api/"):
        return "openrouter"
    if call.path.startswith(("/v1beta", "/v1alpha", "/upload/")) or (
        "/models/" in call.path and ":" in call.path
    ):
        return "google"
    if "x-goog-api-key" in call.headers or "key" in call.query:
        return "google"
    if call.path.startswith("/v1/messages") or "anthropic-version" in call.headers:
        return "anthropic"
    return "openai"
