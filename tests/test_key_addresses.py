"""Keys with an address of their own: regions, and Azure's resources in both of its forms."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import openai
import pytest
import yaml

from jobapp.core.config_manager import ConfigManager
from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.exceptions import ConfigError
from jobapp.providers import azure
from jobapp.testing import Fault, Response, Simulator
from tests.calling import WAYS

VERSION = "2024-10-21"
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
CHUNK = {
    **COMPLETION,
    "object": "chat.completion.chunk",
    "choices": [{"index": 0, "finish_reason": "stop", "delta": {"role": "assistant", "content": "hello"}}],
}


class Resource(BaseHTTPRequestHandler):
    """One resource of Azure, as its REST reference has it, whose quota may be spent."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._note()
        self._say(200, "application/json", json.dumps({"object": "list", "data": []}))

    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._note()
        if self.server.is_spent:
            error = {"code": "insufficient_quota", "message": "You exceeded your current quota"}
            self._say(429, "application/json", json.dumps({"error": error}))
        elif sent.get("stream"):
            self._say(200, "text/event-stream", f"data: {json.dumps(CHUNK)}\n\ndata: [DONE]\n\n")
        elif urlsplit(self.path).path.endswith("/embeddings"):
            row = {"object": "embedding", "index": 0, "embedding": [0.5]}
            self._say(200, "application/json", json.dumps({"object": "list", "model": "e", "data": [row]}))
        else:
            self._say(200, "application/json", json.dumps(COMPLETION))

    def _note(self):
        told = {name.lower() for name, _ in self.headers.items()}
        self.server.asked.append((self.path, self.headers.get("api-key"), "authorization" in told))
        self.server.hosts.append(self.headers["host"])

    def _say(self, status, kind, text):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """A resource at an address of its own, with what it was asked: path, key, whether it got a token too."""

    daemon_threads = True

    def __init__(self, *, is_spent):
        super().__init__(("127.0.0.1", 0), Resource)
        self.is_spent, self.asked, self.hosts = is_spent, [], []
        self.address = f"http://127.0.0.1:{self.server_port}"


@contextmanager
def resource(*, is_spent=False):
    with Server(is_spent=is_spent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def spent():
    with resource(is_spent=True) as server:
        yield server


@pytest.fixture
def good():
    with resource() as server:
        yield server


@pytest.fixture
def configured(own_folders, monkeypatch):
    """Return an interface on these providers, whose keys are ``sk-`` and their names."""

    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)  # the simulator of another test may have left it

    def open_(providers, **more):
        for provider in providers.values():
            for key in provider["keys"]:
                monkeypatch.setenv(key["name"], f"sk-{key['name'].lower()}")
        path = own_folders / "config.yaml"
        path.write_text(yaml.safe_dump({"providers": providers, **more}))
        return LLMInterface(ConfigManager(path))

    return open_


def of(server, name, path="", **more):
    return {"name": name, "base_url": server.address + path, **more}


FORMS = [
    pytest.param(
        "", {"api_version": VERSION}, f"/openai/deployments/gpt-4o%s?api-version={VERSION}", id="deployments"
    ),
    pytest.param(
        "/openai/",
        {"api_version": VERSION},
        f"/openai/deployments/gpt-4o%s?api-version={VERSION}",
        id="openai",
    ),
    pytest.param("/openai/v1", {}, "/openai/v1%s", id="v1"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("path", "more", "asked"), FORMS)
def test_a_second_resource_of_azure_answers_when_the_first_is_spent(
    configured, spent, good, way, path, more, asked
):
    llm = configured({"azure": {"keys": [of(spent, "WEST", path, **more), of(good, "EAST", path, **more)]}})
    done = WAYS[way](llm, "Hello", provider="azure", model="gpt-4o")
    assert (done.text, done.key) == ("hello", "EAST")
    whole = asked % "/chat/completions"
    assert (spent.asked, good.asked) == ([(whole, "sk-west", False)], [(whole, "sk-east", False)])


@pytest.mark.parametrize(("path", "more", "asked"), FORMS)
def test_below_an_sdk_each_resource_gets_its_own_address_host_and_key(
    configured, spent, good, path, more, asked
):
    llm = configured({"azure": {"keys": [of(spent, "WEST", path, **more), of(good, "EAST", path, **more)]}})
    client = llm.client("azure")
    said = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}])
    assert said.choices[0].message.content == "hello"
    assert client.embeddings.create(model="gpt-4o", input="Hello").data[0].embedding
    assert spent.asked == [(asked % "/chat/completions", "sk-west", False)]
    assert good.asked == [(asked % each, "sk-east", False) for each in ("/chat/completions", "/embeddings")]
    assert set(good.hosts) == {good.address.removeprefix("http://")}


