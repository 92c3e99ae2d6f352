"""A user's own error rules, as they stand in the YAML, checked and made into rules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from jobapp.classification.rule import Mark, ResetRule, Rule
from jobapp.domain.exceptions import ConfigError
from jobapp.domain.types import EMPTY, Kind, Scope

_KEYS = (
    "id",
    "kind",
    "scope",
    "reason",
    "where",
    "pattern",
    "also",
    "unless",
    "providers",
    "reset",
    "source",
)
_NEEDED = ("id", "kind", "pattern")

_Choice = TypeVar("_Choice", bound=StrEnum)


def parse_rules(rows: Sequence[Mapping[str, Any]], source: str) -> tuple[Rule, ...]:
    """Return a user's rows as rules, to stand before the table's own.

    Args:
        rows: Each has ``id``, ``kind`` and ``pattern``; and, as wanted, ``where`` (a place or a list of them,
            ``message`` by default), ``scope`` (``key``), ``reason``, ``also`` and ``unless`` (place to
            pattern), ``providers`` (a name or a list) and ``reset`` (``stated``).
        source: The file they stand in, for errors.

    Raises:
        ConfigError: A row can't be understood; the text names the file, the row and the fix.
    """
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise ConfigError(f"{source}: `rules` must be a list of rows, not {rows!r:.60}")
    rules = tuple(_Row(source, number, row).rule() for number, row in enumerate(rows, 1))
    for number, rule in enumerate(rules, 1):
        if any(earlier.id == rule.id for earlier in rules[: number - 1]):
            raise ConfigError(f"{source}, row {number}: the id {rule.id!r} is taken; give each row its own")
    return rules


class _Row:
    def __init__(self, source: str, number: int, row: Any) -> None:
        self.at = f"{source}, row {number}"
        if not isinstance(row, Mapping):
            raise ConfigError(
                f"{self.at}: must be a mapping such as {{id: …, kind: quota, pattern: …}}, not {row!r:.60}"
            )
        self.row = row
        for name in row:
            if name not in _KEYS:
                raise ConfigError(f"{self.at}: unknown setting {name!r}; known are {', '.join(_KEYS)}")
        for name in _NEEDED:
            if row.get(name) in (None, ""):
                raise ConfigError(f"{self.at}: `{name}` is missing; each row needs {', '.join(_NEEDED)}")

    def rule(self) -> Rule:
        return Rule(
            id=self._text("id"),
            kind=self._choice("kind", Kind, None),
            scope=self._choice("scope", Scope, Scope.KEY),
            reason=self._text("reason", "as your own rules say"),
            where=tuple(self._place("where", name) for name in self._list("where", Mark.MESSAGE)),
            pattern=self._pattern("pattern", self.row["pattern"]),
            source=self._text("source", self.at),
            also=self._patterns("also"),
            unless=self._patterns("unless"),
            providers=tuple(self._list("providers")),
            reset=self._choice("reset", ResetRule, ResetRule.STATED),
        )

    def _text(self, name: str, default: str = "") -> str:
        value = self.row.get(name, default)
        if not isinstance(value, str):
            raise ConfigError(f"{self.at}: `{name}` must be text, not {value!r:.60}; put it in quotes")
        return value

    def _choice(self, name: str, choices: type[_Choice], default: _Choice | None) -> _Choice:
        value = self.row.get(name, default)
        try:
            return choices(value)
        except ValueError:
            known = ", ".join(choices)
            raise ConfigError(f"{self.at}: `{name}` is {value!r:.60}; it must be one of {known}") from None

    def _list(self, name: str, *default: str) -> list[str]:
        value = self.row.get(name, list(default))
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{self.at}: `{name}` must be a name or a list of names, not {value!r:.60}")
        return value

    def _place(self, name: str, value: Any) -> Mark:
        try:
            return Mark(value)
        except ValueError:
            known = ", ".join(Mark)
            raise ConfigError(f"{self.at}: `{name}` names {value!r:.60}; the places are {known}") from None

    def _patterns(self, name: str) -> Mapping[Mark, str]:
        value = self.row.get(name, EMPTY)
        if not isinstance(value, Mapping):
            raise ConfigError(
                f"{self.at}: `{name}` must map places to patterns, {{status: '429'}} say, not {value!r:.60}"
            )
        return {self._place(name, place): self._pattern(name, pattern) for place, pattern in value.items()}

    def _pattern(self, name: str, value: Any) -> str:
        """Check a regular expression; a bare number such as 429 is meant as its digits."""
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not text:
            raise ConfigError(f"{self.at}: `{name}` must hold a regular expression, not {value!r:.60}")
        try:
            re.compile(text, re.IGNORECASE)
        except re.error as error:
            raise ConfigError(
                f"{self.at}: `{name}` is no regular expression ({error}): {text!r:.80}"
            ) from None
        return text
