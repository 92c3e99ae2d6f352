"""The words of a provider, and what programs write round them: pure functions of text, linear and bounded."""

from __future__ import annotations

from collections.abc import Iterable

from jobapp.domain.patterns import compiled

HEAD, TAIL = 4_000, 1_000
"""Characters of a text that are read, from its start and from its end."""

EDGE = 600
"""Characters at either end of a text in which a program tells a status or the name of an exception."""

PAGE = 20_000
"""Characters of a page, or of a text past parsing, that are read."""

_FRAMES = str.maketrans(dict.fromkeys("│┃║╭╮╰╯┌┐└┘─━═", " "))


def unframed(text: str) -> str:
    """Return *text* without the frame that a terminal drew round it."""
    return text.translate(_FRAMES).strip() if "│" in text else text.strip()


def shorten(text: str) -> str:
    """Return *text* on one line, only its start and end where it is long."""
    if len(text) > HEAD + TAIL:
        text = f"{text[:HEAD]} … {text[-TAIL:]}"
    return " ".join(text.split())


_QUOTED = r'"[^"]*"|“[^”]*”|`[^`]*`|(?<!\w)\'[^\']*\'(?!\w)'
_NAMES = (
    r"(?i)\bmodels?(?:_name)?\s*[:=/]\s*[\w./:@\-]+"
    r"|(?<=reached for )[\w./:@\-]+|(?<=too large for )[\w./:@\-]+"
    r"|\breq(?:uest)?[_ -]?(?:id)?[ :=]*[0-9a-f_\-]{12,}"
)
_WHOLLY_QUOTED = (
    r'^(?:[^"]{0,60}\b[45]\d\d\b[^"]{0,30}|\w{1,30}=)?"([^"]*)"(?:\W*|(?: \w{1,30}=[\w.]{1,30}){1,4})$'
)


def clean(text: str, model: str | None = None) -> str:
    """Return a provider's words without names of models and without what is quoted: it is the user's."""
    if whole := compiled(_WHOLLY_QUOTED).match(text):
        text = whole[1]
    if model and len(model) > 2:  # noqa: PLR2004 - a shorter name may be part of a word
        text = text.replace(model, "")
    text = compiled(_QUOTED).sub(" ", text)
    return " ".join(compiled(_NAMES).sub(" ", text).split())


_QUOTA_NAMES = (
    r"\b(?:metric|limit) '([^']{1,200})'|\bmetric: ?([\w./-]{1,200})"
    r"|\bexceeded for ([\w.-]{1,80}/[\w-]{1,120})"
)


def quota_names(text: str) -> list[str]:
    """Return the names of quotas in Google's words, ``GenerateContent requests per day`` say."""
    return ["".join(names) for names in compiled(_QUOTA_NAMES).findall(text)]


_CODES = r"(?<![\w./-])(?:[a-z]+(?:_[a-z0-9]+)+|[A-Z]+(?:_[A-Z0-9]+)+)(?![\w/-])"


def is_code(word: str) -> bool:
    """Return whether *word* looks like a code."""
    return compiled(_CODES).fullmatch(word) is not None


def codes_in(texts: Iterable[str]) -> list[str]:
    """Return the words of *texts* that look like a code, ``insufficient_quota`` say."""
    return [word for text in texts for word in compiled(_CODES).findall(text)][:40]


_AMOUNTS = r"(?i)\blimit:? ([\d,]{1,15})\b\D{1,10}(?:used:? [\d,]{1,15}\D{1,10})?requested:? ([\d,]{1,15})\b"


def is_above_limit(text: str) -> bool | None:
    """Return whether one request asked for more than the limit; ``None`` where *text* names no amounts."""
    found = compiled(_AMOUNTS).search(text)
    if found is None:
        return None
    limit, requested = (int(amount.replace(",", "") or 0) for amount in found.groups())
    return requested > limit


_NUMBER = r"(?<![\d.,\w])([45]\d\d)(?![\d,\w]|\.\d)"
_STATUS = (
    rf"(?i)^\W{{0,3}}{_NUMBER}(?!\s+(?:tokens|requests|characters|messages|images)\b)"
    r"|(?:status|code|http(?:/[\d.]+)?|error|exception|failed|rejected|returned|responded)\W{0,4}"
    rf"(?:(?:with|status|code|http|a|an)\W{{1,3}}){{0,3}}{_NUMBER}"
    rf"|[\[(]{_NUMBER}[\])]|\[{_NUMBER} [A-Z]"
    rf"|{_NUMBER}[ :_-]*(?:too many requests|unauthori[sz]ed|forbidden|not found|bad request|payment required"
    r"|internal server error|bad gateway|service unavailable|gateway time-?out|resource_exhausted"
    r"|permission_denied)"
)


def status_in(text: str) -> int | None:
    """Return the HTTP status that *text* names as one, in its first words or else in its last."""
    search = compiled(_STATUS).search
    found = search(text[:EDGE]) or (search(text[-EDGE:]) if len(text) > EDGE else None)
    return int(next(filter(None, found.groups()))) if found else None


_CLASS = (
    r"\b[A-Z][A-Za-z]*(?:Error|Exception|Exhausted|Denied|Unavailable|Exceeded|Unauthenticated|Timeout"
    r"|InvalidArgument|NotFound|TooManyRequests)\b"
)


def exception_names(text: str) -> list[str]:
    """Return the class names of exceptions in the first and last words of *text*."""
    edges = text if len(text) <= 2 * EDGE else f"{text[:EDGE]} {text[-EDGE:]}"
    return compiled(_CLASS).findall(edges)[:8]


_FIELD = r"(?i)[\"'](message|code|status|type|reason|quotaId)\\?[\"']\s*:\s*\\?[\"']?([^\"']{1,1000})"


def scraped_fields(text: str) -> list[dict[str, str]]:
    """Return what looks like fields of an error in a text whose structure is past reading."""
    return [{name: value.strip(" ,")} for name, value in compiled(_FIELD).findall(text[:PAGE])[:40]]


_PAGE = r"(?i)<(?:!doctype html|html|head|body|title|h1)\b"
_TAG = r"(?i)<(?:script|style)\b[^>]*>[^<]*|<[^>]*>"


def page_words(text: str) -> str:
    """Return the words of an HTML page, its title first; ``""`` where *text* is none or is JSON."""
    if text.lstrip("\ufeff")[:1] in ("{", "["):
        return ""
    if not compiled(_PAGE).search(text, 0, EDGE):
        return ""
    return shorten(compiled(_TAG).sub(" ", text[:PAGE])) or "an HTML page"