OF_THE_CLIENT = "2025-01-01-preview"
DEPLOYMENT = f"/openai/deployments/gpt-4o/chat/completions?api-version={OF_THE_CLIENT}"
V1 = "/openai/v1/chat/completions"


OLDER: tuple[str, dict[str, str]] = ("", {"api_version": VERSION})
NEWER: tuple[str, dict[str, str]] = ("/openai/v1", {})


@pytest.mark.parametrize("endpoint", ["WEST", "EAST"])
@pytest.mark.parametrize("west", [OLDER, NEWER])
@pytest.mark.parametrize("east", [OLDER, NEWER])
def test_below_azure_s_own_client_another_resource_is_asked_in_its_form(
    configured, spent, good, endpoint, west, east
):
    forms = {"WEST": (spent, west), "EAST": (good, east)}
    keys = [of(server, name, form[0], **form[1]) for name, (server, form) in forms.items()]
    llm = configured({"azure": {"keys": keys}})
    client = openai.AzureOpenAI(
        api_key="not-needed",
        api_version=OF_THE_CLIENT,
        azure_endpoint=forms[endpoint][0].address,
        http_client=llm.http_client("azure"),
    )
    said = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}])
    assert said.choices[0].message.content == "hello"
    for name, (server, form) in forms.items():
        path = V1 if form is NEWER and name != endpoint else DEPLOYMENT
        assert server.asked == [(path, f"sk-{name.lower()}", False)]


def test_a_key_without_an_address_of_its_own_goes_to_no_other_key_s(configured, spent, good):
    keys = [of(spent, "WEST", "/eu/v1"), {"name": "PLAIN"}]
    llm = configured({"openai": {"base_url": f"{good.address}/v1", "keys": keys}})
    client = openai.OpenAI(
        api_key="not-needed", base_url=f"{spent.address}/eu/v1", http_client=llm.http_client("openai")
    )
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}])
    assert [path for path, *_ in spent.asked] == ["/eu/v1/chat/completions"]
    assert [path for path, *_ in good.asked] == ["/v1/chat/completions"]


def test_a_client_of_a_host_that_no_key_is_for_gets_none(configured, spent, good):
    llm = configured({"azure": {"keys": [of(good, "EAST", "/openai/v1")]}})
    client = openai.OpenAI(api_key="x", base_url=spent.address, http_client=llm.http_client("azure"))
    with pytest.raises(ConfigError, match=r"azure: no key is sent to http://127\.0\.0\.1:\d+, for its keys"):
        client.models.list()
    assert spent.asked == []


def test_below_an_sdk_in_an_event_loop_too(configured, spent, good):
    keys = [of(spent, "WEST", api_version=VERSION), of(good, "EAST", api_version=VERSION)]
    llm = configured({"azure": {"keys": keys}})

    async def ask():
        async with llm:
            return await llm.async_client("azure").chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "Hello"}]
            )

    assert asyncio.run(ask()).choices[0].message.content == "hello"


