"""Take keys out of text before anyone reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from jobapp.domain.patterns import compiled

MASK = "***"

SHORTEST_IN_BASE64 = 8
"""Bytes of a key that is looked for in base64: of a shorter one too few signs are its own."""

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
_WORDS = r"(?:x-goog-)?api[ _-]?key|access[ _-]?token|authorization|secret|password"
_ENDS = r"[\"']?\s?(?:[:=]|,(?=\s?b?[\"']))\s?b?[\"'`<{$]{0,3}(?:bearer |basic )?()(?!\*\*\*(?![\w*]))"
_NAMED = rf"""
    \b(?:bearer|basic)\s+()[\w\-.~+/=*]{{8,}}
    [?&](?:key|api[_-]?key|access[_-]?token|token)=()[^\s&"'<>]+
    ://[^\s/:@]{{0,64}}:()[^\s/@]+(?=@)
    \bapi[ _-]?key[ _-]provided\W{{0,4}}+(?:bearer |basic )?+(?!(?:x-)?(?:{_WORDS}))()[^\s"'`<>{{}}]+
    (?<![a-z0-9])(?:{_WORDS}){_ENDS}[\w\-.~+/=*]{{6,}}
    (?-i:[A-Z0-9]_(?:KEY|TOKEN|SECRET|PASSWORD)[A-Z0-9_]{{0,12}}){_ENDS}[\w\-.~+/=*]{{6,}}
    \btoken{_ENDS}(?=[\w\-.~+/]{{0,64}}\d)[\w\-.~+/=*]{{8,}}
"""


def _any_of(lines: str) -> str:
    return "|".join(line.strip() for line in lines.strip().splitlines())


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return *text* with *secrets*, and whatever looks like a key of any provider, replaced by ``***``.

    Args:
        text: Words that may reach a log, a state file or an error.
        secrets: Keys that are known; they are found wherever they stand, encoded too.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = without(text, secret)
    text = compiled(_any_of(_KEYS)).sub(MASK, text)
    return compiled(_any_of(_NAMED), re.IGNORECASE).sub(_mask_tail, text)


def without(text: str, secret: str) -> str:
    """Return *text* with *secret*, percent-encoded and in base64 too, replaced by ``***``."""
    for form in forms_of(secret):
        text = text.replace(form, MASK)
    return text


@lru_cache(maxsize=1024)
def forms_of(secret: str) -> tuple[str, ...]:
    """Return the ways in which *secret* may be written, the longest first.

    In base64 a text has three forms, by where it begins in a group of three bytes; each is cut to the signs
    that it alone decides.
    """
    from base64 import b64encode
    from urllib.parse import quote

    plain, forms = secret.encode(errors="replace"), {secret, quote(secret, safe="")}
    if len(plain) >= SHORTEST_IN_BASE64:
        for before in range(3):
            signs = b64encode(b"\0" * before + plain).decode().rstrip("=")
            whole = 4 * ((before + len(plain)) // 3)
            inner = signs[(0, 2, 3)[before] : whole]
            forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return tuple(sorted(filter(None, forms), key=len, reverse=True))


def _mask_tail(found: re.Match[str]) -> str:
    """Keep the words up to the empty group, which stands before the key."""
    start = found.end(found.lastindex or 0)
    return found.string[found.start() : start] + MASK
