"""What rejections teach where no header tells the limit."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.limits.estimated import EstimatedLimit, SharedRates
from jobapp.limits.window_length import DOUBTS, GUESSES, MARGIN, WindowLength

NOW = 1_767_571_200.0


def burst(limit, now, served, rejected=1, wait=None, rounding=0.0):
    """Let so many requests of one instant be answered, and then some rejected."""
    for _ in range(served + rejected):
        limit.count(now)
    for _ in range(served):
        limit.answered(now, now)
    for _ in range(rejected):
        limit.rejected(now, now, wait, rounding)


def learnt(served=3, length=60.0):
    """Return the limit of a key that was rejected with a hint."""
    shared = SharedRates()
    limit = EstimatedLimit(shared)
    burst(limit, NOW, served, wait=length)
    return limit, shared


def test_nothing_is_limited_before_the_first_rejection():
    limit = EstimatedLimit(SharedRates())
    for _ in range(1000):
        assert limit.ready_at(NOW) == 0.0
        limit.count(NOW)
    assert limit.room(NOW) == math.inf


def test_what_was_answered_before_a_rejection_is_the_limit_and_the_hint_tells_the_length():
    limit, _ = learnt()
    assert limit.limit == 3
    assert limit.ready_at(NOW) == pytest.approx(NOW + 60 * (1 + MARGIN))
    assert limit.room(NOW + 61) == 3


def test_requests_under_way_that_are_rejected_too_are_not_taken_for_served():
    limit = EstimatedLimit(SharedRates())
    burst(limit, NOW, 3, rejected=5, wait=60.0)
    assert limit.limit == 3


@given(limit=st.integers(2, 50), before=st.integers(0, 50), ends_in=st.floats(0.05, 0.9))
def test_a_burst_over_the_end_of_a_window_does_not_make_it_look_larger_where_the_end_is_told(
    limit, before, ends_in
):
    shared, early = SharedRates(), min(before, limit)
    shared.length.told(1.0, 1.0)
    key = EstimatedLimit(shared)
    assert key.room(NOW) == math.inf
    for at, served in ((NOW, early), (NOW + ends_in + 0.02, limit)):
        for _ in range(served):
            key.count(at)
            key.answered(at, at)
    rejected_at = NOW + ends_in + 0.04
    key.count(rejected_at)
    key.rejected(rejected_at, rejected_at, NOW + ends_in + 1.0 - rejected_at, 0.0)
    assert key.limit == limit


def test_where_nobody_says_how_long_the_window_is_tried_at_the_usual_lengths():
    limit = EstimatedLimit(SharedRates())
    burst(limit, NOW, 3)
    for guess, later in pairwise(GUESSES[:6]):
        at = limit.ready_at(NOW + guess)
        assert at == pytest.approx(NOW + guess * (1 + MARGIN))
        limit.count(at)
        limit.rejected(at, at, None, 0.0)
        assert limit.ready_at(at) == pytest.approx(NOW + later * (1 + MARGIN))


def test_a_call_with_one_try_left_waits_for_the_minute():
    limit = EstimatedLimit(SharedRates())
    burst(limit, NOW, 3)
    assert limit.ready_at(NOW, 0, tries_left=1) == pytest.approx(NOW + 60 * (1 + MARGIN))


def test_an_answer_after_a_rejection_tells_that_the_window_was_over():
    limit = EstimatedLimit(SharedRates())
    burst(limit, NOW, 3)
    limit.count(NOW + 1.01)
    limit.answered(NOW + 1.01, NOW + 1.01)
    assert limit.room(NOW + 1.01) == 2


def test_one_key_at_a_time_tries_how_long_the_windows_are():
    shared = SharedRates()
    first, second = EstimatedLimit(shared), EstimatedLimit(shared)
    burst(first, NOW, 3)
    burst(second, NOW, 3)
    then = NOW + 1.02
    assert first.ready_at(then) <= then
    first.count(then)
    assert second.ready_at(then) > then
    first.rejected(then, then, None, 0.0)
    assert second.ready_at(then) == pytest.approx(NOW + 2 * (1 + MARGIN))


def test_the_keys_of_a_model_share_the_length():
    _, shared = learnt(length=10.0)
    other = EstimatedLimit(shared)
    burst(other, NOW + 100, 5)
    assert other.ready_at(NOW + 100) == pytest.approx(NOW + 100 + 10 * (1 + MARGIN))


def test_a_key_goes_beyond_what_another_held_after_a_moment_and_one_at_a_time():
    _, shared = learnt(served=3)
    other = EstimatedLimit(shared)
    for _ in range(3):
        assert other.ready_at(NOW) == 0.0
        other.count(NOW)
    at = other.ready_at(NOW)
    assert NOW < at < NOW + 1
    other.count(at)
    assert other.ready_at(at) > at
    other.answered(at, at)
    assert other.ready_at(at + 1) <= at + 1


def test_a_rejection_of_a_window_that_should_hold_more_makes_it_longer():
    shared = SharedRates()
    limit = EstimatedLimit(shared)
    burst(limit, NOW, 3, wait=6.0, rounding=2.0)  # 5 s are the first usual length that can be it
    assert shared.length.seconds == pytest.approx(5 * (1 + MARGIN))
    then = NOW + 5.1
    limit.count(then)
    limit.rejected(then, then, None, 0.0)
    assert shared.length.seconds == pytest.approx(6 * (1 + MARGIN))
    assert limit.limit == 3


def test_a_part_that_comes_back_makes_the_key_slower_and_leaves_the_others():
    limit, shared = learnt(served=10, length=1.0)
    then = NOW + 1.02
    for _ in range(6):
        limit.count(then)
    for _ in range(5):
        limit.answered(then, then)
    limit.rejected(then, then, None, 0.0)
    assert limit.limit == 10
    assert limit.ready_at(then) - then > 0.5
    assert shared.length.seconds == pytest.approx(1 + MARGIN)


def test_after_some_full_windows_more_is_tried_and_after_a_rejection_later():
    limit, shared = learnt(served=2, length=10.0)
    patience, now = shared.patience, NOW
    for _ in range(patience + 1):
        now += 11
        for _ in range(2):
            limit.count(now)
            limit.answered(now, now)
    assert limit.limit == 3
    now += 11
    burst(limit, now, 2)
    assert limit.limit == 2
    assert shared.patience > patience


def test_a_shorter_length_is_tried_by_one_request_while_the_interval_is_wide():
    limit = EstimatedLimit(SharedRates())
    burst(limit, NOW, 3)
    for guess in (1.0, 2.0, 5.0):
        at = NOW + guess * (1 + MARGIN)
        limit.count(at)
        limit.rejected(at, at, None, 0.0)
    at = NOW + 10.1
    for _ in range(3):
        limit.count(at)
        limit.answered(at, at)
    assert limit.ready_at(at) == pytest.approx(at + 6 * (1 + MARGIN)) or limit.ready_at(at) < at + 10


def test_a_request_that_left_late_does_not_make_the_window_look_long():
    limit = EstimatedLimit(shared := SharedRates())
    for _ in range(4):
        limit.count(NOW)
    for _ in range(3):
        limit.answered(NOW + 0.6, NOW)  # the server's window of a second opened half a second late
    limit.rejected(NOW + 0.6, NOW, None, 0.0)
    at = limit.ready_at(NOW + 0.6)
    limit.count(at)
    limit.answered(at, at)
    assert at > NOW + 1.5
    assert shared.length.seconds == pytest.approx(1 + MARGIN)


@pytest.mark.parametrize("over", ["taken back", "ended", "of a dead process"])
def test_a_test_of_the_length_ends_with_its_request_however_that_ends(over):
    shared = SharedRates()
    first, second = EstimatedLimit(shared), EstimatedLimit(shared)
    burst(first, NOW, 3)
    burst(second, NOW, 3)
    then = NOW + 1.02
    first.count(then)
    assert second.ready_at(then) > then
    if over == "taken back":
        first.take_back(then)
    else:
        first.ended(None if over == "of a dead process" else then)
    assert second.ready_at(then) <= then


class TestLength:
    def test_what_lies_a_little_below_is_checked_and_believed_when_it_is_seen_twice(self):
        length = WindowLength()
        length.not_over(1.3)
        length.over(2.3)
        assert length.seconds == pytest.approx(2 * (1 + MARGIN))
        for _ in range(DOUBTS):
            below = length.to_check(NOW)
            assert below is not None
            assert below == pytest.approx(1 + MARGIN)
            length.over(below)
        assert length.seconds == pytest.approx(1 + MARGIN)

    def test_a_check_that_is_rejected_is_repeated_after_more_windows_each_time(self):
        length = WindowLength()
        length.not_over(1.3)
        length.over(2.0)
        now = NOW
        for windows in (2, 4, 8):
            assert length.to_check(now)
            length.not_over(1.01)
            length.checked(now)
            now += windows * length.seconds
            assert length.to_check(now - 0.1) is None

    def test_what_lies_far_below_is_not_checked(self):
        length = WindowLength()
        length.told(51.0, 52.0)
        assert length.to_check(NOW) is None

    def test_the_smallest_usual_length_of_the_interval_is_gone_by(self):
        length = WindowLength()
        length.not_over(2.5)
        length.over(7.0)
        assert length.seconds == pytest.approx(3 * (1 + MARGIN))

    def test_where_no_usual_one_fits_the_next_is_for_the_window_may_have_been_met_half_way(self):
        length = WindowLength()
        length.told(51.0, 52.0)
        assert length.seconds == pytest.approx(60 * (1 + MARGIN))

    def test_a_longer_window_than_was_thought_begins_it_anew(self):
        length = WindowLength()
        length.told(1.0, 1.0)
        length.told(2.0, 2.0)
        assert length.seconds == pytest.approx(2 * (1 + MARGIN))

    def test_a_shorter_one_is_believed_when_it_is_seen_often(self):
        length = WindowLength()
        length.told(60.0, 60.0)
        for _ in range(DOUBTS - 1):
            length.over(10.0)
        assert length.seconds == pytest.approx(60 * (1 + MARGIN))
        length.over(10.0)
        assert length.seconds <= 10 * (1 + MARGIN)

    def test_a_hint_of_a_window_that_was_met_half_way_shortens_nothing(self):
        length = WindowLength()
        length.told(60.0, 60.0)
        for _ in range(DOUBTS):
            length.told(31.0, 61.0)
        assert length.seconds == pytest.approx(60 * (1 + MARGIN))

    def test_nothing_is_tried_while_another_request_is_under_way_for_it(self):
        length = WindowLength()
        length.not_over(5.0)
        length.over(100.0)
        assert length.shorter(NOW) is not None or length.seconds == pytest.approx(6 * (1 + MARGIN))
        length.begin_test(NOW)
        assert length.shorter(NOW) is None
