"""Vectors for texts, near to each other where words are shared, so that a search finds something. Pure."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

PLACES = 8
"""Dimensions that one word adds to."""


def embedding(text: str, size: int) -> list[float]:
    """Return a vector of length 1 and *size* dimensions."""
    vector = [0.0] * size
    for word in text.lower().split() or [""]:
        digest = blake2b(word.encode(errors="backslashreplace"), digest_size=4 * PLACES).digest()
        for (number,) in struct.iter_unpack("<I", digest):
            vector[(number >> 1) % size] += 1.0 if number & 1 else -1.0
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


def as_base64(vector: Sequence[float]) -> str:
    """Return a vector as OpenAI's SDK asks for it: little-endian floats of 32 bits."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def texts_of(asked: Any) -> list[str]:
    """Return the texts of ``input``: one or several, as words or as tokens."""
    if isinstance(asked, str):
        return [asked]
    rows = asked if isinstance(asked, list) else []
    if rows and all(isinstance(row, int) for row in rows):
        return [" ".join(map(str, rows))]
    return [row if isinstance(row, str) else " ".join(map(str, row or ())) for row in rows]
