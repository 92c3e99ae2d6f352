"""The labelled collection of error responses that lies beside the repository, where it does."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobapp.classification.classify import classify
from jobapp.domain.types import ErrorFacts, Kind
from tests.mutations import shuffled

CORPUS = Path(__file__).parent.parent.parent / "shared" / "corpus" / "errors.jsonl"
ENTRIES = (
    [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()] if CORPUS.exists() else []
)
SURE = [entry for entry in ENTRIES if entry.get("confidence") != "low"]

KINDS = {
    "rpm": Kind.RATE_LIMIT, "rpd": Kind.QUOTA, "auth": Kind.AUTH, "transient": Kind.UNAVAILABLE, "fatal": Kind.REQUEST,
}  # fmt: skip
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

pytestmark = pytest.mark.skipif(
    not ENTRIES, reason="there is no ../shared/corpus/errors.jsonl beside the repository"
)


def facts_of(entry, body=None):
    """Return what an entry tells: a text that an exception had is a message, all else is a body."""
    body = entry["body"] if body is None else body
    is_text = entry["via"] == "exception-text" and isinstance(body, str)
    return ErrorFacts(
        provider=entry["provider"],
        status=entry["status"],
        headers=entry.get("headers") or {},
        body=None if is_text else body,
        message=body if is_text else "",
    )


@pytest.mark.parametrize("entry", SURE, ids=lambda entry: entry["id"])
def test_a_confident_entry_means_what_its_label_says(entry):
    verdict = classify(facts_of(entry), NOW)
    assert verdict.kind is KINDS[entry["label"]], verdict


def test_nine_of_ten_arguable_entries_mean_what_their_labels_say():
    arguable = [entry for entry in ENTRIES if entry.get("confidence") == "low"]
    right = [classify(facts_of(entry), NOW).kind is KINDS[entry["label"]] for entry in arguable]
    assert sum(right) >= 0.9 * len(right)


@pytest.mark.parametrize("seed", range(3))
def test_no_entry_depends_on_the_order_of_its_keys(seed):
    for entry in ENTRIES:
        other = facts_of(entry, shuffled(entry["body"], random.Random(seed)))
        assert classify(other, NOW) == classify(facts_of(entry), NOW)


def test_no_entrys_key_is_told():
    for entry in ENTRIES:
        assert "AIzaMASKED" not in repr(classify(facts_of(entry), NOW))
