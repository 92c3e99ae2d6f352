"""What a rejection says, laid out by place: read from any body, however it is wrapped or broken.

Only fields that providers use for errors are followed, so an echo of the request is never read. Names
of fields are compared without case, ``_``, ``-`` and ``@`` and taken in a fixed order, so the order of
keys means nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobapp.classification.lenient_json import find_json
from jobapp.classification.message_text import (
    clean,
    codes_in,
    exception_names,
    is_above_limit,
    is_code,
    page_words,
    quota_names,
    scraped_fields,
    shorten,
    status_in,
    unframed,
)
from jobapp.classification.rule import Mark
from jobapp.domain.patterns import compiled
from jobapp.domain.types import ErrorFacts

REPEATING = (404, 413, 422)
"""Statuses whose messages repeat what the user wrote."""

MAX_DEPTH, MAX_ITEMS, MAX_MESSAGES, MAX_NAME = 16, 40, 12, 200

_INNER = (
    "error", "errors", "errordetails", "lasterror", "innererror", "fault", "baseresp", "data", "response",
    "body", "responsebody", "json", "cause", "detail", "details", "statusdetails", "metadata",
    "availability", "violations", "choices",
)  # fmt: skip
_MESSAGES = (
    "message", "msg", "errormessage", "errordescription", "errormsg", "detail", "details", "description",
    "title", "faultstring", "statusmsg", "error", "errors", "responsebody", "body", "data",
)  # fmt: skip
_PLACES = {
    "code": Mark.CODE, "errorcode": Mark.CODE, "status": Mark.CODE,
    "type": Mark.TYPE, "name": Mark.TYPE,
    "errortype": Mark.ERROR_TYPE,
    "reason": Mark.REASON,
    "limitsource": Mark.LIMIT_SOURCE,
}  # fmt: skip
_QUOTAS = ("quotaid", "quotalimit", "quotametric", "quotalimitvalue", "quotavalue")
_TELLING = {
    "providercode": "provider_code", "providername": "provider_name", "flaggedinput": "flagged_input",
    "reasons": "reasons", "patterns": "patterns",
}  # fmt: skip
_STATUSES = ("statuscode", "httpstatuscode", "httpstatus", "httpcode", "code", "status", "errorcode")
_HINTS = (
    "retrydelay", "retryafter", "retryafterms", "retryafterseconds", "resetsat", "resetat", "resetsinseconds",
    "quotaresetdelay", "quotaresettimestamp",
)  # fmt: skip
_HEADERS = ("headers", "responseheaders")
_OTHERS = ("raw", "finishreason", "nativefinishreason")
_KNOWN = frozenset(
    (*_INNER, *_MESSAGES, *_PLACES, *_QUOTAS, *_TELLING, *_STATUSES, *_HINTS, *_HEADERS, *_OTHERS)
)


class Evidence:
    """What a rejection says.

    Attributes:
        status: The HTTP status, or the one that the body or the text tells where there was none.
        marks: The words to look at, by place.
        headers: HTTP headers, and those that a body copies; names in lower case.
        hints: Raw values of the fields that tell a wait or a reset, by plain name.
        messages: The provider's own words as they came, shortened.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.marks: dict[Mark, list[str]] = {}
        self.headers: dict[str, str] = {}
        self.hints: dict[str, list[Any]] = {}
        self.messages: list[str] = []

    def mark(self, place: Mark, word: str) -> None:
        """Note *word* in *place*, once."""
        words = self.marks.setdefault(place, [])
        if word and word not in words:
            words.append(word)


def read_evidence(facts: ErrorFacts) -> Evidence:
    """Return what *facts* says, laid out by place; never raises."""
    reader = _Reader(facts)
    reader.read()
    return reader.seen


