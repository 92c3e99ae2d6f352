"""The simulator asked through each provider's own SDK, in four ways, with one form of outcome."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from jobapp.testing import Simulator

PROVIDERS = ("openai", "anthropic", "google", "openrouter")
KEY = "sk-one"
PROMPT = "Hello there"
WORDS = ["echo: ", "Hello ", "there"]


@dataclass(frozen=True)
class Outcome:
    """What one request came to: its pieces of text, and the error that ended it."""

    pieces: list[str] = field(default_factory=list)
    usage: tuple[int, int] | None = None
    error: Exception | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def status(self) -> int | None:
        """The HTTP status, by whatever name the SDK tells it."""
        response = getattr(self.error, "response", None)
        status = getattr(response, "status_code", None) or getattr(response, "status", None)
        status = status or getattr(self.error, "status_code", None) or getattr(self.error, "code", None)
        return int(str(status)) if str(status).isdigit() else None

    @property
    def told(self) -> str:
        """Everything the error says: its text, its body, its headers."""
        response = getattr(self.error, "response", None)
        parts = [str(self.error), getattr(self.error, "body", ""), getattr(self.error, "details", "")]
        with suppress(RuntimeError):  # the body of a stream is not kept
            parts.append(getattr(response, "text", ""))
        parts.append(dict(getattr(response, "headers", {})))
        return " ".join(part if isinstance(part, str) else json.dumps(part, default=str) for part in parts)


class Dialect:
    """One SDK pointed at a simulator; ``ask`` and the rest take a key, a model and a prompt."""

    provider = ""
    model = "model-x"

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.clients: dict[str, Any] = {}

    def client(self, key: str) -> Any:
        """Return the synchronous client of a key; making one takes longer than most tests."""
        if key not in self.clients:
            self.clients[key] = self.new_client(key)
        return self.clients[key]

    def new_client(self, key: str) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        for client in self.clients.values():
            client.close()

    def outcome(self, way: str, key: str, model: str | None = None, prompt: str = PROMPT) -> Outcome:
        pieces: list[str] = []
        usage: list[tuple[int, int]] = []
        try:
            call = getattr(self, way)(key, self.model if model is None else model, prompt, pieces, usage)
            if asyncio.iscoroutine(call):
                asyncio.run(call)
        except Exception as error:  # noqa: BLE001 - each SDK has a tree of its own
            return Outcome(pieces, None, error)
        return Outcome(pieces, usage[-1] if usage else None)

    def arguments(self, model: str, prompt: str) -> dict[str, Any]:
        """Return what the SDK's own call takes."""
        raise NotImplementedError

    def models(self, key: str) -> list[str]:
        raise NotImplementedError


class OpenAI(Dialect):
    provider = "openai"

    def new_client(self, key: str) -> Any:
        import openai

        return openai.OpenAI(api_key=key, base_url=self.simulator.base_url(self.provider), max_retries=0)

    def async_client(self, key: str) -> Any:
        import openai

        return openai.AsyncOpenAI(api_key=key, base_url=self.simulator.base_url(self.provider), max_retries=0)

    def arguments(self, model, prompt):
        return {"model": model, "messages": [{"role": "user", "content": prompt}]}

    def take(self, done, pieces, usage):
        if done.choices:
            pieces.append(done.choices[0].message.content)
        usage.append((done.usage.prompt_tokens, done.usage.completion_tokens))

    def take_chunk(self, chunk, pieces, usage):
        if chunk.choices and chunk.choices[0].delta.content:
            pieces.append(chunk.choices[0].delta.content)
        if chunk.usage:
            usage.append((chunk.usage.prompt_tokens, chunk.usage.completion_tokens))

    def ask(self, key, model, prompt, pieces, usage):
        self.take(self.client(key).chat.completions.create(**self.arguments(model, prompt)), pieces, usage)

    async def aask(self, key, model, prompt, pieces, usage):
        async with self.async_client(key) as client:
            self.take(await client.chat.completions.create(**self.arguments(model, prompt)), pieces, usage)

    def stream(self, key, model, prompt, pieces, usage):
        options = {"stream": True, "stream_options": {"include_usage": True}}
        for chunk in self.client(key).chat.completions.create(**self.arguments(model, prompt), **options):
            self.take_chunk(chunk, pieces, usage)

    async def astream(self, key, model, prompt, pieces, usage):
        options = {"stream": True, "stream_options": {"include_usage": True}}
        async with self.async_client(key) as client:
            async for chunk in await client.chat.completions.create(
                **self.arguments(model, prompt), **options
            ):
                self.take_chunk(chunk, pieces, usage)

    def models(self, key):
        return [model.id for model in self.client(key).models.list().data]


class OpenRouter(OpenAI):
    provider = "openrouter"
    model = "maker/model-x:free"


