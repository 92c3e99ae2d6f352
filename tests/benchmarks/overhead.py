"""What a successful call costs beside the SDK alone: whole, awaited, and to the first piece of a stream."""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from jobapp.core.config_manager import ConfigManager
from jobapp.core.llm_interface import LLMInterface
from jobapp.providers import PROVIDERS
from tests.benchmarks import raw_calls
from tests.benchmarks.pairs import Clocked, Pairs, ain_turns, clocked, in_turns
from tests.benchmarks.raw_calls import PROMPT, SECRET, RawCalls
from tests.benchmarks.served import serving


@dataclass(frozen=True, slots=True)
class Subject:
    """A provider, the SDK that serves it, and the raw calls to compare with."""

    provider: str
    model: str
    raw: Callable[[str, str], RawCalls]
    adapter: str | None = None


SUBJECTS = {
    "openai": Subject("openai", "gpt-4o-mini", raw_calls.openai),
    "anthropic": Subject("anthropic", "claude-3-haiku-20240307", raw_calls.anthropic),
    "google-genai": Subject(
        "google", "gemini-2.5-flash", raw_calls.google_genai, "jobapp.providers.google:GoogleAdapter"
    ),
    "google-generativeai": Subject(
        "google",
        "gemini-2.5-flash",
        raw_calls.google_generativeai,
        "jobapp.providers.google_generativeai:GoogleGenerativeAIAdapter",
    ),
    "openrouter": Subject("openrouter", "deepseek/deepseek-chat:free", raw_calls.openai),
}


def run(count: int, names: tuple[str, ...] = tuple(SUBJECTS), state: str = "") -> Iterator[tuple[str, Pairs]]:
    """Yield what was measured, and its pairs; with the state at that address."""
    for name in names:
        subject = SUBJECTS[name]
        with serving([(subject.provider, SECRET, {"limit": 10**9})]) as served:
            spec = PROVIDERS[subject.provider]
            raw = subject.raw(served.environ[spec.base_url_env], subject.model)
            with calling(subject, served.environ | ({"JOBAPP_STATE_URL": state} if state else {})) as llm:
                yield from _measure(name, subject, llm, raw, count)


@contextmanager
def calling(subject: Subject, environ: dict[str, str]) -> Iterator[LLMInterface]:
    """Open an interface to *subject*, by the SDK that it names."""
    spec = PROVIDERS[subject.provider]
    if subject.adapter:
        PROVIDERS[subject.provider] = replace(spec, adapters=(subject.adapter,))
    try:
        with tempfile.TemporaryDirectory() as folder:
            own = {"JOBAPP_CONFIG_DIR": folder, "JOBAPP_CACHE_DIR": folder}
            with LLMInterface(ConfigManager(environ={**environ, **own})) as llm:
                yield llm
    finally:
        PROVIDERS[subject.provider] = spec


def _measure(
    name: str, subject: Subject, llm: LLMInterface, raw: RawCalls, count: int
) -> Iterator[tuple[str, Pairs]]:
    def send() -> str:
        return llm.send_prompt(PROMPT, provider=subject.provider, model=subject.model)

    def stream() -> Iterator[str]:
        return llm.stream_prompt(PROMPT, provider=subject.provider, model=subject.model)

    assert send() == raw.send()
    assert "".join(stream()) == "".join(raw.stream())
    gc.collect()
    yield f"{name}: send_prompt", in_turns(clocked(send), clocked(raw.send), count)
    if raw.asend is not None:
        yield f"{name}: asend_prompt", asyncio.run(_ameasure(subject, llm, raw, count))
    yield f"{name}: first piece", in_turns(first_piece(stream), first_piece(raw.stream), count)


async def _ameasure(subject: Subject, llm: LLMInterface, raw: RawCalls, count: int) -> Pairs:
    async def asend() -> str:
        return await llm.asend_prompt(PROMPT, provider=subject.provider, model=subject.model)

    assert raw.asend is not None
    try:
        return await ain_turns(asend, raw.asend, count)
    finally:
        await llm.aclose()


def first_piece(open_stream: Callable[[], Iterator[str]]) -> Clocked:
    """Return what opens a stream, tells how long its first piece took, and reads it to its end."""

    def once() -> float:
        began = time.perf_counter()
        pieces = open_stream()
        next(pieces)
        taken = time.perf_counter() - began
        for _ in pieces:
            pass
        return taken

    return once


def noise(count: int) -> Pairs:
    """Return the pairs of the raw OpenAI call against itself."""
    with serving([("openai", SECRET, {"limit": 10**9})]) as served:
        raw = raw_calls.openai(served.environ["OPENAI_BASE_URL"], "gpt-4o-mini")
        return in_turns(clocked(raw.send), clocked(raw.send), count)


def main(count: int, names: tuple[str, ...] = tuple(SUBJECTS), state: str = "") -> None:
    """Print a line for each provider and way of calling; the *state* is a file where no address is given."""
    print(noise(count).line("openai: raw call", "itself"), flush=True)
    for what, pairs in run(count, names, state):
        print(pairs.line(what, "raw"), flush=True)
