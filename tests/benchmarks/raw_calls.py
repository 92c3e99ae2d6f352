"""The same question on each provider's SDK alone, with reused clients: what jobapp is measured against."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anthropic import Anthropic, AsyncAnthropic
    from openai import AsyncOpenAI, OpenAI

PROMPT = "Tell me of three rivers in Europe, and in which country each begins."
SECRET = "sk-benchmark-0123456789abcdef"
MAX_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class RawCalls:
    """The SDK's calls; ``asend`` is ``None`` where the SDK has no asyncio of its own."""

    send: Callable[[], str]
    stream: Callable[[], Iterator[str]]
    asend: Callable[[], Awaitable[str]] | None = None


def openai(
    base_url: str, model: str, clients: tuple[OpenAI, AsyncOpenAI] | None = None, before: str = ""
) -> RawCalls:
    from openai import AsyncOpenAI, OpenAI
    from openai.types.chat import ChatCompletionUserMessageParam

    client, aclient = clients or (
        OpenAI(api_key=SECRET, base_url=base_url, max_retries=0),
        AsyncOpenAI(api_key=SECRET, base_url=base_url, max_retries=0),
    )
    messages: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": PROMPT}]
    if before:
        messages.insert(0, {"role": "user", "content": before})

    def send() -> str:
        answer = client.chat.completions.create(model=model, messages=messages)
        return answer.choices[0].message.content or ""

    async def asend() -> str:
        answer = await aclient.chat.completions.create(model=model, messages=messages)
        return answer.choices[0].message.content or ""

    def stream() -> Iterator[str]:
        for chunk in client.chat.completions.create(
            model=model, messages=messages, stream=True, stream_options={"include_usage": True}
        ):
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

    return RawCalls(send, stream, asend)


def anthropic(base_url: str, model: str, clients: tuple[Anthropic, AsyncAnthropic] | None = None) -> RawCalls:
    from anthropic import Anthropic, AsyncAnthropic
    from anthropic.types import MessageParam, TextBlock

    client, aclient = clients or (
        Anthropic(api_key=SECRET, base_url=base_url, max_retries=0),
        AsyncAnthropic(api_key=SECRET, base_url=base_url, max_retries=0),
    )
    messages: list[MessageParam] = [{"role": "user", "content": PROMPT}]

    def send() -> str:
        answer = client.messages.create(model=model, messages=messages, max_tokens=MAX_TOKENS)
        return "".join(block.text for block in answer.content if isinstance(block, TextBlock))

    async def asend() -> str:
        answer = await aclient.messages.create(model=model, messages=messages, max_tokens=MAX_TOKENS)
        return "".join(block.text for block in answer.content if isinstance(block, TextBlock))

    def stream() -> Iterator[str]:
        for event in client.messages.create(
            model=model, messages=messages, max_tokens=MAX_TOKENS, stream=True
        ):
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                yield event.delta.text

    return RawCalls(send, stream, asend)


def google_genai(base_url: str, model: str, clients: tuple[Any, Any] | None = None) -> RawCalls:
    from google import genai

    options = genai.types.HttpOptions(base_url=base_url, api_version="v1beta")
    client = clients[0] if clients else genai.Client(api_key=SECRET, vertexai=False, http_options=options)

    def send() -> str:
        return str(client.models.generate_content(model=model, contents=PROMPT).text)

    async def asend() -> str:
        return str((await client.aio.models.generate_content(model=model, contents=PROMPT)).text)

    def stream() -> Iterator[str]:
        for answer in client.models.generate_content_stream(model=model, contents=PROMPT):
            if answer.text:
                yield answer.text

    return RawCalls(send, stream, asend)


def google_generativeai(base_url: str, model: str) -> RawCalls:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its support has ended, and it says so
        import google.generativeai as genai

    genai.configure(api_key=SECRET, transport="rest", client_options={"api_endpoint": base_url})
    native = genai.GenerativeModel(model)

    def send() -> str:
        return str(native.generate_content(PROMPT).text)

    def stream() -> Iterator[str]:
        for answer in native.generate_content(PROMPT, stream=True):
            if answer.text:
                yield answer.text

    return RawCalls(send, stream)
