"""Bad input: each fault is told at once, with its file, its setting and the fix, and never with a key."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.config.schema import RETRY, override, read_tree
from jobapp.core.config_manager import ConfigManager
from jobapp.domain.exceptions import ConfigError
from jobapp.domain.settings import Jitter, RetrySettings
from tests.config_support import home

__all__ = ["home"]

SECRET = "sk-proj-abcdefghijklmnop1234567890"
WHOLE = "models: {default: {provider: openai, model: m}}\n"

FAULTS = {
    # unknown settings
    "modles: {}": "modles: unknown setting; did you mean models?",
    WHOLE
    + "trainer: {}": "trainer: unknown setting; known are models, paths, prices, providers, retry, rules, state",
    "retry: {max_retry: 3}": "retry.max_retry: unknown setting; did you mean max_retries?",
    "retry: {Max_Retries: 3}": "retry.Max_Retries: unknown setting; did you mean max_retries?",
    "models: {default: {provider: openai, model: m, backup_key: [A]}}": (
        "models.default.backup_key: unknown setting; did you mean backup_keys?"
    ),
    "providers: {openai: {bse_url: x}}": "providers.openai.bse_url: unknown setting; did you mean base_url?",
    "retry: {3: 3}": "retry: the name 3 must be text, not a number; put it in quotes",
    # wrong types
    "retry: 3": "retry: must be a mapping, not a number; write name: value",
    "[retry]": "config.yaml: must be a mapping, not a list",
    "retry": "config.yaml: must be a mapping, not text",
    "retry: {max_retries: three}": "retry.max_retries: must be a whole number, not text; write a whole number, 0",
    "retry: {max_retries: 1.5}": "retry.max_retries: must be a whole number, not a number",
    "retry: {max_retries: yes}": "retry.max_retries: must be a whole number, not yes or no",
    "retry: {retry_delay: '1'}": "retry.retry_delay: must be a number of seconds, not text",
    "retry: {retry: false}": "retry.retry: unknown setting; did you mean",
    "models: [a]": "models: must be a mapping, not a list",
    "models: {default: gpt}": "models.default: must be a mapping, not text",
    "models: {default: {provider: openai, model: 4}}": "models.default.model: must be text, not a number",
    "models: {fallback: openai}": "models.fallback: must be a list, not text",
    "models: {fallback: [openai]}": "models.fallback[1]: must be a mapping, not text",
    "models: {default: {provider: openai, model: m, key: [A]}}": "models.default.key: must be text, not a list",
    "models: {default: {provider: openai, model: m, options: 3}}": "models.default.options: must be a mapping",
    "providers: {openai: {keys: 3}}": "providers.openai.keys: must be a list, not a number",
    "providers: {openai: {groups: [A]}}": "providers.openai.groups: must be a mapping, not a list",
    "rules: {a: 1}": "rules: must be a list, not a mapping",
    # bad values
    "retry: {max_retries: -1}": "retry.max_retries: is -1; write a whole number, 0 or more",
    "retry: {max_delay: -0.5}": "retry.max_delay: is -0.5; write seconds, 0 or more",
    "retry: {max_wait: .nan}": "retry.max_wait: is nan; write seconds, 0 or more",
    "retry: {max_wait: .inf}": "retry.max_wait: is inf; write seconds, 0 or more, at most 1000000000",
    "retry: {deadline: 0}": "retry.deadline: is 0; write seconds, more than 0",
    "retry: {jitter: some}": "retry.jitter: is 'some'; write one of full, equal, none",
    "retry: {on_exhausted: [wait]}": "retry.on_exhausted: is ['wait']; write one of raise, wait",
    "retry: {strategy: random}": "retry.strategy: is 'random'; write one of sticky, spread",
    "providers: {openai: {timeout: 0}}": "providers.openai.timeout: is 0; write seconds, more than 0",
    "providers: {openai: {max_tokens: 0}}": "providers.openai.max_tokens: is 0; write a whole number, 1 or more",
    "providers: {openai: {reset_timezone: Mars/Base}}": "openai.reset_timezone: unknown time zone 'Mars/Base'",
    "providers: {openai: {reset_timezone: ../x}}": "providers.openai.reset_timezone: unknown time zone",
    "providers: {openai: {base_url: localhost}}": "providers.openai.base_url: is not a web address; write one",
    "providers: {openai: {base_url: 'https://a b'}}": "providers.openai.base_url: is not a web address",
    "providers: {openai: {base_url: 'http://a:99999'}}": "providers.openai.base_url: is not a web address",
    "models: {default: {provider: openai, model: ''}}": "models.default.model: is empty; write a text",
    # models that are not whole, unknown providers
    "models: {default: {provider: openai}}": "models.default: no model is given; write model there",
    "models: {default: {model: m}}": "models.default: no provider is given; write provider there",
    "models: {task: {key: A}}": "models.task: no provider is given; write provider there, or in models.default",
    "models: {default: {provider: openai, model: m}, t: {provider: anthropic}}": "models.t: no model is given",
    "models: {default: {provider: opnai, model: m}}": (
        "models.default.provider: unknown provider 'opnai'; did you mean openai? "
        "(an OpenAI-compatible server needs providers.opnai.base_url or OPNAI_BASE_URL)"
    ),
    "providers: {lab: {timeout: 3}}": "providers.lab: unknown provider 'lab'; ",
    "providers: {google: {timeout: 3}, gemini: {timeout: 4}}": "gemini: is another name of google; write the two",
    # keys and groups
    "models: {default: {provider: openai, model: m, backup_keys: [A]}}": (
        "models.default.backup_keys: there is no first key; write its name under key"
    ),
    "providers: {openai: {keys: [A], groups: {g: [B]}}}": (
        "providers.openai.groups.g: B is not among the keys of openai; add it to providers.openai.keys"
    ),
    "providers: {openai: {groups: {g: [MY_KEY]}}}": "groups.g: MY_KEY is not among the keys of openai",
    "providers: {openai: {groups: {g: [OPENAI_API_KEY], h: OPENAI_API_KEY}}}": (
        "providers.openai.groups.h: OPENAI_API_KEY is in g too; leave it in one group"
    ),
    "providers: {openai: {keys: ['${OPENAI_API_KEY}']}}": (
        "providers.openai.keys[1]: is not the name of an environment variable; write a variable's name such as"
    ),
    "providers: {openai: {keys: [{tier: 2}]}}": "keys[1]: no name is given; write name: and the name of the",
    "providers: {openai: {keys: [{name: A, teir: 2}]}}": "keys[1].teir: unknown setting; did you mean tier?",
    "providers: {openai: {keys: [{name: A, tier: 0}]}}": "keys[1].tier: is 0; write a whole number, 1 or more",
    "providers: {openai: {keys: [A, {name: B, models: []}]}}": "keys[2].models: names no model; write a pattern",
    "providers: {openai: {keys: [{name: A, models: [3]}]}}": "keys[1].models[1]: must be text, not a number",
    "providers: {openai: {keys: [A, {name: A, tier: 2}]}}": "keys[2]: A is written twice; say all of it in one",
    "providers: {openai: {keys: [A, {name: B, group: h}], groups: {g: [B]}}}": (
        "providers.openai.keys[2].group: B is in groups too; name its group in one of the two places"
    ),
    "providers: {openai: {budgets: {key: A}}}": (
        "budgets[1]: limits nothing; write rpm, tpm, rpd, tpd, usd_per_day, usd_per_month or max_concurrency"
    ),
    "providers: {openai: {keys: [A], budgets: {key: B, rpd: 5}}}": (
        "budgets[1].key: B is not among the keys of openai; add it to providers.openai.keys or correct"
    ),
    "providers: {openai: {keys: [{name: A, group: g}], budgets: {key: A, group: g, rpd: 5}}}": (
        "budgets[1]: names a key and a group; write one of them, and the other in another row"
    ),
    "providers: {openai: {budgets: {group: g, rpd: 5}}}": (
        "budgets[1].group: there is no group g; the groups are: none"
    ),
    "providers: {openai: {budgets: {tpd: 0}}}": "budgets[1].tpd: is 0; write a whole number",
    "providers: {openai: {budgets: {usd_per_day: 0}}}": (
        "budgets[1].usd_per_day: is 0; write US dollars above 0, or leave it out"
    ),
    "prices: {m: {input: 1, output: 1}}\nproviders: {openai: {budgets: {usd_per_month: much}}}": (
        "budgets[1].usd_per_month: must be a number, not text"
    ),
    "providers: {openai: {budgets: {rpd: 5, reset_timezone: Mars}}}": "budgets[1].reset_timezone: ",
    "retry: {tier_wait: -1}": "retry.tier_wait: is -1; write seconds, 0 or more",
    # YAML
    "retry: {max_retries: 1}\nretry: {max_retries: 2}": "line 2, column 1: the setting retry is written twice",
    "retry:\n  max_wait: 1\n  max_wait: 2\n": "line 3, column 3: the setting max_wait is written twice",
    "models:\n  default: {provider: openai\n": "line 3, column 1: ",
    "retry:\n\tmax_retries: 1": "line 2, column 1: ",
    "a: !Ref b": "could not determine a constructor for the tag",
    "retry: {deadline: 2024-13-45}": "holds a value that YAML can't read",
    "retry: {}\n---\nretry: {}": "line 2, column 1: ",
}


@pytest.mark.parametrize("yaml", FAULTS, ids=lambda yaml: yaml.replace("\n", "⏎")[:60])
def test_a_fault_in_a_file_is_told_with_file_setting_and_fix(home, yaml):
    with pytest.raises(ConfigError) as caught:
        home.config("", home.write("config.yaml", yaml))
    assert "config.yaml: " in str(caught.value)
    assert FAULTS[yaml] in str(caught.value)


@pytest.mark.parametrize("yaml", FAULTS, ids=lambda yaml: yaml.replace("\n", "⏎")[:60])
def test_no_fault_is_anything_but_a_config_error(home, yaml):
    with pytest.raises(ConfigError):
        home.config(module="search") if home.write("../user/config/default.yaml", yaml) else None


KEY_SHAPES = [
    SECRET,
    "AIzaSyA1234567890abcdefghijklmnopqrstu",
    "gsk_abcdefghijklmnop1234567890",
    "xai-abcdefghijklmnop1234567890",
    "0123456789abcdef0123456789abcdef",
    "a123456789ABCDEF0123456789abcdef",
    "hf_AbCdEfGhIjKlMnOpQrStUv",
]

HIDING_PLACES = [
    "models: {{default: {{provider: openai, model: m, key: {}}}}}",
    "models: {{default: {{provider: openai, model: m, key: A, backup_keys: [{}]}}}}",
    "providers: {{openai: {{keys: [{}]}}}}",
    "providers: {{openai: {{keys: {}}}}}",
    "providers: {{openai: {{groups: {{g: [{}]}}}}}}",
    "providers: {{openai: {{base_url: {}}}}}",
    "providers: {{openai: {{reset_timezone: {}}}}}",
    "providers: {{openai: {{{}: 1}}}}",
    "providers: {{{}: {{timeout: 1}}}}",
    "models: {{default: {{provider: {}, model: m}}}}",
    "retry: {{max_retries: {}}}",
    "retry: {{jitter: {}}}",
    "retry: {{jitter: [{}]}}",
    "retry: {}",
    "retry: {{}}\n{}: 1\n",
    "retry: {{a: {}\n",
    "retry: [\n{} {{\n",
]


@pytest.mark.parametrize("key", KEY_SHAPES)
@pytest.mark.parametrize("place", HIDING_PLACES)
def test_a_key_that_was_pasted_into_a_file_is_in_no_error(home, place, key):
    with pytest.raises(ConfigError) as caught:
        home.config("", home.write("config.yaml", place.format(key)))
    assert key not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_key_in_the_place_of_a_variables_name_is_told(home):
    with pytest.raises(
        ConfigError, match="looks like a key itself, not the name of a variable; write a variable's"
    ):
        home.config(f"models: {{default: {{provider: openai, model: m, key: {SECRET}}}}}")


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "my_company_openai_key_2", "KEY", "A1", "TEAM_2024_KEY", "_x"]
)
def test_names_of_variables_are_not_taken_for_keys(home, name):
    config = home.config(f"providers: {{openai: {{keys: [{name}]}}}}", **{name: "value"})
    assert config.keys_of("openai")[0].name == name


# Files


def test_a_named_file_that_is_missing_is_refused(home):
    with pytest.raises(ConfigError, match=r"none\.yaml: can't be read \(No such file"):
        home.config("", "none.yaml")
    with pytest.raises(ConfigError, match=r"none\.yaml: can't be read"):
        home.config(JOBAPP_CONFIG="none.yaml")
    with pytest.raises(ConfigError, match=r"none\.env: can't be read"):
        home.config(env_path="none.env")


def test_a_folder_in_the_place_of_a_file_is_refused(home):
    with pytest.raises(ConfigError, match="can't be read"):
        home.config("", home.project)


@pytest.mark.parametrize("name", ["config.yaml", ".env"])
def test_a_file_that_is_not_utf_8_is_refused(home, name):
    (home.project / name).write_bytes("a: é".encode("utf-16"))
    with pytest.raises(ConfigError, match=f"^{name}: is not UTF-8; save it as UTF-8$"):
        home.config()


def test_a_file_that_may_not_be_read_is_refused(home, monkeypatch):
    def reject(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    home.write("config.yaml", WHOLE)
    monkeypatch.setattr(Path, "read_bytes", reject)
    with pytest.raises(
        ConfigError, match=r"^config\.yaml: can't be read \(Permission denied\); check the path"
    ):
        home.config()


def test_a_control_character_in_a_file_is_refused(home):
    with pytest.raises(ConfigError, match=r"^config\.yaml: "):
        home.config("retry: \x01")


@pytest.mark.parametrize("text", ["[" * 3000, "[" * 3000 + "]" * 3000])
def test_yaml_that_is_nested_beyond_reason_is_refused(home, text):
    with pytest.raises(ConfigError, match=r"^config\.yaml: "):
        home.config(text)


def test_a_setting_that_overrides_a_merged_one_is_not_written_twice(home):
    home.config("""
