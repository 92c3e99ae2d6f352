"""The examples load, and nothing that can be configured is missing from them or from the reference."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from jobapp.classification.user_rules import parse_rules
from jobapp.config import schema as settings_schema
from jobapp.core.config_manager import ConfigManager
from jobapp.domain.settings import KeySettings, ModelSettings, ProviderSettings, RetrySettings
from jobapp.providers import PROVIDERS
from tests.config_support import home

__all__ = ["home"]

ROOT = Path(__file__).parent.parent
EXAMPLE = (ROOT / "config.example.yaml").read_text(encoding="utf-8")
ENV_EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")

SECTIONS = {
    "retry.": settings_schema.RETRY,
    "providers.<name>.": settings_schema.PROVIDER,
    "models.<task>.": settings_schema.MODEL,
    "state.": settings_schema.STATE,
    "paths.": settings_schema.PATHS,
}
SETTINGS = [f"{section}{name}" for section, names in SECTIONS.items() for name in names] + ["rules", "prices"]

SOURCES = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "jobapp").rglob("*.py"))
VARIABLES = {
    *re.findall(r"\bJOBAPP_[A-Z_]+\b", SOURCES),
    *(spec.base_url_env for spec in PROVIDERS.values()),
    *(f"{prefix}_API_KEY" for spec in PROVIDERS.values() for prefix in spec.key_prefixes),
}

ALL_KEYS = {
    name: name.lower() for name in ("OPENAI_API_KEY", "OPENAI_API_KEY_BACKUP_1", "OPENAI_API_KEY_BACKUP_2")
}


def with_everything(example: str) -> str:
    """Return *example* with each setting that is left out written in."""
    return re.sub(r"^(\s*)#(?=[A-Za-z_])", r"\1", example, flags=re.MULTILINE)


def named_in(example: str) -> set[str]:
    return set(re.findall(r"^\s*(?:- )?([A-Za-z_]+):", with_everything(example), flags=re.MULTILINE))


@pytest.mark.parametrize("prepare", [str, with_everything])
def test_the_example_loads_as_it_stands_and_with_every_setting_written_in(home, prepare):
    path = home.write("config.yaml", prepare(EXAMPLE))
    config = ConfigManager(path, environ={**home.environ, **ALL_KEYS, "REDIS_PASSWORD": "p"})
    assert config.model_settings("match_score").model == "gpt-4o"
    assert [model.provider for model in config.fallbacks()] == ["anthropic", "google"]
    assert [model.provider for model in config.fallbacks("match_score")] == ["openrouter"]
    assert config.keys_for(config.model_settings())
    assert parse_rules(config.settings.rules, "rules")[0].id == "our-gateway-day"


def test_the_example_as_it_stands_needs_one_key_alone(home):
    config = ConfigManager(
        home.write("config.yaml", EXAMPLE), environ={**home.environ, "OPENAI_API_KEY": "k"}
    )
    assert [key.name for key in config.keys_for(config.model_settings())] == ["OPENAI_API_KEY"]


def test_the_example_shows_the_defaults(home):
    config = ConfigManager(home.write("config.yaml", EXAMPLE), environ=home.environ)
    assert config.settings.retry == RetrySettings()
    assert config.settings.providers["openai"] == ProviderSettings("openai")
    assert config.settings.providers["anthropic"] == ProviderSettings("anthropic")


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_is_in_the_example(setting):
    assert setting.rpartition(".")[2] in named_in(EXAMPLE)


def test_the_env_example_loads_and_sets_nothing(home):
    home.write(".env", ENV_EXAMPLE)
    assert home.config().get("OPENAI_API_KEY") is None
    home.write(".env", re.sub("^# (?=[A-Z_0-9]+=)", "", ENV_EXAMPLE, flags=re.MULTILINE))
    assert home.config("retry: {}", home.write("any.yaml", "{}")).keys_of("openai")[-1].secret == "third"


@pytest.mark.parametrize("variable", sorted(VARIABLES))
def test_every_variable_is_in_the_env_example_and_in_the_reference(variable):
    assert re.search(rf"^(# )?{variable}=", ENV_EXAMPLE, flags=re.MULTILINE)
    assert f"`{variable}`" in REFERENCE


def rows() -> dict[str, str]:
    """Return the reference's settings with the default that it tells."""
    return dict(re.findall(r"^\| `([a-z_.<>]+)` \| (.*?) \|", REFERENCE, flags=re.MULTILINE))


def test_the_reference_has_the_settings_of_the_schema_and_no_other():
    assert sorted(rows()) == sorted(SETTINGS)


@pytest.mark.parametrize("name", settings_schema.RETRY)
def test_the_reference_tells_the_defaults_of_retries(name):
    default = getattr(RetrySettings(), name)
    told = rows()[f"retry.{name}"]
    assert told == (
        "none" if default is None else f"{default:g}" if type(default) is float else str(default).lower()
    )


@pytest.mark.parametrize("name", ["timeout", "max_tokens", "max_answer"])
def test_the_reference_tells_the_defaults_of_providers(name):
    assert float(rows()[f"providers.<name>.{name}"]) == getattr(ProviderSettings("x"), name)


def test_the_schema_has_the_fields_of_the_settings():
    assert {field.name for field in fields(RetrySettings)} == {"retry", *settings_schema.RETRY}
    assert {field.name for field in fields(ProviderSettings)} == {
        "name",
        "key_settings",
        *settings_schema.PROVIDER,
    }
    assert {field.name for field in fields(KeySettings)} == {*settings_schema.KEY}
    written = settings_schema.MODEL.keys() - {"key", "backup_keys", "fallback"}
    assert {field.name for field in fields(ModelSettings)} == {"keys", *written}


def test_the_code_of_the_reference_runs(home, monkeypatch):
    for name, value in home.environ.items():
        monkeypatch.setenv(name, value)
    (code,) = re.findall(r"```python\n(.*?)```", REFERENCE, flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    assert isinstance(names["config"], ConfigManager)
