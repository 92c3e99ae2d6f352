"""Clients, connections, keys and the environment: nothing made twice, nothing left open, nothing mixed up."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobapp.domain.exceptions import ConfigError
from jobapp.domain.settings import ProviderSettings
from jobapp.domain.types import ApiKey, ChatRequest, Message, Reply
from jobapp.providers import PROVIDERS, http_client, open_adapter, request_context
from jobapp.providers.client_cache import ClientCache
from jobapp.providers.google import GoogleAdapter
from jobapp.providers.google_generativeai import GoogleGenerativeAIAdapter
from jobapp.providers.openai import OpenAIAdapter
from jobapp.providers.sdk_adapter import SDKAdapter
from jobapp.testing import FakeClock, Simulator
from tests.adapter_support import (
    ADAPTERS,
    HELLO,
    KEY,
    MODEL,
    SECONDS,
    WAYS,
    Open,
    ask,
    first_piece,
    in_threads,
    opener,
)

KEYS = [ApiKey(f"KEY_{n}", f"sk-test-key-number-{n}") for n in range(10)]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(FakeClock()) as simulator:
        for provider in PROVIDERS:
            for key in (KEY, *KEYS):
                simulator.add_key(provider, key.secret)
        yield simulator


@pytest.fixture
def opened(simulator: Simulator) -> Iterator[Open]:
    with opener(simulator) as opened:
        yield opened


@pytest.fixture(params=ADAPTERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def adapter(opened: Open, name: str) -> SDKAdapter:
    return opened(name)


def asking(key: ApiKey) -> ChatRequest:
    """Return a request that names its key, so that the simulator's record shows any mix-up."""
    return ChatRequest(MODEL, (Message("user", key.secret),))


def assert_unmixed(simulator: Simulator, count: int) -> None:
    assert simulator.requests() == count
    assert all(request.key == request.prompt for request in simulator.received)


class TestKeys:
    def test_ten_threads_with_ten_keys_never_mix_them(
        self, simulator: Simulator, adapter: SDKAdapter
    ) -> None:
        def work(n: int) -> None:
            for turn in range(5):
                key = KEYS[(n + turn) % 10]
                assert adapter.send(asking(key), key, SECONDS).text == f"echo: {key.secret}"

        in_threads(10, work)
        assert_unmixed(simulator, 50)

    def test_tasks_with_ten_keys_never_mix_them_in_two_loops(
        self, simulator: Simulator, adapter: SDKAdapter
    ) -> None:
        async def main() -> None:
            replies = await asyncio.gather(*(adapter.asend(asking(key), key, SECONDS) for key in KEYS * 2))
            assert [reply.text for reply in replies] == [f"echo: {key.secret}" for key in KEYS * 2]
            await adapter.aclose()

        in_threads(2, lambda _: asyncio.run(main()))
        asyncio.run(main())
        assert_unmixed(simulator, 60)

    def test_streams_that_are_read_in_turn_keep_their_keys_and_replies(
        self, simulator: Simulator, adapter: SDKAdapter
    ) -> None:
        streams = [adapter.stream(asking(key), key, SECONDS) for key in KEYS[:3]]
        ends: list[Any] = [None, None, None]
        for _ in range(3):
            for n, stream in enumerate(streams):
                ends[n] = next(stream, ends[n])
        assert [end.text for end in ends] == [f"echo: {key.secret}" for key in KEYS[:3]]
        assert_unmixed(simulator, 3)

    def test_cookies_of_one_key_do_not_go_out_with_another(
        self, simulator: Simulator, adapter: SDKAdapter
    ) -> None:
        from jobapp.testing import Response

        simulator.script(
            adapter.provider, KEY.secret, [Response(500, {"set-cookie": "who=first; Path=/"}, body={})]
        )
        with pytest.raises(Exception):  # noqa: B017 (each SDK has its own)
            adapter.send(HELLO, KEY, SECONDS)
        adapter.send(HELLO, KEYS[0], SECONDS)
        assert "cookie" not in simulator.received[-1].headers


