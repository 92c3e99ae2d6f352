"""The rules of a run over files, as they are given and checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from jobapp.domain.exceptions import ConfigError


@dataclass(frozen=True, slots=True)
class RunRules:
    """How a run goes.

    Attributes:
        template: A prompt with ``$names`` of a row's fields in it.
        ordered: The output has the order of the input at the end.
        keep: Answers stand although what is asked has changed.
        prune: Answers whose row has left the input are dropped.
        retry_errors: Rows that failed are asked again.
        limit: So many rows are asked at most.
        max_total_tokens: Nothing more is sent when the answers of this run have cost so many.
        max_usd: Nothing more is sent when the answers of this run have cost so many US dollars.
        shard: Which of how many parts of the input this run has, from 1.
    """

    template: str | None = None
    ordered: bool = False
    keep: bool = False
    prune: bool = False
    retry_errors: bool = False
    limit: int | None = None
    max_total_tokens: int | None = None
    max_usd: float | None = None
    shard: tuple[int, int] | None = None


RULES = tuple(field.name for field in fields(RunRules))


def read_rules(given: Mapping[str, Any]) -> RunRules:
    """Return the rules of a run, checked.

    Raises:
        ConfigError: One has a value that it can't have.
    """
    rules = RunRules(**given)
    for name, is_right, form in (
        ("template", isinstance(rules.template, str | None), "a text"),
        ("limit", _is_cap(rules.limit), "a whole number from 1"),
        ("max_total_tokens", _is_cap(rules.max_total_tokens), "a whole number from 1"),
        ("max_usd", rules.max_usd is None or _is_amount(rules.max_usd), "a number above 0"),
        ("shard", rules.shard is None or _is_shard(rules.shard), "a pair like (2, 8)"),
    ):
        if not is_right:
            raise ConfigError(f"{name}: must be {form}, not {getattr(rules, name)!r}")
    return rules


def _is_cap(value: Any) -> bool:
    return value is None or _is_count(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _is_shard(value: Any) -> bool:
    match value:
        case (part, parts):
            return _is_count(part) and _is_count(parts) and part <= parts
        case _:
            return False
