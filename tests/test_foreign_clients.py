"""Programs by others on the simulator, with nothing but the fixture: each test is skipped where its client is missing.

Marked ``foreign``. To run them, install what is missing beside jobapp: litellm langchain-openai langchain-anthropic
langchain-google-genai instructor openrouter; and, since they want other SDKs, in an environment of their own:
pydantic-ai-slim[openai,anthropic,google] openai-agents llm llm-anthropic llm-gemini aisuite any-llm-sdk.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from jobapp.testing import Fault, Simulator, ToolCall

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.llm_simulator(block_network=True, real_time=True),
    pytest.mark.filterwarnings("ignore"),  # theirs
]

MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5", "google": "gemini-2.5-flash"}
PARIS = ToolCall("weather", city="Paris")


class Sky(BaseModel):
    """The sky."""

    colour: str
    clouds: int


LEAST = Sky(colour="", clouds=0)


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"rain in {city}"


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tell the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def simulator(llm_simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    for what in ("MODEL_COST_MAP", "ANTHROPIC_BETA_HEADERS", "AUTOROUTER_PRESETS"):
        monkeypatch.setenv(f"LITELLM_LOCAL_{what}", "True")  # else it fetches them from GitHub
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
    for provider in ("openai", "anthropic", "google", "openrouter"):
        llm_simulator.add_key(provider, f"key-of-{provider}")
    monkeypatch.setenv("GEMINI_API_KEY", "key-of-google")
    return llm_simulator


def spent(simulator: Simulator, provider: str) -> None:
    simulator.fail(provider, Fault.NO_CREDIT)


class TestLiteLLM:
    NAMES: Mapping[str, str] = {
        "openai": "openai/gpt-4o-mini",
        "anthropic": "anthropic/claude-haiku-4-5",
        "google": "gemini/gemini-2.5-flash",
        "openrouter": "openrouter/a/b",
    }

    @pytest.fixture
    def litellm(self, simulator):
        module = pytest.importorskip("litellm")
        module.in_memory_llm_clients_cache.flush_cache()
        return module

    @pytest.mark.parametrize("provider", NAMES)
    def test_chat_stream_and_tools(self, provider, litellm, simulator):
        arguments: dict[str, Any] = {
            "model": self.NAMES[provider],
            "messages": [{"role": "user", "content": "Hi"}],
        }
        assert litellm.completion(**arguments).choices[0].message.content == "echo: Hi"
        pieces = [c.choices[0].delta.content or "" for c in litellm.completion(**arguments, stream=True)]
        assert "".join(pieces) == "echo: Hi"
        for stream in (False, True):
            simulator.script(provider, f"key-of-{provider}", [PARIS])
            done = litellm.completion(**arguments, tools=[WEATHER], stream=stream)
            if stream:
                done = litellm.stream_chunk_builder(list(done))
            (call,) = done.choices[0].message.tool_calls
            assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Paris"})

    @pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
    def test_structured_output(self, provider, litellm, simulator):
        done = litellm.completion(
            model=self.NAMES[provider], messages=[{"role": "user", "content": "Sky?"}], response_format=Sky
        )
        assert Sky.model_validate_json(done.choices[0].message.content) == LEAST

    def test_embeddings_and_responses(self, litellm, simulator):
        done = litellm.embedding(model="openai/text-embedding-3-small", input=["a", "b"])
        assert len(done.data) == 2
        told = litellm.embedding(model="gemini/gemini-embedding-001", input=["a"])
        assert len(told.data) == 1
        response = litellm.responses(model="openai/gpt-5-pro", input="Hi")
        assert response.output[-1].content[0].text == "echo: Hi"

    def test_what_routed_answers_cost_is_told(self, litellm, simulator):
        done = litellm.completion(
            model=self.NAMES["openrouter"], messages=[{"role": "user", "content": "Hi"}]
        )
        assert done.usage.cost > 0

    def test_a_context_overflow_is_one(self, litellm, simulator):
        for provider in ("openai", "anthropic", "google"):
            simulator.fail(provider, Fault.CONTEXT_OVERFLOW, times=1)
            with pytest.raises(litellm.ContextWindowExceededError):
                litellm.completion(
                    model=self.NAMES[provider], messages=[{"role": "user", "content": "Hi"}], num_retries=0
                )


class TestLangChain:
    @pytest.fixture(params=["openai", "responses", "anthropic", "google", "openrouter"])
    def chat(self, request, simulator):
        pytest.importorskip("langchain_core")
        match request.param:
            case "openai":
                return pytest.importorskip("langchain_openai").ChatOpenAI(model="gpt-4o-mini")
            case "responses":
                return pytest.importorskip("langchain_openai").ChatOpenAI(
                    model="gpt-4o-mini", use_responses_api=True
                )
            case "openrouter":
                return pytest.importorskip("langchain_openai").ChatOpenAI(
                    model="a/b", base_url=simulator.base_url("openrouter"), api_key="key-of-openrouter"
                )
            case "anthropic":
                return pytest.importorskip("langchain_anthropic").ChatAnthropic(model=MODELS["anthropic"])
            case _:
                return pytest.importorskip("langchain_google_genai").ChatGoogleGenerativeAI(
                    model=MODELS["google"], google_api_key="key-of-google"
                )

    @staticmethod
    def text(message: Any) -> str:
        return message.text if isinstance(message.text, str) else message.text()

    def test_invoke_stream_and_async(self, chat):
        done = chat.invoke("Hello there")
        assert self.text(done) == "echo: Hello there"
        assert (done.usage_metadata["input_tokens"], done.usage_metadata["output_tokens"]) == (2, 3)
        pieces = list(chat.stream("Hello there"))
        assert "".join(map(self.text, pieces)) == "echo: Hello there"
        assert self.text(asyncio.run(chat.ainvoke("Hello"))) == "echo: Hello"

    def test_a_stream_tells_all_of_its_usage(self, chat):
        whole = None
        is_openai = "OpenAI" in type(chat).__name__ and not chat.use_responses_api
        usage = {"stream_usage": True} if is_openai else {}
        for piece in chat.stream("Hello there", **usage):
            whole = piece if whole is None else whole + piece
        assert whole is not None
        assert (whole.usage_metadata["input_tokens"], whole.usage_metadata["output_tokens"]) == (2, 3)

    def test_tools(self, chat, simulator):
        from langchain_core.tools import tool

        provider = (
            "openrouter" if getattr(chat, "model_name", "") == "a/b" else provider_of(type(chat).__name__)
        )
        simulator.script(provider, f"key-of-{provider}", [PARIS])
        done = chat.bind_tools([tool(weather)]).invoke("Weather?")
        assert [(call["name"], call["args"]) for call in done.tool_calls] == [("weather", {"city": "Paris"})]

    def test_structured_output(self, chat):
        assert chat.with_structured_output(Sky).invoke("Sky?") == LEAST

    def test_embeddings(self, simulator):
        langchain_openai = pytest.importorskip("langchain_openai")
        vectors = langchain_openai.OpenAIEmbeddings(
            model="text-embedding-3-small", check_embedding_ctx_length=False
        ).embed_documents(["a", "b"])
        assert [len(vector) for vector in vectors] == [1536, 1536]
        google = pytest.importorskip("langchain_google_genai").GoogleGenerativeAIEmbeddings(
            model="gemini-embedding-001", google_api_key="key-of-google"
        )
        assert len(google.embed_query("a")) == 3072


def provider_of(name: str) -> str:
    return next(provider for provider in ("openai", "anthropic", "google") if provider in name.lower())


class TestPydanticAI:
    NAMES = (
        "openai:gpt-4o-mini",
        "openai-chat:gpt-4o-mini",
        "anthropic:claude-haiku-4-5",
        "google:gemini-2.5-flash",
    )

    @pytest.fixture(params=NAMES)
    def model(self, request, simulator):
        pytest.importorskip("pydantic_ai")
        return request.param

    def test_run_and_stream(self, model):
        from pydantic_ai import Agent

        agent = Agent(model)
        done = agent.run_sync("Hello there")
        assert done.output == "echo: Hello there"

        async def streamed() -> str:
            async with agent.run_stream("Hello there") as stream:
                return str(await stream.get_output())

        assert asyncio.run(streamed()) == "echo: Hello there"

    def test_an_agent_calls_its_tool(self, model, simulator):
        from pydantic_ai import Agent

        provider = provider_of(model)
        simulator.script(provider, f"key-of-{provider}", [PARIS])
        assert Agent(model, tools=[weather]).run_sync("Weather?").output == "echo: rain in Paris"

    def test_structured_output_by_tool_and_by_schema(self, model):
        from pydantic_ai import Agent, NativeOutput

        assert Agent(model, output_type=Sky, tools=[weather]).run_sync("Sky?").output == LEAST
        assert Agent(model, output_type=NativeOutput(Sky)).run_sync("Sky?").output == LEAST


class TestOpenAIAgents:
    @pytest.fixture
    def agents(self, simulator):
        import openai

        module = pytest.importorskip("agents")
        module.set_default_openai_client(
            openai.AsyncOpenAI(), use_for_tracing=False
        )  # it would keep the first
        return module

    def test_an_agent_calls_its_tool_by_responses(self, agents, simulator):
        simulator.script("openai", "key-of-openai", [PARIS])
        agent = agents.Agent(name="a", model="gpt-4o-mini", tools=[agents.function_tool(weather)])
        assert asyncio.run(agents.Runner.run(agent, "Weather?")).final_output == "echo: rain in Paris"
        assert simulator.received[-1].path == "/v1/responses"

    def test_stream_and_structured_output(self, agents, simulator):
        async def streamed() -> str:
            result = agents.Runner.run_streamed(agents.Agent(name="a", model="gpt-4o-mini"), "Hello")
            async for _ in result.stream_events():
                pass
            return str(result.final_output)

        async def both() -> tuple[str, Any]:  # in one event loop: it keeps its client
            typed = agents.Agent(name="a", model="gpt-4o-mini", output_type=Sky)
            return await streamed(), (await agents.Runner.run(typed, "Sky?")).final_output

        assert asyncio.run(both()) == ("echo: Hello", LEAST)


class TestInstructor:
    @pytest.mark.parametrize("provider", MODELS)
    def test_structured_output(self, provider, simulator):
        instructor = pytest.importorskip("instructor")
        if provider == "openai":
            import openai

            client = instructor.from_openai(openai.OpenAI())
        elif provider == "anthropic":
            import anthropic

            client = instructor.from_anthropic(anthropic.Anthropic())
        else:
            from google import genai

            client = instructor.from_genai(genai.Client(api_key="key-of-google"))
        options = {"max_tokens": 99} if provider == "anthropic" else {}
        done = client.chat.completions.create(
            model=MODELS[provider],
            response_model=Sky,
            messages=[{"role": "user", "content": "Sky?"}],
            **options,
        )
        assert done.model_dump() == LEAST.model_dump()  # it returns a class of its own


class TestOpenRouterSDK:
    @pytest.fixture
    def client(self, simulator):
        openrouter = pytest.importorskip("openrouter")
        return openrouter.OpenRouter(api_key="key-of-openrouter", server_url=simulator.base_url("openrouter"))

    def test_its_own_checks_accept_every_answer(self, client):
        done = client.chat.send(model="a/b", messages=[{"role": "user", "content": "Hi"}])
        assert done.choices[0].message.content == "echo: Hi"
        assert done.usage.cost > 0
        chunks = client.chat.send(model="a/b", messages=[{"role": "user", "content": "Hi"}], stream=True)
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "echo: Hi"
        assert client.models.list().result.data
        assert client.api_keys.get_current_key_metadata().data.label == "simulated"
        assert client.credits.get_credits().data.total_credits
        assert client.generations.get_generation(id=done.id).data.id == done.id


class TestOthers:
    @pytest.mark.parametrize("provider", ["openai", "anthropic"])
    def test_aisuite(self, provider, simulator):
        client = pytest.importorskip("aisuite").Client()
        done = client.chat.completions.create(
            model=f"{provider}:{MODELS[provider]}", messages=[{"role": "user", "content": "Hi"}]
        )
        assert done.choices[0].message.content == "echo: Hi"

    @pytest.mark.parametrize(
        "name",
        ["openai:gpt-4o-mini", "anthropic:claude-haiku-4-5", "gemini:gemini-2.5-flash", "openrouter:a/b"],
    )
    def test_any_llm(self, name, simulator):
        any_llm = pytest.importorskip("any_llm")
        done = any_llm.completion(model=name, messages=[{"role": "user", "content": "Hi"}])
        assert done.choices[0].message.content == "echo: Hi"
        if name.startswith("openai"):
            assert any_llm.responses(model=name, input_data="Hi").output_text == "echo: Hi"

    @pytest.mark.parametrize("name", ["gpt-4o-mini", "claude-haiku-4.5"])
    def test_llm(self, name, simulator):
        llm = pytest.importorskip("llm")
        model = llm.get_model(name)
        model.key = "key-of-anthropic" if "claude" in name else "key-of-openai"
        assert model.prompt("Hi", stream=False).text() == "echo: Hi"
        assert "".join(model.prompt("Hi")) == "echo: Hi"


CLASSES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "openai": ("RateLimitError", lambda m: m.OpenAI(max_retries=0).embeddings.create(model="m", input="a")),
    "anthropic": (
        "BadRequestError",
        lambda m: m.Anthropic(max_retries=0).messages.create(
            model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
        ),
    ),
}


@pytest.mark.parametrize("name", CLASSES)
def test_the_sdks_alone_raise_their_own_errors(name, simulator):
    module = pytest.importorskip(name)
    error, ask = CLASSES[name]
    spent(simulator, name)
    with pytest.raises(getattr(module, error)):
        ask(module)
