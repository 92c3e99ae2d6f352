"""Frameworks on top of an SDK get every key, where they are installed: the packages are optional."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any

import pytest

from jobapp.core.llm_interface import LLMInterface
from jobapp.testing import Fault, Trouble
from tests.calling import ONE, THREE, TWO, world_of

PROMPT, ECHO = "Hello", "echo: Hello"
UNUSED: Any = "unused"


def langchain_openai(llm: LLMInterface, base_url: str) -> Any:
    chat = importlib.import_module("langchain_openai").ChatOpenAI
    return chat(
        model="gpt-4o-mini",
        api_key=UNUSED,
        base_url=base_url,
        http_client=llm.http_client("openai"),
        http_async_client=llm.async_http_client("openai"),
    )


def langchain_invoke(llm: LLMInterface, base_url: str) -> str:
    return str(langchain_openai(llm, base_url).invoke(PROMPT).content)


def langchain_stream(llm: LLMInterface, base_url: str) -> str:
    return "".join(str(piece.content) for piece in langchain_openai(llm, base_url).stream(PROMPT))


def langchain_ainvoke(llm: LLMInterface, base_url: str) -> str:
    async def ask() -> str:
        async with llm:
            return str((await langchain_openai(llm, base_url).ainvoke(PROMPT)).content)

    return asyncio.run(ask())


def langchain_google(llm: LLMInterface, base_url: str) -> str:
    chat = importlib.import_module("langchain_google_genai").ChatGoogleGenerativeAI
    model = chat(
        model="gemini-2.5-flash",
        api_key=UNUSED,
        base_url=base_url,
        client_args={"transport": llm.transport("google")},
    )
    return str(model.invoke(PROMPT).content)


def pydantic_ai_openai(llm: LLMInterface, base_url: str) -> str:
    importlib.import_module("pydantic_ai.models.openai")
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(
        base_url=base_url, api_key="unused", http_client=llm.async_http_client("openai")
    )
    agent = Agent(OpenAIChatModel("gpt-4o-mini", provider=provider))

    async def ask() -> str:
        async with llm:
            return str((await agent.run(PROMPT)).output)

    return asyncio.run(ask())


def instructor(llm: LLMInterface, base_url: str) -> str:
    client = importlib.import_module("instructor").from_openai(llm.client("openai"))
    messages = [{"role": "user", "content": PROMPT}]
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages, response_model=None)
    return str(answer.choices[0].message.content)


def litellm(llm: LLMInterface, base_url: str) -> str:
    module = importlib.import_module("litellm")
    answer = module.completion(
        model="openai/gpt-4o-mini",
        messages=[{"role": "user", "content": PROMPT}],
        client=llm.client("openai"),
        api_base=base_url,
        api_key="unused",
    )
    return str(answer.choices[0].message.content)


FRAMEWORKS: dict[str, tuple[str, str, Callable[[LLMInterface, str], str]]] = {
    "langchain-openai, invoke": ("langchain_openai", "openai", langchain_invoke),
    "langchain-openai, stream": ("langchain_openai", "openai", langchain_stream),
    "langchain-openai, ainvoke": ("langchain_openai", "openai", langchain_ainvoke),
    "langchain-google-genai": ("langchain_google_genai", "google", langchain_google),
    "pydantic-ai, OpenAI": ("pydantic_ai", "openai", pydantic_ai_openai),
    "instructor": ("instructor", "openai", instructor),
    "litellm": ("litellm", "openai", litellm),
}


@pytest.mark.filterwarnings("ignore")  # the packages' own
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_framework_is_served_over_a_spent_a_bad_and_a_busy_key(name, tmp_path, monkeypatch):
    module, provider, ask = FRAMEWORKS[name]
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it asks GitHub for prices
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    pytest.importorskip(module, exc_type=ImportError)
    with world_of(provider, "send", tmp_path, monkeypatch) as world:
        world.add(ONE, Fault.SPENT_DAY)
        world.add(TWO, Fault.BAD_KEY)
        world.add(THREE, Trouble(Fault.BUSY_MINUTE, wait=20), times=1)
        for _ in range(2):
            with world.interface() as llm:
                assert ask(llm, world.simulator.base_url(provider)) == ECHO
    assert world.requests(ONE, TWO, THREE) == [1, 1, 3]
    assert 20 <= sum(world.clock.sleeps) < 30
