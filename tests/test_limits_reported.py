"""A limit that headers describe: which model it is, and that its count is right whatever comes in which order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.limits.fixed_window import FixedWindow
from jobapp.limits.headers import Reported
from jobapp.limits.limit import Unit
from jobapp.limits.reported import ReportedLimit
from jobapp.limits.token_bucket import TokenBucket
from tests.limit_servers import Bucket, Window

NOW = 1_767_571_200.0


def said(limit, remaining, resets_in, bucket=None, rounding=0.0):
    return Reported("x", Unit.REQUESTS, limit, remaining, resets_in, bucket, rounding)


def test_a_time_to_full_that_grows_with_what_is_used_is_a_buckets():
    known = ReportedLimit(said(10, 9, 6.0), NOW, 0)
    known.obey(said(10, 7, 18.0), NOW + 0.1, 0)
    assert isinstance(known.limit, TokenBucket)
    assert known.limit.interval == pytest.approx(6.0)


def test_a_time_that_only_passes_is_a_windows():
    known = ReportedLimit(said(10, 9, 60.0), NOW, 0)
    known.obey(said(10, 7, 58.0), NOW + 2, 0)
    assert isinstance(known.limit, FixedWindow)
    assert known.limit.ends_at == pytest.approx(NOW + 60)


def test_one_that_is_called_a_bucket_is_one_from_the_first_answer():
    assert isinstance(ReportedLimit(said(10, 9, 6.0, bucket=True), NOW, 0).limit, TokenBucket)


def test_what_is_under_way_is_counted_once_when_its_answers_come():
    known = ReportedLimit(said(10, 9, 60.0), NOW, 3)  # three others are on their way
    assert known.limit.room(NOW) == 6
    known.obey(said(10, 6, 60.0), NOW, 0)  # and this was the last of them
    assert known.limit.room(NOW) == 6


def test_a_count_is_corrected_downwards_where_less_arrived_than_was_sent():
    known = ReportedLimit(said(10, 9, 60.0), NOW, 3)
    known.obey(said(10, 8, 59.0), NOW + 1, 0)
    assert known.limit.room(NOW + 1) == 8


def test_a_count_is_corrected_upwards_where_others_use_the_key_too():
    known = ReportedLimit(said(10, 9, 60.0), NOW, 0)
    known.obey(said(10, 2, 59.0), NOW + 1, 1)
    assert known.limit.room(NOW + 1) == 2


def test_an_older_answer_that_comes_late_takes_nothing_back():
    known = ReportedLimit(said(10, 4, 60.0), NOW, 0)
    known.obey(said(10, 8, 59.9), NOW + 0.1, 5)
    assert known.limit.room(NOW + 0.1) == 4


def test_a_rejection_says_that_the_limit_is_full_and_no_more():
    known = ReportedLimit(said(3, 0, 60.0), NOW, 5)
    assert known.limit.ready_at(NOW) == NOW + 60


def test_whole_seconds_are_not_waited_out_where_a_later_answer_knows_better():
    known = ReportedLimit(said(10, 9, 1.0, bucket=True, rounding=1.0), NOW, 0)
    known.obey(said(10, 0, 3.0, bucket=True, rounding=1.0), NOW + 0.1, 0)
    assert isinstance(known.limit, TokenBucket)
    assert known.limit.interval == pytest.approx(0.3)


@pytest.mark.parametrize(("resets_in", "short"), [(60.0, True), (3600.0, False)])
def test_a_minutes_limit_is_told_from_a_days(resets_in, short):
    assert ReportedLimit(said(10, 9, resets_in), NOW, 0).is_short() is short


@given(
    st.integers(2, 20),
    st.sampled_from([Window, Bucket]),
    st.lists(st.tuples(st.floats(0.0, 2.0), st.integers(1, 5)), min_size=1, max_size=30),
    st.randoms(use_true_random=False),
)
def test_it_never_allows_more_than_the_server_has_however_answers_overtake_each_other(
    size, kind, script, rng
):
    server, known, now = kind(size, 10.0), None, NOW
    for wait, crowd in script:
        now += wait
        room = crowd if known is None else min(crowd, int(known.limit.room(now) + 1e-6))
        answers = []
        for _ in range(room):
            assert server.admit(now) == 0.0 or known is None
            answers.append(
                said(size, int(size - server.used(now) + 1e-6), server.full_in(now), kind is Bucket)
            )
            if known is not None:
                known.limit.count(now)
        rng.shuffle(answers)
        for answer in answers:
            if known is None:
                known = ReportedLimit(answer, now, room - 1)
            else:
                known.obey(answer, now, room - 1)
