"""What is configured where, what wins, and which keys are found."""

import os
import pickle
from pathlib import Path

import pytest

from jobapp.core.config_manager import ConfigManager
from jobapp.domain.exceptions import ConfigError, MissingKeyError
from jobapp.domain.settings import ModelSettings
from jobapp.domain.types import ApiKey
from tests.config_support import home

__all__ = ["home"]

KEYS = {"OPENAI_API_KEY": "one", "OPENAI_API_KEY_BACKUP_1": "two"}


def names(keys: tuple[ApiKey, ...]) -> list[str]:
    return [key.name for key in keys]


DEFAULT = "models: {default: {provider: openai, model: small}}\n"


# What wins


def test_without_any_file_the_defaults_hold(home):
    settings = home.config().settings
    assert settings.models == {}
    assert settings.retry.max_retries == 3
    assert settings.state_url is None


def test_the_users_yaml_beats_the_projects_setting_by_setting(home):
    home.write("../user/config/default.yaml", "retry: {max_retries: 7}\nmodels: {default: {model: large}}\n")
    config = home.config(DEFAULT + "retry: {max_retries: 1, max_delay: 9}\n")
    assert config.settings.retry.max_retries == 7
    assert config.settings.retry.max_delay == 9
    assert config.model_settings() == ModelSettings("openai", "large")
    assert config.files == (home.user / "config" / "default.yaml", Path("config.yaml"))


def test_the_users_config_yaml_beats_his_default_yaml(home):
    home.write("../user/config/default.yaml", "retry: {max_retries: 7, max_wait: 2}")
    home.write("../user/config/config.yaml", "retry: {max_retries: 8}")
    retry = home.config().settings.retry
    assert (retry.max_retries, retry.max_wait) == (8, 2)


@pytest.mark.parametrize("how", ["argument", "text argument", "JOBAPP_CONFIG", "JOBAPP_CONFIG in .env"])
def test_a_named_file_stands_in_for_all_that_would_be_found(home, how):
    home.write("../user/config/default.yaml", "retry: {max_delay: 7}")
    home.write("config.yaml", "retry: {max_wait: 7}")
    path = home.write("mine.yaml", "retry: {max_retries: 9}")
    if how == "JOBAPP_CONFIG in .env":
        home.write(".env", f"JOBAPP_CONFIG={path}")
    arguments = {"argument": (path,), "text argument": (str(path),)}.get(how, ())
    environ = {"JOBAPP_CONFIG": str(path)} if how == "JOBAPP_CONFIG" else {}
    config = home.config("", *arguments, **environ)
    assert (config.settings.retry.max_retries, config.settings.retry.max_delay) == (9, 60)
    assert config.files == (path,)


def test_the_argument_beats_jobapp_config(home):
    first, second = (
        home.write("a.yaml", "retry: {max_retries: 1}"),
        home.write("b.yaml", "retry: {max_retries: 2}"),
    )
    assert home.config("", first, JOBAPP_CONFIG=str(second)).settings.retry.max_retries == 1


def test_the_environment_beats_env_files_and_the_projects_beats_the_users(home):
    home.write("../user/secrets/.env", "A=user\nB=user\nC=user\n")
    home.write(".env", "A=project\nB=project\n")
    config = home.config(A="environment")
    assert [config.get(name) for name in "ABC"] == ["environment", "project", "user"]


def test_an_env_file_that_is_named_is_the_only_one(home):
    home.write(".env", "A=project")
    path = home.write("other.env", "B=other")
    config = home.config(env_path=path)
    assert config.get("A") is None
    assert config.get("B") == "other"


def test_a_blank_variable_counts_as_not_set(home):
    home.write(".env", "A=from file")
    config = home.config(A="  ")
    assert config.get("A") == "from file"
    assert home.config(B=" ").get("B", "default") == "default"


