"""Windows and days of the simulator: values in, values out, and a clock that is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.domain.quota_reset import first_of_next_month, next_midnight
from jobapp.testing import FakeClock, Fault, Quota, Simulator
from jobapp.testing.faults import Rejection
from jobapp.testing.meters import (
    DAY,
    Bucket,
    CalendarDay,
    FixedWindow,
    Meter,
    SlidingWindow,
    day_end,
)
from tests.simulator_support import DIALECTS, KEY

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PACIFIC = "America/Los_Angeles"
MINUTE = timedelta(seconds=60)
HOURS_LEFT = {"openai": 24, "anthropic": 12, "google": 20, "openrouter": 12}
"""From noon UTC, the fake clock's start, until a day of one request is back."""


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def passed(quota: Quota, times: list[float], provider: str = "openai", model: str = "m") -> list[bool]:
    return [not isinstance(quota.take(provider, model, at(time)), Rejection) for time in times]


def rejection(quota: Quota, seconds: float, provider: str = "openai", model: str = "m") -> Rejection:
    taken = quota.take(provider, model, at(seconds))
    assert isinstance(taken, Rejection)
    return taken


def test_a_window_opens_with_its_first_request_and_is_whole_again_at_its_end():
    quota = Quota(2, window=10)
    assert passed(quota, [3, 12, 12.999]) == [True, True, False]
    assert rejection(quota, 12.5) == Rejection(Fault.BUSY_MINUTE, at(12.5), at(13), 2)
    assert passed(quota, [13, 13, 22.9, 23]) == [True, True, False, True]


def test_a_sliding_window_gives_back_one_request_after_another():
    quota = Quota(2, window=10, sliding=True)
    assert passed(quota, [0, 4, 9.9]) == [True, True, False]
    assert rejection(quota, 9).free_at == at(10)
    assert passed(quota, [10, 10.1, 14]) == [True, False, True]


def test_a_bucket_gives_back_one_request_each_interval():
    quota = Quota(2, window=10, bucket=True)
    assert passed(quota, [0, 0, 4.9]) == [True, True, False]
    assert rejection(quota, 4).free_at == at(5)
    assert passed(quota, [5, 5.1, 10]) == [True, False, True]
    with pytest.raises(ValueError, match="not both"):
        Quota(2, sliding=True, bucket=True)


def test_what_is_left_is_told_with_the_instant_at_which_all_of_it_is_back():
    quota = Quota(3, window=10)
    told = [quota.take("openai", "m", at(seconds)) for seconds in (0, 1)]
    rooms = [room["requests"] for room in told if not isinstance(room, Rejection)]
    assert [(room.limit, room.remaining, room.full_at) for room in rooms] == [(3, 2, at(10)), (3, 1, at(10))]


def test_tokens_have_a_window_of_their_own_and_too_many_never_fit():
    quota = Quota(tokens=10, window=10)
    assert not isinstance(quota.take("openai", "m", at(0), tokens=7), Rejection)
    busy = quota.take("openai", "m", at(1), tokens=4)
    assert busy == Rejection(Fault.BUSY_TOKENS, at(1), at(10), 10)
    assert not isinstance(quota.take("openai", "m", at(1), tokens=3), Rejection)
    too_large = quota.take("openai", "m", at(10), tokens=11)
    assert isinstance(too_large, Rejection)
    assert too_large.fault is Fault.TOO_LARGE


def test_openais_day_gives_back_a_slot_at_a_time():
    quota = Quota(per_day=200)
    assert passed(quota, [0] * 201) == [True] * 200 + [False]
    assert rejection(quota, 0).wait == 432  # 7m12s, as in PROVIDERS' section 3
    assert passed(quota, [431.999, 432, 432]) == [False, True, False]


@pytest.mark.parametrize(
    ("provider", "reset"),
    [
        ("anthropic", datetime(2026, 11, 24, tzinfo=UTC)),
        ("openrouter", datetime(2026, 11, 24, tzinfo=UTC)),
        ("google", datetime(2026, 11, 24, 8, tzinfo=UTC)),
    ],
)
def test_the_other_days_end_at_the_providers_midnight(provider, reset):
    quota = Quota(per_day=1)
    quota.take(provider, "m", NOON)
    spent = quota.take(provider, "m", NOON)
    assert spent == Rejection(Fault.SPENT_DAY, NOON, reset, 1)
    assert isinstance(quota.take(provider, "m", reset - timedelta(microseconds=1)), Rejection)
    assert not isinstance(quota.take(provider, "m", reset), Rejection)


