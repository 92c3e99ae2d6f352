"""The words of a provider, and what stands round them: pure functions of text, each linear and bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable

HEAD, TAIL = 4_000, 1_000
"""Characters of a text that are read, from its start and from its end."""

EDGE = 600
"""Characters at either end of a text in which a program tells a status or the name of an exception."""


_FRAMES = str.maketrans(dict.fromkeys("│┃║╭╮╰╯┌┐└┘─━═", " "))


def shorten(text: str) -> str:
    """Return *text* on one line without a terminal's frames, only its start and end where it is long."""
    if len(text) > HEAD + TAIL:
        text = f"{text[:HEAD]} … {text[-TAIL:]}"
    return " ".join(text.translate(_FRAMES).split())


_QUOTED = re.compile(
    r'"[^"]*"|“[^”]*”|`[^`]*`|(?<!\w)\'[^\']*\'(?!\w)'  # what is quoted is the user's or a name
)
_NAMES = re.compile(
    r"\bmodels?(?:_name)?\s*[:=/]\s*[\w./:@\-]+"
    r"|(?<=reached for )[\w./:@\-]+|(?<=too large for )[\w./:@\-]+"
    r"|\breq(?:uest)?[_ -]?(?:id)?[ :=]*[0-9a-f_\-]{12,}",
    re.IGNORECASE,
)
_WHOLLY_QUOTED = re.compile(r'^(?:[^"]{0,60}\b[45]\d\d\b[^"]{0,30})?"([^"]*)"\W*$')


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


_QUOTA = re.compile(
    r"\b(?:metric|limit) '([^']{1,200})'|\bmetric: ?([\w./-]{1,200})"
    r"|\bexceeded for ([\w.-]{1,80}/[\w-]{1,120})"
)


def quota_names(text: str) -> list[str]:
    """Return the names of quotas in Google's words, ``GenerateContent requests per day`` say."""
    return [f"named={''.join(names)}" for names in _QUOTA.findall(text)]


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
    """Return the HTTP status that *text* names as one, within its first or last words."""
    found = _STATUS.search(text[:EDGE]) or _STATUS.search(text[-EDGE:] if len(text) > EDGE else "")
    return int(next(filter(None, found.groups()))) if found else None


_CLASS = re.compile(
    r"\b[A-Z][A-Za-z]*(?:Error|Exception|Exhausted|Denied|Unavailable|Exceeded|Unauthenticated|Timeout"
    r"|InvalidArgument|NotFound|TooManyRequests)\b"
)


def exception_names(text: str) -> list[str]:
    """Return the class names of exceptions within the first and last words of *text*."""
    return _CLASS.findall(text if len(text) <= 2 * EDGE else f"{text[:EDGE]} {text[-EDGE:]}")[:8]


_FIELD = re.compile(
    r"[\"'](message|code|status|type|reason|quotaId)\\?[\"']\s*:\s*\\?[\"']?([^\"']{1,1000})", re.IGNORECASE
)


def scraped_fields(text: str) -> list[dict[str, str]]:
    """Return what looks like fields of an error in a text whose structure is past reading."""
    return [{name: value.strip(" ,")} for name, value in _FIELD.findall(text[:20_000])[:40]]


_PAGE = re.compile(r"<(?:!doctype html|html|head|body|title|h1)\b", re.IGNORECASE)
_TAG = re.compile(r"<(?:script|style)\b[^>]*>[^<]*|<[^>]*>", re.IGNORECASE)


def page_words(text: str) -> str:
    """Return the words of an HTML page, its title first; ``""`` where *text* is none."""
    if not _PAGE.search(text, 0, 500):
        return ""
    return shorten(_TAG.sub(" ", text[:20_000])) or "an HTML page"
