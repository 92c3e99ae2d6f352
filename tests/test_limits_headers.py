"""What headers say of a key's limits, provider by provider."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.limits.headers import DAY, TABLE, read_limits
from jobapp.limits.limit import Unit

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp()
IN_20_S = (datetime(2026, 1, 5, 12, tzinfo=UTC) + timedelta(seconds=20)).isoformat().replace("+00:00", "Z")


def openai(limit="60", remaining="59", reset="1s", unit="requests"):
    return {
        f"x-ratelimit-limit-{unit}": limit,
        f"x-ratelimit-remaining-{unit}": remaining,
        f"x-ratelimit-reset-{unit}": reset,
    }


@pytest.mark.parametrize(
    ("headers", "unit", "numbers", "bucket"),
    [
        (openai(reset="1m26.4s"), Unit.REQUESTS, (60, 59, 86.4), None),
        (openai(reset="120ms", unit="tokens"), Unit.TOKENS, (60, 59, 0.12), None),
        (openai(reset="6s", unit="project-tokens"), Unit.TOKENS, (60, 59, 6.0), None),
        (openai("30", "29", "33011.38", "requests-day"), Unit.REQUESTS, (30, 29, 33011.38), None),
        (openai("30", "29", "12.5", "tokens-minute"), Unit.TOKENS, (30, 29, 12.5), None),
        (openai(reset=str(int(NOW) + 20)), Unit.REQUESTS, (60, 59, 20.0), None),
        (openai(reset=str(int(NOW * 1000) + 20_000)), Unit.REQUESTS, (60, 59, 20.0), None),
        (
            {
                "anthropic-ratelimit-input-tokens-limit": "1000",
                "anthropic-ratelimit-input-tokens-remaining": "100",
                "anthropic-ratelimit-input-tokens-reset": IN_20_S,
            },
            Unit.INPUT,
            (1000, 100, 20.0),
            True,
        ),
        (
            {"x-ratelimit-limit-req-minute": "6", "x-ratelimit-remaining-req-minute": "2"},
            Unit.REQUESTS,
            (6, 2, 60.0),
            False,
        ),
    ],
    ids=[
        "OpenAI",
        "OpenAI's tokens",
        "of a project",
        "Cerebras' day",
        "Cerebras' minute",
        "DigitalOcean's epoch",
        "an epoch in milliseconds",
        "Anthropic",
        "Mistral's minute of the clock",
    ],
)
def test_each_provider_is_read_as_it_means_it(headers, unit, numbers, bucket):
    (said,) = read_limits(headers, NOW)
    assert (said.unit, said.bucket) == (unit, bucket)
    assert (said.limit, said.remaining, said.resets_in) == pytest.approx(numbers)


@pytest.mark.parametrize(
    "headers",
    [
        openai("-1", "-1", "0"),
        openai("0", "0", "60s"),
        openai("", "", ""),
        openai(reset=""),
        openai(reset="soon"),
        openai(remaining="some"),
        {"x-ratelimit-limit-requests": "60"},
    ],
    ids=["Azure's Responses API", "no allowance", "empty", "no reset", "words", "no number", "a limit alone"],
)
def test_what_tells_no_room_is_left_out(headers):
    assert read_limits(headers, NOW) == ()


def test_an_answer_may_tell_several_limits():
    told = read_limits(openai() | openai(unit="tokens"), NOW)
    assert [said.unit for said in told] == [Unit.REQUESTS, Unit.TOKENS]


@pytest.mark.parametrize("reset", ["9000000000", "400h", "99999999", "-5"])
def test_no_header_closes_a_key_for_longer_than_its_kind_of_limit_can_last(reset):
    for said in read_limits(openai(reset=reset), NOW):
        assert 0 <= said.resets_in <= DAY
    minute = openai(reset=reset, unit="requests-minute")
    assert all(said.resets_in <= 60 for said in read_limits(minute, NOW))


def test_more_left_than_allowed_is_all_of_it():
    (said,) = read_limits(openai(limit="10", remaining="99"), NOW)
    assert said.remaining == 10


@pytest.mark.parametrize(("reset", "rounding"), [("6s", 1.0), ("6.0s", 0.0), ("120ms", 0.0)])
def test_a_reset_in_whole_seconds_may_be_a_second_too_long(reset, rounding):
    (said,) = read_limits(openai(reset=reset), NOW)
    assert said.rounding == rounding


@given(st.dictionaries(st.sampled_from([name for row in TABLE for name in row[:3]]), st.text(max_size=30)))
def test_no_header_ever_raises(headers):
    for said in read_limits(headers, NOW):
        assert 0 <= said.remaining <= said.limit