@pytest.mark.parametrize(
    ("now", "midnight"),
    [
        (datetime(2026, 3, 8, 9, tzinfo=UTC), datetime(2026, 3, 9, 7, tzinfo=UTC)),  # clocks go forward
        (datetime(2026, 11, 1, 8, tzinfo=UTC), datetime(2026, 11, 2, 8, tzinfo=UTC)),  # clocks go back
        (datetime(2028, 2, 29, 7, tzinfo=UTC), datetime(2028, 2, 29, 8, tzinfo=UTC)),
        (datetime(2027, 1, 1, 7, 59, tzinfo=UTC), datetime(2027, 1, 1, 8, tzinfo=UTC)),
    ],
)
def test_midnight_knows_summer_time(now, midnight):
    assert next_midnight(now, PACIFIC) == midnight


def test_a_month_ends_on_the_first_and_a_forced_day_where_the_provider_says():
    assert first_of_next_month(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)
    assert first_of_next_month(datetime(2028, 2, 1, tzinfo=UTC)) == datetime(2028, 3, 1, tzinfo=UTC)
    assert day_end("openai", 1000, NOON) == at(86.4)
    assert day_end("google", 1000, NOON) == datetime(2026, 11, 24, 8, tzinfo=UTC)


def test_a_spent_day_is_told_before_a_busy_minute():
    quota = Quota(1, window=10, per_day=1)
    assert passed(quota, [0]) == [True]
    assert rejection(quota, 0).fault is Fault.SPENT_DAY


def test_models_have_limits_of_their_own_unless_told_otherwise():
    assert [not isinstance(Quota(1).take("google", model, NOON), Rejection) for model in "ab"] == [True, True]
    one_pool = Quota(1, per_model=False)
    assert [not isinstance(one_pool.take("google", model, NOON), Rejection) for model in "ab"] == [
        True,
        False,
    ]


def test_openrouters_free_models_share_one_window_and_one_day():
    quota = Quota(2, per_day=2)
    assert passed(quota, [0], "openrouter", "a:free") == [True]
    assert passed(quota, [0], "openrouter", "b:free") == [True]
    assert rejection(quota, 0, "openrouter", "c:free").fault is Fault.SPENT_DAY
    assert passed(quota, [0], "openrouter", "paid") == [True]


def test_spend_limits_hold_for_all_models():
    quota = Quota(per_day=1)
    assert passed(quota, [0], "anthropic", "a") == [True]
    assert rejection(quota, 0, "anthropic", "b").fault is Fault.SPENT_DAY


def test_refused_requests_use_up_the_day_where_they_count():
    lenient, strict = Quota(1, window=100, per_day=3), Quota(1, window=100, per_day=3, count_refused=True)
    assert passed(lenient, [0, 1, 2, 100], "google") == [True, False, False, True]
    assert passed(strict, [0, 1, 2, 100], "google") == [True, False, False, False]
    assert rejection(strict, 100, "google").fault is Fault.SPENT_DAY


def test_a_refilled_quota_is_as_new():
    quota = Quota(1, per_day=1)
    assert passed(quota, [0, 0]) == [True, False]
    quota.refill()
    assert passed(quota, [0, 0]) == [True, False]


METERS: dict[str, Callable[[int], Meter]] = {
    "fixed": lambda limit: FixedWindow(limit, MINUTE),
    "sliding": lambda limit: SlidingWindow(limit, MINUTE),
    "calendar": lambda limit: CalendarDay(limit, PACIFIC),
    "rolling": lambda limit: Bucket(limit, DAY),
}


@pytest.mark.parametrize("name", METERS)
@given(limit=st.integers(1, 5), waits=st.lists(st.floats(0, 100_000), max_size=40))
def test_whoever_waits_as_long_as_told_is_served_and_not_a_microsecond_earlier(name, limit, waits):
    meter = METERS[name](limit)
    now = NOON
    for wait in waits:
        free_at = meter.free_at(now)
        room = meter.room(now)
        assert 0 <= room.remaining <= limit
        assert (free_at is None) == (room.remaining > 0)
        assert room.full_at >= now
        if free_at is None:
            meter.take(now)
        else:
            assert free_at > now
            assert meter.free_at(free_at - timedelta(microseconds=1)) is not None
            assert meter.free_at(free_at) is None
        now += timedelta(seconds=wait) if free_at is None else (free_at - now) * (wait / 100_000)
    assert meter.room(meter.room(now).full_at).remaining == limit