def test_the_environment_is_never_written(home, monkeypatch):
    home.write(".env", "JOBAPP_TEST_KEY=secret")
    monkeypatch.setenv("JOBAPP_CONFIG_DIR", str(home.user))
    before = dict(os.environ)
    assert ConfigManager().get("JOBAPP_TEST_KEY") == "secret"
    assert dict(os.environ) == before


def test_a_key_that_is_changed_while_the_program_runs_is_seen(home, monkeypatch):
    monkeypatch.setenv("JOBAPP_CONFIG_DIR", str(home.user))
    monkeypatch.setenv("OPENAI_API_KEY", "old")
    config = ConfigManager()
    monkeypatch.setenv("OPENAI_API_KEY", "new")
    assert config.keys_of("openai")[0].secret == "new"


def test_a_folder_called_env_is_no_env_file(home):
    (home.project / ".env").mkdir()
    assert home.config().get("A") is None


def test_files_with_a_byte_order_mark_are_read(home):
    home.write(".env", "﻿A=1")
    home.write("config.yaml", "﻿retry: {max_retries: 4}")
    config = home.config()
    assert config.get("A") == "1"
    assert config.settings.retry.max_retries == 4


@pytest.mark.parametrize("text", ["", "# only a comment\n", "retry:\n", "models:\n  default:\n"])
def test_an_empty_file_or_section_is_as_if_it_were_not_there(home, text):
    home.write("config.yaml", text)
    assert home.config().settings.models == {}


def test_a_config_yaml_of_another_program_is_left_alone(home):
    config = home.config("model: resnet\ntrainer: {epochs: 3}\n")
    assert config.files == ()


def test_the_sections_of_the_older_program_are_accepted(home):
    config = home.config(
        "settings: {log: x}\ngoogle_spreadsheet: {id: 1}\npaths: {user_data: a, auth: {token: b}}\n" + DEFAULT
    )
    assert config.model_settings().model == "small"
    assert config.merged_config["google_spreadsheet"] == {"id": 1}


def test_a_module_lies_over_the_other_files_and_keeps_its_own_sections(home):
    home.write("../user/config/search.yaml", "filters: [a]\nmodels: {match_score: {model: large}}\n")
    config = home.config(DEFAULT, module="search")
    assert config.model_settings("match_score") == ModelSettings("openai", "large")
    assert config.get_yaml_config("search")["filters"] == ["a"]


def test_get_yaml_config_prefers_the_users_file_and_has_a_default(home):
    home.write("configs/apply.yaml", "a: 1")
    assert home.config().get_yaml_config("apply") == {"a": 1}
    home.write("../user/config/apply.yaml", "a: 2")
    assert home.config().get_yaml_config("apply") == {"a": 2}
    assert home.config().get_yaml_config("none", default={}) == {}


# The cache folder and the state


def test_the_cache_folder_is_the_variables_then_the_files_then_the_users_own(home, monkeypatch):
    monkeypatch.setenv("HOME", str(home.user))
    home.write("config.yaml", "paths: {cache: '${DATA}/jobapp'}")
    assert home.config(JOBAPP_CACHE_DIR="/a").get_cache_path() == str(Path("/a").absolute())
    assert home.config(JOBAPP_CACHE_DIR="", DATA="/d").get_cache_path() == str(Path("/d/jobapp").absolute())
    home.write("config.yaml", "paths: {cache: ~/c}")
    assert home.config(JOBAPP_CACHE_DIR="").get_cache_path() == str(Path("~/c").expanduser())
    home.write("config.yaml", "")
    assert home.config(JOBAPP_CACHE_DIR="").get_cache_path().endswith("cache")


def test_a_relative_cache_folder_does_not_move_with_the_working_directory(home, monkeypatch, tmp_path):
    config = home.config("paths: {cache: here}", JOBAPP_CACHE_DIR="")
    monkeypatch.chdir(tmp_path)
    assert config.get_cache_path() == str(home.project / "here")


def test_the_cache_folder_is_not_created_by_reading_about_it(home):
    assert not Path(home.config().get_cache_path()).exists()


