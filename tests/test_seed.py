"""The snippets of the document that asked for this library run unchanged, and do what it says of them."""

import logging
import re
from pathlib import Path

import pytest

from jobapp.core.api_key_manager import APIKeyManager
from jobapp.core.config_manager import ConfigManager
from jobapp.core.llm_interface import LLMInterface
from jobapp.testing import Fault

SEED = Path(__file__).parents[2] / "shared" / "reference" / "seed.md"
SNIPPETS = (
    re.findall(r"```python\n(.*?)```", SEED.read_text(encoding="utf-8"), re.DOTALL) if SEED.exists() else []
)


@pytest.fixture
def keys(llm_simulator, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBAPP_CONFIG_DIR", str(tmp_path / "user"))
    llm_simulator.add_key("openai", "sk-one")
    llm_simulator.add_key("openai", "sk-two")
    llm_simulator.add_key("anthropic", "sk-three")
    return llm_simulator


@pytest.mark.skipif(not SNIPPETS, reason=f"{SEED} is not here")
@pytest.mark.parametrize("number", range(len(SNIPPETS)) or [0])
def test_a_snippet_runs_unchanged(number, keys, monkeypatch):
    manager_log = logging.getLogger("jobapp.core.api_key_manager")
    monkeypatch.setattr(manager_log, "level", manager_log.level)
    exec(compile(SNIPPETS[number], f"seed.md, snippet {number + 1}", "exec"), {})
    assert keys.rejections() == 0


def test_openai_and_anthropic_answer_a_prompt(keys):
    llm = LLMInterface()
    response = llm.send_prompt("Hello, world!", provider="openai", model="gpt-4o-mini")
    assert response == "echo: Hello, world!"
    response = llm.send_prompt("Hello, world!", provider="anthropic", model="claude-3-haiku-20240307")
    assert response == "echo: Hello, world!"


def test_the_settings_of_a_call_are_arguments_and_a_failure_is_an_exception(keys):
    llm = LLMInterface()
    keys.fail("openai", Fault.BAD_REQUEST)
    with pytest.raises(Exception, match="gpt-4o-mini"):
        llm.send_prompt(
            "Complex analysis task",
            provider="openai",
            model="gpt-4o-mini",
            max_retries=5,
            retry_delay=2.0,
            fallback=True,
        )
    assert keys.requests() == 1


def test_the_state_is_a_json_file_in_the_cache_folder_and_survives_a_restart(keys):
    keys.key("openai", "sk-one").fail(Fault.SPENT_DAY)
    LLMInterface().send_prompt("Hello", provider="openai", model="gpt-4o-mini")
    state = Path(ConfigManager().get_cache_path()) / "api_key_state.json"
    assert '"OPENAI_API_KEY"' in state.read_text()
    LLMInterface().send_prompt("Hello", provider="openai", model="gpt-4o-mini")
    assert [keys.requests("openai", key) for key in ("sk-one", "sk-two")] == [1, 2]


def test_a_reset_by_any_manager_clears_every_failed_and_exhausted_key(keys):
    keys.key("openai", "sk-one").fail(Fault.SPENT_DAY, times=1)
    keys.key("openai", "sk-two").fail(Fault.BAD_KEY, times=1)
    keys.key("anthropic", "sk-three").fail(Fault.SPENT_MONTH, times=1)
    llm = LLMInterface()
    for provider, model in (("openai", "gpt-4o-mini"), ("anthropic", "claude-3-haiku-20240307")):
        with pytest.raises(Exception, match="No API keys available"):
            llm.send_prompt("Hello", provider=provider, model=model)
    APIKeyManager("YOUR_KEY", []).reset()
    assert {line.state for line in llm.key_status()} == {"free"}
    assert llm.send_prompt("Hello", provider="openai", model="gpt-4o-mini") == "echo: Hello"


def test_the_manager_tells_what_it_does_at_debug_level(keys, caplog):
    caplog.set_level(logging.DEBUG, logger="jobapp.core.api_key_manager")
    keys.key("openai", "sk-one").fail(Fault.SPENT_DAY)
    LLMInterface().send_prompt("Hello", provider="openai", model="gpt-4o-mini")
    told = " ".join(record.getMessage() for record in caplog.records)
    assert "OPENAI_API_KEY_BACKUP_1" in told
    assert "quota" in told


def test_every_error_pattern_is_in_the_manager(keys):
    rules = APIKeyManager("OPENAI_API_KEY", []).error_rules
    assert {rule.kind.value for rule in rules} >= {"rate_limit", "quota", "auth"}
    assert all(rule.id and rule.pattern and rule.source for rule in rules)


def test_a_quota_is_swept_once_for_a_provider_and_session(keys, monkeypatch):
    manager = APIKeyManager("OPENAI_API_KEY", [])
    swept = []
    monkeypatch.setattr(manager.store, "sweep", lambda provider, now: swept.append(provider))
    APIKeyManager("OPENAI_API_KEY", ["OPENAI_API_KEY_BACKUP_1"])
    assert swept == []
    manager.force_quota_reset_check()
    assert swept == ["openai"]
