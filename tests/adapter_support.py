"""The adapters on their real SDKs, pointed at a simulator, asked in four ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from jobapp.domain.settings import ProviderSettings
from jobapp.domain.types import ApiKey, ChatRequest, ErrorFacts, Message, Reply
from jobapp.providers.anthropic import AnthropicAdapter
from jobapp.providers.google import GoogleAdapter
from jobapp.providers.google_generativeai import GoogleGenerativeAIAdapter
from jobapp.providers.openai import OpenAIAdapter
from jobapp.providers.openrouter import OpenRouterAdapter
from jobapp.providers.sdk_adapter import SDKAdapter
from jobapp.testing import Simulator

ADAPTERS: dict[str, tuple[str, type[SDKAdapter]]] = {
    "openai": ("openai", OpenAIAdapter),
    "anthropic": ("anthropic", AnthropicAdapter),
    "google-genai": ("google", GoogleAdapter),
    "google-generativeai": ("google", GoogleGenerativeAIAdapter),
    "openrouter": ("openrouter", OpenRouterAdapter),
}
WAYS = ("send", "asend", "stream", "astream")
STREAMS = ("stream", "astream")

MODEL = "model-x"
KEY = ApiKey("KEY_ONE", "sk-test-0123456789abcdef")
HELLO = ChatRequest(MODEL, (Message("user", "Hello there my friend"),))
PIECES = ["echo: ", "Hello ", "there ", "my ", "friend"]
SECONDS = 20.0
"""A request's timeout where nothing is said to take long."""


Open = Callable[..., SDKAdapter]
"""Opens an adapter by name, with settings."""


@contextmanager
def opener(simulator: Simulator) -> Iterator[Open]:
    """Give what opens adapters that ask *simulator*, and close them all in the end."""
    adapters = []

    def opened(name: str, **settings: Any) -> SDKAdapter:
        provider, adapter = ADAPTERS[name]
        adapters.append(
            adapter(ProviderSettings(provider, base_url=simulator.base_url(provider), **settings))
        )
        return adapters[-1]

    yield opened
    for adapter in adapters:
        adapter.close()


def ask(
    adapter: SDKAdapter,
    way: str,
    request: ChatRequest = HELLO,
    key: ApiKey = KEY,
    timeout: float = SECONDS,
    pieces: list[str] | None = None,
) -> Reply:
    """Ask in one of the four ways, *pieces* takes the text as it comes."""
    got: list[str | Reply] = []
    try:
        if way == "send":
            got.append(adapter.send(request, key, timeout))
        elif way == "stream":
            for piece in adapter.stream(request, key, timeout):
                got.append(piece)  # noqa: PERF402 (what came before an error counts)
        else:
            asyncio.run(_ask_async(adapter, way, request, key, timeout, got))
    finally:
        if pieces is not None:
            pieces.extend(each for each in got if isinstance(each, str))
    reply = got[-1]
    assert isinstance(reply, Reply)
    assert all(isinstance(each, str) for each in got[:-1])
    return reply


async def _ask_async(
    adapter: SDKAdapter, way: str, request: ChatRequest, key: ApiKey, timeout: float, got: list[str | Reply]
) -> None:
    try:
        if way == "asend":
            got.append(await adapter.asend(request, key, timeout))
        else:
            async for piece in adapter.astream(request, key, timeout):
                got.append(piece)  # noqa: PERF401 (what came before an error counts)
    finally:
        await adapter.aclose()


def failure_of(
    adapter: SDKAdapter, way: str, pieces: list[str] | None = None, timeout: float = SECONDS
) -> ErrorFacts:
    """Return the facts of a request that is rejected; they never hold the key."""
    with pytest.raises(Exception) as caught:
        ask(adapter, way, pieces=pieces, timeout=timeout)
    facts = adapter.error_facts(caught.value, MODEL, KEY)
    assert facts is not None, f"taken for a programming error: {caught.value!r}"
    assert KEY.secret not in repr(facts)
    return facts


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run *work* with 0 to *count* - 1, each in its own thread, and return what each returned."""
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(work, range(count)))


def first_piece(stream: Generator[str | Reply]) -> str:
    """Return the first piece of a stream."""
    piece = next(stream)
    assert isinstance(piece, str)
    return piece
