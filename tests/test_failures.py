"""How a call that got no answer is told to people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobapp.calls.call_policy import GaveUp, StopReason
from jobapp.calls.failures import call_error, provider_error, status_text, stream_error
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
from jobapp.domain.key_status import KeyStatus
from jobapp.domain.types import Attempt, Kind, Verdict
from jobapp.domain.wording import duration, moment

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SPENT = Verdict(Kind.QUOTA, rule="day", reason="the day is spent", message="come back tomorrow")
FIRST = Attempt("openai", "gpt-4o", "KEY_1", SPENT, status=429, request_id="req_1")
SECOND = Attempt(
    "openai", "gpt-4o", "KEY_2", Verdict(Kind.UNAVAILABLE, rule="down", reason="overloaded"), 1.5
)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Kind.RATE_LIMIT, RateLimitError),
        (Kind.QUOTA, QuotaExhaustedError),
        (Kind.AUTH, AuthenticationError),
        (Kind.UNAVAILABLE, ProviderUnavailableError),
        (Kind.REQUEST, InvalidRequestError),
    ],
)
def test_each_meaning_has_its_exception(kind, error):
    assert type(provider_error(Attempt("p", "m", "KEY", Verdict(kind)))) is error


def test_a_refusal_tells_what_happened_to_which_key_and_by_which_rule():
    error = provider_error(FIRST)
    assert str(error) == (
        'openai gpt-4o refused KEY_1: quota spent (HTTP 429), the day is spent [day]: "come back tomorrow"'
    )
    assert (error.provider, error.model, error.key) == ("openai", "gpt-4o", "KEY_1")
    assert (error.status, error.request_id, error.verdict) == (429, "req_1", SPENT)


def test_a_stream_that_broke_tells_how_far_it_came():
    error = stream_error(SECOND, "half an ans")
    assert str(error).startswith("openai gpt-4o, asked with KEY_2, broke off after 11 characters")
    assert error.partial == "half an ans"


def test_no_key_left_tells_each_keys_state_and_when_the_first_is_back():
    keys = [
        KeyStatus("openai", "KEY_1", None, "quota", NOW + timedelta(hours=2), "day: spent", NOW),
        KeyStatus(
            "openai", "KEY_2", "gpt-4o", "rate_limit", NOW + timedelta(seconds=40), "minute: full", NOW
        ),
    ]
    error = call_error(GaveUp(StopReason.NO_KEY), [FIRST], keys, NOW, single=False)
    assert isinstance(error, NoAPIKeysAvailableError)
    assert error.available_at == NOW + timedelta(seconds=40)
    assert str(error).splitlines() == [
        "No API keys available. The first is free at 2026-03-01 12:00:40 UTC (in 40 s).",
        "  openai KEY_1: quota spent, back at 2026-03-01 14:00:00 UTC (in 2 h) [day: spent]",
        "  openai KEY_2 (gpt-4o): rate limited, back at 2026-03-01 12:00:40 UTC (in 40 s) [minute: full]",
    ]


def test_a_key_with_several_blocks_is_back_when_the_last_ends():
    keys = [
        KeyStatus("openai", "KEY_1", model, "quota", NOW + timedelta(hours=hours), "day", NOW)
        for model, hours in ((None, 1), ("gpt-4o", 3))
    ]
    error = call_error(GaveUp(StopReason.NO_KEY), [], keys, NOW, single=False)
    assert isinstance(error, NoAPIKeysAvailableError)
    assert error.available_at == NOW + timedelta(hours=3)


def test_tries_that_all_failed_are_listed_in_order():
    error = call_error(GaveUp(StopReason.TRIES), [FIRST, SECOND], [], NOW, single=False)
    assert isinstance(error, AllAttemptsFailedError)
    assert error.attempts == (FIRST, SECOND)
    assert str(error).splitlines() == [
        "All attempts failed (2):",
        '  1. openai gpt-4o KEY_1: quota spent (HTTP 429), the day is spent [day]: "come back tomorrow"',
        "  2. openai gpt-4o KEY_2 after 1.5 s: unavailable, overloaded [down]",
    ]


def test_a_single_attempt_and_a_faulty_request_raise_what_they_met():
    assert isinstance(
        call_error(GaveUp(StopReason.TRIES, SPENT), [FIRST], [], NOW, single=True), QuotaExhaustedError
    )
    faulty = Attempt("openai", "gpt-4o", "KEY_1", Verdict(Kind.REQUEST))
    error = call_error(GaveUp(StopReason.REQUEST), [FIRST, faulty], [], NOW, single=False)
    assert isinstance(error, InvalidRequestError)


def test_a_deadline_tells_the_wait_that_was_too_long():
    error = call_error(GaveUp(StopReason.DEADLINE, wait=12.34), [FIRST], [], NOW, single=False)
    assert isinstance(error, DeadlineExceededError)
    assert "this call's turn comes in 12.3 s, which is too late" in str(error)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (0.2, "1 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (7500, "2 h 5 min"),
        (86_400, "1 d"),
        (90_061, "1 d 1 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds, text):
    assert duration(timedelta(seconds=seconds)) == text


def test_an_instant_is_told_with_how_far_away_it_is():
    assert moment(NOW + timedelta(minutes=90), NOW) == "at 2026-03-01 13:30:00 UTC (in 1 h 30 min)"


def test_a_free_key_is_told_to_be_free():
    assert status_text(KeyStatus("openai", "KEY_1", None, "free"), NOW) == "openai KEY_1: free"
