"""What happens when: every scenario, in every way of calling, with every provider's real SDK."""

from __future__ import annotations

import dataclasses
import random

import pytest
import yaml

from jobapp import providers
from jobapp.core import events
from jobapp.core.exceptions import (
    AllAttemptsFailedError,
    InvalidRequestError,
    NoAPIKeysAvailableError,
)
from jobapp.core.llm_interface import LLMInterface
from jobapp.core.types import Kind
from jobapp.testing import Fault, Trouble
from tests.calling import PROVIDERS, WAYS

ONE, TWO, THREE = "sk-canary-one", "sk-canary-two", "sk-canary-three"


@pytest.fixture(params=PROVIDERS)
def provider(request, monkeypatch):
    chosen = PROVIDERS[request.param]
    if chosen.adapter:
        spec = dataclasses.replace(providers.PROVIDERS[chosen.name], adapters=(chosen.adapter,))
        monkeypatch.setitem(providers.PROVIDERS, chosen.name, spec)
    return chosen


@pytest.fixture(params=WAYS)
def ask(request):
    return WAYS[request.param]


@pytest.fixture
def world(llm_simulator, fake_clock, provider, ask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return World(llm_simulator, fake_clock, provider, ask, tmp_path)


class World:
    """A simulator with keys, and an interface that calls it in one way."""

    def __init__(self, simulator, clock, provider, ask, folder):
        self.simulator, self.clock, self.provider, self.ask = simulator, clock, provider, ask
        self.folder = folder
        self.events = []
        self.settings = {"retry": {"jitter": "none"}}

    def add(self, secret, fault=None, **behaviour):
        return self.simulator.add_key(self.provider.name, secret, fault, **behaviour)

    def fall_back_to_the_spare(self):
        self.settings["models"] = {"fallback": {"provider": self.provider.name, "model": self.provider.spare}}

    def interface(self):
        path = self.folder / "jobapp.yaml"
        path.write_text(yaml.safe_dump(self.settings))
        return LLMInterface(path, clock=self.clock, rng=random.Random(0), on_event=self.events.append)

    def call(self, prompt="Hello", **arguments):
        llm = self.interface()
        try:
            return self.ask(
                llm, prompt, provider=self.provider.name, **{"model": self.provider.model, **arguments}
            )
        finally:
            llm.close()

    def requests(self, *secrets):
        return [self.simulator.requests(self.provider.name, secret) for secret in secrets]

    def happened(self):
        return [type(event).__name__ for event in self.events]


def test_an_answer_costs_one_request_and_tells_who_gave_it(world):
    key = world.add(ONE)
    world.simulator.answer = "Good morning."
    done = world.call()
    assert done.text == "Good morning."
    assert (done.provider, done.model, done.key) == (world.provider.name, world.provider.model, key.name)
    assert done.usage.input_tokens > 0
    assert done.usage.output_tokens > 0
    assert [attempt.verdict for attempt in done.attempts] == [None]
    assert world.requests(ONE) == [1]
    assert world.happened() == ["AttemptStarted", "CallDone"]


def test_a_busy_minute_is_waited_out_on_the_same_key(world):
    world.add(ONE, Trouble(Fault.BUSY_MINUTE, wait=7.0)).heal()
    world.simulator.key(world.provider.name, ONE).fail(Trouble(Fault.BUSY_MINUTE, wait=7.0), times=1)
    world.add(TWO)
    done = world.call()
    assert world.requests(ONE, TWO) == [2, 0]
    assert done.attempts[0].verdict.kind is Kind.RATE_LIMIT
    assert sum(world.clock.sleeps) >= 7.0
    assert world.happened() == [
        "AttemptStarted",
        "AttemptFailed",
        "KeyBlocked",
        "Waiting",
        "AttemptStarted",
        "CallDone",
    ]


def test_a_spent_day_rotates_at_once_and_costs_one_request_in_the_keys_lifetime(world):
    world.add(ONE, Fault.SPENT_DAY)
    world.add(TWO)
    done = world.call()
    assert done.attempts[0].verdict.kind is Kind.QUOTA
    assert world.clock.sleeps == []
    assert world.happened() == [
        "AttemptStarted",
        "AttemptFailed",
        "KeyBlocked",
        "KeyRotated",
        "AttemptStarted",
        "CallDone",
    ]
    for _ in range(3):
        world.call()
    assert world.requests(ONE, TWO) == [1, 4]


def test_a_bad_key_is_set_aside(world):
    world.add(ONE, Fault.BAD_KEY)
    world.add(TWO)
    done = world.call()
    world.call()
    assert done.attempts[0].verdict.kind is Kind.AUTH
    assert world.requests(ONE, TWO) == [1, 2]


def test_a_bad_key_is_tried_again_after_an_hour(world):
    key = world.add(ONE, Fault.BAD_KEY)
    world.add(TWO)
    world.call()
    key.heal()
    world.clock.advance(3601)
    assert world.call().key == key.name
    assert world.requests(ONE, TWO) == [2, 1]


def test_an_overloaded_server_is_retried_and_marks_no_key(world):
    world.add(ONE)
    world.add(TWO)
    world.simulator.fail(world.provider.name, Fault.OVERLOADED, times=2)
    done = world.call()
    assert [a.verdict and a.verdict.kind for a in done.attempts] == [Kind.UNAVAILABLE] * 2 + [None]
    assert world.requests(ONE, TWO) == [3, 0]
    assert "KeyBlocked" not in world.happened()


def test_a_faulty_request_burns_no_key(world):
    world.add(ONE, Fault.BAD_REQUEST)
    world.add(TWO)
    with pytest.raises(InvalidRequestError) as caught:
        world.call()
    assert world.requests(ONE, TWO) == [1, 0]
    assert caught.value.__cause__ is not None
    assert "KeyBlocked" not in world.happened()


def test_a_cut_connection_is_retried_and_marks_no_key(world):
    key = world.add(ONE)
    key.fail(Fault.CUT, times=2)
    done = world.call()
    assert done.attempts[0].verdict.kind is Kind.UNAVAILABLE
    assert world.requests(ONE) == [3]
    assert "KeyBlocked" not in world.happened()


def test_an_error_inside_an_answer_is_read_as_what_it_says(world):
    key = world.add(ONE)
    key.fail(Trouble(Fault.ERROR_IN_200, says=Fault.OVERLOADED), times=1)
    world.add(TWO)
    done = world.call()
    assert done.attempts[0].verdict.kind is Kind.UNAVAILABLE
    assert world.requests(ONE, TWO) == [2, 0]


def test_garbage_in_place_of_an_answer_is_retried(world):
    key = world.add(ONE)
    key.fail(Fault.GARBAGE, times=1)
    world.call()
    assert world.requests(ONE) == [2]


def test_all_spent_says_so_and_when_the_first_returns_and_asks_nobody_again(world):
    first = world.add(ONE, Fault.SPENT_DAY)
    world.add(TWO, Fault.NO_CREDIT)
    with pytest.raises(NoAPIKeysAvailableError, match="No API keys available") as caught:
        world.call()
    assert caught.value.available_at > world.clock.now()
    assert first.name in str(caught.value)
    assert len(caught.value.attempts) == 2
    with pytest.raises(NoAPIKeysAvailableError):
        world.call()
    assert world.requests(ONE, TWO) == [1, 1]


def test_the_fallback_model_answers_when_every_key_of_the_first_is_spent(world):
    world.add(ONE, Trouble(Fault.NO_ACCESS, model=world.provider.model))
    world.fall_back_to_the_spare()
    done = world.call()
    assert done.model == world.provider.spare
    assert [attempt.model for attempt in done.attempts] == [world.provider.model, world.provider.spare]
    assert "FellBack" in world.happened()


def test_without_fallback_the_fallback_model_is_not_asked(world):
    world.add(ONE, Fault.OVERLOADED)
    world.fall_back_to_the_spare()
    with pytest.raises(AllAttemptsFailedError) as caught:
        world.call(fallback=False, max_retries=0)
    assert len(caught.value.attempts) == 1


def test_a_reset_frees_the_keys_in_every_process(world):
    world.add(ONE, Fault.SPENT_DAY).heal()
    world.simulator.key(world.provider.name, ONE).fail(Fault.SPENT_DAY, times=1)
    with pytest.raises(NoAPIKeysAvailableError):
        world.call()
    cleared = world.interface().reset()
    assert [block.kind for block in cleared] == [Kind.QUOTA]
    world.call()
    assert world.requests(ONE) == [2]


def test_a_keys_text_appears_nowhere(world, caplog):
    caplog.set_level("DEBUG", logger="jobapp")
    world.add(ONE, Fault.SUSPENDED)
    world.add(TWO, Fault.BAD_KEY)
    world.add(THREE, Fault.SPENT_DAY)
    with pytest.raises(NoAPIKeysAvailableError) as caught:
        world.call()
    texts = [caplog.text, str(caught.value), repr(caught.value), repr(caught.value.attempts)]
    texts += [repr(event) for event in world.events]
    texts += [repr(world.interface().key_status())]
    texts += [
        path.read_text() for path in world.folder.rglob("*") if path.is_file() and path.suffix != ".yaml"
    ]
    assert not any("canary" in text for text in texts)


def test_events_know_the_key_by_name_only(world):
    key = world.add(ONE)
    world.call()
    started = next(event for event in world.events if isinstance(event, events.AttemptStarted))
    assert started.key == key.name
