"""The facade beside its calls: other names for them, templates, and arguments that mean nothing."""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path
from typing import Any

import pytest

from jobapp.core.api_key_manager import APIKeyManager
from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.exceptions import ConfigError, NoAPIKeysAvailableError
from jobapp.providers.openai import OpenAIAdapter
from jobapp.testing import Fault, Simulator
from tests.calling import ONE, world_of

ASKED = {"provider": "openai", "model": "gpt-4o-mini"}
WAYS = ("send_prompt", "complete", "stream_prompt", "asend_prompt", "acomplete", "astream_prompt")


@pytest.fixture
def llm(own_folders, monkeypatch):
    with Simulator(export=monkeypatch.setenv) as simulator:
        simulator.add_key("openai", "sk-canary-one")
        with LLMInterface() as llm:
            yield llm


def test_the_sdk_is_loaded_before_room_is_taken_for_a_request(llm, monkeypatch):
    done: list[str] = []
    for owner, step in ((OpenAIAdapter, "warm_up"), (APIKeyManager, "take"), (OpenAIAdapter, "send")):
        monkeypatch.setattr(owner, step, _noted(done, step, getattr(owner, step)))
    llm.send_prompt("Hello", **ASKED)
    assert done == ["warm_up", "take", "send"]


def _noted(done: list[str], step: str, do: Any) -> Any:
    def noted(*arguments: Any) -> Any:
        done.append(step)
        return do(*arguments)

    return noted


def test_the_object_itself_and_a_chains_invoke_ask_too(llm):
    assert llm("Hello", **ASKED) == llm.invoke("Hello", {"tags": []}, **ASKED) == "echo: Hello"


def test_all_ways_of_calling_have_one_signature_but_for_what_they_return():
    signatures = [inspect.signature(getattr(LLMInterface, way)) for way in WAYS]
    assert len({tuple(signature.parameters.values()) for signature in signatures}) == 1
    assert "prompt" in signatures[0].parameters


def test_a_template_is_filled_in_and_names_that_are_not_given_stay():
    filled = LLMInterface.prepare_prompt_with_context("$greeting, $name", {"greeting": "Hello"})
    assert filled == "Hello, $name"


@pytest.mark.parametrize("wrong", [{"task_name": ["summary"]}, {"provider": 7}, {"model": {"name": "gpt"}}])
def test_a_name_that_is_no_string_is_refused_before_anything_is_sent(llm, wrong):
    with pytest.raises(ConfigError, match="task_name, provider and model must be strings"):
        llm.send_prompt("Hello", **{**ASKED, **wrong})


def test_a_reset_of_a_key_that_there_is_not_names_those_there_are(llm):
    with pytest.raises(ConfigError, match="there is no key NO_KEY; the keys are OPENAI_API_KEY"):
        llm.reset(key="NO_KEY")


def test_keys_and_their_state_are_listed_for_each_provider_that_has_one(llm):
    assert [(line.provider, line.key, line.state) for line in llm.key_status()] == [
        ("openai", "OPENAI_API_KEY", "free")
    ]


@pytest.mark.parametrize("strategy", ["sticky", "spread"])
def test_a_key_that_is_replaced_in_the_environment_serves_after_a_reload(strategy, tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.settings["retry"]["strategy"] = strategy
        world.add(ONE, Fault.BAD_KEY)
        world.simulator.add_key("openai", "sk-canary-new", name="UNUSED")
        ask: dict[str, Any] = {"provider": "openai", "model": "m"}
        with world.interface() as llm:
            with pytest.raises(NoAPIKeysAvailableError):
                llm.send_prompt("Hello", **ask)
            os.environ["OPENAI_API_KEY"] = "sk-canary-new"  # which the world takes back
            llm.reload()
            assert llm.complete("Hello", **ask).key == "OPENAI_API_KEY"
            assert llm.complete("Hello", **{**ask, "model": "other"}).key == "OPENAI_API_KEY"
            assert world.requests(ONE, "sk-canary-new") == [1, 2]
            llm.reload()
            assert [line.state for line in llm.key_status()] == ["free"]


def test_a_call_that_waits_goes_on_with_a_key_that_was_replaced(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.add(ONE, Fault.SPENT_DAY)
        world.simulator.add_key("openai", "sk-canary-new", name="UNUSED")

        def replaced(event: Any) -> None:
            if type(event).__name__ == "Waiting":
                os.environ["OPENAI_API_KEY"] = "sk-canary-new"  # which the world takes back
                opened.reload()

        with world.interface(on_event=replaced) as opened:
            opened.send_prompt("Hello", provider="openai", model="m", on_exhausted="wait")
        assert sum(world.clock.sleeps) <= 2
        assert world.requests(ONE, "sk-canary-new") == [1, 1]


def test_a_key_that_is_replaced_in_a_dotenv_file_serves_after_a_reload(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        for secret in ("sk-canary-old", "sk-canary-new"):
            world.simulator.add_key("openai", secret, name="UNUSED")
        Path(".env").write_text("OPENAI_API_KEY=sk-canary-old")
        with world.interface() as llm:
            llm.send_prompt("Hello", provider="openai", model="m")
            Path(".env").write_text("OPENAI_API_KEY=sk-canary-new")
            llm.reload()
            llm.send_prompt("Hello", provider="openai", model="m")
        assert world.requests("sk-canary-old", "sk-canary-new") == [1, 1]


@pytest.mark.parametrize("way", ["send", "asend"])
def test_what_was_counted_is_written_when_the_interface_is_closed(way, tmp_path, monkeypatch):
    with world_of("openai", way, tmp_path, monkeypatch) as world:
        world.add(ONE)
        world.call()
        counts = tmp_path.rglob("api_key_state.counts.json")
        (line,) = [row for file in counts for row in json.loads(file.read_text())["counts"]]
    assert line["requests"] == 1