def test_the_states_address_comes_from_the_variable_then_the_file(home):
    yaml = "state: {url: 'redis://:${PASSWORD}@host/0'}"
    assert home.config(yaml, PASSWORD="p").settings.state_url == "redis://:p@host/0"
    assert home.config(yaml, PASSWORD="p", JOBAPP_STATE_URL="/x").settings.state_url == "/x"
    assert "redis" not in repr(home.config(yaml, PASSWORD="p").settings)


@pytest.mark.parametrize(("cache", "fault"), [("${NOWHERE}/x", "NOWHERE"), ("a$", "$$")])
def test_a_path_that_can_not_be_filled_in_is_refused(home, cache, fault):
    with pytest.raises(ConfigError, match=r"^config\.yaml: paths\.cache: .*" + fault.replace("$", r"\$")):
        home.config(f"paths: {{cache: '{cache}'}}", JOBAPP_CACHE_DIR="")


# Models

MODELS = """
models:
  default:
    provider: openai
    model: small
    key: OPENAI_API_KEY
    backup_keys: [OPENAI_API_KEY_BACKUP_1]
    options: {temperature: 0.3, seed: 1}
  fallback: {provider: google_genai, model: flash}
  score: {model: large, options: {temperature: 0}}
  letter: {provider: anthropic, model: claude, fallback: [{provider: openai}, {model: haiku}]}
  plain: {fallback: []}
"""


def test_a_task_takes_over_what_it_leaves_out(home):
    model = home.config(MODELS).model_settings("score")
    assert (model.provider, model.model) == ("openai", "large")
    assert model.keys == ("OPENAI_API_KEY", "OPENAI_API_KEY_BACKUP_1")
    assert model.options == {"temperature": 0, "seed": 1}


def test_keys_and_options_of_one_provider_are_not_taken_over_by_another(home):
    model = home.config(MODELS).model_settings("letter")
    assert (model.provider, model.keys, model.options) == ("anthropic", (), {})


def test_a_task_that_is_not_configured_has_the_default_model(home):
    assert home.config(MODELS).model_settings("new task").model == "small"


def test_fallbacks_are_the_tasks_own_else_the_common_ones(home):
    config = home.config(MODELS)
    assert [f.provider for f in config.fallbacks()] == ["google"]
    assert config.fallbacks("score") == config.fallbacks("new task") == config.fallbacks()
    assert [(f.provider, f.model) for f in config.fallbacks("letter")] == [
        ("openai", "small"),
        ("anthropic", "haiku"),
    ]
    assert config.fallbacks("letter")[0].keys == ("OPENAI_API_KEY", "OPENAI_API_KEY_BACKUP_1")
    assert config.fallbacks("plain") == ()


def test_without_configuration_there_is_no_fallback(home):
    assert home.config().fallbacks() == ()
    assert home.config().get_model_config(is_fallback=True) == {}
    assert home.config().get_model_config() == {}


def test_the_fallback_of_the_default_model_may_stand_below_it(home):
    config = home.config(
        "models:\n  default: {provider: openai, model: a, fallback: {model: b}}\n  task: {model: c}\n"
    )
    assert [f.model for f in config.fallbacks()] == ["b"]
    assert [f.model for f in config.fallbacks("task")] == ["b"]


def test_a_fallback_without_a_default_model_must_be_whole(home):
    config = home.config("models: {fallback: {provider: openai, model: a}}")
    assert [f.model for f in config.fallbacks("any")] == ["a"]


@pytest.mark.parametrize(
    ("task", "provider", "model", "expected"),
    [
        (None, None, None, ("openai", "small")),
        (None, "openai", None, ("openai", "small")),
        (None, None, "tiny", ("openai", "tiny")),
        ("letter", None, "opus", ("anthropic", "opus")),
        ("letter", "openai", None, ("openai", "small")),
        ("score", "openai", None, ("openai", "large")),
        (None, "gemini", "pro", ("google", "pro")),
    ],
)
def test_what_a_call_leaves_out_comes_from_the_task_then_the_default(home, task, provider, model, expected):
    found = home.config(MODELS).model_settings(task, provider, model)
    assert (found.provider, found.model) == expected


