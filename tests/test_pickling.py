"""A facade in another process: it travels as its configuration, and no key with it."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import pickle
import random
import weakref
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from jobapp import ConfigError, LLMInterface, NoAPIKeysAvailableError
from jobapp.core import pickling
from jobapp.core.config_manager import ConfigManager
from jobapp.testing import FakeClock, Fault
from tests.calling import ONE, PROVIDERS, TWO, world_of

SETTINGS = """
models:
  default: {provider: openai, model: gpt-4o-mini, options: {temperature: 0.5}}
  fallback: {provider: anthropic, model: claude-haiku-4-5}
retry: {max_retries: 1, strategy: spread}
providers:
  openai: {keys: [{name: OPENAI_API_KEY, tier: 2}], budgets: {rpm: 60}}
prices: {"gpt*": {input: 0.15, output: 0.6}}
"""

heard: list[Any] = []


def listen(event: Any) -> None:
    heard.append(event)


@pytest.fixture
def world(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as opened:
        yield opened


@pytest.fixture
def config(world, tmp_path):
    world.add(ONE)
    path = tmp_path / "elsewhere.yaml"
    path.write_text(SETTINGS)
    return path


def travelled(llm: Any) -> Any:
    return pickle.loads(pickle.dumps(llm))


def test_the_settings_arrive_where_the_file_is_not_there(config):
    llm = LLMInterface(config)
    sent = pickle.dumps(llm)
    config.unlink()
    arrived = pickle.loads(sent)
    assert arrived.config.settings == llm.config.settings
    assert arrived.config.files == llm.config.files
    assert arrived.config.merged_config == llm.config.merged_config
    assert repr(arrived) == repr(llm)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_no_key_is_in_what_is_sent_though_it_was_used(config, protocol, tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("ANTHROPIC_API_KEY=sk-canary-of-the-env-file\n")
    config.write_text(SETTINGS + "settings: {password: a-canary-of-another-program}\n")
    with LLMInterface(config) as llm:
        assert llm.send_prompt("Hello") == "echo: Hello"
        assert len(llm.key_status()) == 2
        assert b"canary" not in pickle.dumps(llm, protocol)
        assert b"canary" not in pickle.dumps(llm.send_prompt, protocol)


def test_keys_are_looked_up_where_it_arrives(config, world, monkeypatch):
    world.simulator.add_key("openai", TWO, name="UNUSED")
    sent = pickle.dumps(LLMInterface(config))
    monkeypatch.setenv("OPENAI_API_KEY", TWO)
    with pickle.loads(sent) as llm:
        assert llm.send_prompt("Hello") == "echo: Hello"
    assert world.requests(ONE, TWO) == [0, 1]


def test_variables_within_settings_are_looked_up_where_it_arrives(config, monkeypatch):
    config.write_text("state: {url: 'redis://:${REDIS_PASSWORD}@127.0.0.1:1/0'}")
    monkeypatch.setenv("REDIS_PASSWORD", "secret-of-redis")
    sent = pickle.dumps(ConfigManager(config))
    assert b"secret-of-redis" not in sent
    assert "secret-of-redis" in pickle.loads(sent).settings.state_url
    monkeypatch.delenv("REDIS_PASSWORD")
    with pytest.raises(ConfigError, match=r"elsewhere\.yaml.*state\.url.*REDIS_PASSWORD.*not set"):
        pickle.loads(sent)


def test_the_env_file_is_read_where_it_arrives(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.env").write_text("OPENROUTER_API_KEY=sk-canary-of-the-env-file")
    sent = pickle.dumps(ConfigManager(config, "mine.env"))
    assert b"canary" not in sent
    monkeypatch.chdir("/")
    assert pickle.loads(sent).get("OPENROUTER_API_KEY") == "sk-canary-of-the-env-file"
    (tmp_path / "mine.env").unlink()
    with pytest.raises(ConfigError, match=r"mine\.env"):
        pickle.loads(sent)


@pytest.mark.parametrize(
    ("name", "value"),
    [("on_event", lambda event: None), ("clock", FakeClock())],
)
def test_what_cannot_travel_is_named(config, name, value):
    llm = LLMInterface(config, **{name: value})
    with pytest.raises(ConfigError, match=rf"LLMInterface: {name} can't be pickled"):
        pickle.dumps(llm)


def test_variables_that_were_handed_in_do_not_travel(config):
    manager = ConfigManager(config, environ={"OPENAI_API_KEY": ONE})
    with pytest.raises(ConfigError, match="environ can't be pickled") as raised:
        pickle.dumps(LLMInterface(manager))
    assert ONE not in str(raised.value)


def test_a_listener_that_a_module_defines_travels(config):
    heard.clear()
    with travelled(LLMInterface(config, on_event=listen)) as llm:
        llm.send_prompt("Hello")
    assert heard


def test_what_arrives_does_not_wait_like_what_was_sent(config):
    llm = LLMInterface(config, rng=random.Random(0))
    arrived = travelled(llm)
    assert [arrived._rng.random() for _ in range(4)] != [llm._rng.random() for _ in range(4)]


def test_all_tasks_of_a_process_share_what_arrived_once(config):
    llm = LLMInterface(config)
    arrived = [travelled(llm.send_prompt).__self__ for _ in range(3)]
    assert len({id(each) for each in [*arrived, travelled(arrived[0])]}) == 1
    assert arrived[0] is not llm
    assert travelled(LLMInterface(config)) is not arrived[0]


def test_of_those_that_arrived_only_the_last_are_kept(config):
    first = LLMInterface(config)
    arrived = weakref.ref(travelled(first))
    manager = first.config
    for _ in range(pickling.MOST):
        travelled(LLMInterface(manager))
    gc.collect()
    assert arrived() is None
    assert travelled(first).config.settings == first.config.settings


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_a_copy_has_connections_of_its_own_and_all_that_was_given(config, world, how):
    events: list[Any] = []
    llm = LLMInterface(config, on_event=events.append, clock=world.clock)
    with how(llm) as copied:
        llm.close()
        assert copied.send_prompt("Hello") == "echo: Hello"
    assert copied.config.settings == llm.config.settings
    assert copied._clock is world.clock
    assert events


def test_a_spent_key_that_one_process_found_is_not_asked_by_another(config, world):
    world.simulator.key("openai", ONE).fail(Fault.SPENT_DAY)
    world.simulator.add_key("anthropic", "sk-canary-of-anthropic")
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool, LLMInterface(config) as llm:
        assert pool.submit(llm.send_prompt, "Hello").result() == "echo: Hello"
        assert list(pool.map(llm.send_prompt, ["one", "two"])) == ["echo: one", "echo: two"]
        assert pool.submit(llm, "three").result() == "echo: three"
        alone = pool.submit(llm.send_prompt, "four", provider="openai", model="gpt-4o-mini", fallback=False)
        with pytest.raises(NoAPIKeysAvailableError) as raised:
            alone.result()
    assert raised.value.available_at is not None
    assert raised.value.keys[0].key == "OPENAI_API_KEY"
    assert world.requests(ONE) == [1]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_a_call_returns_can_be_sent_back(provider, tmp_path, monkeypatch):
    with world_of(provider, "send", tmp_path, monkeypatch) as world:
        world.add(ONE)
        done = world.call()
        back = pickle.loads(pickle.dumps(done))
    assert (back.text, back.usage, back.key, back.attempts) == (
        done.text,
        done.usage,
        done.key,
        done.attempts,
    )
