"""Nothing of a test with the simulator reaches the network: the clients find the simulator, or are refused."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from jobapp.testing import NetworkBlockedError, Simulator

pytest_plugins = ["pytester"]


def asked_openai() -> None:
    import openai

    with openai.OpenAI() as client:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])


def asked_anthropic() -> None:
    import anthropic

    with anthropic.Anthropic() as client:
        client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}])


def asked_google() -> None:
    from google import genai

    with genai.Client() as client:
        client.models.generate_content(model="m", contents="Hi")


async def asked_openai_async() -> None:
    import openai

    async with openai.AsyncOpenAI() as client:
        await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])


async def asked_google_async() -> None:
    from google import genai

    async with genai.Client().aio as client:
        await client.models.generate_content(model="m", contents="Hi")


ASKED = {"openai": asked_openai, "anthropic": asked_anthropic, "google": asked_google}
UNCONFIGURED = {
    "openai": ("api.openai.com", "openai", asked_openai),
    "anthropic": ("api.anthropic.com", "anthropic", asked_anthropic),
    "google": ("generativelanguage.googleapis.com", "google.genai", asked_google),
}
ADDRESSES = ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL")


@pytest.fixture(autouse=True)
def a_real_life(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GROQ_API_KEY", "gsk-real")
    monkeypatch.setenv("HF_TOKEN", "hf-real")
    monkeypatch.setenv("JOBAPP_STATE_URL", "redis://prod")


@pytest.mark.parametrize("provider", ASKED)
def test_a_client_without_settings_finds_the_simulator(provider, a_real_life, llm_simulator):
    llm_simulator.add_key(provider, "sk-one")
    ASKED[provider]()
    assert llm_simulator.requests(provider, "sk-one") == 1


def test_the_fixture_hides_keys_proxies_and_a_shared_state(a_real_life, llm_simulator):
    gone = {"HTTPS_PROXY", "HTTP_PROXY", "GOOGLE_GENAI_USE_VERTEXAI", "GROQ_API_KEY", "HF_TOKEN"}
    assert not gone & os.environ.keys()
    assert "JOBAPP_STATE_URL" not in os.environ


@pytest.mark.llm_simulator(block_network=True)
@pytest.mark.parametrize("provider", UNCONFIGURED)
def test_an_unconfigured_client_is_refused_at_once_by_name(provider, a_real_life, llm_simulator, monkeypatch):
    host, client, ask = UNCONFIGURED[provider]
    llm_simulator.add_key(provider, "sk-one")
    for name in ADDRESSES:
        monkeypatch.delenv(name)
    with pytest.raises(NetworkBlockedError, match=rf"^{client} wanted to connect to {host}") as caught:
        ask()
    assert (caught.value.host, caught.value.client) == (host, client)


@pytest.mark.llm_simulator(block_network=True)
@pytest.mark.parametrize(
    ("ask", "client"), [(asked_openai_async, "openai"), (asked_google_async, "google.genai")]
)
def test_an_unconfigured_client_in_an_event_loop_is_refused_too(
    ask, client, a_real_life, llm_simulator, monkeypatch
):
    llm_simulator.add_key("openai", "sk-one")
    llm_simulator.add_key("google", "g-one")
    for name in ADDRESSES:
        monkeypatch.delenv(name)
    with pytest.raises(NetworkBlockedError, match=rf"^{client} wanted to connect"):
        asyncio.run(ask())


def test_what_stays_on_the_machine_passes_and_all_does_when_it_is_over():
    originals = (socket.socket.connect, socket.getaddrinfo, asyncio.BaseEventLoop.getaddrinfo)
    with (
        Simulator(block_network=True) as simulator,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket() as unconnected,
    ):
        simulator.add_key("openai", "sk-one")
        socket.create_connection(server.getsockname()).close()
        assert socket.getaddrinfo("localhost", 80)
        for refused in (
            lambda: socket.getaddrinfo("example.com", 80),
            lambda: socket.gethostbyname("example.com"),
            lambda: socket.create_connection(("192.0.2.1", 80)),
            lambda: unconnected.connect_ex(("192.0.2.1", 80)),
        ):
            with pytest.raises(NetworkBlockedError, match=r"^tests wanted"):
                refused()
    assert (socket.socket.connect, socket.getaddrinfo, asyncio.BaseEventLoop.getaddrinfo) == originals


def test_a_slip_in_the_marker_is_told(pytester):
    pytester.makepyfile("""
        import pytest
        @pytest.mark.llm_simulator(blocknetwork=True)
        def test_it(llm_simulator): pass
    """)
    outcome = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--strict-markers")
    outcome.stdout.fnmatch_lines(["*llm_simulator(block_network=False, real_time=False)*"])
    outcome.assert_outcomes(errors=1)


def test_the_fixture_warns_of_a_client_that_slept_in_real_time(pytester):
    pytester.makepyfile("""
        def test_it(llm_simulator):
            llm_simulator.sleepers.told = "A client slept 2 s in real time"
    """)
    outcome = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    outcome.assert_outcomes(passed=1, warnings=1)
