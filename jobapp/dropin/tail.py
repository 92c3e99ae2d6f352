"""What is looked at of an answer that is passed on unread: beginning and end, for usage and ids. Pure."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any

from jobapp.domain.types import Usage
from jobapp.providers.fields import cost_told, count

KEPT = 65_536
"""Bytes that are kept of the beginning, and of the end, at most."""

_USAGE = re.compile(r'"(?:usage|usageMetadata)"\s*:\s*(?=\{)')


class Tail:
    """Keeps the beginning and the end of a body; what is compressed is kept as far as it is small."""

    def __init__(self, encoding: str = "") -> None:
        self._encoding = encoding
        self._head = bytearray()
        self._end = bytearray()
        self._length = 0

    def add(self, part: bytes) -> None:
        """Take the next bytes."""
        self._length += len(part)
        if len(self._head) < KEPT:
            self._head += part[: KEPT - len(self._head)]
        if self._length > KEPT:
            self._end += part
            if len(self._end) > 2 * KEPT:
                del self._end[:-KEPT]

    def text(self) -> str:
        """Return the beginning and the end as text; empty where they can't be read."""
        if self._encoding in {"gzip", "deflate"}:
            return self._inflated() if self._length <= KEPT else ""
        if self._encoding not in {"", "identity"}:
            return ""
        return (bytes(self._head) + bytes(self._end)).decode(errors="replace")

    def _inflated(self) -> str:
        try:
            plain = zlib.decompressobj(wbits=47).decompress(bytes(self._head), 64 * KEPT)
        except zlib.error:
            return ""
        return plain.decode(errors="replace")


def usage_in(text: str) -> Usage:
    """Return the last usage that *text* tells, in any of the protocols; zeros where it tells none."""
    for found in reversed(list(_USAGE.finditer(text))):
        try:
            usage = json.JSONDecoder().raw_decode(text, found.end())[0]
        except (ValueError, RecursionError):
            continue
        return _read(usage)
    return Usage()


def _read(usage: Mapping[str, Any]) -> Usage:
    """Read the tokens; Anthropic counts those read from or written to its cache apart, others within."""
    read, written = count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens")
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    told = count(details, "cached_tokens")
    return Usage(
        input_tokens=count(usage, "prompt_tokens", "input_tokens", "promptTokenCount", "total_input_tokens")
        + read
        + written,
        output_tokens=count(
            usage, "completion_tokens", "output_tokens", "candidatesTokenCount", "total_output_tokens"
        )
        + count(usage, "thoughtsTokenCount", "total_thought_tokens"),
        cached_tokens=read or told or count(usage, "cachedContentTokenCount", "total_cached_tokens"),
        cost=cost_told(usage.get("cost")),
        cache_write_tokens=written,
    )
