"""The words of a provider, and what stands round them: pure functions of text, each linear and bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable

HEAD, TAIL = 4_000, 1_000
"""Characters of a text that are read, from its start and from its end."""


def shorten(text: str) -> str:
    """Return *text* on one line, only its start and end where it is long."""
    if len(text) > HEAD + TAIL:
        text = f"{text[:HEAD]} … {text[-TAIL:]}"
    return " ".join(text.split())


_QUOTED = re.compile(
    r'"[^"]*"|“[^”]*”|`[^`]*`|(?<!\w)\'[^\']*\'(?!\w)'  # what is quoted is the user's or a name
)
_NAMES = re.compile(
    r"\bmodels?(?:_name)?\s*[:=/]\s*[\w./:@\-]+"
    r"|(?<=reached for )[\w./:@\-]+|(?<=too large for )[\w./:@\-]+"
    r"|\breq(?:uest)?[_ -]?(?:id)?[ :=]*[0-9a-f_\-]{12,}",
    re.IGNORECASE,
)
_WHOLLY_QUOTED = re.compile(r'^[^"]{0,60}\b[45]\d\d\b[^"]{0,30}"([^"]*)"\W*$')


def clean(text: str, model: str | None = None) -> str:
    """Return a provider's words without what is quoted and without names of models."""
    if whole := _WHOLLY_QUOTED.match(text):
        text = whole[1]
    if model and len(model) > 2:  # noqa: PLR2004 - a shorter name may be part of a word
        text = text.replace(model, "")
    return " ".join(_NAMES.sub(" ", _QUOTED.sub(" ", text)).split())


_QUOTA_NAME = re.compile(
    r"\b(?:quota metric|limit|metric:?|for)\s+['\"]?([\w./ \-]{3,120}?per[_ ]?\w[\w./ \-]{0,60})['\"]?"
)


def quota_names(text: str) -> list[str]:
    """Return the names of quotas that Google puts in quotes, ``GenerateContent requests per day`` say."""
    return [f"named={found}" for found in re.findall(r"(?:metric|limit) '([^']{1,200})'", text)]


_WORDS = re.compile(r"(?<![\w./-])(?:[a-z]+(?:_[a-z0-9]+)+|[A-Z]+(?:_[A-Z0-9]+)+)(?![\w/-])")


def vocabulary(texts: Iterable[str]) -> list[str]:
    """Return the words of *texts* that look like a code, ``insufficient_quota`` say."""
    return [word for text in texts for word in _WORDS.findall(text)][:40]


_NUMBER = r"(?<![\d.,\w])([45]\d\d)(?![\d,\w]|\.\d)"
_STATUS = re.compile(
    rf"^\W{{0,3}}{_NUMBER}(?!\s+(?:tokens|requests|characters|messages|images)\b)"
    rf"|(?:status|code|http(?:/[\d.]+)?|error|exception|failed|rejected|returned|responded)\W{{0,4}}"
    rf"(?:(?:with|status|code|http|a|an)\W{{1,3}}){{0,3}}{_NUMBER}"
    rf"|[\[(]{_NUMBER}[\])]|\[{_NUMBER} [A-Z]"
    rf"|{_NUMBER}[ :_-]*(?:too many requests|unauthori[sz]ed|forbidden|not found|bad request|payment required"
    rf"|internal server error|bad gateway|service unavailable|gateway time-?out|resource_exhausted"
    rf"|permission_denied)",
    re.IGNORECASE,
)


def status_in(text: str) -> int | None:
    """Return the HTTP status that *text* names as one, within its first words."""
    found = _STATUS.search(text[:600])
    return int(next(filter(None, found.groups()))) if found else None


_CLASS = re.compile(
    r"\b[A-Z][A-Za-z]*(?:Error|Exception|Exhausted|Denied|Unavailable|Exceeded|Unauthenticated|Timeout"
    r"|InvalidArgument|NotFound|TooManyRequests)\b"
)


def exception_names(text: str) -> list[str]:
    """Return the class names of exceptions within the first words of *text*."""
    return _CLASS.findall(text[:600])[:8]


_PAGE = re.compile(r"<(?:!doctype html|html|head|body|title|h1)\b", re.IGNORECASE)
_TAG = re.compile(r"<(?:script|style)\b[^>]*>[^<]*|<[^>]*>", re.IGNORECASE)


def page_words(text: str) -> str:
    """Return the words of an HTML page, its title first; ``""`` where *text* is none."""
    if not _PAGE.search(text, 0, 500):
        return ""
    return shorten(_TAG.sub(" ", text[:20_000])) or "an HTML page"
