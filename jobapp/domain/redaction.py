"""Take keys out of text before anyone reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from jobapp.domain.patterns import compiled

MASK = "***"

# What keys look like: OpenAI, Anthropic, OpenRouter, DeepSeek (sk-…), Google (AIza…, AQ.…, ya29.…), Groq,
# xAI, NVIDIA, Perplexity, Cerebras, Together, Hugging Face, Replicate, Fireworks, AWS, GitHub, JSON web
# tokens, and any long run of letters and digits.
_KEYS = r"""
    \b(?:sk|rk|pk|fk)-[A-Za-z0-9*][\w*.\-]{5,}
    \bAIza[\w\-*]{6,}
    \bAQ\.[\w\-*.]{10,}
    \bya29\.[\w\-.]{8,}
    \b(?:gsk|hf|r8|fw|sess|gh[pousr]|github_pat)_[\w*]{8,}
    \b(?:xai|nvapi|pplx|csk|tgp|jina)[-_][\w\-*]{8,}
    \b(?:AKIA|ASIA)[A-Z0-9]{12,}
    \beyJ[\w\-]{8,}\.[\w\-.]{8,}
    \b(?=[A-Za-z0-9]{0,64}[0-9])(?=[A-Za-z0-9]{0,64}[A-Za-z])[A-Za-z0-9]{32,}
"""

# What stands where a key belongs, whatever it looks like; the empty group ends the words before it.
_LABEL = r"\b(?:x-goog-api-key|api[ _-]?key|access[ _-]?token|authorization|secret)[\"']?\s?[:=]\s?"
_NAMED = rf"""
    \b(?:bearer|basic)\s+()[\w\-.~+/=*]{{8,}}
    [?&](?:key|api[_-]?key|access[_-]?token|token)=()[^\s&"'<>]+
    \bapi[ _-]?key[ _-]provided\W{{0,4}}()[^\s"'`<>{{}}]+
    {_LABEL}["'`<{{$]{{0,3}}(?:bearer |basic )?()(?!\*\*\*(?![\w*]))[\w\-.~+/=*]{{6,}}
"""


def _any_of(lines: str) -> str:
    return "|".join(line.strip() for line in lines.strip().splitlines())


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return *text* with *secrets*, and whatever looks like a key of any provider, replaced by ``***``.

    Args:
        text: Words that may reach a log, a state file or an error.
        secrets: Keys that are known; they are found wherever they stand, percent-encoded too.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK).replace(_percent_encoded(secret), MASK)
    text = compiled(_any_of(_KEYS)).sub(MASK, text)
    return compiled(_any_of(_NAMED), re.IGNORECASE).sub(_mask_tail, text)


def _percent_encoded(secret: str) -> str:
    from urllib.parse import quote

    return quote(secret, safe="")


def _mask_tail(found: re.Match[str]) -> str:
    """Keep the words up to the empty group, which stands before the key."""
    start = found.end(found.lastindex or 0)
    return found.string[found.start() : start] + MASK
