"""The least value that fits a JSON schema: what a model answers that was told nothing else. Pure.

Knows what the providers' structured outputs allow: ``$ref``, ``anyOf``, ``oneOf``, ``allOf``, ``enum``,
``const``, types, bounds, the usual formats; Gemini's capital types too. A ``pattern`` is met where one of a
few texts meets it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

FORMATS: Mapping[str, str] = {
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "date-time": "2026-01-01T00:00:00Z",
    "duration": "PT0S",
    "email": "a@example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/",
    "hostname": "example.com",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
}
GUESSES = ("", "a", "A", "0", "aa", "00", "000", "0000", "00000", "a0", "A0", "a-a", *FORMATS.values())
DEEPEST = 40
"""Nested references, after which a schema counts as one without an end."""

Schema = Mapping[str, Any]


class NoValueError(ValueError):
    """No value was found that fits."""


def least(schema: Schema) -> Any:
    """Return the least value that fits *schema*: required fields only, shortest lists, first of an ``enum``.

    Raises:
        NoValueError: None was found.
    """
    return _least(schema, schema, 0)


def _least(schema: Any, root: Schema, depth: int) -> Any:
    if schema is True or not schema:
        return {}
    if depth > DEEPEST or not isinstance(schema, Mapping):
        raise NoValueError("the schema never ends, or is none")
    if "const" in schema or schema.get("enum"):
        return schema["const"] if "const" in schema else schema["enum"][0]
    for name, options in COMBINED.items():
        if name in schema:
            return _first(options(schema, root), root, depth)
    return _of_type(schema, root, depth)


def _first(options: Sequence[Schema], root: Schema, depth: int) -> Any:
    for option in options:
        try:
            return _least(option, root, depth + 1)
        except NoValueError:
            continue
    raise NoValueError("none of the alternatives has a value")


def _of_type(schema: Schema, root: Schema, depth: int) -> Any:
    kind = schema.get("type")
    if isinstance(kind, Sequence) and not isinstance(kind, str):
        return _first([{**schema, "type": each} for each in kind], root, depth)
    name = str(kind or _guessed_type(schema)).lower()
    if name not in MAKERS:
        raise NoValueError(f"there is no type {name!r}")
    return MAKERS[name](schema, root, depth)


def _guessed_type(schema: Schema) -> str:
    if "items" in schema or "minItems" in schema:
        return "array"
    return "object" if "properties" in schema or "required" in schema else "string"


def _object(schema: Schema, root: Schema, depth: int) -> dict[str, Any]:
    fields = schema.get("properties") or {}
    return {name: _least(fields.get(name, {}), root, depth + 1) for name in schema.get("required") or ()}


def _items(schema: Schema, root: Schema, depth: int) -> list[Any]:
    prefix = list(schema.get("prefixItems") or ())
    count = max(int(schema.get("minItems") or 0), len(prefix) if prefix else 0)
    rest = schema.get("items") or {}
    return [_least(prefix[i] if i < len(prefix) else rest, root, depth + 1) for i in range(count)]


def _text(schema: Schema) -> str:
    shortest, longest = int(schema.get("minLength") or 0), schema.get("maxLength")
    pattern = schema.get("pattern")
    known = FORMATS.get(str(schema.get("format")), "")
    for guess in (known, *GUESSES, "a" * shortest, "0" * shortest):
        text = guess + "a" * (shortest - len(guess)) if pattern is None else guess
        fits = len(text) >= shortest and (longest is None or len(text) <= int(longest))
        if fits and (pattern is None or re.search(pattern, text)):
            return text
    raise NoValueError(f"no text was found that fits the pattern {pattern!r}: script an answer")


def _number(schema: Schema, *, whole: bool) -> float:
    step = schema.get("multipleOf") or (1 if whole else 0)
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    lows = [bound for bound in (low, above) if bound is not None]
    highs = [bound for bound in (high, below) if bound is not None]
    value: float = 0
    if lows and max(lows) >= value:
        value = max(lows)
    elif highs and min(highs) <= value:
        value = min(highs)
    up = not (highs and min(highs) <= 0 and value == min(highs) and not (lows and value == max(lows)))
    if step:
        value = (math.ceil if up else math.floor)(value / step) * step
    if value in (above, below):
        value = _beside(value, step, highs if up else lows, up=up)
    if (low is not None and value < low) or (high is not None and value > high):
        raise NoValueError("no number lies between the bounds")
    return value


def _beside(value: float, step: float, bounds: Sequence[float], *, up: bool) -> float:
    if step:
        return value + (step if up else -step)
    other = (min(bounds) if up else max(bounds)) if bounds else value + (2 if up else -2)
    return (value + other) / 2


def _merged(schemas: Sequence[Schema], root: Schema) -> Schema:
    merged: dict[str, Any] = {}
    for schema in schemas:
        whole = (
            {**_resolved(str(schema["$ref"]), root), **_without(schema, "$ref")}
            if "$ref" in schema
            else schema
        )
        fields = {**merged.get("properties", {}), **whole.get("properties", {})}
        needed = [*merged.get("required", ()), *whole.get("required", ())]
        merged |= whole
        if fields:
            merged["properties"] = fields
        if needed:
            merged["required"] = list(dict.fromkeys(needed))
    return merged


def _resolved(ref: str, root: Schema) -> Schema:
    found: Any = root
    for step in ref.removeprefix("#").strip("/").split("/") if ref.strip("#/") else ():
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            raise NoValueError(f"the schema has no {ref}")
        found = found[name]
    return found if isinstance(found, Mapping) else {}


def _without(schema: Schema, name: str) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != name}


def _options(name: str) -> Callable[[Schema, Schema], list[Schema]]:
    return lambda schema, _root: [{**_without(schema, name), **option} for option in schema[name]]


COMBINED: Mapping[str, Callable[[Schema, Schema], list[Schema]]] = {
    "$ref": lambda schema, root: [{**_resolved(str(schema["$ref"]), root), **_without(schema, "$ref")}],
    "allOf": lambda schema, root: [_merged([*schema["allOf"], _without(schema, "allOf")], root)],
    "anyOf": _options("anyOf"),
    "oneOf": _options("oneOf"),
}
"""What a schema may say in place of a type, and the schemas of which one must hold."""

MAKERS: Mapping[str, Callable[[Schema, Schema, int], Any]] = {
    "object": _object,
    "array": _items,
    "string": lambda schema, *_: _text(schema),
    "integer": lambda schema, *_: int(_number(schema, whole=True)),
    "number": lambda schema, *_: _number(schema, whole=False),
    "boolean": lambda *_: False,
    "null": lambda *_: None,
}
