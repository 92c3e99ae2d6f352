"""Mutated rejections: how many of them make the classifier set a key aside that the original left alone."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

from jobapp.domain.types import ErrorFacts
from tests.error_forms import FORMS
from tests.mutations import harmed

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
SHOWN = 5


def main(number: int = 100_000) -> None:
    """Try *number* mutations and print what harmed a key; an exception ends it."""
    forms = [facts for _, _, facts in FORMS if facts.body is not None] + list(_labelled())
    began = time.perf_counter()
    found = list(harmed(forms, number))
    seconds = time.perf_counter() - began
    print(
        f"{len(forms)} forms, {number} mutations, {seconds / number * 1e6:.0f} us each: {len(found)} harm a key"
    )
    ways = Counter((" ".join(names), after.rule) for _, names, _, after in found)
    for (way, rule), count in ways.most_common(SHOWN):
        print(f"  {count} by {way}: {rule}")
    for facts, names, before, after in found[:SHOWN]:
        print(
            f"  {before.rule} -> {after.rule} ({' '.join(names)}): HTTP {facts.status} {str(facts.body)[:160]!r}"
        )


def _labelled() -> list[ErrorFacts]:
    """Return the labelled rejections that lie beside the repository, where they do."""
    rows = [
        json.loads(line)
        for path in sorted(CORPUS.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return [
        ErrorFacts(row["provider"], row["status"], row.get("headers") or {}, row["body"])
        for row in rows
        if row["via"] != "exception-text"
    ]
