"""A fault of the user's own machine is named, and neither a key nor the prompt is blamed for it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jobapp import ConfigError, LLMInterface, classify
from jobapp.domain.settings import ProviderSettings
from jobapp.domain.types import Kind
from jobapp.providers.machine import check_machine, trusted
from jobapp.testing import Simulator
from tests.adapter_support import ADAPTERS, HELLO, KEY, WAYS, failure_of
from tests.store_faults import answering


@pytest.mark.parametrize("name", ["ALL_PROXY", "https_proxy", "HTTP_PROXY"])
@pytest.mark.parametrize(
    "value",
    ["socks://127.0.0.1:7891/", "ftp://proxy:1", "http://", "://x", "http://proxy:99999", "http://[::1"],
)
def test_a_proxy_that_cannot_be_used_is_told_by_its_variable(name, value):
    with pytest.raises(ConfigError, match=f"the variable {name} holds no address"):
        check_machine({name: value})


def test_the_password_of_a_proxy_is_not_shown():
    with pytest.raises(ConfigError) as caught:
        check_machine({"ALL_PROXY": "ftp://user:hunter2secret@proxy:1"})
    assert "hunter2secret" not in str(caught.value)


def test_a_socks_proxy_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr("jobapp.providers.machine.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"all_proxy names a SOCKS proxy.*pip install"):
        check_machine({"all_proxy": "socks5://127.0.0.1:1080"})


@pytest.mark.parametrize("value", ["http://proxy:8080", "https://user:word@proxy:8443", "proxy:3128", ""])
def test_a_proxy_that_can_be_used_is_left_alone(value):
    check_machine({"HTTPS_PROXY": value})


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_that_are_not_there_are_told_by_their_variable(name, tmp_path):
    with pytest.raises(ConfigError, match=f"the variable {name} names .*, which is not there"):
        check_machine({name: str(tmp_path / "none.pem")})


def test_a_bundle_without_certificates_is_told(tmp_path):
    (tmp_path / "empty.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match="holds no certificates"):
        trusted({"REQUESTS_CA_BUNDLE": str(tmp_path / "empty.pem")})


def test_other_libraries_certificates_hold_unless_httpx_has_its_own(tmp_path):
    assert trusted({"REQUESTS_CA_BUNDLE": str(tmp_path)}) is not None
    assert trusted({"REQUESTS_CA_BUNDLE": str(tmp_path), "SSL_CERT_DIR": str(tmp_path)}) is None
    assert trusted({}) is None


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "openrouter"])
def test_every_provider_names_the_variable_and_sends_nothing(provider, monkeypatch, tmp_path):
    with Simulator(export=monkeypatch.setenv) as simulator:
        simulator.add_key(provider, "sk-a-key-0001")
        monkeypatch.setenv("JOBAPP_CACHE_DIR", str(tmp_path))
        monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")
        with LLMInterface() as llm, pytest.raises(ConfigError, match="SSL_CERT_FILE"):
            llm.send_prompt("Hello", provider=provider, model="m")
        assert simulator.requests() == 0


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "openrouter"])
def test_a_client_of_an_sdk_is_not_made_on_a_machine_that_can_not_send(provider, monkeypatch, tmp_path):
    with Simulator(export=monkeypatch.setenv) as simulator:
        simulator.add_key(provider, "sk-a-key-0001")
        monkeypatch.setenv("JOBAPP_CACHE_DIR", str(tmp_path))
        monkeypatch.setenv("HTTPS_PROXY", "ftp://proxy:1")
        with LLMInterface() as llm:
            for make in (llm.client, llm.async_client, llm.http_client, llm.async_http_client, llm.transport):
                with pytest.raises(ConfigError, match="the variable HTTPS_PROXY"):
                    make(provider)


@contextmanager
def plain_server() -> Iterator[int]:
    """Listen on a port, and say to everyone what no TLS is."""
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        yield port


@contextmanager
def closed_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield port


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ADAPTERS)
def test_why_a_server_was_not_reached_is_told_with_its_address(name, way, monkeypatch):
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with plain_server() as plain, closed_port() as closed:
        faults = {
            f"http://127.0.0.1:{closed}": f"127.0.0.1:{closed}: nothing listens there (Connection refused)",
            f"https://127.0.0.1:{plain}": f"127.0.0.1:{plain}: no TLS (",
            "http://no-such-host.invalid": "no-such-host.invalid: no such host is known here (",
        }
        for address, told in faults.items():
            provider, adapter_class = ADAPTERS[name]
            adapter = adapter_class(ProviderSettings(provider, base_url=address))
            facts = failure_of(adapter, way)
            adapter.close()
            assert facts.message.startswith(told), address
            assert classify(facts).kind is Kind.UNAVAILABLE


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_variable_of_a_proxy_that_is_not_there_is_told(name, monkeypatch):
    with closed_port() as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:hunter2@127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", "")
        provider, adapter_class = ADAPTERS[name]
        adapter = adapter_class(ProviderSettings(provider, base_url="http://api.example.com"))
        facts = failure_of(adapter, "send")
        adapter.close()
    assert facts.message.startswith("api.example.com (by the proxy in HTTP_PROXY): nothing listens there")
    assert "hunter2" not in repr(facts)


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("value", ["b\r\nx-evil: 1", "b\n", "b\0"])
def test_a_line_break_in_a_header_is_refused_before_anything_is_sent(name, value):
    provider, adapter_class = ADAPTERS[name]
    adapter = adapter_class(ProviderSettings(provider, base_url="http://127.0.0.1:9"))
    request = HELLO._replace(options={"extra_headers": {"x-a": value}})
    with pytest.raises(ConfigError, match=r"extra_headers\['x-a'\]: holds a line break; take it out"):
        adapter.send(request, KEY, 5.0)
