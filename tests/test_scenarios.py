"""What happens when: every scenario, in every way of calling, with every provider's real SDK.

A scenario is played in each way in a world of its own. What a way leaves, its outcomes, the requests that
each key received, its events, its waits and what is known of the keys, must be what the plain call left.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest

from jobapp.domain.events import AttemptFailed, AttemptStarted, KeyBlocked, Waiting
from jobapp.domain.exceptions import (
    AllAttemptsFailedError,
    AuthenticationError,
    DeadlineExceededError,
    InvalidRequestError,
    NoAPIKeysAvailableError,
    ProviderUnavailableError,
    QuotaExhaustedError,
    RateLimitError,
)
from jobapp.domain.types import Kind
from jobapp.testing import Fault, Trouble
from tests.calling import ONE, PROVIDERS, THREE, TWO, WAYS, Record, World, world_of

Play = Callable[[World], None]

ONE_ANSWER = ["AttemptStarted", "CallDone"]
REFUSED_AND_BLOCKED = ["AttemptStarted", "AttemptFailed", "KeyBlocked"]
ANOTHER_KEY_ANSWERS = [*REFUSED_AND_BLOCKED, "KeyRotated", "AttemptStarted", "CallDone"]

REFUSALS = {
    Fault.BUSY_MINUTE: RateLimitError,
    Fault.SPENT_DAY: QuotaExhaustedError,
    Fault.BAD_KEY: AuthenticationError,
    Fault.OVERLOADED: ProviderUnavailableError,
}

_first_records: dict[tuple[str, str], Record] = {}


def in_every_way(play: Play) -> Callable[..., None]:
    """Make a test of *play* for each provider and way; each way must leave what the first one left."""

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("provider", PROVIDERS)
    @functools.wraps(play)
    def test(provider, way, tmp_path_factory, monkeypatch) -> None:
        def record(way: str) -> Record:
            with world_of(provider, way, tmp_path_factory.mktemp(way), monkeypatch) as world:
                play(world)
                return world.record()

        scenario = (play.__name__, provider)
        mine = record(way)
        if scenario not in _first_records:
            _first_records[scenario] = mine if way == "send" else record("send")
        assert mine == _first_records[scenario]

    del test.__wrapped__  # its arguments are what pytest gives
    played: Callable[..., None] = test
    return played


def kinds(attempts):
    return [attempt.verdict and attempt.verdict.kind for attempt in attempts]


@in_every_way
def test_an_answer_costs_one_request_and_tells_who_gave_it(world):
    key = world.add(ONE)
    world.simulator.answer = "Good morning."
    done = world.call()
    assert done.text == "Good morning."
    assert (done.provider, done.model, done.key) == (world.provider.name, world.provider.model, key.name)
    assert done.usage.input_tokens > 0
    assert done.usage.output_tokens > 0
    assert kinds(done.attempts) == [None]
    assert world.requests(ONE) == [1]
    assert world.happened() == ONE_ANSWER
    assert world.events[-1].usage == done.usage


@in_every_way
def test_a_busy_minute_is_waited_out_on_the_same_key(world):
    world.add(ONE).fail(Trouble(Fault.BUSY_MINUTE, wait=7.0), times=1)
    world.add(TWO)
    done = world.call()
    assert kinds(done.attempts) == [Kind.RATE_LIMIT, None]
    assert world.requests(ONE, TWO) == [2, 0]
    assert sum(world.clock.sleeps) >= 7.0
    assert world.happened() == [*REFUSED_AND_BLOCKED, "Waiting", "AttemptStarted", "CallDone"]


@in_every_way
def test_a_busy_minute_that_does_not_end_sends_the_call_to_the_next_key(world):
    world.add(ONE, Trouble(Fault.BUSY_MINUTE, wait=2.0))
    world.add(TWO)
    done = world.call(max_retries=2)
    assert kinds(done.attempts) == [Kind.RATE_LIMIT] * 3 + [None]
    assert world.requests(ONE, TWO) == [3, 1]


@in_every_way
def test_a_minute_that_is_busy_for_too_long_is_not_waited_for(world):
    world.add(ONE, Trouble(Fault.BUSY_MINUTE, wait=91.0))
    world.add(TWO)
    world.call()
    assert world.clock.sleeps == []
    assert world.happened() == ANOTHER_KEY_ANSWERS


@in_every_way
def test_a_spent_day_rotates_at_once_and_costs_one_request_in_the_keys_lifetime(world):
    world.add(ONE, Fault.SPENT_DAY)
    world.add(TWO)
    done = world.call()
    assert kinds(done.attempts) == [Kind.QUOTA, None]
    assert world.clock.sleeps == []
    assert world.happened() == ANOTHER_KEY_ANSWERS
    world.call()
    world.call()
    assert world.requests(ONE, TWO) == [1, 3]


@in_every_way
def test_a_bad_key_is_set_aside(world):
    world.add(ONE, Fault.BAD_KEY)
    world.add(TWO)
    done = world.call()
    world.call()
    assert kinds(done.attempts) == [Kind.AUTH, None]
    assert world.requests(ONE, TWO) == [1, 2]
    assert world.happened() == [*ANOTHER_KEY_ANSWERS, *ONE_ANSWER]


@in_every_way
def test_a_bad_key_is_tried_again_after_an_hour(world):
    key = world.add(ONE, Fault.BAD_KEY)
    world.add(TWO)
    world.call()
    key.heal()
    world.clock.advance(3601)
    assert world.call().key == key.name
    assert world.requests(ONE, TWO) == [2, 1]


@in_every_way
def test_an_overloaded_server_is_retried_and_marks_no_key(world):
    world.add(ONE)
    world.add(TWO)
    world.simulator.fail(world.provider.name, Fault.OVERLOADED, times=2)
    done = world.call()
    assert kinds(done.attempts) == [Kind.UNAVAILABLE] * 2 + [None]
    assert world.requests(ONE, TWO) == [3, 0]
    assert world.happened() == [*["AttemptStarted", "AttemptFailed", "Waiting"] * 2, *ONE_ANSWER]


@in_every_way
def test_a_server_that_stays_overloaded_is_given_up_after_the_retries(world):
    world.add(ONE)
    world.add(TWO)
    world.simulator.fail(world.provider.name, Fault.OVERLOADED)
    with pytest.raises(AllAttemptsFailedError, match=r"All attempts failed \(3\)") as caught:
        world.call(max_retries=2)
    assert kinds(caught.value.attempts) == [Kind.UNAVAILABLE] * 3
    assert isinstance(caught.value.__cause__, ProviderUnavailableError)
    assert world.requests(ONE, TWO) == [3, 0]


@in_every_way
def test_a_faulty_request_burns_no_key(world):
    world.add(ONE, Fault.BAD_REQUEST)
    world.add(TWO)
    with pytest.raises(InvalidRequestError) as caught:
        world.call()
    assert caught.value.__cause__ is not None
    assert world.requests(ONE, TWO) == [1, 0]
    assert world.happened() == ["AttemptStarted", "AttemptFailed", "CallDone"]


@in_every_way
def test_a_cut_connection_is_retried_and_marks_no_key(world):
    world.add(ONE).fail(Fault.CUT, times=2)
    world.add(TWO)
    done = world.call()
    assert kinds(done.attempts) == [Kind.UNAVAILABLE] * 2 + [None]
    assert world.requests(ONE, TWO) == [3, 0]
    assert "KeyBlocked" not in world.happened()


@in_every_way
def test_an_answer_that_is_cut_before_its_first_piece_is_retried(world):
    world.add(ONE).fail(Fault.CUT_SHORT, times=1)
    world.add(TWO)
    done = world.call()
    assert kinds(done.attempts) == [Kind.UNAVAILABLE, None]
    assert world.requests(ONE, TWO) == [2, 0]


@in_every_way
def test_an_overload_told_inside_an_answer_is_retried(world):
    world.statuses = False
    world.add(ONE).fail(Trouble(Fault.ERROR_IN_200, says=Fault.OVERLOADED), times=1)
    world.add(TWO)
    done = world.call()
    assert kinds(done.attempts) == [Kind.UNAVAILABLE, None]
    assert world.requests(ONE, TWO) == [2, 0]


@in_every_way
def test_a_spent_day_told_inside_an_answer_sets_the_key_aside(world):
    world.statuses = False
    world.add(ONE).fail(Trouble(Fault.ERROR_IN_200, says=Fault.SPENT_DAY))
    world.add(TWO)
    done = world.call()
    world.call()
    assert kinds(done.attempts) == [Kind.QUOTA, None]
    assert world.requests(ONE, TWO) == [1, 2]
    assert world.happened() == [*ANOTHER_KEY_ANSWERS, *ONE_ANSWER]


@in_every_way
def test_garbage_in_place_of_an_answer_is_retried(world):
    world.add(ONE).fail(Fault.GARBAGE, times=1)
    assert kinds(world.call().attempts) == [Kind.UNAVAILABLE, None]
    assert world.requests(ONE) == [2]


@in_every_way
def test_all_spent_says_so_and_when_the_first_returns_and_asks_nobody_again(world):
    first = world.add(ONE, Fault.SPENT_DAY)
    world.add(TWO, Fault.NO_CREDIT)
    with pytest.raises(NoAPIKeysAvailableError, match="No API keys available") as caught:
        world.call()
    assert caught.value.available_at > world.clock.now()
    assert first.name in str(caught.value)
    assert kinds(caught.value.attempts) == [Kind.QUOTA, Kind.QUOTA]
    assert isinstance(caught.value.__cause__, QuotaExhaustedError)
    with pytest.raises(NoAPIKeysAvailableError) as caught:
        world.call()
    assert caught.value.attempts == ()
    assert world.requests(ONE, TWO) == [1, 1]
    rotated = [*REFUSED_AND_BLOCKED, "KeyRotated", *REFUSED_AND_BLOCKED, "CallDone"]
    assert world.happened() == [*rotated, "CallDone"]


@in_every_way
def test_the_fallback_model_answers_when_every_key_of_the_first_is_spent(world):
    world.add(ONE, Trouble(Fault.NO_ACCESS, model=world.provider.model))
    world.add(TWO, Trouble(Fault.NO_ACCESS, model=world.provider.model))
    world.fall_back_to_the_spare()
    done = world.call()
    first, spare = world.provider.model, world.provider.spare
    assert done.model == spare
    assert [attempt.model for attempt in done.attempts] == [first, first, spare]
    assert world.happened() == [
        *REFUSED_AND_BLOCKED,
        "KeyRotated",
        *REFUSED_AND_BLOCKED,
        "FellBack",
        "AttemptStarted",
        "CallDone",
    ]
    world.call()
    assert world.requests(ONE, TWO) == [3, 1]


@in_every_way
def test_a_fallback_may_answer_what_the_first_model_refused(world):
    world.add(ONE, Trouble(Fault.BAD_REQUEST, model=world.provider.model))
    world.fall_back_to_the_spare()
    done = world.call()
    assert done.model == world.provider.spare
    assert kinds(done.attempts) == [Kind.REQUEST, None]


@in_every_way
def test_without_fallback_the_fallback_model_is_not_asked(world):
    world.add(ONE, Fault.OVERLOADED)
    world.fall_back_to_the_spare()
    with pytest.raises(AllAttemptsFailedError) as caught:
        world.call(fallback=False, max_retries=0)
    assert [attempt.model for attempt in caught.value.attempts] == [world.provider.model]


@in_every_way
def test_without_retry_one_attempt_tells_what_the_provider_said(world):
    key = world.add(ONE)
    world.add(TWO)
    for fault, error in REFUSALS.items():
        key.fail(fault, times=1)
        with pytest.raises(error) as caught:
            world.call(retry=False)
        assert caught.value.key == key.name
        assert caught.value.__cause__ is not None
        with world.interface() as llm:
            llm.reset()
    assert world.requests(ONE, TWO) == [4, 0]
    assert world.clock.sleeps == []


@in_every_way
def test_waiting_goes_on_when_the_first_key_is_free_and_tells_it_once(world):
    world.add(ONE).fail(Trouble(Fault.BUSY_MINUTE, wait=400.0), times=1)
    world.add(TWO).fail(Trouble(Fault.BUSY_MINUTE, wait=300.0), times=1)
    done = world.call(on_exhausted="wait")
    assert kinds(done.attempts) == [Kind.RATE_LIMIT, Kind.RATE_LIMIT, None]
    assert done.attempts[-1].waited == pytest.approx(sum(world.clock.sleeps), abs=1e-5) == 300.0
    assert [event.seconds for event in world.events if isinstance(event, Waiting)] == [300.0]
    assert world.requests(ONE, TWO) == [1, 2]


@in_every_way
def test_a_wait_that_would_pass_the_deadline_is_not_begun(world):
    world.add(ONE, Trouble(Fault.BUSY_MINUTE, wait=7.0))
    with pytest.raises(DeadlineExceededError) as caught:
        world.call(deadline=5.0)
    assert world.clock.sleeps == []
    assert kinds(caught.value.attempts) == [Kind.RATE_LIMIT]


@in_every_way
def test_a_reset_frees_the_keys_in_every_process(world):
    world.add(ONE).fail(Fault.SPENT_DAY, times=1)
    with pytest.raises(NoAPIKeysAvailableError):
        world.call()
    with world.interface() as llm:
        cleared = llm.reset()
    assert [block.kind for block in cleared] == [Kind.QUOTA]
    world.call()
    assert world.requests(ONE) == [2]


@in_every_way
def test_every_event_tells_its_call_and_the_key_by_name(world):
    first = world.add(ONE, Trouble(Fault.BUSY_MINUTE, wait=2.0))
    second = world.add(TWO)
    world.call(max_retries=1)
    assert len({event.call for event in world.events}) == 1
    keys = [event.key for event in world.events if isinstance(event, AttemptStarted)]
    assert keys == [first.name, first.name, second.name]
    assert {event.key for event in world.events if isinstance(event, Waiting)} == {first.name}
    assert {e.block.key_name for e in world.events if isinstance(e, KeyBlocked)} == {first.name}
    assert [e.number for e in world.events if isinstance(e, AttemptFailed)] == [1, 2]


@in_every_way
def test_a_keys_text_appears_nowhere(world):
    world.add(ONE, Fault.SUSPENDED)
    world.add(TWO, Fault.BAD_KEY)
    world.add(THREE, Fault.SPENT_DAY)
    with pytest.raises(NoAPIKeysAvailableError) as caught:
        world.call()
    texts = [str(caught.value), repr(caught.value), repr(caught.value.attempts), repr(world.record())]
    texts += [str(caught.value.__cause__), repr(caught.value.__cause__)]
    texts += [path.read_text() for path in world.folder.rglob("*.json")]
    assert not any("canary" in text for text in texts)
