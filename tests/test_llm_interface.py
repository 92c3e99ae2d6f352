"""The facade beside its calls: other names for them, templates, and arguments that mean nothing."""

from __future__ import annotations

import inspect

import pytest

from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.exceptions import ConfigError
from jobapp.testing import Simulator

ASKED = {"provider": "openai", "model": "gpt-4o-mini"}
WAYS = ("send_prompt", "complete", "stream_prompt", "asend_prompt", "acomplete", "astream_prompt")


@pytest.fixture
def llm(own_folders, monkeypatch):
    with Simulator(export=monkeypatch.setenv) as simulator:
        simulator.add_key("openai", "sk-canary-one")
        with LLMInterface() as llm:
            yield llm


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
