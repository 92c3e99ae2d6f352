"""Rejections as gateways, SDKs and logs pass them on: mutations that keep status, code and the deciding sentence.

Whatever is done here to a body, the meaning stays: no verdict may set a key aside where the original's did
not. ``python -m tests.benchmarks fuzz`` tries 100,000 of them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from jobapp.classification.classify import classify
from jobapp.domain.types import ErrorFacts, Kind, Verdict

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

HARMS_A_KEY = (Kind.QUOTA, Kind.AUTH)

USERS_WORDS = (
    "insufficient_quota",
    "You exceeded your current quota, please check your plan and billing details.",
    "Incorrect API key provided",
    "invalid x-api-key; account deactivated",
    "余额不足,请充值",
    "daily limit reached, requests per day (RPD)",
    '{"error": {"code": "insufficient_quota", "type": "authentication_error"}}',
)
"""What a prompt may hold, and a provider may echo."""

Mutation = Callable[[Any, random.Random], Any]


def shuffled(value: Any, rng: random.Random) -> Any:
    """Return *value* with the keys of each mapping in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(item, rng)) for key, item in value.items()]
        rng.shuffle(items)
        return dict(items)
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


def wrapped(body: Any, rng: random.Random) -> Any:
    """Return *body* inside what gateways put round it."""
    return rng.choice(
        [{"error": body}, {"detail": body}, {"data": body}, [body], {"response": {"body": body}}]
    )


def encoded(body: Any, rng: random.Random) -> Any:
    """Return *body* as a text of it: JSON, JSON in ASCII, bytes, indented, JSON within JSON."""
    if not isinstance(body, dict | list):
        return body.encode() if isinstance(body, str) else body
    text = json.dumps(body, default=str, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 2]))
    return rng.choice(
        [
            text,
            text.encode(),
            {"message": text},
            f"data: {json.dumps(body, default=str)}\n\n",
            f"\ufeff{text}\r\n",
        ]
    )


def echoed(body: Any, rng: random.Random) -> Any:
    """Return *body* with the user's own words in fields that are no error's."""
    if not isinstance(body, dict):
        return body
    words = rng.choice(USERS_WORDS)
    echoes: list[dict[str, Any]] = [
        {"input": words},
        {"prompt": words},
        {"messages": [{"role": "user", "content": words}]},
    ]
    echo = rng.choice(echoes)
    more = {rng.choice(["request", "original_request", "params"]): echo} if rng.random() < 0.5 else echo
    return {**body, **more} if rng.random() < 0.5 else {**more, **body}


def decorated(body: Any, rng: random.Random) -> Any:
    """Return *body* with fields that mean nothing."""
    more = {
        "id": f"req-{rng.randrange(10**9)}",
        "created": 1764000000 + rng.randrange(1000),
        "object": "error",
    }
    return body | {name: more[name] for name in more if name not in body} if isinstance(body, dict) else body


def closed_early(body: Any, rng: random.Random) -> Any:
    """Return the text of *body* without its last brackets, as a log that cuts lines has it."""
    if not isinstance(body, dict | list):
        return body
    return json.dumps(body, default=str).rstrip("}] \n")


MUTATIONS: Sequence[Mutation] = (shuffled, wrapped, echoed, decorated, encoded, closed_early)


def mutated(facts: ErrorFacts, rng: random.Random) -> tuple[ErrorFacts, list[str]]:
    """Return *facts* with up to three mutations of the body, structure before text, and their names."""
    chosen = sorted(rng.sample(range(len(MUTATIONS)), rng.randint(1, 3)))
    body = facts.body.decode(errors="replace") if isinstance(facts.body, bytes) else facts.body
    for number in chosen:
        body = MUTATIONS[number](body, rng)
    return replace(facts, body=body), [MUTATIONS[number].__name__ for number in chosen]


def harmed(
    forms: Sequence[ErrorFacts], number: int, seed: int = 0
) -> Iterator[tuple[ErrorFacts, list[str], Verdict, Verdict]]:
    """Yield the mutations, of *number* tried, that set a key aside where the original did not."""
    rng = random.Random(seed)
    before = [classify(facts, NOW) for facts in forms]
    for _ in range(number):
        index = rng.randrange(len(forms))
        facts, names = mutated(forms[index], rng)
        verdict = classify(facts, NOW)
        if verdict.kind in HARMS_A_KEY and before[index].kind not in HARMS_A_KEY:
            yield facts, names, before[index], verdict