def test_a_call_that_names_provider_and_model_keeps_the_configured_keys(home):
    keys = home.config(MODELS).model_settings(provider="openai", model="other").keys
    assert keys == ("OPENAI_API_KEY", "OPENAI_API_KEY_BACKUP_1")


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({}, "neither provider nor model is given; pass provider= and model=, or set models.default"),
        ({"model": "vendor/model"}, "no provider is given"),
        ({"provider": "anthropic"}, "no model is given for provider anthropic; pass model="),
        (
            {"provider": "opnai", "model": "x"},
            "argument: provider: unknown provider 'opnai'; did you mean openai?",
        ),
        ({"provider": "opnai"}, "unknown provider"),
        ({"provider": "openai", "model": " "}, "argument: model: is empty"),
        ({"provider": 3, "model": "x"}, "argument: provider: must be text"),
    ],
)
def test_a_call_without_provider_or_model_is_told_what_to_set(home, arguments, fault):
    with pytest.raises(ConfigError) as caught:
        home.config().model_settings(None, **arguments)
    assert fault in str(caught.value)


def test_get_model_config_has_the_older_form(home):
    config = home.config(MODELS)
    assert config.get_model_config("score") == {
        "provider": "openai",
        "model": "large",
        "key": "OPENAI_API_KEY",
        "backup_keys": ["OPENAI_API_KEY_BACKUP_1"],
        "base_url": None,
    }
    assert config.get_model_config(is_fallback=True) == {
        "provider": "google",
        "model": "flash",
        "key": None,
        "backup_keys": [],
        "base_url": None,
    }


# Providers and their addresses

LOCAL = "providers: {my-lab: {base_url: 'http://lab:8000/v1/', timeout: 5, reset_timezone: Europe/Berlin}}\n"


def test_a_provider_has_its_own_address_and_zone_unless_configured(home):
    config = home.config(LOCAL)
    assert config.provider_settings("openai").base_url == "https://api.openai.com/v1"
    assert config.provider_settings("gemini").reset_timezone == "America/Los_Angeles"
    lab = config.provider_settings("my-lab")
    assert (lab.base_url, lab.timeout, lab.reset_timezone) == ("http://lab:8000/v1", 5, "Europe/Berlin")


def test_the_address_is_the_models_then_the_environments_then_the_files(home):
    config = home.config(LOCAL, MY_LAB_BASE_URL="http://other:1/v1", OPENAI_BASE_URL="http://x/v1/")
    assert config.provider_settings("openai").base_url == "http://x/v1"
    assert config.provider_settings("my-lab").base_url == "http://other:1/v1"
    assert config.provider_settings("my-lab", base_url="http://own/v1").base_url == "http://own/v1"


def test_a_provider_may_be_known_by_its_address_in_the_environment_alone(home):
    config = home.config(LAB_BASE_URL="http://lab/v1", LAB_API_KEY="k")
    assert config.model_settings(None, "lab", "m").provider == "lab"
    assert names(config.keys_of("lab")) == ["LAB_API_KEY"]


def test_a_provider_may_be_known_by_a_models_address_alone(home):
    config = home.config(
        "models: {default: {provider: lab, model: m, base_url: 'http://lab/v1'}}", LAB_API_KEY="k"
    )
    model = config.model_settings(provider="lab", model="n")
    assert model == ModelSettings("lab", "n", base_url="http://lab/v1")
    assert names(config.keys_for(model)) == ["LAB_API_KEY"]


def test_an_address_in_the_environment_that_is_none_is_refused_without_showing_it(home):
    with pytest.raises(ConfigError, match=r"^environment: OPENAI_BASE_URL: is not a web address") as caught:
        home.config(OPENAI_BASE_URL="secret@host").provider_settings("openai")
    assert "secret" not in str(caught.value)


