"""Take keys out of text before anyone reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

MASK = "***"

_KEYS = (
    # shapes of keys: OpenAI, Anthropic, OpenRouter, DeepSeek … (sk-), Google (AIza, AQ.), Groq, xAI, NVIDIA,
    # Hugging Face, Perplexity, Replicate, Fireworks, AWS, GitHub
    r"\b(?:sk|rk|pk|fk)-[A-Za-z0-9][A-Za-z0-9_*.\-]{6,}",
    r"\bAIza[A-Za-z0-9_\-*]{6,}",
    r"\bAQ\.[A-Za-z0-9_\-*.]{10,}",
    r"\b(?:gsk|sess|hf|r8|fw|ghp|gho|ghs)_[A-Za-z0-9_*]{8,}",
    r"\bgithub_pat_[A-Za-z0-9_]{8,}",
    r"\b(?:xai|nvapi|pplx|csk|tgp|jina|esecret)[-_][A-Za-z0-9_\-*]{8,}",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}",
    r"\bya29\.[A-Za-z0-9_\-.]{8,}",
    r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-.]{8,}",
)

_NAMED = (
    # whatever stands where a key belongs
    r"\b(?:bearer|basic)\s+[A-Za-z0-9_\-.~+/=*]{8,}",
    r"[?&](?:key|api[_-]?key|access[_-]?token|token)=[^\s&\"'<>]+",
    (
        r"\b(?:x-goog-api-key|x-api-key|authorization|api[_ -]?key|access[_ -]?token|secret)[\"']?\s*"
        r"(?:provided|is|:|=)[:=]?\s*[\"'`<${]{0,3}[A-Za-z0-9_\-.~+/=*]{0,200}[0-9*][A-Za-z0-9_\-.~+/=*]{5,}"
    ),
)


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile("|".join(_KEYS)), re.compile("|".join(_NAMED), re.IGNORECASE)


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Return *text* with *secrets*, and whatever looks like a key of any provider, replaced by ``***``.

    Args:
        text: Words that may reach a log, a state file or an error.
        secrets: Keys that are known; they are found wherever they stand, percent-encoded too.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    keys, named = _patterns()
    return named.sub(_keep_label, keys.sub(MASK, text))


def _keep_label(found: re.Match[str]) -> str:
    """Leave the words before a key, so that people see what was masked."""
    label = re.match(r"(?:[?&][\w-]+=|\w+\s+(?![:=])|[\w -]+[\"']?\s*(?:provided|is|[:=])[:=]?\s*)", found[0])
    return (label[0] if label else "") + MASK
