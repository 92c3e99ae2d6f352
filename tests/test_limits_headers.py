"""What the headers of an answer say of its key's limits."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.limits.headers import duration_of, read_headroom, read_token_wait
from jobapp.limits.reported import ReportedLimit, RequestHeadroom
from jobapp.limits.window import FixedWindow, TokenBucket

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp()


def openai(limit="10", remaining="4", reset="36s"):
    return {
        "x-ratelimit-limit-requests": limit,
        "x-ratelimit-remaining-requests": remaining,
        "x-ratelimit-reset-requests": reset,
    }


def anthropic(limit="50", remaining="49", reset="2026-01-05T12:00:30Z"):
    return {
        "anthropic-ratelimit-requests-limit": limit,
        "anthropic-ratelimit-requests-remaining": remaining,
        "anthropic-ratelimit-requests-reset": reset,
    }


@pytest.mark.parametrize(
    ("headers", "allowance"),
    [
        (openai(), RequestHeadroom(10, 4, 36.0)),
        (openai(reset="1m26.4s"), RequestHeadroom(10, 4, 86.4)),
        (openai(remaining="12"), RequestHeadroom(10, 10, 36.0)),
        (anthropic(), RequestHeadroom(50, 49, 30.0)),
        (anthropic(reset="2026-01-05T11:59:00Z"), RequestHeadroom(50, 49, 0.0)),
        ({}, None),
        ({"content-type": "application/json"}, None),
        (openai(limit="0"), None),
        (openai(limit="ten"), None),
        (openai(remaining="-1"), None),
        (openai(reset="soon"), None),
        (openai(reset=""), None),
        (anthropic(reset="tomorrow"), None),
        ({"x-ratelimit-limit-requests": "10"}, None),
    ],
)
def test_a_limit_is_read_or_is_none(headers, allowance):
    assert read_headroom(headers, NOW) == allowance


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-tokens": "1", "x-ratelimit-reset-tokens": "6m0s"}, 0.0),
        ({"x-ratelimit-remaining-tokens": "0"}, 0.0),
        (
            {
                "anthropic-ratelimit-output-tokens-remaining": "0",
                "anthropic-ratelimit-output-tokens-reset": "2026-01-05T12:00:20Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-01-05T12:00:50Z",
            },
            50.0,
        ),
    ],
)
def test_the_tokens_that_are_used_up_hold_the_key_until_all_are_back(headers, seconds):
    assert read_token_wait(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120ms", 0.12), ("7.66s", 7.66), ("1h2m3s", 3723.0), ("2d", 172_800.0), ("12", 12.0), ("0s", 0.0)],
)
def test_durations_are_read_as_go_writes_them(text, seconds):
    assert duration_of(text) == pytest.approx(seconds)


@given(st.text(max_size=12))
def test_a_duration_is_a_number_or_none_whatever_the_text(text):
    seconds = duration_of(text)
    assert seconds is None or isinstance(seconds, float)


def test_a_window_is_followed_and_what_is_under_way_counts():
    told = ReportedLimit()
    told.obey(NOW, RequestHeadroom(10, 8, 60.0), 3, 0)
    assert isinstance(told.limit, FixedWindow)
    assert told.limit.room(NOW) == 5
    assert told.limit.room(NOW + 60) == 10


def test_a_bucket_is_known_by_a_time_to_full_in_proportion_to_what_was_used():
    told = ReportedLimit()
    told.obey(NOW, RequestHeadroom(100, 99, 0.6), 0, 0)
    told.obey(NOW, RequestHeadroom(100, 96, 2.4), 0, 0)
    assert isinstance(told.limit, TokenBucket)
    assert told.limit.interval == pytest.approx(0.6)
    assert told.limit.room(NOW) == 96


def test_a_window_that_another_opened_begins_when_the_headers_say():
    told = ReportedLimit()
    told.obey(NOW, RequestHeadroom(2, 1, 60.0), 0, 0)
    told.obey(NOW + 70, RequestHeadroom(2, 0, 20.0), 0, 0)
    assert told.limit is not None
    assert told.limit.ready_at(NOW + 70) == NOW + 90


def test_a_refusal_fills_the_window_until_it_is_over():
    told = ReportedLimit()
    told.obey(NOW, RequestHeadroom(10, 5, 60.0), 0, 0)
    told.rejected()
    assert told.reopens_at(NOW) == NOW + 60
    assert told.limit is not None
    assert told.limit.room(NOW) == 0