class _Reader:
    def __init__(self, facts: ErrorFacts) -> None:
        self.facts = facts
        self.seen = Evidence()
        self.inner_status: int | None = None

    def read(self) -> None:
        facts, seen = self.facts, self.seen
        self._headers(facts.headers)
        for name in facts.exceptions:
            seen.mark(Mark.EXCEPTION, name)
        self._node(facts.body, 0)
        if not seen.messages:
            self._text(facts.message, 0)
        elif facts.message:
            self._around(facts.message)
        self._settle()

    def _settle(self) -> None:
        """Draw what follows from all that was read."""
        seen = self.seen
        told = self.facts.status
        seen.status = told if told is not None and told >= 400 else self.inner_status or told  # noqa: PLR2004 - HTTP
        seen.mark(Mark.STATUS, "none" if seen.status is None else str(seen.status))
        for name, value in seen.headers.items():
            seen.mark(Mark.HEADER, f"{name}: {value}")
        seen.mark(Mark.TYPE, seen.headers.get("x-amzn-errortype", "").partition(":")[0])
        for text in seen.messages:
            for name in quota_names(text):
                seen.mark(Mark.QUOTA_ID, f"named={name}")
            seen.mark(Mark.MESSAGE, clean(text, self.facts.model))
            above = is_above_limit(text)
            if above is not None:
                seen.mark(Mark.SHAPE, "above_limit" if above else "within_limit")
        if not any(map(is_code, self._vocabulary())) and seen.status not in REPEATING:
            for word in codes_in(seen.marks.get(Mark.MESSAGE, ())):
                for place in (Mark.CODE, Mark.TYPE, Mark.REASON, Mark.LIMIT_SOURCE):
                    seen.mark(place, word)
        if not seen.messages:
            seen.mark(Mark.SHAPE, "empty")

    def _vocabulary(self) -> Iterable[str]:
        marks = self.seen.marks
        for place in (Mark.CODE, Mark.TYPE, Mark.ERROR_TYPE, Mark.REASON, Mark.LIMIT_SOURCE):
            yield from marks.get(place, ())

    def _node(self, node: Any, depth: int) -> None:
        if depth > MAX_DEPTH:
            return
        if isinstance(node, Mapping):
            self._mapping(node, depth + 1)
        elif isinstance(node, list | tuple):
            for item in node[:MAX_ITEMS]:
                self._node(item, depth + 1)
        elif isinstance(node, bytes | bytearray):
            self._text(bytes(node).decode(errors="replace"), depth + 1)
        elif isinstance(node, str):
            self._text(node, depth + 1)

    def _mapping(self, node: Mapping[Any, Any], depth: int) -> None:
        fields = _plain_fields(node)
        self._names(fields)
        for name in _MESSAGES:
            if isinstance(fields.get(name), str | bytes):
                self._node(fields[name], depth)
        for name in _INNER:
            if isinstance(fields.get(name), Mapping | list | tuple):
                self._node(fields[name], depth)

    def _names(self, fields: Mapping[str, Any]) -> None:
        """Note the fields that hold a word or a number."""
        self._words(fields)
        for name, label in _TELLING.items():
            if fields.get(name):
                self.seen.mark(Mark.FIELD, label)
        for name in _HINTS:
            if fields.get(name) is not None:
                self.seen.hints.setdefault(name, []).append(fields[name])
        for name in _STATUSES:
            self._note_status(fields.get(name))
        for name in _HEADERS:
            self._headers(fields.get(name))
        if "error" in (fields.get("finishreason"), fields.get("nativefinishreason")):
            self.seen.mark(Mark.SHAPE, "broken_off")

    def _words(self, fields: Mapping[str, Any]) -> None:
        for name, place in _PLACES.items():
            if (word := _word(fields.get(name))) and not word.startswith("type.googleapis.com"):
                self.seen.mark(place, word)
        for name in _QUOTAS:
            if word := _word(fields.get(name)):
                self.seen.mark(Mark.QUOTA_ID, f"{name}={word}")
        raw = fields.get("raw")
        for part in raw.values() if isinstance(raw, Mapping) else (raw,):
            if isinstance(part, str):
                self.seen.mark(Mark.UPSTREAM, shorten(part))

    def _note_status(self, value: Any) -> None:
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:  # noqa: PLR2004 - HTTP
            value = int(value)
        if type(value) is int and 400 <= value <= 599 and self.inner_status is None:  # noqa: PLR2004 - HTTP
            self.inner_status = value

    def _headers(self, headers: Any) -> None:
        if isinstance(headers, Mapping):
            for name, value in sorted(headers.items(), key=lambda item: str(item[0])):
                if isinstance(value, str | int | float):
                    self.seen.headers.setdefault(str(name).lower(), shorten(str(value)))

    def _text(self, text: str, depth: int) -> None:
        """Read a text: the structure in it where there is one, else its words."""
        text = unframed(text)
        if not text or depth > MAX_DEPTH:
            return
        if events := _events(text):
            for event in events:
                self._text(event, depth + 1)
            return
        if words := page_words(text):
            self.seen.mark(Mark.SHAPE, "html")
            self._say(words)
            return
        before, value = find_json(text) if _may_hold_error(text, depth) else (text, None)
        known, said = self._size(), len(self.seen.messages)
        if _is_structure(value):
            self._node(value, depth + 1)
        if before != text and self._size() == known:
            self._node(scraped_fields(text), depth + 1)
        if len(self.seen.messages) > said:
            self._around(before)
        else:
            self._around(text)
            self._say(before if self._size() > known else text)

    def _size(self) -> int:
        """Return how much was seen."""
        return len(self.seen.messages) + len(self.seen.hints) + sum(map(len, self.seen.marks.values()))

    def _around(self, text: str) -> None:
        """Read what a program wrote round a provider's words: a status, a class name."""
        if self.inner_status is None:
            self.inner_status = status_in(text)
        for name in exception_names(text):
            self.seen.mark(Mark.EXCEPTION, name)

    def _say(self, text: str) -> None:
        text = shorten(text)
        if text and text not in self.seen.messages and len(self.seen.messages) < MAX_MESSAGES:
            self.seen.messages.append(text)