class TestClients:
    def test_a_client_is_made_once_for_each_key(
        self, adapter: SDKAdapter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[str] = []
        make = type(adapter)._open_client

        def counted(self: Any, pool: Any, key: ApiKey) -> Any:
            made.append(key.name)
            return make(self, pool, key)

        monkeypatch.setattr(type(adapter), "_open_client", counted)
        again = type(adapter)(adapter._settings)
        in_threads(8, lambda n: again.send(HELLO, KEYS[n % 4], SECONDS))
        in_threads(8, lambda n: again.send(HELLO, KEYS[n % 4], SECONDS))
        assert sorted(made) == ["KEY_0", "KEY_1", "KEY_2", "KEY_3"]
        again.close()

    def test_keys_share_the_connections(self, simulator: Simulator, adapter: SDKAdapter) -> None:
        for key in KEYS:
            adapter.send(asking(key), key, SECONDS)
        assert simulator.open_connections == 1

    def test_a_closed_adapter_has_no_connections_and_opens_anew(
        self, simulator: Simulator, adapter: SDKAdapter
    ) -> None:
        adapter.send(HELLO, KEY, SECONDS)
        adapter.close()
        simulator.wait_for(lambda: simulator.open_connections == 0)
        assert adapter.send(HELLO, KEY, SECONDS).text

    @pytest.mark.parametrize("way", ["send", "stream"])
    def test_closing_fails_no_request_that_is_under_way_and_closes_after_the_last(
        self, simulator: Simulator, adapter: SDKAdapter, way: str
    ) -> None:
        with ThreadPoolExecutor(4) as threads, simulator.hold() as hold:
            asked = [threads.submit(ask, adapter, way) for _ in range(4)]
            simulator.wait_for(lambda: simulator.active_requests == 4)
            adapter.close()
            asyncio.run(adapter.aclose())
            hold.release()
            assert [each.result(SECONDS).text for each in asked] == ["echo: Hello there my friend"] * 4
        simulator.wait_for(lambda: simulator.open_connections == 0)
        assert adapter.send(HELLO, KEY, SECONDS).text

    @pytest.mark.parametrize("way", ["asend", "astream"])
    def test_aclose_fails_no_task_that_is_under_way_and_closes_after_the_last(
        self, simulator: Simulator, adapter: SDKAdapter, way: str
    ) -> None:
        async def text() -> str:
            if way == "asend":
                return (await adapter.asend(HELLO, KEY, SECONDS)).text
            pieces = [piece async for piece in adapter.astream(HELLO, KEY, SECONDS)]
            return "".join(piece for piece in pieces if isinstance(piece, str))

        async def main() -> list[str]:
            with simulator.hold() as hold:
                tasks = [asyncio.create_task(text()) for _ in range(4)]
                await asyncio.to_thread(simulator.wait_for, lambda: simulator.active_requests == 4)
                await adapter.aclose()
                hold.release()
                return await asyncio.gather(*tasks)

        assert asyncio.run(main()) == ["echo: Hello there my friend"] * 4
        simulator.wait_for(lambda: simulator.open_connections == 0)

    def test_aclose_closes_the_connections_of_its_loop(
        self, simulator: Simulator, adapter: SDKAdapter
    ) -> None:
        async def main() -> None:
            await adapter.asend(HELLO, KEY, SECONDS)
            await adapter.aclose()

        asyncio.run(main())
        simulator.wait_for(lambda: simulator.open_connections == 0)

    def test_closing_what_was_never_used_does_nothing(self, adapter: SDKAdapter) -> None:
        adapter.close()
        asyncio.run(adapter.aclose())

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    @pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
    def test_a_forked_child_uses_no_connection_of_its_parent(
        self, simulator: Simulator, adapter: SDKAdapter
    ) -> None:
        adapter.send(HELLO, KEY, SECONDS)
        parents = adapter._clients.client(adapter._clients._open(), KEY)
        child = os.fork()
        if child == 0:
            answered = False
            try:
                fresh = adapter._clients.client(adapter._clients._open(), KEY) is not parents
                answered = fresh and bool(adapter.send(HELLO, KEY, SECONDS).text)
            finally:
                os._exit(0 if answered else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert adapter._clients.client(adapter._clients._open(), KEY) is parents
        assert adapter.send(HELLO, KEY, SECONDS).text
        assert simulator.requests() == 3

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    @pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
    def test_a_lock_that_another_thread_held_at_the_fork_is_free_in_the_child(self) -> None:
        cache = ClientCache(object, lambda pool, key: (pool, key))
        with cache._lock:
            child = os.fork()
            if child == 0:
                os._exit(0 if cache._lock.acquire(blocking=False) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class TestNothingIsLeftOpen:
    def test_closing_a_stream_early_closes_its_connection(
        self, simulator: Simulator, adapter: SDKAdapter
    ) -> None:
        with simulator.hold(adapter.provider, after=1):
            stream = adapter.stream(HELLO, KEY, SECONDS)
            assert first_piece(stream) == "echo: "
            stream.close()
            simulator.wait_for(lambda: simulator.active_requests == 0)
            simulator.wait_for(lambda: simulator.open_connections == 0)

    def test_closing_an_async_stream_early_closes_its_connection(
        self, simulator: Simulator, adapter: SDKAdapter
    ) -> None:
        async def main() -> None:
            stream = adapter.astream(HELLO, KEY, SECONDS)
            assert await anext(stream) == "echo: "
            await stream.aclose()
            await asyncio.to_thread(simulator.wait_for, lambda: simulator.open_connections == 0)
            await adapter.aclose()

        with simulator.hold(adapter.provider, after=1):
            asyncio.run(main())

    # google-generativeai's thread can't be stopped: the next test
    @pytest.mark.parametrize("name", [name for name in ADAPTERS if name != "google-generativeai"])
    @pytest.mark.parametrize("way", ["asend", "astream"])
    def test_a_cancelled_task_leaves_no_connection(
        self, simulator: Simulator, opened: Open, name: str, way: str
    ) -> None:
        adapter = opened(name)

        async def read() -> None:
            if way == "asend":
                await adapter.asend(HELLO, KEY, SECONDS)
            else:
                async for _ in adapter.astream(HELLO, KEY, SECONDS):
                    pass

        async def main() -> None:
            task = asyncio.create_task(read())
            await asyncio.to_thread(hold.wait_for)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(simulator.wait_for, lambda: simulator.open_connections == 0)
            await adapter.aclose()

        with simulator.hold(adapter.provider) as hold:
            asyncio.run(main())

    def test_a_cancelled_task_does_not_wait_for_its_thread(self, simulator: Simulator, opened: Open) -> None:
        adapter = opened("google-generativeai")

        async def main() -> None:
            stream = adapter.astream(HELLO, KEY, SECONDS)
            task = asyncio.create_task(anext(stream))
            await asyncio.to_thread(hold.wait_for)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            hold.release()
            await asyncio.to_thread(simulator.wait_for, lambda: simulator.active_requests == 0)
            await adapter.aclose()

        with simulator.hold("google") as hold:
            asyncio.run(main())

    def test_refusals_give_their_connection_back(self, simulator: Simulator, adapter: SDKAdapter) -> None:
        from jobapp.testing import Fault

        simulator.fail(adapter.provider, Fault.BUSY_MINUTE)
        for way in ("send", "stream") * 3:
            with pytest.raises(Exception):  # noqa: B017 (each SDK has its own)
                ask(adapter, way)
        assert simulator.open_connections == 1


AMBIENT = {
    "OPENAI_API_KEY": "sk-ambient", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_ORG_ID": "org-ambient",
    "OPENAI_PROJECT_ID": "proj-ambient", "OPENAI_CUSTOM_HEADERS": "x-ambient: yes",
    "OPENAI_ADMIN_KEY": "sk-ambient-admin",
    "ANTHROPIC_API_KEY": "sk-ambient", "ANTHROPIC_AUTH_TOKEN": "ambient-token",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_CUSTOM_HEADERS": "x-ambient: yes",
    "ANTHROPIC_PROFILE": "ambient",
    "GOOGLE_API_KEY": "ambient-google", "GEMINI_API_KEY": "ambient-gemini",
    "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9", "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "GOOGLE_GENAI_API_VERSION": "v9ambient", "GOOGLE_CLOUD_PROJECT": "ambient",
    "GOOGLE_CLOUD_LOCATION": "ambient", "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/ambient.json",
}  # fmt: skip


class TestEnvironment:
    @pytest.mark.parametrize("way", WAYS)
    def test_nothing_of_it_goes_out_with_a_key(
        self, simulator: Simulator, adapter: SDKAdapter, monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        for variable, value in AMBIENT.items():
            monkeypatch.setenv(variable, value)
        assert ask(adapter, way).text
        request = simulator.received[-1]
        assert request.key == KEY.secret
        told = f"{request.path} {dict(request.headers)} {request.query}".lower()
        assert "ambient" not in told
        assert "openai-organization" not in told

    def test_it_is_never_written(self, adapter: SDKAdapter) -> None:
        before = dict(os.environ)
        for way in WAYS:
            ask(adapter, way)
        assert dict(os.environ) == before

    def test_two_google_keys_in_it_are_no_reason_for_a_warning(
        self, opened: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("GOOGLE_API_KEY", "ambient-google")
        monkeypatch.setenv("GEMINI_API_KEY", "ambient-gemini")
        ask(opened("google-genai"), "send")
        assert not [record for record in caplog.records if record.levelname == "WARNING"]

    def test_no_log_holds_a_key(self, adapter: SDKAdapter, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level("INFO"):
            ask(adapter, "send")
        assert KEY.secret not in caplog.text


class TestOpening:
    @pytest.mark.parametrize("provider", PROVIDERS)
    def test_each_provider_has_an_adapter(self, provider: str) -> None:
        adapter = open_adapter(ProviderSettings(provider))
        assert adapter.provider == provider

    def test_an_unknown_name_with_an_address_is_compatible_with_openai(self) -> None:
        adapter = open_adapter(ProviderSettings("local", base_url="http://127.0.0.1:9/v1"))
        assert isinstance(adapter, OpenAIAdapter)
        assert adapter.provider == "local"

    def test_an_unknown_name_without_an_address_is_told_how_to_be_known(self) -> None:
        with pytest.raises(ConfigError, match=r"unknown provider 'local'.*providers\.local\.base_url"):
            open_adapter(ProviderSettings("local"))

    def test_a_setting_names_the_sdk(self) -> None:
        chosen = open_adapter(ProviderSettings("google", sdk="google-generativeai"))
        assert type(chosen) is GoogleGenerativeAIAdapter
        assert type(open_adapter(ProviderSettings("google", sdk="google-genai"))) is GoogleAdapter
        with pytest.raises(
            ConfigError, match=r"providers\.google\.sdk: 'vertex' is none of google-genai, google-g"
        ):
            open_adapter(ProviderSettings("google", sdk="vertex"))

    @pytest.mark.parametrize(
        ("missing", "chosen"),
        [(set(), GoogleAdapter), ({"google.genai"}, GoogleGenerativeAIAdapter)],
        ids=["both", "old-only"],
    )
    def test_google_is_served_by_the_first_sdk_that_is_installed(
        self, monkeypatch: pytest.MonkeyPatch, missing: set[str], chosen: type
    ) -> None:
        monkeypatch.setattr("jobapp.providers.is_installed", lambda module: module not in missing)
        assert type(open_adapter(ProviderSettings("google"))) is chosen

    def test_a_missing_sdk_is_told_with_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("jobapp.providers.is_installed", lambda module: False)
        with pytest.raises(ConfigError, match="pip install google-genai or google-generativeai"):
            open_adapter(ProviderSettings("google"))

    @pytest.mark.parametrize("provider", PROVIDERS)
    def test_an_sdk_is_imported_beside_the_event_loop(self, simulator: Simulator, provider: str) -> None:
        program = (
            "import asyncio, sys, threading\n"
            "from jobapp.domain.settings import ProviderSettings\n"
            "from jobapp.domain.types import ApiKey, ChatRequest, Message\n"
            "from jobapp.providers import open_adapter\n"
            "class Watch:\n"
            "    threads = set()\n"
            "    def find_spec(self, name, *_):\n"
            "        if name in ('openai', 'anthropic', 'google.genai'):\n"
            "            self.threads.add(threading.current_thread() is threading.main_thread())\n"
            "sys.meta_path.insert(0, Watch())\n"
            "async def main():\n"
            f"    settings = ProviderSettings({provider!r}, base_url={simulator.base_url(provider)!r})\n"
            "    adapter = open_adapter(settings)\n"
            "    Watch.threads.clear()  # to look whether it is installed is no import\n"
            "    request = ChatRequest('m', (Message('user', 'Hi'),))\n"
            f"    print((await adapter.asend(request, ApiKey('KEY', {KEY.secret!r}), 20.0)).text)\n"
            "    await adapter.aclose()\n"
            "asyncio.run(main())\n"
            "print(Watch.threads)\n"
        )
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert run.stdout.split("\n")[:2] == ["echo: Hi", "{False}"]

    @pytest.mark.parametrize("provider", PROVIDERS)
    def test_no_sdk_is_imported_before_the_first_request(self, provider: str) -> None:
        program = (
            "import sys\n"
            "from jobapp.domain.settings import ProviderSettings\n"
            "from jobapp.providers import open_adapter\n"
            f"open_adapter(ProviderSettings({provider!r}))\n"
            "sdks = {'openai', 'anthropic', 'google.genai', 'google.generativeai', 'httpx', 'httpx2', 'requests'}\n"
            "print(sorted(sdks & set(sys.modules)))\n"
        )
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "[]"

    def test_the_old_google_sdk_warns_nobody_and_keeps_the_users_filters(self, simulator: Simulator) -> None:
        program = (
            "import warnings\n"
            "from jobapp.domain.settings import ProviderSettings\n"
            "from jobapp.domain.types import ApiKey, ChatRequest, Message\n"
            "from jobapp.providers.google_generativeai import GoogleGenerativeAIAdapter\n"
            "before = list(warnings.filters)\n"
            f"adapter = GoogleGenerativeAIAdapter(ProviderSettings('google', base_url={simulator.base_url('google')!r}))\n"
            f"key = ApiKey('KEY', {KEY.secret!r})\n"
            "print(adapter.send(ChatRequest('m', (Message('user', 'Hi'),)), key, 20.0).text)\n"
            "adapter.close()\n"
            "assert warnings.filters == before\n"
        )
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert (run.stdout.strip(), run.stderr) == ("echo: Hi", "")


class FakeStream:
    """A network stream that notes the timeouts it is given."""

    def __init__(self) -> None:
        self.timeouts: list[float | None] = []
        self.close = self.get_extra_info = lambda *_: None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.timeouts.append(timeout)
        return b"x"


class TestTimeLimit:
    def test_each_read_gets_what_is_left_until_nothing_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Time:
            now = 100.0

            @classmethod
            def monotonic(cls) -> float:
                return cls.now

        monkeypatch.setattr(request_context, "time", Time)
        inner = FakeStream()
        stream = http_client._LimitedStream(inner, TimeoutError)
        limit = request_context.TimeLimit(10.0)
        for now in (100.0, 104.0, 109.5):
            Time.now = now
            stream.read(1, limit)
        assert inner.timeouts == [10.0, 6.0, 0.5]
        Time.now = 110.0
        with pytest.raises(TimeoutError, match="10 seconds"):
            stream.read(1, limit)

    def test_other_timeouts_are_left_alone(self) -> None:
        inner = FakeStream()
        stream = http_client._LimitedStream(inner, TimeoutError)
        stream.read(1, 3.0)
        stream.read(1)
        assert inner.timeouts == [3.0, None]

    def test_every_connection_of_the_sdks_is_limited(self, opened: Open) -> None:
        for name in ("openai", "anthropic", "google-genai", "openrouter"):
            client = opened(name)._clients._open().pool
            backend = client._transport._pool._network_backend
            assert isinstance(backend, http_client._LimitedBackend), name


def test_a_reply_belongs_to_its_own_request_in_every_thread(simulator: Simulator, opened: Open) -> None:
    """The response of a request is found through its context, not through whoever came last."""
    adapter = opened("openai")
    barrier = threading.Barrier(6)

    def work(n: int) -> Reply:
        barrier.wait()
        return adapter.send(asking(KEYS[n]), KEYS[n], SECONDS)

    replies = in_threads(6, work)
    ids = [reply.headers["x-request-id"] for reply in replies]
    assert ids == [reply.raw.id.removeprefix("chatcmpl-") for reply in replies]
    assert len(set(ids)) == 6


def test_clients_are_made_before_room_is_reserved_for_the_first_request(adapter, simulator):
    adapter.warm_up(KEY)
    assert KEY.fingerprint in adapter._clients._opened.clients
    assert not simulator.received


def test_clients_of_a_loop_are_made_before_room_is_reserved_for_the_first_request(adapter, simulator):
    async def warm() -> bool:
        await adapter.awarm_up(KEY)
        return bool(adapter._clients.is_open or adapter._async_clients.of_loop().is_open)

    assert asyncio.run(warm())
    assert not simulator.received
