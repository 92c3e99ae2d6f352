"""Keys as people write them into variables, found or told."""

from __future__ import annotations

import logging

import pytest

from jobapp import ConfigError
from jobapp.config.keys import Environment, resolved, usual_names
from tests.config_support import home

__all__ = ["home"]

ONE, TWO = "AIzaKeyNumberOne1", "AIzaKeyNumberTwo2"


@pytest.mark.parametrize(
    "variables",
    [
        {"GEMINI_API_KEYS": f'["{ONE}", "{TWO}"]'},
        {"GEMINI_API_KEYS": f"['{ONE}','{TWO}']"},
        {"GEMINI_API_KEY": f"{ONE},{TWO}"},
        {"GEMINI_API_KEY": f"{ONE}; {TWO}"},
        {"GEMINI_API_KEY": f"{ONE}\n{TWO}\n"},
        {"GEMINI_API_KEYS": f"{ONE};{TWO};"},
        {"GEMINI_API_KEY": ONE, "GEMINI_API_KEY2": TWO},
        {"GEMINI_API_KEY1": ONE, "GEMINI_API_KEY2": TWO},
        {"GEMINI_API_KEY_1": ONE, "GEMINI_API_KEY_2": TWO},
        {"GEMINI_API_KEYS_1": ONE, "GEMINI_API_KEYS_2": TWO},
        {"GEMINI_API_KEYS1": ONE, "GEMINI_API_KEYS2": TWO},
        {"GEMINI_API_KEY": ONE, "GEMINI_API_KEY_BACKUP": TWO},
        {"GEMINI_API_KEY": ONE, "GEMINI_API_KEY_BACKUP2": TWO},
        {"GEMINI_KEY": ONE, "GEMINI_KEY_2": TWO},
        {"gemini_api_key": ONE, "Gemini_Api_Key_2": TWO},
        {"GOOGLE_API_KEY": ONE, "GEMINI_KEYS": TWO},
    ],
    ids=" ".join,
)
def test_every_usual_spelling_is_understood_in_order(variables):
    environment = Environment((variables,))
    keys = resolved(usual_names("google", environment), environment)
    assert [key.secret for key in keys] == [ONE, TWO]


@pytest.mark.parametrize("name", ["MY_OPENAI_API_KEY", "OPENAI_API_KEY_FILE", "OPENAI_KEYRING", "OPENAI"])
def test_what_only_looks_alike_is_no_key(name):
    assert usual_names("openai", Environment(({name: "sk-1"},))) == ()


def test_a_malformed_backup_key_is_named_once_and_stops_nothing(home, caplog):
    variables = {"OPENAI_API_KEY": "sk-good-0001", "OPENAI_API_KEY_2": "sk bad 0002"}
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert [key.name for key in home.config(**variables).keys_of("openai")] == ["OPENAI_API_KEY"]
    told = [record.message for record in caplog.records if "OPENAI_API_KEY_2" in record.message]
    assert len(told) == 1
    assert "sk bad" not in told[0]


def test_a_key_that_stands_under_two_names_counts_once_and_is_told(home, caplog):
    variables = {"ANTHROPIC_API_KEY": "sk-same-0001", "ANTHROPIC_API_KEY_BACKUP_1": "sk-same-0001"}
    with caplog.at_level(logging.WARNING):
        assert len(home.config(**variables).keys_of("anthropic")) == 1
    assert "ANTHROPIC_API_KEY and ANTHROPIC_API_KEY_BACKUP_1 hold the same key" in caplog.text


FOREIGN = {
    "LiteLLM": "model_list:\n  - model_name: gpt-4\ngeneral_settings: {}\n",
    "Kubernetes": "kind: ConfigMap\n---\nkind: Service\n",
    "tags of its own": "database: !ENV ${DB}\n",
    "a list": "- one\n",
    "a name like ours": "role: admin\n",
    "a model": "model: resnet\nbatch_size: 3\n",
}


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_another_programs_file_is_left_alone_where_it_is_found(home, text):
    assert home.config(text).files == ()


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_another_programs_file_is_an_error_where_it_was_named(home, text):
    path = home.write("other.yaml", text)
    with pytest.raises(ConfigError, match=r"other\.yaml"):
        home.config(path=path)


def test_a_slip_in_our_own_file_is_no_other_programs(home):
    with pytest.raises(ConfigError, match="did you mean providers"):
        home.config("provider: {openai: {timeout: 3}}\n")


def test_a_key_in_the_yaml_is_told_where_it_belongs(home):
    with pytest.raises(ConfigError, match=r"unknown setting api_key; keys go into the environment"):
        home.config("providers: {openai: {api_key: sk-secret-0001}}\n")
