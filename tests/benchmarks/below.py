"""What the drop-in costs beside the SDK alone: whole, awaited, to a stream's first piece, and with a large body."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import Any

from jobapp.core.llm_interface import LLMInterface
from jobapp.providers import PROVIDERS
from tests.benchmarks import raw_calls
from tests.benchmarks.overhead import SUBJECTS, calling, first_piece
from tests.benchmarks.pairs import Pairs, ain_turns, clocked, in_turns
from tests.benchmarks.raw_calls import SECRET, RawCalls
from tests.benchmarks.served import serving

CALLS: dict[str, Callable[..., RawCalls]] = {
    "openai": raw_calls.openai,
    "anthropic": raw_calls.anthropic,
    "google-genai": raw_calls.google_genai,
}
LARGE = 20_000_000
"""Characters of a large prompt."""


def run(count: int, names: tuple[str, ...] = tuple(CALLS)) -> Iterator[tuple[str, Pairs]]:
    """Yield what was measured, and its pairs."""
    for name in names:
        subject = SUBJECTS[name]
        with serving([(subject.provider, SECRET, {"limit": 10**9})]) as served:
            address = served.environ[PROVIDERS[subject.provider].base_url_env]
            raw = CALLS[name](address, subject.model)
            with calling(subject, served.environ) as llm:
                ours = CALLS[name](address, subject.model, _clients(llm, subject.provider))
                yield from _measure(name, llm, ours, raw, count)


def _clients(llm: LLMInterface, provider: str) -> tuple[Any, Any]:
    return llm.client(provider), llm.async_client(provider)


def _measure(
    name: str, llm: LLMInterface, ours: RawCalls, raw: RawCalls, count: int
) -> Iterator[tuple[str, Pairs]]:
    assert ours.send() == raw.send()
    gc.collect()
    yield f"{name} below: whole", in_turns(clocked(ours.send), clocked(raw.send), count)
    yield f"{name} below: awaited", asyncio.run(_ameasure(llm, ours, raw, count))
    yield f"{name} below: first piece", in_turns(first_piece(ours.stream), first_piece(raw.stream), count)


async def _ameasure(llm: LLMInterface, ours: RawCalls, raw: RawCalls, count: int) -> Pairs:
    assert ours.asend is not None
    assert raw.asend is not None
    try:
        return await ain_turns(ours.asend, raw.asend, count)
    finally:
        await llm.aclose()


def large(count: int) -> Pairs:
    """Return the pairs of a call whose body has 20 MB."""
    subject = SUBJECTS["openai"]
    with serving([(subject.provider, SECRET, {"limit": 10**9})]) as served:
        address = served.environ[PROVIDERS[subject.provider].base_url_env]
        with calling(subject, served.environ) as llm:
            raw = raw_calls.openai(address, subject.model, before="x" * LARGE)
            ours = raw_calls.openai(address, subject.model, _clients(llm, "openai"), before="x" * LARGE)
            return in_turns(clocked(ours.send), clocked(raw.send), count)


def main(count: int, names: tuple[str, ...] = tuple(CALLS)) -> None:
    """Print a line for each SDK and way of calling, and one for a large body."""
    for what, pairs in run(count, tuple(name for name in names if name in CALLS)):
        print(pairs.line(what, "raw"), flush=True)
    print(large(max(10, count // 40)).line("openai below: 20 MB", "raw"), flush=True)
