"""The models of a limit: when there is room, and that the safe one is safe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.limits.fixed_window import FixedWindow
from jobapp.limits.sliding_log import ENTRIES, SlidingLog
from jobapp.limits.token_bucket import TokenBucket
from tests.limit_servers import Bucket, Log, Window

NOW = 1_767_571_200.0


def use(limit, now, times):
    for _ in range(times):
        limit.count(now)
    return limit


@pytest.mark.parametrize(
    ("limit", "instants"),
    [
        (FixedWindow(2, 60.0), [0.0, 0.0, NOW + 60, NOW + 60, NOW + 120]),
        (TokenBucket(2, 30.0, NOW), [0.0, 0.0, NOW + 30, NOW + 60, NOW + 90]),
        (SlidingLog(60.0, 2), [0.0, 0.0, NOW + 60, NOW + 60, NOW + 120]),
    ],
    ids=["fixed window", "token bucket", "sliding log"],
)
def test_those_who_wait_are_told_in_their_order_when_there_is_room(limit, instants):
    if not isinstance(limit, TokenBucket):
        use(limit, NOW, 2)
        assert [limit.ready_at(NOW, ahead) for ahead in range(3)] == pytest.approx(instants[2:])
    else:
        assert [limit.ready_at(NOW, ahead) for ahead in range(5)] == pytest.approx(instants)


def test_a_window_gives_all_back_at_its_end_and_opens_with_the_next_use():
    window = use(FixedWindow(3, 60.0), NOW, 3)
    assert window.room(NOW + 59) == 0
    assert window.room(NOW + 60) == 3
    use(window, NOW + 75, 1)
    assert window.ends_at == NOW + 135


def test_a_bucket_gives_one_back_in_each_interval():
    bucket = use(TokenBucket(3, 20.0, NOW), NOW, 3)
    assert [bucket.room(NOW + seconds) for seconds in (0, 20, 40, 60, 600)] == pytest.approx([0, 1, 2, 3, 3])


def test_a_log_gives_back_each_use_one_length_after_it_came():
    log = SlidingLog(60.0, 2)
    log.count(NOW)
    log.count(NOW + 30)
    assert [log.room(NOW + seconds) for seconds in (30, 60, 90)] == [0, 1, 2]
    assert log.ready_at(NOW + 30) == NOW + 60
    assert log.ready_at(NOW + 30, 1) == NOW + 90


@pytest.mark.parametrize("limit", [FixedWindow(10, 60.0), TokenBucket(10, 6.0, NOW), SlidingLog(60.0, 10)])
def test_more_than_the_whole_limit_goes_alone_rather_than_never(limit):
    assert limit.ready_at(NOW, 0, 25) == 0.0


def test_what_was_taken_back_leaves_its_room():
    log = use(SlidingLog(60.0, 2), NOW, 2)
    log.take_back(NOW)
    assert log.room(NOW) == 1
    window = use(FixedWindow(2, 60.0), NOW, 2)
    window.count(NOW, -1)
    assert window.room(NOW) == 1


def test_a_log_stays_small_however_large_its_limit_is():
    log = SlidingLog(60.0, 10_000)
    for number in range(20_000):
        log.count(NOW + number * 0.01)
    assert len(log._entries) <= 2 * ENTRIES


sizes = st.tuples(st.integers(1, 12), st.sampled_from([1.0, 2.0, 60.0]))
gaps = st.lists(st.floats(0.0, 40.0), min_size=1, max_size=80)


@given(sizes, gaps, st.sampled_from([Window, Bucket, Log, lambda n, w: Window(n, w, by_clock=True)]))
def test_who_keeps_a_sliding_log_is_never_rejected_by_any_of_the_models(size, waits, server):
    number, length = size
    log, enforced, now = SlidingLog(length, number), server(number, length), NOW
    for wait in waits:
        now += wait * length / 60
        now = max(now, log.ready_at(now)) + 1e-5
        assert enforced.admit(now) == 0.0
        log.count(now)
