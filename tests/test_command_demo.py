"""``jobapp demo``: on the simulator without a key, at the provider with one."""

import os
import re
import subprocess
import sys

import pytest

from jobapp.commands import demo_simulated
from jobapp.providers import PROVIDERS
from jobapp.testing import Fault
from tests.command_support import MODELS, cli

__all__ = ["cli"]

ROWS = {
    "a busy minute": (2, 0, 0, 0),
    "a spent day": (1, 1, 0, 0),
    "a second process": (0, 1, 0, 0),
    "a bad key": (0, 1, 1, 0),
    "all keys spent": (0, 0, 1, 0),
    "a fallback model": (0, 0, 0, 1),
    "a reset": (1, 0, 0, 0),
    "in all": (4, 3, 2, 1),
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """What the demo prints without a key, in a folder with a user's own files, and what is there afterwards."""
    home = tmp_path_factory.mktemp("home")
    (home / "config.yaml").write_text("models: {default: {provider: openai, model: my-own}}")
    (home / "empty.env").touch()
    environ = {
        name: value for name, value in os.environ.items() if not re.search("_API_KEY|_BASE_URL|JOBAPP_", name)
    }
    environ |= {
        "HOME": str(home),
        "JOBAPP_CACHE_DIR": str(home / "cache"),
        "JOBAPP_CONFIG_DIR": str(home / "user"),
    }
    environ |= {"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-m", "jobapp", "demo"],
        env=environ, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done, sorted(path.name for path in home.rglob("*"))


def test_the_demo_needs_no_key_and_goes_well(shown):
    done, _ = shown
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("No API key is set")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_key_receives_as_many_requests_as_the_story_says(shown, provider):
    play = shown[0].stdout.partition(f"\n{provider} {MODELS[provider]}, SDK ")[2].partition("\n\n")[0]
    counts = re.findall(r"^  (\S.*?)  .*?((?:  \d){4})$", play, re.MULTILINE)
    assert {title: tuple(map(int, numbers.split())) for title, numbers in counts} == ROWS


def test_the_demo_tells_of_the_wait_and_of_the_keys_that_come_back(shown):
    told = " ".join(re.sub(r"(  \d){4}$", "", shown[0].stdout, flags=re.MULTILINE).split())
    assert len(re.findall(r"key 1 is busy, (?:\d\.\d s waited, )?key 1 answered", told)) == 4
    assert told.count('"No API keys available": back are key 1 ') == 4
    assert told.count("3 keys freed, key 1 answered") == 4


def test_the_demo_fits_a_terminal_and_touches_nothing_of_the_user(shown):
    done, files = shown
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert files == ["config.yaml", "empty.env"]


def test_with_a_key_the_provider_itself_is_asked(cli, llm_simulator):
    llm_simulator.answer = "Good morning to you."
    key = llm_simulator.add_key("openai", "sk-one")
    assert cli("demo") == 0
    assert "openai gpt-4o-mini: " in cli.out
    assert "Good morning to you." in cli.out
    assert f"answered with {key.name}: " in cli.out
    assert llm_simulator.requests("openai", "sk-one") == 1


def test_every_provider_with_a_key_is_asked_and_the_first_failure_is_the_exit_code(cli, llm_simulator):
    llm_simulator.add_key("openai", "sk-one", Fault.NO_CREDIT)
    llm_simulator.add_key("anthropic", "sk-two", Fault.BAD_KEY)
    llm_simulator.add_key("google", "sk-three")
    assert cli("demo") == 3
    assert "quota spent" in cli.err
    assert "key not accepted" in cli.err
    assert "answered with GOOGLE_API_KEY" in cli.out
    assert llm_simulator.requests() == 3


def test_the_configured_model_of_a_provider_is_asked(cli, llm_simulator, tmp_path):
    llm_simulator.add_key("openai", "sk-one")
    (tmp_path / "config.yaml").write_text("models: {default: {provider: openai, model: my-own}}")
    assert cli("demo", "--provider", "openai") == 0
    assert llm_simulator.received[-1].model == "my-own"


def test_the_simulator_may_be_asked_for_although_a_key_is_set(cli, llm_simulator, monkeypatch, tmp_path):
    llm_simulator.add_key("openai", "sk-one", name="OPENAI_API_KEY_7")
    before = dict(os.environ)
    assert cli("demo", "--simulator", "--provider", "openai") == 0
    assert cli.out.startswith("As you asked")
    assert llm_simulator.requests() == 0
    assert dict(os.environ) == before
    assert not (tmp_path / "jobapp-cache").exists()


def test_a_provider_without_a_key_is_played_by_the_simulator(cli, llm_simulator):
    llm_simulator.add_key("openai", "sk-one")
    assert cli("demo", "--provider", "google") == 0
    assert "google gemini-2.5-flash, SDK " in cli.out
    assert llm_simulator.requests() == 0


def test_a_story_that_goes_wrong_is_told_and_fails(cli, monkeypatch):
    monkeypatch.setattr(demo_simulated.Stage, "_second_process", lambda stage: "nothing")
    assert cli("demo", "--provider", "openrouter") == 1
    assert "(0, 1, 0, 0) were expected" in cli.out