models:
  default: {provider: openai, model: m, options: &more {<<: &base {seed: 1, n: 1}, n: 2}}
  task: {options: {<<: *more, n: 3}}
""")
    options = home.config().model_settings("task").options
    assert options == {"seed": 1, "n": 3}


def test_yaml_that_contains_itself_is_refused(home):
    with pytest.raises(ConfigError, match=r"^config\.yaml: retry\.more: unknown setting"):
        home.config("retry: &r {more: *r}")


def test_the_fault_is_told_of_the_file_it_is_in(home):
    home.write("../user/config/default.yaml", "retry: {max_wait: -1}")
    with pytest.raises(ConfigError, match=r"default\.yaml: retry\.max_wait: is -1"):
        home.config(WHOLE)


def test_a_fault_is_told_even_where_another_file_wins(home):
    home.write("../user/config/default.yaml", "retry: {max_wait: 1}")
    with pytest.raises(ConfigError, match=r"^config\.yaml: retry\.max_wait: is -1"):
        home.config("retry: {max_wait: -1}")


def test_a_fault_that_only_shows_together_is_told_of_the_file_that_wrote_it(home):
    home.write("../user/config/default.yaml", "models: {task: {provider: anthropic}}")
    with pytest.raises(ConfigError, match=r"default\.yaml: models\.task: no model is given"):
        home.config(WHOLE)


def test_a_module_file_that_is_no_mapping_is_refused(home):
    home.write("configs/search.yaml", "[a]")
    with pytest.raises(ConfigError, match=r"search\.yaml: must be a mapping, not a list"):
        home.config(module="search")


# The arguments of one call obey the same rules


def test_arguments_change_what_they_name_and_leave_the_rest():
    retry = RetrySettings(max_wait=5)
    changed = override(retry, max_retries=0, jitter="equal", deadline=None, retry_delay=2)
    assert changed == RetrySettings(max_wait=5, max_retries=0, jitter=Jitter.EQUAL, retry_delay=2.0)
    assert override(retry) is retry
    assert override(retry, max_retries=None) is retry


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"max_retries": -1}, "argument: max_retries: is -1; write a whole number, 0 or more"),
        ({"max_retries": True}, "argument: max_retries: must be a whole number, not yes or no"),
        ({"retry_delay": "2"}, "argument: retry_delay: must be a number of seconds, not text"),
        ({"retry_delay": math.nan}, "argument: retry_delay: is nan"),
        ({"deadline": 0}, "argument: deadline: is 0; write seconds, more than 0"),
        ({"on_exhausted": "sleep"}, "argument: on_exhausted: is 'sleep'; write one of raise, wait"),
        ({"retry": 1}, "argument: retry: must be true or false, not a number; write true or false"),
        ({"max_tries": 3}, "argument: max_tries: unknown setting; did you mean max_retries?"),
        ({"retry_delay": object()}, "argument: retry_delay: must be a number of seconds, not object"),
    ],
)
def test_a_faulty_argument_is_told_by_its_name(changes, fault):
    with pytest.raises(ConfigError) as caught:
        override(RetrySettings(), **changes)
    assert str(caught.value).startswith(fault)


# Whatever stands in a file

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["models", "default", "fallback", "provider", "model", "key", "retry", "providers"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def outcome(read, *arguments, **settings):
    """Return what *read* returns, or the text of its ConfigError; anything else is a fault of ours."""
    try:
        return read(*arguments, **settings)
    except ConfigError as error:
        return str(error)


@given(TREES)
def test_any_tree_is_either_read_or_refused_with_a_config_error(tree):
    read = outcome(read_tree, tree, "FILE")
    assert isinstance(read, dict) or read.startswith("FILE: ")


@given(st.sampled_from(sorted(RETRY)), SCALARS)
def test_any_retry_setting_is_either_finite_and_in_range_or_refused(name, value):
    read = outcome(override, RetrySettings(), **{name: value})
    if isinstance(read, str):
        assert read.startswith(f"argument: {name}: ")
    else:
        setting = getattr(read, name)
        assert not isinstance(setting, float) or 0 <= setting <= 1e9


def test_a_config_manager_needs_no_files_at_all(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = ConfigManager(environ={"JOBAPP_CONFIG_DIR": str(tmp_path / "none")})
    assert config.files == ()
    assert Path(config.get_cache_path()).is_absolute()
