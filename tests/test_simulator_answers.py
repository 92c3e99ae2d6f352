"""What a real SDK gets from the simulator when all is well, in every way of calling."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import openai
import pytest

from jobapp.testing import FakeClock, Fault, Quota, Simulator
from tests.simulator_support import DIALECTS, KEY, PROMPT, WAYS, WORDS, opened_dialects


@pytest.fixture(scope="module")
def dialects():
    with Simulator(FakeClock()) as simulator, opened_dialects(simulator) as opened:
        yield opened


@pytest.fixture
def simulator(dialects):
    simulator = dialects["openai"].simulator
    simulator.reset_counts()
    simulator.answer = "echo: Hello there"
    return simulator


@pytest.fixture(params=WAYS, ids="-".join)
def dialect_and_way(request, dialects):
    name, way = request.param
    return dialects[name], way


@pytest.mark.usefixtures("simulator")
def test_the_answer_comes_whole_or_word_by_word_with_its_usage(dialect_and_way):
    dialect, way = dialect_and_way
    outcome = dialect.outcome(way, KEY)
    assert outcome.error is None
    assert outcome.pieces == (WORDS if "stream" in way else ["".join(WORDS)])
    assert outcome.usage == (2, 3)


def test_the_request_is_recorded_and_counted(dialect_and_way, simulator):
    dialect, way = dialect_and_way
    dialect.outcome(way, "sk-one")
    (request,) = simulator.received
    assert (request.provider, request.key, request.model) == (dialect.provider, "sk-one", dialect.model)
    assert (request.prompt, request.stream) == (PROMPT, "stream" in way)
    assert request.method == "POST"
    assert isinstance(request.body, dict)
    assert request.headers["content-type"].startswith("application/json")
    assert "sk-one" not in repr(request)
    assert simulator.requests(dialect.provider) == simulator.requests(dialect.provider, "sk-one") == 1
    assert simulator.requests(dialect.provider, "sk-one", model=dialect.model) == 1
    assert simulator.requests(dialect.provider, "sk-one", model="another") == 0
    assert simulator.rejections(dialect.provider) == 0


@pytest.mark.parametrize("name", DIALECTS)
def test_the_answer_may_be_a_text_or_a_function_of_the_request(name, dialects, simulator):
    dialect = dialects[name]
    simulator.answer = "ü 42"
    assert dialect.outcome("ask", "sk-one").text == "ü 42"
    simulator.answer = lambda request: f"{request.model} was asked {request.prompt!r}"
    assert dialect.outcome("stream", "sk-one").text == f"{dialect.model} was asked {PROMPT!r}"
    simulator.answer = ""
    assert dialect.outcome("stream", "sk-one").text == ""


@pytest.mark.parametrize("name", [name for name in DIALECTS if name != "google-generativeai"])
def test_the_models_are_listed_for_a_good_key_and_cost_nothing(name):
    with Simulator(FakeClock()) as simulator:
        dialect = DIALECTS[name](simulator)
        simulator.add_key(dialect.provider, "sk-one", Fault.SPENT_DAY)
        simulator.add_key(dialect.provider, "sk-bad", Fault.BAD_KEY)
        simulator.set_models(dialect.provider, "model-x", "model-y")
        assert dialect.models("sk-one") == ["model-x", "model-y"]
        with pytest.raises(Exception, match=r"40[01]"):
            dialect.models("sk-bad")
        dialect.close()
        assert simulator.requests() == 0


@pytest.mark.parametrize("fault", [Fault.OVERLOADED, Fault.CUT, Fault.GARBAGE])
def test_a_provider_that_is_down_lists_no_models(fault):
    with Simulator(FakeClock()) as simulator:
        simulator.add_key("openai", KEY)
        simulator.fail("openai", fault)
        dialect = DIALECTS["openai"](simulator)
        with pytest.raises((openai.OpenAIError, json.JSONDecodeError)):
            dialect.models(KEY)
        simulator.heal("openai")
        assert dialect.models(KEY)
        dialect.close()


def test_openrouter_tells_what_is_left_of_a_key_without_asking_a_model():
    with Simulator(FakeClock()) as simulator:
        simulator.add_key("openrouter", "sk-one", per_day=50)
        dialect = DIALECTS["openrouter"](simulator)
        dialect.outcome("ask", "sk-one", model="maker/model:free")
        dialect.outcome("ask", "sk-one", model="maker/model")
        dialect.outcome("ask", "sk-one", model="maker/model")
        data = dialect.client("sk-one").get("/key", cast_to=object)["data"]
        dialect.close()
        assert data["free_model_daily_requests"] == {"used": 1, "limit": 50, "remaining": 49}
        assert (data["limit"], data["limit_remaining"], data["limit_reset"]) == (50, 48, "daily")
        assert simulator.requests("openrouter") == 3


def test_another_process_is_served_with_the_environment_alone():
    program = """
import json, os, urllib.request
request = urllib.request.Request(
    os.environ["OPENAI_BASE_URL"] + "/chat/completions",
    json.dumps({"model": "m", "messages": [{"role": "user", "content": "from afar"}]}).encode(),
    {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY_BACKUP_1"], "Content-Type": "application/json"},
)
print(urllib.request.urlopen(request).read().decode())
"""
    with Simulator() as simulator:
        simulator.add_key("openai", "sk-one")
        simulator.add_key("openai", "sk-two")
        run = subprocess.run(
            [sys.executable, "-c", program],
            env=simulator.environ(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(run.stdout)["choices"][0]["message"]["content"] == "echo: from afar"
        assert simulator.requests("openai", "sk-two") == 1


def test_the_environment_points_at_every_provider_and_names_the_keys():
    with Simulator() as simulator:
        simulator.add_key("google_genai", "g-1")
        simulator.add_key("google", "g-2")
        simulator.add_key("openrouter", "or-1", name="MY_ROUTER_KEY")
        environment = simulator.environ()
        root = environment["GOOGLE_BASE_URL"]
        assert root.startswith("http://127.0.0.1:")
        assert {
            "OPENAI_BASE_URL": f"{root}/v1",
            "ANTHROPIC_BASE_URL": root,
            "GOOGLE_BASE_URL": root,
            "GOOGLE_GEMINI_BASE_URL": root,
            "GEMINI_API_BASE": f"{root}/v1beta",
            "OPENROUTER_BASE_URL": f"{root}/api/v1",
            "GROQ_BASE_URL": f"{root}/v1",
            "GOOGLE_API_KEY": "g-1",
            "GOOGLE_API_KEY_BACKUP_1": "g-2",
            "MY_ROUTER_KEY": "or-1",
        }.items() <= environment.items()
        assert "GOOGLE_API_KEY" not in simulator.environ(keys=False)
        assert simulator.base_url("gemini") == root
        state = Path(environment["JOBAPP_CACHE_DIR"])
        assert state.is_dir()
    assert not state.exists()


def test_mistakes_are_told_at_once():
    simulator = Simulator()
    with pytest.raises(RuntimeError, match="started"):
        simulator.base_url("openai")
    with pytest.raises(ValueError, match="'aol', only openai"):
        simulator.add_key("aol", "sk-one")
    with pytest.raises(ValueError, match="from 1 up"):
        simulator.add_key("openai", "sk-one", limit=0)
    with pytest.raises(ValueError, match="not both"):
        simulator.add_key("openai", "sk-one", limit=1, quota=Quota())
    simulator.stop()
