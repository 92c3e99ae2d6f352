"""Read what is nearly JSON: cut off, with raw newlines, as a Python repr, as protobuf text. Never raises.

Strict JSON is read by :mod:`json`; this reader takes over where that gives up. It is linear in the
text's length and reads at most :data:`MAX_TEXT` characters and :data:`MAX_DEPTH` levels.
"""

from __future__ import annotations

import json
from typing import Any

from jobapp.domain.patterns import compiled

MAX_TEXT = 100_000
MAX_DEPTH = 40

_START = r"\{|\[\s*(?:[\[{\"']|\w+\s*(?::\s*[\"'{\[]|\{))"
_ESCAPED = r"[\[\s]*\{(?:\s|\\n)*\\\""
_SPACE = r"[\s,;]*(?:\\n[\s,;]*)*"
_COLON = r"\s*[:=]\s*"
_WORD = r"[^\s,;:={}\[\]\"']+"
_STRING = {quote: rf"(?s)[^{quote}\\]*(?:\\.[^{quote}\\]*)*" for quote in "\"'"}
_AFTER_STRING = r"\s*(?:[,}\]:;]|$|\\n|\n)"
_LITERALS = {"true": True, "false": False, "null": None, "none": None}


def find_json(text: str) -> tuple[str, Any]:
    """Return the words before the first object or list in *text*, and that value or ``None``."""
    whole = _strict(text)
    if whole is not None:
        return "", whole
    found = compiled(_START).search(text, 0, MAX_TEXT)
    if found is None:
        return text, None
    rest = text[found.start() :]
    if compiled(_ESCAPED).match(rest):
        rest = rest.replace('\\"', '"').replace("\\\\", "\\")
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(rest)
    except (ValueError, RecursionError):
        value = read_loosely(rest)
    return text[: found.start()], value


def _strict(text: str) -> Any:
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list | str) else None


def read_loosely(text: str) -> Any:
    """Return the object, list or word that *text* starts with, as far as it goes."""
    return _Reader(text[:MAX_TEXT]).value(0)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def value(self, depth: int) -> Any:
        self._skip(_SPACE)
        char = self._peek()
        if char in "{[" and char:
            return self._container(depth + 1)
        if self.text.startswith(("b'", 'b"', "u'", 'u"'), self.at):
            self.at += 1
            char = self._peek()
        if char in "\"'" and char:
            return self._string(char)
        return self._word()

    def _container(self, depth: int) -> Any:
        """Read to the closing bracket: a dict where anything in it has a name, else a list."""
        self.at += 1
        items: list[Any] = []
        named: dict[str, Any] = {}
        while depth < MAX_DEPTH:
            self._skip(_SPACE)
            char = self._peek()
            if not char or char in "}]":
                self.at += 1
                break
            start = self.at
            item = self.value(depth)
            if self._skip(_COLON) or (isinstance(item, str) and self._at_block()):
                _add(named, str(item), self.value(depth))
            else:
                items.append(item)
            if self.at == start:
                self.at += 1
        else:
            self.at = len(self.text)
        return named or items

    def _at_block(self) -> bool:
        """Return whether ``name {`` of protobuf's text form stands here."""
        self._skip(_SPACE)
        return self._peek() == "{"

    def _string(self, quote: str) -> str:
        """Read to the closing quote: one that is followed by what may follow a string."""
        start = self.at + 1
        end = start
        while found := compiled(_STRING[quote]).match(self.text, end):
            end = found.end()
            if end >= len(self.text) or compiled(_AFTER_STRING).match(self.text, end + 1):
                break
            end += 1
        self.at = min(end + 1, len(self.text))
        return _unescape(self.text[start:end])

    def _word(self) -> Any:
        found = compiled(_WORD).match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return _LITERALS.get(found[0].lower(), _number(found[0]))

    def _skip(self, pattern: str) -> bool:
        found = compiled(pattern).match(self.text, self.at)
        moved = found is not None and found.end() > self.at
        if found is not None:
            self.at = found.end()
        return moved

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]


def _add(named: dict[str, Any], name: str, value: Any) -> None:
    """Keep every value of a name that comes several times, as repeated fields of protobuf do."""
    if name not in named:
        named[name] = value
    elif isinstance(named[name], list):
        named[name].append(value)
    else:
        named[name] = [named[name], value]


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return compiled(r"\\(.)").sub(lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), text)


def _number(word: str) -> Any:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 20 else word  # noqa: PLR2004