class Anthropic(Dialect):
    provider = "anthropic"

    def new_client(self, key: str) -> Any:
        import anthropic

        return anthropic.Anthropic(api_key=key, base_url=self.simulator.base_url("anthropic"), max_retries=0)

    def async_client(self, key: str) -> Any:
        import anthropic

        url = self.simulator.base_url("anthropic")
        return anthropic.AsyncAnthropic(api_key=key, base_url=url, max_retries=0)

    def arguments(self, model, prompt):
        return {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": 64}

    def take(self, done, pieces, usage):
        pieces.append(done.content[0].text)
        usage.append((done.usage.input_tokens, done.usage.output_tokens))

    def take_event(self, event, pieces, usage):
        if event.type == "message_start":
            usage.append((event.message.usage.input_tokens, 0))
        elif event.type == "content_block_delta":
            pieces.append(event.delta.text)
        elif event.type == "message_delta":
            usage.append((usage[-1][0], event.usage.output_tokens))

    def ask(self, key, model, prompt, pieces, usage):
        self.take(self.client(key).messages.create(**self.arguments(model, prompt)), pieces, usage)

    async def aask(self, key, model, prompt, pieces, usage):
        async with self.async_client(key) as client:
            self.take(await client.messages.create(**self.arguments(model, prompt)), pieces, usage)

    def stream(self, key, model, prompt, pieces, usage):
        for event in self.client(key).messages.create(**self.arguments(model, prompt), stream=True):
            self.take_event(event, pieces, usage)

    async def astream(self, key, model, prompt, pieces, usage):
        async with self.async_client(key) as client:
            async for event in await client.messages.create(**self.arguments(model, prompt), stream=True):
                self.take_event(event, pieces, usage)

    def models(self, key):
        return [model.id for model in self.client(key).models.list().data]


class GoogleGenAI(Dialect):
    provider = "google"

    def new_client(self, key: str) -> Any:
        from google import genai
        from google.genai import types

        options = types.HttpOptions(base_url=self.simulator.base_url("google"), timeout=30_000)
        return genai.Client(api_key=key, vertexai=False, http_options=options)

    def take(self, done, pieces, usage):
        if done.text:
            pieces.append(done.text)
        told = done.usage_metadata
        usage.append((told.prompt_token_count, told.candidates_token_count))

    def ask(self, key, model, prompt, pieces, usage):
        self.take(self.client(key).models.generate_content(model=model, contents=prompt), pieces, usage)

    async def aask(self, key, model, prompt, pieces, usage):
        client = self.new_client(key)
        async with client.aio as aio:
            self.take(await aio.models.generate_content(model=model, contents=prompt), pieces, usage)
        client.close()

    def stream(self, key, model, prompt, pieces, usage):
        for done in self.client(key).models.generate_content_stream(model=model, contents=prompt):
            self.take(done, pieces, usage)

    async def astream(self, key, model, prompt, pieces, usage):
        client = self.new_client(key)
        async with client.aio as aio:
            async for done in await aio.models.generate_content_stream(model=model, contents=prompt):
                self.take(done, pieces, usage)
        client.close()

    def models(self, key):
        return [model.name.removeprefix("models/") for model in self.client(key).models.list()]


class GoogleGenerativeAI(Dialect):
    """The old SDK, over REST; its own asyncio knows only gRPC, so it has two ways."""

    provider = "google"

    def new_client(self, key: str) -> Any:
        from google.ai import generativelanguage_v1beta as glm

        options = {"api_key": key, "api_endpoint": self.simulator.base_url("google")}
        return glm.GenerativeServiceClient(client_options=options, transport="rest")

    def close(self) -> None:
        for client in self.clients.values():
            client.transport._session.close()

    def opened(self, key: str, model: str) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import google.generativeai as genai

        opened = genai.GenerativeModel(model)
        opened._client = self.client(key)
        return opened

    def take(self, done, pieces, usage):
        text = "".join(part.text for part in done.candidates[0].content.parts) if done.candidates else ""
        if text:
            pieces.append(text)
        told = done.usage_metadata
        usage.append((told.prompt_token_count, told.candidates_token_count))

    def ask(self, key, model, prompt, pieces, usage):
        options = {"retry": None, "timeout": 30}
        done = self.opened(key, model).generate_content(prompt, request_options=options)
        self.take(done, pieces, usage)

    def stream(self, key, model, prompt, pieces, usage):
        options = {"retry": None, "timeout": 30}
        for done in self.opened(key, model).generate_content(prompt, stream=True, request_options=options):
            self.take(done, pieces, usage)


DIALECTS: dict[str, Callable[[Simulator], Dialect]] = {
    "openai": OpenAI,
    "anthropic": Anthropic,
    "google-genai": GoogleGenAI,
    "google-generativeai": GoogleGenerativeAI,
    "openrouter": OpenRouter,
}
WAYS = [
    (name, way)
    for name, dialect in DIALECTS.items()
    for way in ("ask", "stream", "aask", "astream")
    if hasattr(dialect, way)
]


@contextmanager
def opened_dialects(simulator: Simulator) -> Iterator[dict[str, Dialect]]:
    """Give every SDK pointed at *simulator*, with a key each that does what a test tells it."""
    dialects = {name: dialect(simulator) for name, dialect in DIALECTS.items()}
    for provider in PROVIDERS:
        simulator.add_key(provider, KEY)
    yield dialects
    for dialect in dialects.values():
        dialect.close()
