"""Top-level fields of a JSON body, found without parsing it: images of megabytes are skipped at memory speed.

Between two strings of JSON stands punctuation only, so the reader jumps from quote to quote. A string ends at
the first quote before which an even number of backslashes stands (RFC 8259, section 7).
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

SMALL = 65_536
"""Bytes up to which the whole body is parsed: that is quicker."""

DENSE = 200
"""Bytes between two quotes below which that is quicker, too: a long conversation, and no image."""

SAMPLED = 1009
"""One byte in so many is looked at, to tell which it is."""


def top_level_fields(body: bytes, wanted: Collection[str]) -> dict[str, Any]:
    """Return the *wanted* fields of the JSON object *body*; empty where it is none. Never raises."""
    if len(body) > SMALL and not _is_dense(body[::SAMPLED]):
        return _scanned(body, {f'"{name}"'.encode(): name for name in wanted})
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return {name: parsed[name] for name in wanted if name in parsed} if isinstance(parsed, dict) else {}


def _is_dense(sample: bytes) -> bool:
    return sample.count(b'"') * DENSE > len(sample)


def _scanned(body: bytes, wanted: dict[bytes, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    depth, at = 0, 0
    while len(found) < len(wanted):
        start = body.find(b'"', at)
        if start < 0:
            break
        between = body[at:start]
        depth += between.count(b"{") + between.count(b"[") - between.count(b"}") - between.count(b"]")
        at = _end_of_string(body, start)
        if depth == 1 and (name := wanted.get(body[start:at])):
            value = body[at : at + SMALL].lstrip()
            if value.startswith(b":"):
                found[name] = _first_value(value[1:])
    return found


def _end_of_string(body: bytes, start: int) -> int:
    """Return where the string ends that begins at *start*."""
    end = body.find(b'"', start + 1)
    while end > 0 and _backslashes_before(body, end) % 2:
        end = body.find(b'"', end + 1)
    return end + 1 if end > 0 else len(body)


def _backslashes_before(body: bytes, end: int) -> int:
    count = 0
    while body[end - 1 - count] == ord("\\"):
        count += 1
    return count


def _first_value(text: bytes) -> Any:
    try:
        return json.JSONDecoder().raw_decode(text.decode(errors="replace").lstrip())[0]
    except (ValueError, RecursionError):
        return None
