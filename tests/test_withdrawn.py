"""A withdrawn model is remembered, so that the next call asks its fallback at once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from jobapp.classification.classify import classify
from jobapp.domain.exceptions import InvalidRequestError
from jobapp.domain.quota_reset import WITHDRAWN_MODEL
from jobapp.domain.types import ErrorFacts, Kind, Verdict
from jobapp.pool.withdrawn import FIRST, PROBE, WithdrawnModels
from jobapp.testing import Fault, Trouble
from tests.calling import ONE, TWO, WAYS, world_of
from tests.command_support import MODELS, cli

__all__ = ["cli"]

NOW = datetime(2026, 3, 1, tzinfo=UTC)
GONE = Verdict(Kind.REQUEST, rule="unknown-model", message="The model `m` does not exist")


def learnt(models, blocks=None, now=NOW, verdict=GONE, model="m"):
    blocks = {} if blocks is None else blocks
    return {**blocks, **{block.id: block for block in models.learn(model, verdict, blocks, now)}}


@pytest.mark.parametrize(
    ("model", "words", "is_remembered"),
    [
        ("m", "model: M", True),
        ("meta/llama-4", "No endpoints found for llama-4.", True),
        ("gpt", "The API deployment for this resource does not exist.", True),
        ("gpt", "File not found: file-1", False),
        ("gpt", "Not Found", False),
        ("", "model: ", False),
    ],
)
def test_only_words_about_the_model_are_remembered(model, words, is_remembered):
    verdict = Verdict(Kind.REQUEST, rule="unknown-model", message=words)
    assert bool(learnt(WithdrawnModels("p"), verdict=verdict, model=model)) is is_remembered


def test_another_rejection_of_the_request_says_nothing_of_the_model():
    verdict = Verdict(Kind.REQUEST, rule="too-long", message="m allows 10 tokens")
    assert not learnt(WithdrawnModels("p"), verdict=verdict)


def test_when_the_time_is_over_one_call_asks_again_and_the_others_do_not():
    models = WithdrawnModels("p")
    blocks = learnt(models)
    assert models.leaves_to_others("m", blocks, NOW)
    later = NOW + FIRST
    assert [models.leaves_to_others("m", blocks, later) for _ in range(3)] == [False, True, True]
    assert not models.leaves_to_others("m", blocks, later + PROBE)


def test_it_is_believed_for_twice_as_long_each_time_it_is_confirmed():
    models, now, lengths = WithdrawnModels("p"), NOW, []
    blocks = learnt(models)
    for _ in range(12):
        (block,) = blocks.values()
        lengths.append(block.until - now)
        now = block.until
        blocks = learnt(models, blocks, now)
    assert lengths[:3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert lengths[-1] == WITHDRAWN_MODEL


def test_a_second_rejection_while_it_is_known_says_nothing_new():
    models = WithdrawnModels("p")
    blocks = learnt(models)
    assert models.learn("m", GONE, blocks, NOW + timedelta(seconds=5)) == ()


def test_a_model_that_answers_is_there():
    models = WithdrawnModels("p")
    blocks = learnt(models)
    models.answered("m", blocks, NOW + timedelta(seconds=1))
    assert not models.leaves_to_others("m", blocks, NOW + timedelta(seconds=2))
    assert models.in_force(blocks, NOW + timedelta(seconds=2)) == []


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "openrouter"])
@pytest.mark.parametrize("way", ["send", "astream"])
def test_the_next_call_asks_the_fallback_at_once(provider, way, tmp_path, monkeypatch):
    with world_of(provider, way, tmp_path, monkeypatch) as world:
        world.add(ONE)
        world.fall_back_to_the_spare()
        world.simulator.set_models(provider, world.provider.spare)
        assert [len(world.call().attempts) for _ in range(3)] == [2, 1, 1]
        assert world.happened().count("FellBack") == 3
        assert world.requests(ONE) == [4]


def test_a_model_that_comes_back_is_asked_again_when_the_time_is_over(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.add(ONE)
        world.add(TWO)
        world.fall_back_to_the_spare()
        world.simulator.set_models("openai", world.provider.spare)
        world.call()
        world.simulator.set_models("openai", world.provider.spare, world.provider.model)
        assert world.call().model == world.provider.spare
        world.clock.advance(FIRST.total_seconds())
        assert [world.call().model for _ in range(2)] == [world.provider.model] * 2


def test_where_the_fallback_cannot_serve_the_withdrawn_model_is_asked_at_last(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.add(ONE)
        world.fall_back_to_the_spare()
        world.simulator.set_models("openai", world.provider.spare)
        world.call()
        world.simulator.set_models("openai", world.provider.model)
        assert world.call().model == world.provider.model


def test_without_a_fallback_the_provider_is_asked_and_its_words_are_told(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.add(ONE)
        world.simulator.set_models("openai", world.provider.spare)
        for _ in range(2):
            with pytest.raises(InvalidRequestError, match="does not exist"):
                world.call()
        assert world.requests(ONE) == [2]


NO_MODEL = Trouble(Fault.UNKNOWN_MODEL)  # OpenAI's words: "does not exist or you do not have access to it"


@pytest.mark.parametrize("way", WAYS)
def test_a_key_that_may_not_use_a_model_does_not_withdraw_it_for_the_others(way, tmp_path, monkeypatch):
    with world_of("openai", way, tmp_path, monkeypatch) as world:
        world.add(ONE, NO_MODEL, name="ONE")
        world.add(TWO, name="TWO")
        world.settings["providers"] = {"openai": {"keys": ["ONE", "TWO"]}}
        world.fall_back_to_the_spare()
        done = [world.call() for _ in range(3)]
        for thread in threading.enumerate():
            if thread.name == "jobapp-late-block":
                thread.join()
        with world.interface() as llm:
            lines = {(line.key, line.model, line.state) for line in llm.key_status()}
    assert [each.key for each in done] == ["TWO"] * 3
    assert [each.model for each in done] == [world.provider.model] * 3
    assert world.requests(ONE, TWO) == [1, 3]
    assert lines == {("ONE", world.provider.model, "auth"), ("TWO", None, "free")}


@pytest.mark.parametrize("way", WAYS)
def test_where_every_key_says_so_the_model_is_withdrawn(way, tmp_path, monkeypatch):
    with world_of("openai", way, tmp_path, monkeypatch) as world:
        world.add(ONE, NO_MODEL)
        world.add(TWO, NO_MODEL)
        for _ in range(2):
            with pytest.raises(InvalidRequestError, match="does not exist or you do not have access"):
                world.call()
    assert sum(world.requests(ONE, TWO)) == 3, "what is known is asked of one key"


def test_when_the_time_is_over_each_key_is_asked_again(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.add(ONE, NO_MODEL)
        world.add(TWO).script([NO_MODEL])
        with world.interface() as llm:
            ask = {"provider": "openai", "model": world.provider.model}
            with pytest.raises(InvalidRequestError):
                WAYS["send"](llm, "Hello", **ask)
            world.clock.advance(FIRST.total_seconds())
            assert WAYS["send"](llm, "Hello", **ask).text
    assert world.requests(ONE, TWO) == [2, 2]


def test_keys_of_one_account_are_not_asked_one_after_the_other(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.add(ONE, NO_MODEL, name="ONE")
        world.add(TWO, NO_MODEL, name="TWO")
        world.settings["providers"] = {"openai": {"keys": ["ONE", "TWO"], "groups": {"team": ["ONE", "TWO"]}}}
        with pytest.raises(InvalidRequestError):
            world.call()
        with world.interface() as llm:
            assert [line.model for line in llm.withdrawn_models()] == [world.provider.model]
    assert sum(world.requests(ONE, TWO)) == 1


def test_a_client_of_an_sdk_is_served_by_the_key_that_may(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.add(ONE, NO_MODEL)
        world.add(TWO)
        with world.interface() as llm, llm.client("openai") as client:
            for _ in range(3):
                client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}])
        assert world.requests(ONE, TWO) == [1, 3]


def test_status_and_check_tell_of_a_withdrawn_model_and_reset_forgets_it(cli, llm_simulator):
    llm_simulator.add_key("openai", "sk-canary-one", Trouble(Fault.UNKNOWN_MODEL))
    assert cli.ask() == 1
    for command in ("status", "check"):
        cli(command)
        told = " ".join(cli.out.split())
        assert "every key model withdrawn" in told
        assert f"{MODELS['openai']}: there is no such model, or this key may not use it" in told
    cli("status", "--json")
    (line,) = [line for line in cli.json["keys"] if line["state"] == "request"]
    assert (line["model"], line["seconds_left"]) == (MODELS["openai"], 600.0)
    cli("check", "--json")
    assert [line["model"] for line in cli.json["withdrawn_models"]] == [MODELS["openai"]]
    cli("reset")
    cli("status")
    assert "withdrawn" not in cli.out


def test_a_decommissioned_model_is_a_withdrawn_one():
    body = {"error": {"code": "model_decommissioned", "message": "The model `m` has been decommissioned."}}
    verdict = classify(ErrorFacts("groq", 400, {}, body), NOW)
    assert [block.model for block in WithdrawnModels("groq").learn("m", verdict, {}, NOW)] == ["m"]