@given(limit=st.integers(1, 4), waits=st.lists(st.floats(0, 90), max_size=60))
def test_a_sliding_window_never_lets_more_through_than_its_limit(limit, waits):
    meter = SlidingWindow(limit, MINUTE)
    now, taken = NOON, []
    for wait in waits:
        now += timedelta(seconds=wait)
        if meter.free_at(now) is None:
            meter.take(now)
            taken.append(now)
        assert sum(moment > now - MINUTE for moment in taken) <= limit


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def simulator(clock):
    with Simulator(clock) as started:
        yield started


@pytest.fixture(params=DIALECTS)
def dialect(request, simulator):
    opened = DIALECTS[request.param](simulator)
    yield opened
    opened.close()


def test_a_busy_minute_is_over_when_its_clock_says_so(dialect, simulator, clock):
    simulator.add_key(dialect.provider, KEY, limit=2, window=60)
    assert [dialect.outcome("ask", KEY).error is None for _ in range(3)] == [True, True, False]
    clock.advance(59.999)
    assert dialect.outcome("ask", KEY).error is not None
    clock.advance(0.001)
    assert dialect.outcome("ask", KEY).error is None


def test_a_spent_day_is_over_when_its_clock_says_so(dialect, simulator, clock):
    simulator.add_key(dialect.provider, KEY, per_day=1)
    assert [dialect.outcome("ask", KEY).error is None for _ in range(2)] == [True, False]
    clock.advance(HOURS_LEFT[dialect.provider] * 3600 - 1)
    assert dialect.outcome("ask", KEY).error is not None
    clock.advance(1)
    assert dialect.outcome("ask", KEY).error is None


def test_keys_with_one_quota_share_it(dialect, simulator):
    shared = Quota(2)
    for key in ("sk-a", "sk-b"):
        simulator.add_key(dialect.provider, key, quota=shared)
    assert [dialect.outcome("ask", key).error is None for key in ("sk-a", "sk-b", "sk-a", "sk-b")] == [
        True,
        True,
        False,
        False,
    ]
    assert [simulator.rejections(dialect.provider, key) for key in ("sk-a", "sk-b")] == [1, 1]


def test_answers_of_openai_and_anthropic_tell_what_is_left(simulator, clock):
    simulator.add_key("openai", KEY, limit=3, window=90)
    simulator.add_key("anthropic", KEY, quota=Quota(3, window=1.5, tokens=100))
    openai, anthropic = DIALECTS["openai"](simulator), DIALECTS["anthropic"](simulator)
    create = openai.client(KEY).chat.completions.with_raw_response.create
    first = create(**openai.arguments("m", "Hello")).headers
    clock.advance(20.5)
    second = create(**openai.arguments("m", "Hello")).headers
    assert [
        [headers[f"x-ratelimit-{what}-requests"] for what in ("limit", "remaining", "reset")]
        for headers in (first, second)
    ] == [["3", "2", "1m30s"], ["3", "1", "1m9.5s"]]
    create = anthropic.client(KEY).messages.with_raw_response.create
    told = create(**anthropic.arguments("m", "Hello there")).headers
    assert told["anthropic-ratelimit-requests-remaining"] == "2"
    assert told["anthropic-ratelimit-requests-reset"] == "2026-11-23T12:00:22Z"
    assert told["anthropic-ratelimit-input-tokens-remaining"] == "98"
    simulator.hints = False
    silent = create(**anthropic.arguments("m", "Hello there")).headers
    assert not [name for name in silent if "ratelimit" in name]
    openai.close()
    anthropic.close()


def test_google_and_openrouter_tell_nothing_on_success(simulator):
    for name in ("google-genai", "openrouter"):
        dialect = DIALECTS[name](simulator)
        simulator.add_key(dialect.provider, KEY, limit=3)
        if name == "openrouter":
            raw = dialect.client(KEY).chat.completions.with_raw_response.create
            headers = dict(raw(**dialect.arguments("m:free", "Hello")).headers)
        else:
            done = dialect.client(KEY).models.generate_content(model="m", contents="Hello")
            headers = done.sdk_http_response.headers
        assert not [header for header in headers if "limit" in header.lower()]
        dialect.close()


def test_a_short_window_tells_its_wait_to_the_millisecond(simulator, clock):
    simulator.add_key("openai", KEY, limit=1, window=1.25)
    dialect = DIALECTS["openai"](simulator)
    dialect.outcome("ask", KEY)
    clock.advance(0.0501)
    told = dialect.outcome("ask", KEY).told
    assert '"retry-after-ms": "1200"' in told
    assert '"retry-after": "2"' in told
    assert "try again in 1.2s" in told
    dialect.close()
