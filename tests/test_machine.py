"""A fault of the user's own machine is named, and neither a key nor the prompt is blamed for it."""

from __future__ import annotations

import pytest

from jobapp import ConfigError, LLMInterface
from jobapp.providers.machine import check_machine, trusted
from jobapp.testing import Simulator


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
