"""Which key is free, and which is free next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.domain.settings import Strategy
from jobapp.domain.types import FREE_MODELS, ApiKey, Block, Kind, Verdict
from jobapp.limits.reported import RequestHeadroom
from jobapp.pool.key_pool import KeyPool
from jobapp.pool.model_keys import MOST_UNPROVEN, PROBE_POLL
from jobapp.pool.reservation import Reservation

START = datetime(2026, 3, 1, tzinfo=UTC)
NOW = START.timestamp()
KEYS = [ApiKey(name, f"secret-{name}") for name in "ABCDE"]
BY_NAME = {key.name: key for key in KEYS}


def block(name, seconds, model=None, kind=Kind.QUOTA, provider="p", streak=1):
    until = START + timedelta(seconds=seconds)
    return Block(provider, BY_NAME[name].fingerprint, model, kind, until, START, streak=streak)


def pool_of(names, strategy=Strategy.STICKY):
    return KeyPool("p", [BY_NAME[name] for name in names], strategy)


def took(found):
    assert isinstance(found, Reservation)
    return found.key.name


def test_sticky_takes_the_first_key_each_time():
    pool = pool_of("ABC")
    assert [took(pool.take("m", NOW)) for _ in range(3)] == ["A", "A", "A"]


def test_spread_takes_the_least_recently_used_key():
    pool = pool_of("ABC", Strategy.SPREAD)
    assert [took(pool.take("m", NOW)) for _ in range(4)] == ["A", "B", "C", "A"]


def test_a_blocked_key_is_passed_over_until_it_is_free():
    pool = pool_of("AB")
    pool.block(block("A", 10))
    assert took(pool.take("m", NOW)) == "B"
    assert took(pool.take("m", NOW + 10)) == "A"


def test_a_block_of_one_model_leaves_the_others_free():
    pool = pool_of("AB")
    pool.block(block("A", 10, model="m"))
    assert took(pool.take("m", NOW)) == "B"
    assert took(pool.take("n", NOW)) == "A"


def test_the_pool_of_free_models_is_blocked_as_one():
    pool = pool_of("A")
    pool.block(block("A", 10, model=FREE_MODELS))
    assert pool.take("x/y:free", NOW) == 10
    assert pool.take("z:free", NOW) == 10
    assert took(pool.take("x/y", NOW)) == "A"


def test_a_wait_within_patience_is_given_with_the_key():
    pool = pool_of("AB")
    pool.block(block("A", 10))
    pool.block(block("B", 5))
    found = pool.take("m", NOW, max_wait=6)
    assert isinstance(found, Reservation)
    assert (found.key.name, found.wait) == ("B", 5)
    assert pool.take("m", NOW, max_wait=4) == 5


def test_staying_with_a_key_is_worth_a_wait_even_if_another_is_free():
    pool = pool_of("AB")
    pool.block(block("A", 10))
    found = pool.take("m", NOW, stay=BY_NAME["A"].fingerprint, max_wait=60)
    assert isinstance(found, Reservation)
    assert (found.key.name, found.wait) == ("A", 10)
    assert took(pool.take("m", NOW, stay=BY_NAME["A"].fingerprint, max_wait=9)) == "B"


def test_a_key_that_was_given_up_is_not_taken_but_counts_for_when_one_is_free():
    pool = pool_of("AB")
    pool.block(block("B", 10))
    assert pool.take("m", NOW, skip=[BY_NAME["A"].fingerprint]) == 0.0
    pool.block(block("A", 7))
    assert pool.take("m", NOW, skip=[BY_NAME["A"].fingerprint]) == 7


def test_no_key_is_free_ever_where_there_is_none():
    assert pool_of("").take("m", NOW) is None


def test_one_call_tries_a_spent_key_again_before_the_others_do():
    pool = pool_of("A")
    pool.block(block("A", 10))
    then = NOW + 10
    taken = pool.take("m", then)
    assert took(taken) == "A"
    assert pool.take("m", then) == pytest.approx(PROBE_POLL)
    pool.finish(taken, then)
    assert [took(pool.take("m", then)) for _ in range(3)] == ["A"] * 3


def test_a_busy_minute_needs_no_trial():
    pool = pool_of("A")
    pool.block(block("A", 10, kind=Kind.RATE_LIMIT))
    assert [took(pool.take("m", NOW + 10)) for _ in range(3)] == ["A"] * 3


def test_a_key_that_answers_its_trial_is_free_at_once_whatever_is_left_of_its_backoff():
    pool = pool_of("A")
    half_open = pool.take("m", NOW - 1)
    pool.block(block("A", 60, kind=Kind.RATE_LIMIT), half_open=True)
    pool.finish(half_open, NOW + 1)
    assert pool.take("m", NOW + 1) == pytest.approx(59)
    pool.finish(sent_since(pool, NOW + 2), NOW + 3)
    assert [took(pool.take("m", NOW + 3)) for _ in range(3)] == ["A"] * 3


def sent_since(pool, now):
    """Return a ticket for a request that was sent at *now*, although the key was still set aside."""
    (keys_of_model,) = pool._models.values()
    state = keys_of_model.state(0)
    reservation = Reservation(pool.keys[0], state, "m", now, now, reserved=True)
    state.book(now)
    reservation.number, reservation.sent_at = state.begin(now), now
    return reservation


def test_those_who_wait_for_a_key_of_unknown_limits_are_let_through_one_at_a_time():
    pool = pool_of("A")
    pool.block(block("A", 10, kind=Kind.RATE_LIMIT), half_open=True)
    waiting = [pool.take("m", NOW, max_wait=60) for _ in range(5)]
    assert [reservation.wait for reservation in waiting] == [10.0] * 5
    back = [pool.take("m", NOW + 10, max_wait=60, reservation=reservation) for reservation in waiting]
    assert [reservation.wait for reservation in back] == [0.0, *[pytest.approx(PROBE_POLL)] * 4]


def test_a_key_that_is_free_within_the_width_of_a_float_is_taken_and_counted_once():
    pool = pool_of("A")
    pool.block(block("A", 10, kind=Kind.RATE_LIMIT), half_open=True)
    reservation = pool.take("m", NOW + 10 - 4e-7, max_wait=60)
    assert reservation.wait == 0
    assert (reservation.state.asked, reservation.state.reserved) == (1, 0)


def test_those_who_wait_for_room_that_is_known_to_come_are_counted_and_let_through_together():
    pool = pool_of("A")
    pool.finish(pool.take("m", NOW), NOW, said=RequestHeadroom(2, 0, 60.0))
    waiting = [pool.take("m", NOW, max_wait=200) for _ in range(4)]
    assert [reservation.wait for reservation in waiting] == [60.0, 60.0, 120.0, 120.0]
    back = [pool.take("m", NOW + 60, max_wait=200, reservation=reservation) for reservation in waiting]
    assert [reservation.wait for reservation in back] == [0.0, 0.0, 60.0, 60.0]


def test_a_booking_is_looked_for_anew_where_the_window_holds_less_than_was_foreseen():
    pool = pool_of("A")
    first = pool.take("m", NOW)
    pool.finish(pool.take("m", NOW), NOW, said=RequestHeadroom(4, 1, 60.0))
    pool.take("m", NOW)
    waiting = [pool.take("m", NOW, max_wait=200) for _ in range(3)]
    assert [reservation.wait for reservation in waiting] == [60.0] * 3
    pool.finish(first, NOW + 1, said=RequestHeadroom(2, 0, 59.0))
    back = [pool.take("m", NOW + 60, max_wait=200, reservation=reservation) for reservation in waiting]
    assert [reservation.wait for reservation in back[:2]] == [0.0, 0.0]
    assert back[2].wait >= 60.0


def test_a_caller_who_waits_goes_on_with_another_key_that_comes_free():
    pool = pool_of("AB")
    for name, seconds in (("A", 50), ("B", 100)):
        pool.replace_blocks({**blocks_of(pool), block(name, seconds).id: block(name, seconds)})
    reservation = pool.take("m", NOW, max_wait=60)
    assert (took(reservation), reservation.wait) == ("A", 50)
    waiting = pool.take("m", NOW + 5, max_wait=60, reservation=reservation)
    assert (waiting, waiting.wait) == (reservation, 45)
    pool.replace_blocks({block("A", 50).id: block("A", 50)})
    gone_on = pool.take("m", NOW + 5, max_wait=60, reservation=reservation)
    assert (took(gone_on), gone_on.wait) == ("B", 0)


def blocks_of(pool):
    return {known.id: known for known in pool.blocks.all()}


def test_callers_who_wait_for_the_same_instant_come_apart_by_the_share_they_say():
    pool = pool_of("A")
    pool.block(block("A", 10, kind=Kind.RATE_LIMIT))
    waits = [pool.take("m", NOW, max_wait=60, jitter=share).wait for share in (0.0, 0.02, 0.05)]
    assert waits == [10.0, 10.2, 10.5]


def test_nobody_comes_later_than_patience_allows_or_a_second():
    pool = pool_of("A")
    pool.block(block("A", 50, kind=Kind.RATE_LIMIT))
    assert pool.take("m", NOW, max_wait=50.3, jitter=0.05).wait == pytest.approx(50.3)
    assert pool.take("m", NOW, max_wait=100, jitter=0.05).wait == 51.0


def test_nobody_else_asks_a_key_while_it_is_judged_what_its_refusal_means():
    pool = pool_of("AB")
    rejected = pool.take("m", NOW)
    rejected.question()
    assert took(pool.take("m", NOW)) == "B"
    pool.finish(rejected, NOW, Verdict(Kind.UNAVAILABLE))
    assert took(pool.take("m", NOW + PROBE_POLL)) == "A"


def test_a_refusal_whose_caller_goes_away_puts_no_key_in_question_any_more():
    pool = pool_of("A")
    rejected = pool.take("m", NOW)
    rejected.question()
    rejected.end()
    assert took(pool.take("m", NOW)) == "A"


@pytest.mark.parametrize("kind", [Kind.QUOTA, Kind.AUTH])
def test_a_spent_or_bad_key_is_left_alone_before_its_block_is_there(kind):
    pool = pool_of("AB")
    pool.finish(pool.take("m", NOW), NOW, Verdict(kind))
    assert took(pool.take("m", NOW)) == "B"


def spend_the_first_after(pool, requests):
    for _ in range(requests):
        pool.finish(pool.take("m", NOW), NOW)
    pool.finish(pool.take("m", NOW), NOW, Verdict(Kind.QUOTA))
    pool.block(block("A", 1000))


def test_a_key_that_was_asked_as_often_as_one_that_is_spent_is_tried_alone():
    pool = pool_of("AB")
    spend_the_first_after(pool, 3)
    crowd = [pool.take("m", NOW) for _ in range(3)]
    assert [took(reservation) for reservation in crowd] == ["B"] * 3
    assert pool.take("m", NOW) == pytest.approx(PROBE_POLL)
    for reservation in crowd:
        pool.finish(reservation, NOW)
    assert took(pool.take("m", NOW)) == "B"
    assert pool.take("m", NOW) == pytest.approx(PROBE_POLL)


def test_an_answer_beyond_where_another_key_was_spent_shows_that_this_one_is_not_like_it():
    pool = pool_of("AB")
    spend_the_first_after(pool, 3)
    for _ in range(4):
        pool.finish(pool.take("m", NOW), NOW)
    assert [took(pool.take("m", NOW)) for _ in range(3)] == ["B"] * 3


def test_a_sticky_crowd_goes_to_the_next_key_until_the_first_has_answered():
    pool = pool_of("AB")
    crowd = [pool.take("m", NOW) for _ in range(MOST_UNPROVEN + 1)]
    assert [took(reservation) for reservation in crowd] == ["A"] * MOST_UNPROVEN + ["B"]
    pool.finish(crowd[0], NOW)
    assert took(pool.take("m", NOW)) == "A"


def test_a_crowd_stays_together_where_no_other_key_is_free():
    pool = pool_of("A")
    assert [took(pool.take("m", NOW)) for _ in range(3 * MOST_UNPROVEN)] == ["A"] * 3 * MOST_UNPROVEN


def test_an_answer_ends_a_row_of_refusals():
    pool = pool_of("A")
    spent = block("A", 10, model="m", streak=2)
    pool.block(spent)
    assert pool.blocks.last(spent.id, Kind.QUOTA) == spent
    assert pool.blocks.last(spent.id, Kind.AUTH) is None
    pool.finish(pool.take("m", NOW + 10), NOW + 11)
    assert pool.blocks.last(spent.id, Kind.QUOTA) is None


def test_a_shorter_block_does_not_shorten_a_longer_one():
    pool = pool_of("A")
    pool.block(block("A", 100))
    pool.block(block("A", 10))
    assert pool.take("m", NOW) == 100


def test_a_reset_frees_the_keys():
    pool = pool_of("A")
    spent = block("A", 100)
    pool.replace_blocks({spent.id: spent})
    assert pool.take("m", NOW) == 100
    pool.replace_blocks({})
    assert took(pool.take("m", NOW)) == "A"


def test_blocks_of_other_providers_and_unknown_keys_do_not_matter():
    pool = pool_of("A")
    other = block("A", 100, provider="q")
    unknown = block("B", 100)
    pool.replace_blocks({other.id: other, unknown.id: unknown})
    assert took(pool.take("m", NOW)) == "A"


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("block"), st.sampled_from("ABCDE"), st.integers(1, 50), st.sampled_from([None, "m", "n"])
        ),
        st.tuples(st.just("take"), st.sampled_from(["m", "n"]), st.integers(0, 20)),
        st.tuples(st.just("pass"), st.integers(1, 20)),
    ),
    max_size=60,
)


@given(steps, st.sampled_from(Strategy))
def test_the_heaps_agree_with_looking_at_every_key(script, strategy):
    pool, now = pool_of("ABCDE", strategy), 0
    until: dict[object, int] = {}
    for step in script:
        match step:
            case ("block", name, seconds, model):
                learnt = block(name, now + seconds, model, Kind.RATE_LIMIT)
                pool.block(learnt)
                until[learnt.id] = max(until.get(learnt.id, 0), now + seconds)
            case ("take", model, max_wait):
                waits = {
                    name: max(0, *(until.get(block(name, 0, m).id, 0) - now for m in (None, model)))
                    for name in BY_NAME
                }
                found = pool.take(model, NOW + now, max_wait=max_wait)
                if min(waits.values()) > max_wait:
                    assert found == min(waits.values())
                else:
                    assert isinstance(found, Reservation)
                    assert found.wait == waits[found.key.name] == min(waits.values())
            case ("pass", seconds):
                now += seconds
