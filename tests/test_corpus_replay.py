"""Recorded errors, sent again by the simulator: through each SDK they mean what they mean by themselves.

The corpus lies beside the repository, not in it; where it is missing these tests are skipped.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncGenerator, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobapp import providers
from jobapp.classification.classify import classify
from jobapp.domain.settings import ProviderSettings
from jobapp.domain.types import ErrorFacts, Kind, Reply, Verdict
from jobapp.providers import open_adapter
from jobapp.providers.adapter import Adapter
from jobapp.testing import FakeClock, Response, Simulator
from tests.adapter_support import HELLO, KEY, MODEL, SECONDS, STREAMS, WAYS

CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "errors.jsonl"
NOW = FakeClock().now()
LABELS = {
    "rpm": Kind.RATE_LIMIT,
    "rpd": Kind.QUOTA,
    "auth": Kind.AUTH,
    "transient": Kind.UNAVAILABLE,
    "fatal": Kind.REQUEST,
}
OLD_GOOGLE = "jobapp.providers.google_generativeai:GoogleGenerativeAIAdapter"
WIRES = {"other": "openai"}
"""Whose protocol a provider speaks that the simulator does not know by name."""

UNTOLD_STATUS = {"google-0076": 503, "openai-0043": 401}
"""Nobody wrote down these statuses, and a response needs one: what a page of a front, and a rejected key, have."""


def recorded() -> list[dict[str, Any]]:
    if not CORPUS.exists():
        return []
    rows = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["via"] in ("http", "stream")]


def ways_of(row: dict[str, Any]) -> tuple[str, ...]:
    """Return the ways in which the error can come: an event needs a stream, an error in a whole answer none."""
    if row["via"] == "stream":
        return STREAMS
    return ("send", "asend") if row["status"] == 200 else WAYS


def adapters_of(row: dict[str, Any]) -> tuple[str, ...]:
    return ("google", "google-old-sdk") if row["provider"] == "google" else (row["provider"],)


CASES = [
    pytest.param(row, name, way, id=f"{row['id']}-{name}-{way}")
    for row in recorded()
    for name in adapters_of(row)
    for way in ways_of(row)
]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(FakeClock()) as simulator:
        for provider in providers.PROVIDERS:
            simulator.add_key(provider, KEY.secret)
        yield simulator


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def adapters(simulator: Simulator, loop: asyncio.Runner) -> Iterator[dict[str, Adapter]]:
    opened = {name: opened_for(name, simulator) for name in (*providers.PROVIDERS, "google-old-sdk", "other")}
    yield opened
    for adapter in opened.values():
        loop.run(adapter.aclose())


def opened_for(name: str, simulator: Simulator) -> Adapter:
    provider = name.removesuffix("-old-sdk")
    settings = ProviderSettings(provider, base_url=simulator.base_url(WIRES.get(provider, provider)))
    if provider == name:
        return open_adapter(settings)
    with pytest.MonkeyPatch.context() as patch:
        old = dataclasses.replace(providers.PROVIDERS[provider], adapters=(OLD_GOOGLE,))
        patch.setitem(providers.PROVIDERS, provider, old)
        return open_adapter(settings)


def response_of(row: dict[str, Any]) -> Response:
    """Return the recorded response."""
    body = row["body"]
    if row["via"] == "http":
        return Response(status_of(row), row["headers"], body)
    if isinstance(body, str) and not body.startswith("data:"):
        body = {"error": {"message": body}}
    return Response(status_of(row), row["headers"], events=[body])


def status_of(row: dict[str, Any]) -> int:
    """Return the status that is sent: a stream has begun well."""
    return UNTOLD_STATUS.get(row["id"], row["status"] or 200)


def told_by_itself(row: dict[str, Any]) -> Verdict:
    """Return what the recorded error means without an SDK in between."""
    facts = ErrorFacts(row["provider"], status_of(row), row["headers"], row["body"], model=MODEL)
    return classify(facts, NOW)


async def drain(pieces: AsyncGenerator[str | Reply]) -> None:
    async for _ in pieces:
        pass


def drained(pieces: Generator[str | Reply]) -> None:
    for _ in pieces:
        pass


def ask(adapter: Adapter, way: str, loop: asyncio.Runner) -> None:
    match way:
        case "send":
            adapter.send(HELLO, KEY, SECONDS)
        case "stream":
            drained(adapter.stream(HELLO, KEY, SECONDS))
        case "asend":
            loop.run(adapter.asend(HELLO, KEY, SECONDS))
        case "astream":
            loop.run(drain(adapter.astream(HELLO, KEY, SECONDS)))


def told_through_the_sdk(adapter: Adapter, way: str, loop: asyncio.Runner) -> Verdict:
    with pytest.raises(Exception) as caught:
        ask(adapter, way, loop)
    facts = adapter.error_facts(caught.value, MODEL, KEY)
    assert facts is not None, f"taken for a programming error: {caught.value!r}"
    return classify(facts, NOW)


@pytest.mark.skipif(not CASES, reason="the corpus of recorded errors (../shared/corpus) is not here")
@pytest.mark.parametrize(("row", "name", "way"), CASES)
def test_a_recorded_error_means_the_same_through_its_sdk_as_by_itself(
    simulator: Simulator,
    adapters: dict[str, Adapter],
    loop: asyncio.Runner,
    row: dict[str, Any],
    name: str,
    way: str,
) -> None:
    simulator.script(WIRES.get(row["provider"], row["provider"]), KEY.secret, [response_of(row)])
    told = told_through_the_sdk(adapters[name], way, loop)
    if not row["body"]:  # the SDK's own words stand where the provider said nothing
        told = dataclasses.replace(told, message="")
    assert told == told_by_itself(row)
    if row.get("confidence") != "low":
        assert told.kind is LABELS[row["label"]]