def test_an_unknown_provider_is_refused(home):
    with pytest.raises(ConfigError, match="unknown provider 'zzz'; known are anthropic, cerebras"):
        home.config().provider_settings("zzz")


# Keys


def test_the_usual_names_are_found_in_natural_order(home):
    environ = {
        "OPENAI_API_KEYS": "k1, k2\nk3,,",
        "OPENAI_API_KEY_10": "n10",
        "OPENAI_API_KEY_2": "n2",
        "OPENAI_API_KEY_BACKUP_11": "b11",
        "OPENAI_API_KEY_BACKUP_2": "b2",
        "OPENAI_API_KEY_BACKUP_3": "  ",
        "OPENAI_API_KEY": " primary\n",
        "MY_OPENAI_API_KEY": "not this",
        "OPENAI_API_KEY_OLD": "nor this",
    }
    keys = home.config(**environ).keys_of("openai")
    assert [(key.name, key.secret) for key in keys] == [
        ("OPENAI_API_KEY", "primary"),
        ("OPENAI_API_KEY_BACKUP_2", "b2"),
        ("OPENAI_API_KEY_BACKUP_11", "b11"),
        ("OPENAI_API_KEY_2", "n2"),
        ("OPENAI_API_KEY_10", "n10"),
        ("OPENAI_API_KEYS[1]", "k1"),
        ("OPENAI_API_KEYS[2]", "k2"),
        ("OPENAI_API_KEYS[3]", "k3"),
    ]


def test_google_has_two_spellings_and_both_count(home):
    config = home.config(GEMINI_API_KEY="b", GOOGLE_API_KEY="a", GEMINI_API_KEY_2="c", GOOGLE_API_KEYS="d")
    assert [key.secret for key in config.keys_of("google_genai")] == ["a", "d", "b", "c"]


def test_two_names_of_one_value_are_one_key(home):
    config = home.config(GOOGLE_API_KEY="same", GEMINI_API_KEY="same")
    assert names(config.keys_of("google")) == ["GOOGLE_API_KEY"]


def test_keys_in_an_env_file_are_found(home):
    home.write(".env", 'OPENAI_API_KEY=a\nOPENAI_API_KEYS="b,\nc"\n')
    assert [key.secret for key in home.config().keys_of("openai")] == ["a", "b", "c"]


def test_quotes_around_a_key_are_not_part_of_it(home):
    assert home.config(OPENAI_API_KEY='"abc"').keys_of("openai")[0].secret == "abc"


@pytest.mark.parametrize("value", ["abc def", "abc\u200b", "ключ", "a\x00b"])
def test_a_value_that_can_be_no_key_is_refused_without_showing_it(home, value):
    with pytest.raises(ConfigError, match=r"^environment: OPENAI_API_KEY: ") as caught:
        home.config(OPENAI_API_KEY=value).keys_of("openai")
    assert value not in str(caught.value)


def test_the_names_in_the_models_settings_come_first_then_the_providers_then_the_usual_ones(home):
    environ = {"A": "a", "B": "b", "OPENAI_API_KEY": "usual"}
    model = ModelSettings("openai", "m", keys=("A",))
    yaml = "providers: {openai: {keys: [B]}}"
    assert names(home.config(yaml, **environ).keys_for(model)) == ["A"]
    assert names(home.config(yaml, **environ).keys_for(ModelSettings("openai", "m"))) == ["B"]
    (home.project / "config.yaml").unlink()
    assert names(home.config(**environ).keys_for(ModelSettings("openai", "m"))) == ["OPENAI_API_KEY"]


def test_a_list_of_keys_may_be_named_whole_or_by_entry(home):
    environ = {"MY_KEYS": "a,b,c"}
    config = home.config("providers: {openai: {keys: ['MY_KEYS[2]', MY_KEYS]}}", **environ)
    assert names(config.keys_of("openai")) == ["MY_KEYS[2]", "MY_KEYS[1]", "MY_KEYS[3]"]


