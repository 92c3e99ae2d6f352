"""The two ways in which a limit is refilled, and what is booked in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.limits.window import FixedWindow, TokenBucket

NOW = 1_767_571_200.0


def test_the_first_request_opens_a_window():
    window = FixedWindow(2, 60.0)
    window.use(NOW)
    assert window.room(NOW) == 1
    window.use(NOW + 50)
    assert window.ready_at(NOW + 50) == NOW + 60
    assert window.room(NOW + 60) == 2


def test_what_is_beyond_a_window_is_booked_for_the_next_ones():
    window = FixedWindow(2, 60.0)
    ready = []
    for _ in range(6):
        ready.append(window.ready_at(NOW))
        window.use(NOW)
    assert ready == [0.0, 0.0, NOW + 60, NOW + 60, NOW + 120, NOW + 120]


def test_a_booking_that_is_given_back_leaves_its_room():
    window = FixedWindow(1, 60.0)
    window.use(NOW)
    window.use(NOW)
    window.release()
    assert window.ready_at(NOW) == NOW + 60


def test_bookings_are_admitted_only_as_far_as_the_window_holds():
    window = FixedWindow(3, 60.0)
    for _ in range(3):
        window.use(NOW)
        window.begin(NOW)
    for _ in range(3):
        window.use(NOW)
    window.limit = 2
    later = NOW + 60
    admitted = 0
    while window.admits(later):
        window.begin(later)
        admitted += 1
    assert admitted == 2


def test_a_window_begins_with_the_request_that_is_sent_and_not_with_the_one_that_is_booked():
    window = FixedWindow(1, 60.0)
    window.use(NOW)
    window.begin(NOW)
    window.use(NOW)
    window.begin(NOW + 63)
    assert window.ready_at(NOW + 63) == NOW + 123


def test_a_bucket_gives_one_request_back_after_each_interval():
    bucket = TokenBucket(3, 20.0, NOW)
    for _ in range(3):
        assert bucket.ready_at(NOW) <= NOW
        bucket.use(NOW)
    assert bucket.room(NOW) == 0
    assert bucket.ready_at(NOW) == NOW + 20
    assert bucket.room(NOW + 40) == 2
    bucket.release()
    assert bucket.ready_at(NOW) <= NOW


@given(
    limit=st.integers(1, 10),
    length=st.floats(0.5, 100.0),
    pauses=st.lists(st.floats(0.0, 30.0), min_size=1, max_size=100),
)
def test_no_window_holds_more_than_its_limit_whatever_the_pauses(limit, length, pauses):
    window, now, sent = FixedWindow(limit, length), NOW, []
    for pause in pauses:
        now = max(now + pause, window.ready_at(now + pause))
        window.use(now)
        assert window.admits(now)
        window.begin(now)
        sent.append(now)
    start, used = sent[0], 0
    for at in sent:
        if at >= start + length - 1e-5:
            start, used = at, 0
        used += 1
        assert used <= limit


@pytest.mark.parametrize("kind", [FixedWindow(3, 60.0), TokenBucket(3, 20.0, NOW)])
def test_what_was_used_and_given_back_leaves_as_much_room_as_before(kind):
    before = kind.room(NOW)
    kind.use(NOW)
    kind.release()
    assert kind.room(NOW) == before
