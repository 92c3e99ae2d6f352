"""Which key is free, and which is free next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.domain.settings import Strategy
from jobapp.domain.types import FREE_MODELS, ApiKey, Block, Kind, Verdict
from jobapp.limits.headers import Reported
from jobapp.limits.limit import Unit
from jobapp.pool.key_pool import KeyPool
from jobapp.pool.key_state import FIRST_WINDOW, LEAST_CROWD, PROBE_POLL
from jobapp.pool.reservation import NoneFree, Reservation, Take, Taken

START = datetime(2026, 3, 1, tzinfo=UTC)
NOW = START.timestamp()
KEYS = [ApiKey(name, f"secret-{name}") for name in "ABCDE"]
BY_NAME = {key.name: key for key in KEYS}


def block(name, seconds, model=None, kind=Kind.QUOTA, provider="p", streak=1):
    until = START + timedelta(seconds=seconds)
    return Block(provider, BY_NAME[name].fingerprint, model, kind, until, START, streak=streak)


def pool_of(names, strategy=Strategy.STICKY):
    return KeyPool("p", [BY_NAME[name] for name in names], strategy)


def take(pool, model="m", now=NOW, *, held=None, **want):
    return pool.take(model, now, Take(**want), held)


def reserve(pool, now=NOW):
    """Return the reservation of a request that is sent now."""
    found = take(pool, now=now)
    assert (type(found), found.wait) == (Taken, 0)
    return found.reservation


def answer(pool, now=NOW, **answer):
    pool.answered(reserve(pool, now), now, **answer)


def reject(pool, verdict, *blocks, now=NOW):
    pool.settle(reserve(pool, now), now, verdict, blocks)


def took(found):
    assert isinstance(found, Taken)
    return found.key.name


def wait_of(found):
    assert isinstance(found, NoneFree)
    return found.wait


def test_sticky_takes_the_first_key_each_time():
    pool = pool_of("ABC")
    assert [took(take(pool, "m", NOW)) for _ in range(3)] == ["A", "A", "A"]


def test_spread_takes_the_least_recently_used_key():
    pool = pool_of("ABC", Strategy.SPREAD)
    assert [took(take(pool, "m", NOW)) for _ in range(4)] == ["A", "B", "C", "A"]


def test_a_blocked_key_is_passed_over_until_it_is_free():
    pool = pool_of("AB")
    pool.block(block("A", 10))
    assert took(take(pool, "m", NOW)) == "B"
    assert took(take(pool, "m", NOW + 10)) == "A"


def test_a_block_of_one_model_leaves_the_others_free():
    pool = pool_of("AB")
    pool.block(block("A", 10, model="m"))
    assert took(take(pool, "m", NOW)) == "B"
    assert took(take(pool, "n", NOW)) == "A"


def test_the_pool_of_free_models_is_blocked_as_one():
    pool = pool_of("A")
    pool.block(block("A", 10, model=FREE_MODELS))
    assert wait_of(take(pool, "x/y:free", NOW)) == 10
    assert wait_of(take(pool, "z:free", NOW)) == 10
    assert took(take(pool, "x/y", NOW)) == "A"


def test_a_wait_within_patience_is_given_with_the_key():
    pool = pool_of("AB")
    pool.block(block("A", 10))
    pool.block(block("B", 5))
    found = take(pool, "m", NOW, max_wait=6)
    assert isinstance(found, Taken)
    assert (found.key.name, found.wait) == ("B", 5)
    assert wait_of(take(pool, "m", NOW, max_wait=4)) == 5


def test_staying_with_a_key_is_worth_a_wait_even_if_another_is_free():
    pool = pool_of("AB")
    pool.block(block("A", 10))
    found = take(pool, "m", NOW, stay=BY_NAME["A"].fingerprint, max_wait=60)
    assert isinstance(found, Taken)
    assert (found.key.name, found.wait) == ("A", 10)
    assert took(take(pool, "m", NOW, stay=BY_NAME["A"].fingerprint, max_wait=9)) == "B"


def test_a_key_that_was_given_up_is_not_taken_but_counts_for_when_one_is_free():
    pool = pool_of("AB")
    pool.block(block("B", 10))
    assert wait_of(take(pool, "m", NOW, skip=frozenset({BY_NAME["A"].fingerprint}))) == 0.0
    pool.block(block("A", 7))
    assert wait_of(take(pool, "m", NOW, skip=frozenset({BY_NAME["A"].fingerprint}))) == 7


def test_no_key_is_free_ever_where_there_is_none():
    assert wait_of(take(pool_of(""))) is None


def test_one_call_tries_a_spent_key_again_before_the_others_do():
    pool = pool_of("A")
    pool.block(block("A", 10))
    then = NOW + 10
    probe = reserve(pool, then)
    assert wait_of(take(pool, "m", then)) == pytest.approx(PROBE_POLL)
    pool.answered(probe, then)
    assert [took(take(pool, "m", then)) for _ in range(3)] == ["A"] * 3


def test_a_busy_minute_needs_no_trial():
    pool = pool_of("A")
    pool.block(block("A", 10, kind=Kind.RATE_LIMIT))
    assert [took(take(pool, "m", NOW + 10)) for _ in range(3)] == ["A"] * 3


def test_a_key_that_answers_its_trial_is_free_at_once_whatever_is_left_of_its_backoff():
    pool = pool_of("A")
    probe = reserve(pool, NOW - 1)
    pool.block(block("A", 60, kind=Kind.RATE_LIMIT), half_open=True)
    pool.answered(probe, NOW + 1)
    assert wait_of(take(pool, "m", NOW + 1)) == pytest.approx(59)
    pool.answered(sent_since(pool, NOW + 2), NOW + 3)
    assert [took(take(pool, "m", NOW + 3)) for _ in range(3)] == ["A"] * 3


def sent_since(pool, now):
    """Return the reservation of a request that was sent at *now*, although the key was still set aside."""
    (keys_of_model,) = pool._models.values()
    reservation = Reservation(pool.keys[0], keys_of_model.state(0), "m", 0)
    reservation.begin(now)
    return reservation


def test_those_who_wait_for_a_key_of_unknown_limits_are_let_through_one_at_a_time():
    pool = pool_of("A")
    pool.block(block("A", 10, kind=Kind.RATE_LIMIT), half_open=True)
    waiting = [take(pool, "m", NOW, max_wait=60) for _ in range(5)]
    assert [found.wait for found in waiting] == [10.0] * 5
    back = [take(pool, "m", NOW + 10, max_wait=60, held=found.reservation) for found in waiting]
    assert [found.wait for found in back] == [0.0, *[pytest.approx(PROBE_POLL)] * 4]


def test_a_key_that_is_free_within_the_width_of_a_float_is_taken_and_counted_once():
    pool = pool_of("A")
    pool.block(block("A", 10, kind=Kind.RATE_LIMIT), half_open=True)
    found = take(pool, "m", NOW + 10 - 4e-7, max_wait=60)
    assert found.wait == 0
    assert (found.reservation.state.asked, found.reservation.state.waiting) == (1, [])


def told(limit, remaining, resets_in):
    return (Reported("x", Unit.REQUESTS, limit, remaining, resets_in),)


def test_those_who_wait_for_room_that_is_known_to_come_are_counted_and_let_through_together():
    pool = pool_of("A")
    answer(pool, said=told(2, 0, 60.0))
    waiting = [take(pool, "m", NOW, max_wait=200) for _ in range(4)]
    assert [found.wait for found in waiting] == [60.0, 60.0, 120.0, 120.0]
    back = [take(pool, "m", NOW + 60, max_wait=200, held=found.reservation) for found in waiting]
    assert [found.wait for found in back] == [0.0, 0.0, 60.0, 60.0]


def test_who_came_first_is_let_through_first_where_there_is_less_room_than_was_foreseen():
    pool = pool_of("A")
    first = reserve(pool)
    answer(pool, said=told(4, 1, 60.0))
    take(pool, "m", NOW)
    waiting = [take(pool, "m", NOW, max_wait=200) for _ in range(3)]
    assert [found.wait for found in waiting] == [60.0] * 3
    pool.answered(first, NOW + 1, said=told(2, 0, 59.0))
    back = [take(pool, "m", NOW + 60, max_wait=200, held=found.reservation) for found in waiting]
    assert [found.wait for found in back[:2]] == [0.0, 0.0]
    assert back[2].wait >= 59.0


def test_who_waits_longest_keeps_its_place_when_it_goes_over_to_another_key():
    pool = pool_of("AB")
    for name, seconds in (("A", 10), ("B", 50)):
        pool.block(block(name, seconds, kind=Kind.RATE_LIMIT))
    first = take(pool, max_wait=60).reservation
    assert first.key.name == "A"
    pool.block(block("A", 100))
    second = take(pool, max_wait=60).reservation
    assert second.key.name == "B"
    gone_on = take(pool, now=NOW + 1, max_wait=60, held=first).reservation
    assert gone_on.key.name == "B"
    assert gone_on.state.waiting == [first.ticket, second.ticket]


def test_the_line_before_a_call_is_no_reason_to_give_the_key_up_but_a_deadline_is():
    pool = pool_of("A")
    answer(pool, said=told(1, 0, 60.0))
    assert [take(pool, max_wait=60).wait for _ in range(3)] == [60.0, 120.0, 180.0]
    assert wait_of(take(pool, max_wait=60, left=100.0)) == 240.0


def test_a_caller_who_waits_goes_on_with_another_key_that_comes_free():
    pool = pool_of("AB")
    for name, seconds in (("A", 50), ("B", 100)):
        pool.replace_blocks({**blocks_of(pool), block(name, seconds).id: block(name, seconds)})
    found = take(pool, "m", NOW, max_wait=60)
    assert (took(found), found.wait) == ("A", 50)
    waiting = take(pool, "m", NOW + 5, max_wait=60, held=found.reservation)
    assert (waiting.reservation, waiting.wait) == (found.reservation, 45)
    pool.replace_blocks({block("A", 50).id: block("A", 50)})
    gone_on = take(pool, "m", NOW + 5, max_wait=60, held=found.reservation)
    assert (took(gone_on), gone_on.wait) == ("B", 0)


def blocks_of(pool):
    return {known.id: known for known in pool.blocks.all()}


def test_callers_who_wait_for_the_same_instant_come_apart_by_the_share_they_say():
    pool = pool_of("A")
    pool.block(block("A", 10, kind=Kind.RATE_LIMIT))
    waits = [take(pool, "m", NOW, max_wait=60, jitter=share).wait for share in (0.0, 0.02, 0.05)]
    assert waits == [10.0, 10.2, 10.5]


def test_nobody_comes_later_than_patience_allows_or_a_second():
    pool = pool_of("A")
    pool.block(block("A", 50, kind=Kind.RATE_LIMIT))
    assert take(pool, "m", NOW, max_wait=50.3, jitter=0.05).wait == pytest.approx(50.3)
    assert take(pool, "m", NOW, max_wait=100, jitter=0.05).wait == 51.0


@pytest.mark.parametrize("kind", [Kind.REQUEST, Kind.UNAVAILABLE])
def test_a_rejection_that_says_nothing_of_the_key_ends_its_reservation_and_leaves_it_free(kind):
    pool = pool_of("A")
    rejected = reserve(pool)
    pool.settle(rejected, NOW, Verdict(kind))
    assert (rejected.state.asked, rejected.state.waiting) == (0, [])
    assert took(take(pool)) == "A"


@pytest.mark.parametrize("kind", [Kind.QUOTA, Kind.AUTH, Kind.RATE_LIMIT])
def test_a_rejection_is_counted_and_its_key_set_aside_in_one_step(kind):
    pool = pool_of("AB")
    rejected = reserve(pool)
    pool.settle(rejected, NOW, Verdict(kind), [block("A", 100, kind=kind)])
    assert rejected.state.asked == 0
    assert took(take(pool)) == "B"


def spend_the_first_after(pool, requests):
    for _ in range(requests):
        answer(pool)
    reject(pool, Verdict(Kind.QUOTA), block("A", 1000))


def test_a_key_that_was_asked_as_often_as_one_that_is_spent_is_tried_alone():
    pool = pool_of("AB")
    spend_the_first_after(pool, 3)
    crowd = [take(pool, "m", NOW) for _ in range(3)]
    assert [took(found) for found in crowd] == ["B"] * 3
    assert wait_of(take(pool, "m", NOW)) == pytest.approx(PROBE_POLL)
    for found in crowd:
        pool.answered(found.reservation, NOW)
    assert took(take(pool, "m", NOW)) == "B"
    assert wait_of(take(pool, "m", NOW)) == pytest.approx(PROBE_POLL)


def test_an_answer_beyond_where_another_key_was_spent_shows_that_this_one_is_not_like_it():
    pool = pool_of("AB")
    spend_the_first_after(pool, 3)
    for _ in range(4):
        answer(pool)
    assert [took(take(pool, "m", NOW)) for _ in range(3)] == ["B"] * 3


def test_a_crowd_begins_slowly_with_a_key_of_which_nothing_is_known():
    pool = pool_of("AB")
    crowd = [take(pool, "m", NOW) for _ in range(FIRST_WINDOW + 1)]
    assert [took(found) for found in crowd] == ["A"] * FIRST_WINDOW + ["B"]
    pool.answered(crowd[0].reservation, NOW)
    assert [took(take(pool, "m", NOW)) for _ in range(2)] == ["A"] * 2


def test_where_no_other_key_is_free_a_crowd_waits_for_the_first_answers():
    pool = pool_of("A")
    crowd = [take(pool, "m", NOW, max_wait=60) for _ in range(3 * FIRST_WINDOW)]
    assert [found.wait > 0 for found in crowd] == [False] * FIRST_WINDOW + [True] * 2 * FIRST_WINDOW
    for found in crowd[:FIRST_WINDOW]:
        pool.answered(found.reservation, NOW)
    back = [take(pool, "m", NOW, max_wait=60, held=found.reservation) for found in crowd[FIRST_WINDOW:]]
    assert [found.wait for found in back] == [0.0] * 2 * FIRST_WINDOW


def test_no_more_calls_stay_with_a_rejected_key_than_it_will_have_room_for():
    pool = pool_of("AB")
    pool.block(block("A", 10, kind=Kind.RATE_LIMIT))
    stay = BY_NAME["A"].fingerprint
    crowd = [take(pool, "m", NOW, stay=stay, max_wait=60) for _ in range(LEAST_CROWD + 2)]
    assert [took(found) for found in crowd] == ["A"] * LEAST_CROWD + ["B"] * 2


def test_an_answer_ends_a_row_of_refusals():
    pool = pool_of("A")
    spent = block("A", 10, model="m", streak=2)
    pool.block(spent)
    assert pool.blocks.last(spent.id, Kind.QUOTA) == spent
    assert pool.blocks.last(spent.id, Kind.AUTH) is None
    answer(pool, NOW + 10)
    assert pool.blocks.last(spent.id, Kind.QUOTA) is None


def test_a_shorter_block_does_not_shorten_a_longer_one():
    pool = pool_of("A")
    pool.block(block("A", 100))
    pool.block(block("A", 10))
    assert wait_of(take(pool, "m", NOW)) == 100


def test_a_reset_frees_the_keys():
    pool = pool_of("A")
    spent = block("A", 100)
    pool.replace_blocks({spent.id: spent})
    assert wait_of(take(pool, "m", NOW)) == 100
    pool.replace_blocks({})
    assert took(take(pool, "m", NOW)) == "A"


def test_blocks_of_other_providers_and_unknown_keys_do_not_matter():
    pool = pool_of("A")
    other = block("A", 100, provider="q")
    unknown = block("B", 100)
    pool.replace_blocks({other.id: other, unknown.id: unknown})
    assert took(take(pool, "m", NOW)) == "A"


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
                found = take(pool, model, NOW + now, max_wait=max_wait)
                first = min(waits.values())
                if isinstance(found, NoneFree):
                    assert found.wait == first > max_wait
                    continue
                assert found.wait == waits[found.key.name] == first <= max_wait
                if found.wait:
                    pool.release(found.reservation, NOW + now)
                else:
                    pool.answered(found.reservation, NOW + now)
            case ("pass", seconds):
                now += seconds


def test_a_clock_that_is_set_back_makes_nobody_wait_for_the_time_it_was():
    pool = pool_of("A")
    answer(pool, said=[Reported("x-ratelimit-limit-requests", Unit.REQUESTS, 1, 0, 60.0, bucket=False)])
    waiting = take(pool, max_wait=120.0)
    assert waiting.wait > 0
    found = take(pool, now=NOW - 3600.0, held=waiting.reservation, max_wait=120.0)
    assert (took(found), found.wait) == ("A", 0)


def test_a_request_that_was_begun_and_not_sent_takes_no_room():
    pool = pool_of("A")
    answer(pool, said=[Reported("x-ratelimit-limit-requests", Unit.REQUESTS, 2, 1, 60.0, bucket=False)])
    reservation = reserve(pool)
    assert take(pool, max_wait=120.0).wait > 0
    pool.release(reservation, NOW)
    assert reservation.state.asked == 0
    assert took(take(pool)) == "A"
