"""One call in any of the four ways with any provider's SDK, so that a scenario is written once."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobapp import providers
from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.clock import Clock
from jobapp.domain.events import AttemptFailed, CallDone, Event
from jobapp.domain.exceptions import JobAppError
from jobapp.domain.key_status import KeyStatus
from jobapp.domain.types import Attempt, Completion, Kind, Verdict
from jobapp.testing import FakeClock, SimulatedKey, Simulator

Ask = Callable[..., Completion]

ONE, TWO, THREE = "sk-canary-one", "sk-canary-two", "sk-canary-three"


def whole(llm: LLMInterface, prompt: Any, **arguments: Any) -> Completion:
    return llm.complete(prompt, **arguments)


def streamed(llm: LLMInterface, prompt: Any, **arguments: Any) -> Completion:
    stream = llm.stream_prompt(prompt, **arguments)
    text = "".join(stream)
    assert stream.completion is not None
    assert stream.completion.text == text
    return stream.completion


def awaited(llm: LLMInterface, prompt: Any, **arguments: Any) -> Completion:
    async def ask() -> Completion:
        async with llm:
            return await llm.acomplete(prompt, **arguments)

    return asyncio.run(ask())


def awaited_stream(llm: LLMInterface, prompt: Any, **arguments: Any) -> Completion:
    async def ask() -> Completion:
        async with llm:
            stream = llm.astream_prompt(prompt, **arguments)
            text = "".join([piece async for piece in stream])
        assert stream.completion is not None
        assert stream.completion.text == text
        return stream.completion

    return asyncio.run(ask())


WAYS: dict[str, Ask] = {
    "send": whole,
    "stream": streamed,
    "asend": awaited,
    "astream": awaited_stream,
}
STREAMS = ("stream", "astream")


@dataclass(frozen=True)
class Provider:
    """A provider as the scenarios see it: its name and a model of each of two kinds."""

    name: str
    model: str
    spare: str
    adapter: str | None = None


PROVIDERS = {
    "openai": Provider("openai", "gpt-4o-mini", "gpt-4o"),
    "anthropic": Provider("anthropic", "claude-3-haiku-20240307", "claude-3-5-sonnet-20241022"),
    "google": Provider("google", "gemini-2.5-flash", "gemini-2.5-pro"),
    "google-old-sdk": Provider(
        "google",
        "gemini-2.5-flash",
        "gemini-2.5-pro",
        "jobapp.providers.google_generativeai:GoogleGenerativeAIAdapter",
    ),
    "openrouter": Provider("openrouter", "deepseek/deepseek-chat:free", "meta-llama/llama-3.3-70b"),
}


@dataclass(frozen=True)
class Record:
    """All that a world has to tell at its end; two ways of calling must leave the same."""

    outcomes: list[Any]
    requests: list[int]
    events: list[Event]
    sleeps: list[float]
    keys: list[KeyStatus]


@dataclass
class World:
    """A simulator with keys, and an interface that calls it in one way."""

    simulator: Simulator
    clock: FakeClock
    provider: Provider
    way: str
    folder: Path
    settings: dict[str, Any] = field(default_factory=lambda: {"retry": {"jitter": "none"}})
    events: list[Event] = field(default_factory=list)
    outcomes: list[Any] = field(default_factory=list)
    statuses: bool = True
    """Whether every way must tell the same HTTP status: of an error within a stream some SDKs tell its own."""

    def add(self, secret: str, *arguments: Any, **behaviour: Any) -> SimulatedKey:
        return self.simulator.add_key(self.provider.name, secret, *arguments, **behaviour)

    def fall_back_to_the_spare(self) -> None:
        self.settings["models"] = {"fallback": {"provider": self.provider.name, "model": self.provider.spare}}

    def interface(self, clock: Clock | None = None, **arguments: Any) -> LLMInterface:
        path = self.folder / "jobapp.yaml"
        path.write_text(yaml.safe_dump(self.settings))
        arguments = {"on_event": self.events.append, "rng": random.Random(0), **arguments}
        return LLMInterface(path, clock=clock or self.clock, **arguments)

    def call(self, prompt: Any = "Hello", **arguments: Any) -> Completion:
        """Ask with a new interface, as a new process would."""
        arguments = {"provider": self.provider.name, "model": self.provider.model, **arguments}
        with self.interface() as llm:
            try:
                done = WAYS[self.way](llm, prompt, **arguments)
            except JobAppError as error:
                self.outcomes.append(self._told(error))
                raise
        attempts = _plain_attempts(done.attempts, statuses=self.statuses)
        self.outcomes.append(replace(done, raw=None, attempts=attempts))
        return done

    def _told(self, error: JobAppError) -> tuple[Any, ...]:
        """Return all that *error* tells."""
        attempts = _plain_attempts(getattr(error, "attempts", ()), statuses=self.statuses)
        names = ("available_at", "keys", "provider", "model", "key", "status", "request_id")
        facts = [getattr(error, name, None) for name in names]
        return (type(error), _without_sdk_words(str(error)), attempts, *facts)

    def requests(self, *secrets: str) -> list[int]:
        return [self.simulator.requests(self.provider.name, secret) for secret in secrets]

    def happened(self) -> list[str]:
        """Return the names of the events so far."""
        return [type(event).__name__ for event in self.events]

    def record(self) -> Record:
        with self.interface() as llm:
            keys = llm.key_status()
        return Record(
            self.outcomes,
            self.requests(ONE, TWO, THREE),
            [_plain(event, statuses=self.statuses) for event in self.events],
            list(self.clock.sleeps),
            [replace(line, reason=_without_sdk_words(line.reason)) for line in keys],
        )


@contextmanager
def world_of(
    provider: str, way: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **simulator: Any
) -> Iterator[World]:
    """Open a world of its own: folder, clock, environment and simulator."""
    chosen, clock = PROVIDERS[provider], FakeClock()
    with (
        monkeypatch.context() as patch,
        Simulator(clock, export=patch.setenv, state=None, **simulator) as opened,
    ):
        patch.chdir(folder)
        patch.setenv("JOBAPP_CACHE_DIR", str(folder / "cache"))
        patch.setenv("JOBAPP_CONFIG_DIR", str(folder / "config"))
        patch.setattr(ssl, "create_default_context", _trusting_nobody)
        if chosen.adapter:
            spec = dataclasses.replace(providers.PROVIDERS[chosen.name], adapters=(chosen.adapter,))
            patch.setitem(providers.PROVIDERS, chosen.name, spec)
        yield World(opened, clock, chosen, way, folder)


def _trusting_nobody(*_: Any, **__: Any) -> ssl.SSLContext:
    """Return a context without certificates: loading them takes longer than a scenario, which has no TLS."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def unfinished(llm: LLMInterface) -> list[tuple[int, int]]:
    """Return the requests under way and the reservations of each key that has any."""
    lanes = [lane for manager, _ in llm.managers() for lane in manager._pool._models.values()]
    counts = [(slot.asked, len(slot.waiting)) for lane in lanes for slot in lane.states.values()]
    return [count for count in counts if count != (0, 0)]


