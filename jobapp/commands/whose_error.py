"""Whose error a text is, by what a person would tell it by. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from jobapp.providers import SERVICES

NAMES_OF_OTHER_THINGS = {
    "mistral",
    "deepseek",
    "together",
    "fireworks",
    "nvidia",
    "vllm",
    "ollama",
    "xai",
    "cohere",
}
"""Services whose name is a word, or a model's that others serve too: only their address tells them."""

_FIRST = {
    "google": r"RESOURCE_EXHAUSTED|google\.rpc|generativelanguage|gemini|API_KEY_INVALID|\bgoogle\b",
    "openrouter": r"openrouter|free-models-per-|limit_source|provider_name",
}
_LAST = {
    "anthropic": r"anthropic|claude|\"type\": ?\"error\"|'type': ?'error'",
    "openai": r"openai|\bgpt-|insufficient_quota|rate_limit_exceeded",
}
_CODES = {"zhipu": r"\bcode\W{1,5}1(?:113|3\d\d)\b|^\W?13\d\d\]|z\.ai\b|智谱", "dashscope": r"百炼|阿里云"}


def guess_provider(text: str) -> str:
    """Return whose error *text* is by its words, ``""`` where nothing tells."""
    marks = _FIRST | {name: _mark(name) for name in SERVICES} | _LAST
    return next((name for name, mark in marks.items() if re.search(mark, text, re.IGNORECASE)), "")


def _mark(name: str) -> str:
    """Return by what a service is told: its address, its name where that is nobody else's, its codes."""
    host = urlsplit(SERVICES[name].base_url or "").hostname or ""
    marks = [] if host == "localhost" else [rf"\b{re.escape('.'.join(host.split('.')[-2:]))}\b"]
    if name not in NAMES_OF_OTHER_THINGS:
        marks.append(rf"\b{re.escape(name)}\b")
    if name in _CODES:
        marks.append(_CODES[name])
    return "|".join(marks) or r"(?!)"
