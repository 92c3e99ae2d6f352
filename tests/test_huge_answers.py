"""What a server sends without measure ends in a typed error, before it fills the memory: ``max_answer``."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterator

import pytest

from jobapp import providers
from jobapp.domain.clock import SystemClock
from jobapp.domain.exceptions import AllAttemptsFailedError
from tests import slow_servers
from tests.calling import ONE, PROVIDERS, STREAMS, WAYS, world_of

MANY = 2**20
PART = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
BOMB = gzip.compress(b" " * 64 * MANY)
HEAD = b"HTTP/1.1 %b\r\ncontent-type: %b\r\n%btransfer-encoding: chunked\r\n\r\n"
JSON, EVENTS = b"application/json", b"text/event-stream"


def endless(head: bytes, part: bytes = PART) -> Callable[[], Iterator[bytes]]:
    def drops() -> Iterator[bytes]:
        yield head
        while True:
            yield part

    return drops


def chunk(part: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(part), part)


def bomb(status: bytes) -> Callable[[], Iterator[bytes]]:
    def drops() -> Iterator[bytes]:
        yield HEAD % (status, JSON, b"content-encoding: gzip\r\n")
        yield chunk(BOMB) + chunk(b"")

    return drops


SERVERS = {
    "spaces": endless(HEAD % (b"200 OK", JSON, b"")),
    "spaces in a rejection": endless(HEAD % (b"503 Busy", JSON, b"")),
    "a bomb": bomb(b"200 OK"),
    "a bomb in a rejection": bomb(b"503 Busy"),
}
STREAMED = {
    **SERVERS,
    "a line": endless(HEAD % (b"200 OK", EVENTS, b""), PART.replace(b" ", b"x")),
    "lines of one event": endless(HEAD % (b"200 OK", EVENTS, b""), chunk(b"data: x\n" * 8192)),
}
REJECTIONS = {name: drops for name, drops in SERVERS.items() if "rejection" in name}
"""What Google's older SDK is shown for a stream: it gives up at the first sign that there is no array."""


def servers(name: str, way: str) -> dict[str, Callable[[], Iterator[bytes]]]:
    if way not in STREAMS:
        return SERVERS
    return REJECTIONS if name == "google-old-sdk" else STREAMED


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [name for name in PROVIDERS if name != "openrouter"])  # it is OpenAI's SDK
def test_it_ends_in_an_error_that_names_the_setting(name, way, tmp_path, monkeypatch):
    for server, drops in servers(name, way).items():
        (folder := tmp_path / server).mkdir()
        with world_of(name, way, folder, monkeypatch) as world, slow_servers.serving(drops, 0) as url:
            world.add(ONE)
            provider = world.provider.name
            world.settings = {"providers": {provider: {"max_answer": 1}}, "retry": {"max_retries": 0}}
            monkeypatch.setenv(providers.PROVIDERS[provider].base_url_env, url)
            with world.interface(clock=SystemClock()) as llm, pytest.raises(AllAttemptsFailedError) as raised:
                WAYS[way](llm, "Hello", provider=provider, model="m")
            told = str(raised.value)
            assert f"more than 1 MiB came (providers.{provider}.max_answer)" in told, server


def test_a_rejection_below_an_sdk_is_read_up_to_a_limit(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.add(ONE)
        world.settings = {"retry": {"max_retries": 0}}
        with slow_servers.serving(SERVERS["spaces in a rejection"], 0) as url:
            monkeypatch.setenv("OPENAI_BASE_URL", url)
            with world.interface(clock=SystemClock()) as llm:
                client = llm.http_client("openai")
                assert client.post(f"{url}/chat/completions", json={"model": "m"}).status_code == 503

                async def ask() -> int:
                    async with llm:
                        client = llm.async_http_client("openai")
                        done = await client.post(f"{url}/chat/completions", json={"model": "m"})
                        return int(done.status_code)

                assert asyncio.run(ask()) == 503
