"""One call in any of the four ways, so that a scenario is written once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobapp.core.llm_interface import LLMInterface
from jobapp.core.types import Completion

Ask = Callable[..., Completion]


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
        try:
            return await llm.acomplete(prompt, **arguments)
        finally:
            await llm.aclose()

    return asyncio.run(ask())


def awaited_stream(llm: LLMInterface, prompt: Any, **arguments: Any) -> Completion:
    async def ask() -> Completion:
        try:
            stream = llm.astream_prompt(prompt, **arguments)
            text = "".join([piece async for piece in stream])
        finally:
            await llm.aclose()
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
    "openrouter": Provider("openrouter", "deepseek/deepseek-chat:free", "meta-llama/llama-3.3-70b:free"),
}
