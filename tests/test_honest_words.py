"""Nothing says that it was done when it was not, and no local of ours shows a key."""

from __future__ import annotations

import json
import traceback

import pytest
from filelock import FileLock

from jobapp import ConfigError
from jobapp.core.config_manager import ConfigManager
from jobapp.stores.json_file import JSONFileStore
from jobapp.testing import Fault
from tests.command_support import cli

__all__ = ["cli"]

CANARY = "sk-canary-never-shown-0001"


@pytest.fixture
def held(cli, llm_simulator, tmp_path, monkeypatch):
    """A key that is set aside, in a state that another process holds."""
    monkeypatch.setattr(JSONFileStore.__init__, "__kwdefaults__", {"lock_timeout": 0.0})
    llm_simulator.add_key("openai", "sk-one").fail(Fault.SPENT_DAY)
    cli.ask("Hello", provider="openai")
    (state,) = tmp_path.rglob("api_key_state.json")
    with FileLock(f"{state}.lock"):
        yield


def test_a_reset_that_could_not_be_written_says_so_and_ends_with_an_error(cli, held):
    assert cli("reset") != 0
    assert "cleared" not in cli.out
    assert "could not clear" in cli.err


def test_so_does_its_json(cli, held):
    assert cli("reset", "--json") != 0
    told = json.loads(cli.out)
    assert told["cleared"] == []
    assert told["error"]["type"] == "StateStoreError"


@pytest.mark.parametrize(
    "yaml", ["models: {t: {provider: openai}}", "retry: {max_retries: many}", "nonsense: ["]
)
def test_no_frame_of_a_wrong_configuration_shows_a_key_in_its_locals(yaml, tmp_path):
    (tmp_path / "c.yaml").write_text(yaml)
    environ = _Canary({"OPENAI_API_KEY": CANARY})
    with pytest.raises(ConfigError) as caught:
        ConfigManager(tmp_path / "c.yaml", environ=environ)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    ours = [frame for frame in frames if "/jobapp/" in frame.filename]
    assert ours
    assert not [frame for frame in ours if CANARY in str(frame.locals)]


class _Canary(dict[str, str]):
    """The environment as a caller gives it, which is not ours to show or to hide."""

    def __repr__(self):
        return "<the caller's>"


@pytest.mark.parametrize("model", ["m\nCRITICAL forged line", "m\x1b[31m", "a\rb"])
def test_a_models_name_can_not_forge_a_line_of_the_log(model, tmp_path):
    with pytest.raises(ConfigError, match="control character"):
        ConfigManager(environ={"JOBAPP_CONFIG_DIR": str(tmp_path)}).model_settings(None, "openai", model)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://user:hunter2pass@host/v1", "a user or a password"),
        ("https://host/v1?key=hunter2pass", "more than an address"),
        ("https://host/v1#hunter2pass", "more than an address"),
    ],
)
def test_an_address_holds_no_password_and_no_query(url, told, tmp_path):
    environ = {"OPENAI_BASE_URL": url, "JOBAPP_CONFIG_DIR": str(tmp_path)}
    with pytest.raises(ConfigError, match=told) as caught:
        ConfigManager(environ=environ).provider_settings("openai")
    assert "hunter2pass" not in str(caught.value)