@pytest.mark.parametrize(
    ("path", "more", "asked"),
    [
        ("", {"api_version": VERSION}, f"/openai/models?api-version={VERSION}"),
        ("/openai/v1", {}, "/openai/v1/models"),
    ],
)
def test_a_key_is_checked_at_its_own_address(configured, good, path, more, asked):
    llm = configured({"azure": {"keys": [of(good, "EAST", path, **more)]}})
    assert [finding.state for finding in llm.check_keys()] == ["good"]
    assert good.asked == [(asked, "sk-east", False)]


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "openrouter"])
@pytest.mark.parametrize("way", WAYS)
def test_regions_are_keys_of_one_provider(configured, monkeypatch, provider, way):
    with Simulator() as west, Simulator() as east:
        west.add_key(provider, "sk-west", Fault.NO_CREDIT)
        east.add_key(provider, "sk-east")
        keys = [
            {"name": name, "base_url": region.base_url(provider)}
            for name, region in (("WEST", west), ("EAST", east))
        ]
        done = WAYS[way](configured({provider: {"keys": keys}}), "Hello", provider=provider, model="gpt-4o")
        assert (done.key, west.requests(), east.requests()) == ("EAST", 1, 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_redirect_names_the_address_of_the_key_and_where_it_is_set(configured, way):
    with Simulator() as west:
        west.add_key("openai", "sk-west").script([Response(302, {"location": "http://elsewhere/v1"})])
        llm = configured({"openai": {"keys": [{"name": "WEST", "base_url": west.base_url("openai")}]}})
        with pytest.raises(ConfigError) as caught:
            WAYS[way](llm, "Hello", provider="openai", model="gpt-4o")
        assert str(caught.value) == (
            f"openai: {west.base_url('openai')} redirects to http://elsewhere/v1, where no key is sent "
            "unasked; set the base_url of the key WEST in providers.openai.keys to the right address"
        )


def test_a_key_s_own_address_goes_before_the_model_s_and_the_environment_s(configured, good, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    model = {"provider": "openai", "model": "gpt-4o", "key": "EAST", "base_url": "http://127.0.0.1:9/v2"}
    llm = configured({"openai": {"keys": [of(good, "EAST", "/v1")]}}, models={"default": model})
    assert llm.send_prompt("Hello") == "hello"
    assert [path for path, *_ in good.asked] == ["/v1/chat/completions"]


@pytest.mark.parametrize(
    ("provider", "key", "told"),
    [
        (
            "azure",
            {"base_url": "https://r.openai.azure.com/?api-version=1"},
            "write the version as api_version",
        ),
        ("azure", {"base_url": "https://r.openai.azure.com/openai/v1", "api_version": "1"}, "ends with /v1"),
        ("anthropic", {"api_version": "1"}, "only Azure's OpenAI"),
        ("azure", {}, "each of its keys a base_url"),
        ("azure", {"base_url": "r.openai.azure.com"}, "is not a web address"),
    ],
)
def test_an_address_that_can_not_serve_is_refused_by_name(configured, provider, key, told):
    with pytest.raises(ConfigError, match=r"config\.yaml") as caught:
        configured({provider: {"keys": [{"name": "EAST", **key}]}})
    assert told in str(caught.value)
    assert f"providers.{provider}" in str(caught.value)


def test_a_key_without_an_address_goes_to_no_other_keys_one(configured, good):
    with pytest.raises(ConfigError, match="each of its keys a base_url"):
        configured({"azure": {"keys": [of(good, "EAST"), {"name": "WEST"}]}})


@pytest.mark.parametrize(
    ("url", "home", "address", "version", "expected"),
    [
        ("http://a/v1/files?x=1", "http://a/v1", "http://b:8/eu/v1", None, "http://b:8/eu/v1/files?x=1"),
        ("http://a/v1beta/models/m:g", "http://a", "http://b", None, "http://b/v1beta/models/m:g"),
        ("http://a/models", "http://a", "http://b", "1", "http://b/openai/models?api-version=1"),
        ("http://a/chat/completions?api-version=2", "http://a", "http://b", "1",
         "http://b/openai/deployments/a%2Fb/chat/completions?api-version=2"),
        ("http://a/openai/deployments/d/chat/completions", "http://a", "http://b", "1",
         "http://b/openai/deployments/d/chat/completions?api-version=1"),
        ("http://a/openai/responses", "http://a/openai", "http://b", "1", "http://b/openai/responses?api-version=1"),
        ("http://a/openai/models?x=1&api-version=2", "http://a", "http://b/openai/v1", None, "http://b/openai/v1/models?x=1"),
        ("http://a/openai/v1/models?x=1", "http://a/openai/v1", "http://b/openai/v1/", None, "http://b/openai/v1/models?x=1"),
    ],
)  # fmt: skip
def test_what_an_sdk_asks_for_is_asked_beneath_the_key_s_address(url, home, address, version, expected):
    assert azure.moved(url, home, address, "a/b", version) == expected