def test_keys_carry_the_group_they_were_put_in(home):
    yaml = "providers: {openai: {groups: {team: [OPENAI_API_KEY], lab: [OPENAI_API_KEYS]}}}"
    keys = home.config(yaml, OPENAI_API_KEYS="x,y", **KEYS).keys_of("openai")
    assert [key.group for key in keys] == ["team", None, "lab", "lab"]


def test_a_key_has_the_group_of_its_second_name_too(home):
    yaml = "providers: {google: {groups: {project: [GEMINI_API_KEY]}}}"
    (key,) = home.config(yaml, GOOGLE_API_KEY="same", GEMINI_API_KEY="same").keys_of("google")
    assert (key.name, key.group) == ("GOOGLE_API_KEY", "project")


def test_a_missing_key_names_the_variables_to_set(home):
    with pytest.raises(
        MissingKeyError, match=r"set GOOGLE_API_KEY or GEMINI_API_KEY in the environment or \.env"
    ):
        home.config().keys_of("google")
    with pytest.raises(MissingKeyError, match="set MY_LAB_API_KEY"):
        home.config(LOCAL).keys_of("my-lab")


@pytest.mark.parametrize(
    ("yaml", "place"),
    [
        (DEFAULT.replace("model: small", "model: m, key: NOT_SET"), "models.default.key"),
        (
            "models: {default: {provider: openai, model: m, key: OPENAI_API_KEY, backup_keys: [NOT_SET]}}",
            "models.default.backup_keys",
        ),
        (DEFAULT + "providers: {openai: {keys: [OPENAI_API_KEY, NOT_SET]}}", "providers.openai.keys"),
    ],
)
def test_a_key_that_is_named_and_not_set_is_told_with_file_and_setting(home, yaml, place):
    config = home.config(yaml, **KEYS)
    with pytest.raises(MissingKeyError) as caught:
        config.keys_for(config.model_settings())
    assert str(caught.value).startswith(f"config.yaml: {place}: the variable NOT_SET is not set; ")


def test_the_file_that_is_told_is_the_one_that_names_the_key(home):
    home.write("../user/config/default.yaml", "models: {fallback: [{model: a}, {model: m, key: NOT_SET}]}")
    config = home.config(DEFAULT, **KEYS)
    with pytest.raises(MissingKeyError, match=r"user.config.default\.yaml: models\.fallback\[2\]\.key: "):
        config.keys_for(config.fallbacks()[1])


def test_a_missing_key_error_can_be_pickled(home):
    with pytest.raises(MissingKeyError) as caught:
        home.config().keys_of("openai")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


# Keys go to no server they were not meant for


def test_a_model_on_another_server_gets_no_key_that_was_not_named_for_it(home):
    with pytest.raises(
        ConfigError, match=r"models\.default\.base_url: is another server than that of openai"
    ):
        home.config("models: {default: {provider: openai, model: m, base_url: 'https://elsewhere/v1'}}")


def test_a_model_on_another_server_takes_over_no_keys(home):
    config = home.config(
        MODELS + "  far: {model: m, base_url: 'https://elsewhere/v1', key: FAR_KEY}\n", FAR_KEY="far", **KEYS
    )
    assert names(config.keys_for(config.model_settings("far"))) == ["FAR_KEY"]


@pytest.mark.parametrize(
    "address", ["http://localhost:9/v1", "http://127.0.0.1:9/v1", "https://api.openai.com/v2"]
)
def test_a_server_on_this_machine_or_the_providers_own_host_needs_no_key_of_its_own(home, address):
    config = home.config(
        f"models: {{default: {{provider: openai, model: m, base_url: '{address}'}}}}", **KEYS
    )
    assert len(config.keys_for(config.model_settings())) == 2


def test_a_providers_configured_address_gets_its_usual_keys(home):
    config = home.config(DEFAULT + "providers: {openai: {base_url: 'https://proxy/v1'}}", **KEYS)
    assert len(config.keys_for(config.model_settings())) == 2
