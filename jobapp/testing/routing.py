"""Which provider a path belongs to, and what each shows unasked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobapp.testing.http1 import RawRequest
from jobapp.testing.wire import Wire
from jobapp.testing.wire_anthropic import AnthropicWire
from jobapp.testing.wire_google import GoogleWire
from jobapp.testing.wire_openai import OpenAIWire
from jobapp.testing.wire_openrouter import OpenRouterWire

OPENAI, ANTHROPIC, GOOGLE, OPENROUTER = OpenAIWire(), AnthropicWire(), GoogleWire(), OpenRouterWire()
WIRES: Sequence[Wire] = (OPENAI, ANTHROPIC, GOOGLE, OPENROUTER)

ENDPOINTS: Mapping[tuple[str, str], Wire] = {
    ("POST", "/v1/chat/completions"): OPENAI,
    ("POST", "/v1/messages"): ANTHROPIC,
    ("POST", "/api/v1/chat/completions"): OPENROUTER,
    ("GET", "/api/v1/models"): OPENROUTER,
    ("GET", "/api/v1/key"): OPENROUTER,
    ("GET", "/v1beta/models"): GOOGLE,
}


def wire_for(call: RawRequest) -> Wire | None:
    """Return the protocol that *call* speaks, ``None`` where no provider has such a path."""
    if call.method == "POST" and call.path.startswith(("/v1beta/models/", "/v1/models/")):
        return GOOGLE if call.path.endswith((":generateContent", ":streamGenerateContent")) else None
    if (call.method, call.path) == ("GET", "/v1/models"):
        return _lister(call)
    return ENDPOINTS.get((call.method, call.path))


def _lister(call: RawRequest) -> Wire:
    """Three providers list their models under one path; the key's header tells them apart."""
    if "x-goog-api-key" in call.headers or "key" in call.query:
        return GOOGLE
    return ANTHROPIC if "anthropic-version" in call.headers else OPENAI