def _plain_fields(node: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the fields by plain name; a protobuf map entry ``{key, value}`` is one field."""
    if len(node) == 2 and isinstance(node.get("key"), str) and "value" in node:  # noqa: PLR2004 - a pair
        node = {node["key"]: node["value"]}
    fields: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    for name, value in node.items():
        plain = _plain(name)
        if plain in _KNOWN and (plain not in spelled or str(name) < spelled[plain]):
            fields[plain], spelled[plain] = value, str(name)
    return fields


def _plain(name: Any) -> str:
    return str(name)[:MAX_NAME].lower().translate(_PUNCTUATION)


_PUNCTUATION = str.maketrans("", "", "_-@ ")


def _word(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    if isinstance(value, int):
        return str(value) if abs(value) < 10**9 else ""
    return value.strip()[:MAX_NAME]


_EVENT = r"(?m)^data:[ \t]*([\[{\"].*)$"


def _events(text: str) -> list[str]:
    """Return the data of server-sent events, the last ones of many."""
    if not text.startswith(("data:", "event:", ":")):
        return []
    return [event for event in compiled(_EVENT).findall(text) if event.strip() != "[DONE]"][-MAX_ITEMS:]


def _is_structure(value: Any) -> bool:
    """Return whether *value* may hold named fields; mere words in brackets are words."""
    if isinstance(value, list):
        return any(isinstance(item, dict | list) for item in value)
    return isinstance(value, dict | str)


_COMPLAINT = r"(?i)\b(?:invalid|expected|unexpected|schema|got|received|input|parse)\b"


def _may_hold_error(text: str, depth: int) -> bool:
    """Return whether structure within *text* is the provider's: not where it complains about the user's."""
    start = min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=None)
    if start is None or depth <= 1:
        return start is not None
    return status_in(text[:start]) is not None or not compiled(_COMPLAINT).search(text, 0, start)