def done_of(world: World) -> CallDone:
    """Return the event that ended the one call of *world*."""
    (done,) = [event for event in world.events if isinstance(event, CallDone)]
    assert world.events[-1] is done
    return done


def _plain(event: Event, *, statuses: bool) -> Event:
    """Return *event* without what tells this call or this SDK from another."""
    event = replace(event, call=0)
    match event:
        case AttemptFailed(verdict=verdict, status=status):
            return replace(event, verdict=_plain_verdict(verdict), status=status if statuses else None)
        case CallDone(attempts=attempts):
            return replace(event, attempts=_plain_attempts(attempts, statuses=statuses))
        case _:
            return event


def _plain_attempts(attempts: Sequence[Attempt], *, statuses: bool) -> tuple[Attempt, ...]:
    return tuple(
        replace(
            attempt,
            verdict=attempt.verdict and _plain_verdict(attempt.verdict),
            status=attempt.status if statuses else None,
        )
        for attempt in attempts
    )


def _plain_verdict(verdict: Verdict) -> Verdict:
    """Return *verdict* without the provider's words, which an SDK shows whole or in part.

    What became of a server or a connection each SDK tells in its own way, so that another rule reads it.
    """
    if verdict.kind is Kind.UNAVAILABLE:
        return replace(verdict, rule="", reason="", message="")
    return replace(verdict, message="")


def _without_sdk_words(text: str) -> str:
    """Return *text* without what tells which rule read a rejection, and without the provider's words."""
    return re.sub(r"unavailable.*|: \".*\"", "", text)
