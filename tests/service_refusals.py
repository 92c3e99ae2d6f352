"""How each service refuses, as its own pages and public reports show it: data, a line each, with its source."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobapp.domain.types import Kind

FILE = Path(__file__).with_suffix(".jsonl")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a service sent, what it means, and where that is told."""

    service: str
    kind: Kind
    status: int
    headers: dict[str, str]
    body: Any
    source: str


def _read(line: str) -> Refusal:
    row = json.loads(line)
    return Refusal(**row | {"kind": Kind(row["kind"])})


REFUSALS = [_read(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
