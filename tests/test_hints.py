"""When a provider wants to be asked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.classification.classify import classify
from jobapp.classification.evidence import read_evidence
from jobapp.classification.retry_hints import (
    MAX_DELAY,
    instant_in,
    instant_of,
    read_hints,
    seconds_in,
)
from jobapp.domain.durations import seconds_of
from jobapp.domain.types import ErrorFacts

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def hints(headers=None, body=None, message=""):
    return read_hints(read_evidence(ErrorFacts("p", 429, headers or {}, body, message)), NOW)


def delay(**more):
    return hints(**more).delay


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("16", 16), (16, 16), (1.5, 1.5), ("20s", 20), ("17ms", 0.017), ("6m0s", 360), ("1m26.4s", 86.4),
        ("7m12s", 432), ("1h2m3s", 3723), ("10h17m5.7s", 37025.7), ("1d2h", 93600), ("0.539477544s", 0.539477544),
        ("68940s", 68940), ("7 seconds", 7), ("2 minutes", 120), ("1 hour", 3600), ("1 hour and 5 minutes", 3900),
        ("00:12:34", 754), ("12:13:05", 43985), ("1.02:03:04", 93784), ({"seconds": 45}, 45),
        ({"seconds": "1", "nanos": 500000000}, 1.5), ({"nanos": 1}, 1e-9),
    ],
)  # fmt: skip
def test_a_duration_is_read_in_every_spelling(value, seconds):
    assert seconds_of(value) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value",
    ["", "soon", "nan", "inf", "-inf", "1e999", None, True, [], {"seconds": "x"}, "5 apples", "s", "9" * 400],
)
def test_what_is_no_duration_is_none(value):
    assert seconds_of(value) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 20s. Contact us", 20),
        ("Please try again in 644ms", 0.644),
        ("try again in 1m26.4s.", 86.4),
        ("Please try again in 1h34m52.896s. Need more", 5692.896),
        ("Please retry in 45.19s.", 45.19),
        ("Please retry in 10h17m5.7s", 37025.7),
        ("Please retry after 7 seconds.", 7),
        ("Your quota will reset after 19h9m0s.", 68940),
        ("Please wait 51 seconds before retrying.", 51),
        ("quota will be replenished in 12:13:05.", 43985),
        ("please try again after 1 seconds", 1),
        ("Try again in 86400 seconds", 86400),
    ],
)
def test_a_wait_is_read_from_a_providers_words(text, seconds):
    assert seconds_in(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "Retrying in 33 seconds… (attempt 10/10)",
        "Retrying f in 16.0 seconds as it raised",
        "try again later",
        "within 5 s",
    ],
)
def test_a_programs_own_waits_are_not_the_providers(text):
    assert seconds_in(text) is None


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("2026-04-01T00:00:00Z", datetime(2026, 4, 1, tzinfo=UTC)),
        ("2026-04-01T00:00:00.123456789Z", datetime(2026, 4, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("2026-04-01T02:00:00+02:00", datetime(2026, 4, 1, tzinfo=UTC)),
        ("2026-04-01 00:00:00", datetime(2026, 4, 1, tzinfo=UTC)),
        ("1775001600", datetime(2026, 4, 1, tzinfo=UTC)),
        (1775001600, datetime(2026, 4, 1, tzinfo=UTC)),
        (1775001600000, datetime(2026, 4, 1, tzinfo=UTC)),
        ("1775001600000", datetime(2026, 4, 1, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_as_iso_8601_and_as_epoch_in_seconds_and_milliseconds(value, instant):
    assert instant_of(value) == instant


@pytest.mark.parametrize(
    "value", ["", "tomorrow", None, "5", 0, -1, 1e20, "nan", "2026-13-45T00:00Z", True, {}]
)
def test_what_is_no_instant_is_none(value):
    assert instant_of(value) is None


@pytest.mark.parametrize(
    "text",
    [
        "You will regain access on 2026-12-01 at 00:00 UTC.",
        "Your limit will reset at 2026-12-01 00:00:00",
        "resets at 2026-12-01T00:00:00Z.",
        "usage limit reached|1796083200",
    ],
)
def test_a_date_is_read_from_a_providers_words(text):
    assert instant_in(text) == datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "16"}, 16),
        ({"RETRY-AFTER": "Mon, 23 Nov 2026 12:00:56 GMT"}, 56),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "6m0s"}, None),
        (
            {
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2026-11-23T12:00:30Z",
            },
            30,
        ),
        (
            {
                "anthropic-ratelimit-tokens-remaining": "9",
                "anthropic-ratelimit-tokens-reset": "2026-11-23T12:00:30Z",
            },
            None,
        ),
        ({"anthropic-ratelimit-unified-reset": str(int(NOW.timestamp()) + 90)}, 90),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp() + 45) * 1000)}, 45),
        ({"X-RateLimit-Reset": "30"}, 30),
        ({"x-ratelimit-remaining-requests-day": "0", "x-ratelimit-reset-requests-day": "33011.4"}, 33011.4),
        ({}, None),
    ],
)
def test_a_wait_is_read_from_every_header(headers, seconds):
    assert delay(headers=headers) == seconds


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"error": {"details": [{"retryDelay": "26s"}]}}, 26),
        ({"error": {"details": [{"retry_delay": {"seconds": 23}}]}}, 23),
        ({"error": {"availability": {"retry_after": 5}}}, 5),
        (
            {"error": {"metadata": {"headers": {"X-RateLimit-Reset": str(int(NOW.timestamp() + 9) * 1000)}}}},
            9,
        ),
        ({"error": {"resets_in_seconds": 6000}}, 6000),
        ({"error": {"metadata": {"resets_at": "2026-11-23T13:00:00Z"}}}, 3600),
        ({"error": {"metadata": {"quotaResetDelay": "539.477544ms"}}}, 0.539477544),
        ({"error": {"message": "Please try again in 3s"}}, 3),
    ],
)
def test_a_wait_is_read_from_every_field_of_a_body(body, seconds):
    assert delay(body=body) == pytest.approx(seconds)


def test_protobuf_text_tells_its_delay():
    assert delay(message='429 x [links {\n  url: "u"\n}\n, retry_delay {\n  seconds: 42\n}\n]') == 42


ALL = {
    "retry-after-ms": "1000",
    "retry-after": "2",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": "2026-11-23T12:00:04Z",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-tokens": "6s",
    "x-ratelimit-reset": "7",
}
BODY = {"error": {"message": "Please try again in 5s", "details": [{"retryDelay": "3s"}]}}


def test_the_nearest_word_is_believed_before_the_next():
    headers, error = dict(ALL), dict(BODY["error"])
    believed = []
    for silenced in (
        ("retry-after-ms",), ("retry-after",), ("details",), ("anthropic-ratelimit-requests-remaining",),
        ("message",), ("x-ratelimit-remaining-tokens",), (),
    ):  # fmt: skip
        believed.append(delay(headers=headers, body={"error": error}))
        for name in silenced:
            headers.pop(name, None)
            error.pop(name, None)
    assert believed == [1, 2, 3, 4, 5, 6, 7]


def test_of_two_anthropic_meters_at_0_the_later_counts():
    headers = {
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "2026-11-23T12:00:10Z",
        "anthropic-ratelimit-input-tokens-remaining": "0",
        "anthropic-ratelimit-input-tokens-reset": "2026-11-23T12:00:40Z",
    }
    assert delay(headers=headers) == 40


def test_of_a_subscriptions_windows_the_spent_one_counts():
    soon, late = (str(int((NOW + timedelta(hours=hours)).timestamp())) for hours in (2, 90))
    headers = {
        "anthropic-ratelimit-unified-5h-status": "allowed", "anthropic-ratelimit-unified-5h-reset": soon,
        "anthropic-ratelimit-unified-7d-status": "rejected", "anthropic-ratelimit-unified-7d-reset": late,
    }  # fmt: skip
    assert hints(headers=headers).at == NOW + timedelta(hours=90)


@pytest.mark.parametrize(
    "value", ["-5", "nan", "inf", "-inf", "1e300", "99999999999", "", "x", "Thu, 99 Foo 2026"]
)
def test_nonsense_is_refused(value):
    assert delay(headers={"retry-after": value}) is None
    assert delay(headers={"retry-after-ms": value if value != "99999999999" else "9" * 15}) is None


def test_a_zero_is_kept_only_where_nothing_better_is_said():
    assert delay(headers={"retry-after": "0"}) == 0
    assert delay(headers={"retry-after": "0"}, body={"error": {"message": "try again in 3s"}}) == 3


def test_a_past_instant_is_refused():
    assert hints(body={"error": {"message": "You will regain access on 2025-07-01 at 00:00 UTC."}}).at is None
    assert delay(headers={"X-RateLimit-Reset": "1700000000000"}) is None


@given(
    st.dictionaries(st.sampled_from([*ALL, "x-ratelimit-reset"]), st.text(max_size=30) | st.floats().map(str))
)
def test_whatever_the_headers_say_a_delay_is_finite_and_positive(headers):
    found = hints(headers=headers)
    assert found.delay is None or 0 <= found.delay <= MAX_DELAY
    assert found.at is None or found.at > NOW


MORNING = datetime(2026, 8, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    ("provider", "text"),
    [
        ("other", '{"error": {"code": "1308", "message": "Your limit will reset at 2026-08-25 11:53:25"}}'),
        ("other", "[1310][Weekly/Monthly Limit Exhausted. Your limit will reset at 2026-08-25 11:53:25]"),
        ("other", "已达到 5 小时的使用上限。您的限额将在 2026-08-25 11:53:25 重置。"),
        ("other", "额度已用完,2026-08-25 11:53:25 后恢复"),
        ("zhipu", "quota exceeded, resets at 2026-08-25 11:53:25"),
        ("dashscope", '{"resets_at": "2026-08-25T11:53:25", "message": "quota exceeded"}'),
    ],
)
def test_an_instant_without_a_zone_is_in_chinas_time_where_a_service_of_china_tells_it(provider, text):
    verdict = classify(ErrorFacts(provider, status=429, body=text), MORNING)
    assert verdict.resets_at == datetime(2026, 8, 25, 3, 53, 25, tzinfo=UTC)


@pytest.mark.parametrize(
    ("provider", "text", "hour"),
    [
        ("openai", "quota exceeded, resets at 2026-08-25 11:53:25", 11),
        ("zhipu", "quota exceeded, resets at 2026-08-25 11:53:25 UTC", 11),
        ("zhipu", "quota exceeded, resets at 2026-08-25T11:53:25+02:00", 9),
    ],
)
def test_an_instant_is_in_its_own_zone_else_in_utc(provider, text, hour):
    verdict = classify(ErrorFacts(provider, status=429, body=text), MORNING)
    assert verdict.resets_at == datetime(2026, 8, 25, hour, 53, 25, tzinfo=UTC)
