"""What objects say of themselves, and nothing of a key."""

from __future__ import annotations

import pytest

import jobapp.testing
from jobapp import LLMInterface
from jobapp.testing import Simulator

SECRET = "sk-never-shown-0001"


@pytest.fixture
def llm(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBAPP_CACHE_DIR", str(tmp_path))
    (tmp_path / "config.yaml").write_text("models: {default: {provider: openai, model: gpt-4o-mini}}")
    with Simulator(export=monkeypatch.setenv) as simulator:
        simulator.add_key("openai", SECRET)
        with LLMInterface() as llm:
            yield llm


def test_an_interface_tells_its_default_and_its_files(llm):
    assert repr(llm) == "<LLMInterface: openai gpt-4o-mini; config.yaml>"


def test_a_stream_tells_how_far_it_is(llm):
    stream = llm.stream_prompt("Hello")
    assert repr(stream) == "<TextStream: nothing asked for yet>"
    next(stream)
    assert repr(stream) == "<TextStream: 1 pieces so far>"
    list(stream)
    assert repr(stream) == "<TextStream: ended (stop)>"


def test_an_asynchronous_stream_tells_it_too(llm):
    assert repr(llm.astream_prompt("Hello")) == "<AsyncTextStream: nothing asked for yet>"


def test_a_simulator_tells_where_it_is_and_no_key():
    with Simulator() as simulator:
        simulator.add_key("openai", SECRET)
        assert repr(simulator).endswith(": 1 keys>")
        assert SECRET not in repr(simulator)
    assert "not started" in repr(Simulator())


def test_the_names_of_the_testing_package_are_shown():
    assert {"Simulator", "FakeClock", "Fault", "Response"} <= set(dir(jobapp.testing))
