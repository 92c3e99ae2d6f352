"""Until when a rejected key is not asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.domain.quota_reset import LONGEST, block_end, first_of_next_month, next_midnight
from jobapp.domain.types import Kind, Scope, Verdict

PACIFIC = "America/Los_Angeles"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "zone", "midnight"),
    [
        # an ordinary day in summer and in winter
        ("2026-07-10T12:00", PACIFIC, "2026-07-11T07:00"),
        ("2026-12-10T12:00", PACIFIC, "2026-12-11T08:00"),
        # the day of 23 hours, 2026-03-08: before, during and after the missing hour
        ("2026-03-08T07:59", PACIFIC, "2026-03-08T08:00"),
        ("2026-03-08T08:00", PACIFIC, "2026-03-09T07:00"),
        ("2026-03-08T09:59", PACIFIC, "2026-03-09T07:00"),
        ("2026-03-08T10:00", PACIFIC, "2026-03-09T07:00"),
        ("2026-03-09T06:59", PACIFIC, "2026-03-09T07:00"),
        # the day of 25 hours, 2026-11-01: both passes through the repeated hour
        ("2026-11-01T06:59", PACIFIC, "2026-11-01T07:00"),
        ("2026-11-01T07:00", PACIFIC, "2026-11-02T08:00"),
        ("2026-11-01T08:30", PACIFIC, "2026-11-02T08:00"),
        ("2026-11-01T09:30", PACIFIC, "2026-11-02T08:00"),
        ("2026-11-02T07:59", PACIFIC, "2026-11-02T08:00"),
        # leap day, the days round it, and a year without one
        ("2028-02-28T12:00", "UTC", "2028-02-29T00:00"),
        ("2028-02-29T12:00", "UTC", "2028-03-01T00:00"),
        ("2027-02-28T12:00", "UTC", "2027-03-01T00:00"),
        ("2028-02-29T12:00", PACIFIC, "2028-03-01T08:00"),
        # ends of months and of the year; the very instant belongs to the new day
        ("2026-04-30T23:59", "UTC", "2026-05-01T00:00"),
        ("2026-12-31T23:59", "UTC", "2027-01-01T00:00"),
        ("2026-12-31T23:59", PACIFIC, "2027-01-01T08:00"),
        ("2027-01-01T00:00", "UTC", "2027-01-02T00:00"),
        # zones ahead of UTC, with half hours, and one whose clocks change at midnight
        ("2026-06-01T15:00", "Asia/Tokyo", "2026-06-02T15:00"),
        ("2026-06-01T14:59", "Asia/Tokyo", "2026-06-01T15:00"),
        ("2026-06-01T12:00", "Asia/Kolkata", "2026-06-01T18:30"),
        ("2026-06-01T12:00", "Pacific/Kiritimati", "2026-06-02T10:00"),
        ("2026-03-28T12:00", "Asia/Beirut", "2026-03-28T22:00"),
    ],
)
def test_midnight_comes_when_the_clocks_there_strike_it(now, zone, midnight):
    assert next_midnight(at(now), zone) == at(midnight)


@pytest.mark.parametrize("hours", [-12, -8, -3.5, 0, 5.75, 9, 14])
def test_the_zone_of_this_machines_clock_changes_nothing(hours):
    here = timezone(timedelta(hours=hours))
    for month in range(1, 13):
        now = datetime(2026, month, 1, 6, 30, tzinfo=UTC)
        assert next_midnight(now.astimezone(here), PACIFIC) == next_midnight(now, PACIFIC)
        assert first_of_next_month(now.astimezone(here)) == first_of_next_month(now)
        spent = Verdict(Kind.QUOTA)
        assert block_end(spent, now.astimezone(here), zone=PACIFIC) == block_end(spent, now, zone=PACIFIC)


@pytest.mark.parametrize(
    ("now", "zone", "first"),
    [
        ("2026-01-31T12:00", "UTC", "2026-02-01T00:00"),
        ("2028-02-29T23:59", "UTC", "2028-03-01T00:00"),
        ("2026-12-01T00:00", "UTC", "2027-01-01T00:00"),
        ("2026-11-30T23:59", "UTC", "2026-12-01T00:00"),
        ("2026-12-01T00:00", PACIFIC, "2026-12-01T08:00"),
        ("2026-03-31T20:00", PACIFIC, "2026-04-01T07:00"),
        ("2026-04-30T20:00", "Asia/Tokyo", "2026-05-31T15:00"),
    ],
)
def test_the_first_of_the_month_comes_when_the_calendar_there_says(now, zone, first):
    assert first_of_next_month(at(now), zone) == at(first)


@pytest.mark.parametrize(
    ("verdict", "end"),
    [
        (Verdict(Kind.RATE_LIMIT), timedelta(seconds=60)),
        (Verdict(Kind.RATE_LIMIT, retry_after=7.5), timedelta(seconds=7.5)),
        (Verdict(Kind.RATE_LIMIT, retry_after=0.0), timedelta(seconds=1)),
        (Verdict(Kind.RATE_LIMIT, retry_after=1e9), timedelta(days=1)),
        (Verdict(Kind.AUTH, Scope.KEY), timedelta(hours=1)),
        (Verdict(Kind.AUTH, Scope.MODEL), timedelta(days=1)),
        (Verdict(Kind.UNAVAILABLE), timedelta(seconds=60)),
        (Verdict(Kind.QUOTA), timedelta(hours=12)),
        (Verdict(Kind.QUOTA, resets_at=NOW + timedelta(days=7)), timedelta(days=7)),
        (Verdict(Kind.QUOTA, resets_at=NOW + timedelta(days=400)), timedelta(days=35)),
        (Verdict(Kind.QUOTA, resets_at=NOW - timedelta(days=1)), timedelta(hours=12)),
        (Verdict(Kind.QUOTA, retry_after=86.4), timedelta(seconds=86.4)),
    ],
)
def test_a_block_lasts_as_long_as_its_kind_asks(verdict, end):
    assert block_end(verdict, NOW, zone="UTC") == NOW + end


def test_money_without_a_date_is_asked_about_again_at_the_providers_next_midnight():
    assert block_end(Verdict(Kind.QUOTA), NOW, zone=PACIFIC) == at("2026-11-24T08:00")


@pytest.mark.parametrize(
    ("streak", "seconds"), [(1, 432), (2, 864), (3, 1728), (8, 55296), (9, 86400), (99, 86400)]
)
def test_a_rolling_day_is_doubled_with_each_refusal_in_a_row_up_to_a_day(streak, seconds):
    verdict = Verdict(Kind.QUOTA, Scope.MODEL, retry_after=432.0)
    assert block_end(verdict, NOW, zone="UTC", streak=streak) == NOW + timedelta(seconds=seconds)


def test_geminis_day_ends_at_the_earlier_instant_and_then_at_the_later():
    first, later = at("2026-11-24T00:00"), at("2026-11-24T08:00")
    verdict = Verdict(Kind.QUOTA, Scope.MODEL, resets_at=first, repeat_resets_at=later)
    assert block_end(verdict, NOW, zone=PACIFIC, streak=1) == first
    assert block_end(verdict, NOW, zone=PACIFIC, streak=2) == later
    assert block_end(verdict, NOW, zone=PACIFIC, streak=3) == later


VERDICTS = st.builds(
    Verdict,
    kind=st.sampled_from(Kind),
    scope=st.sampled_from(Scope),
    retry_after=st.none() | st.floats(min_value=0, max_value=1e12),
    resets_at=st.none() | st.datetimes(datetime(2001, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - made aware
    repeat_resets_at=st.none()
    | st.datetimes(datetime(2001, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - made aware
)
MOMENTS = st.datetimes(datetime(2001, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware
ZONES = st.sampled_from(
    ["UTC", PACIFIC, "Asia/Tokyo", "Asia/Beirut", "America/Havana", "Pacific/Apia", "Europe/Berlin"]
)


@given(VERDICTS, MOMENTS, ZONES, st.integers(min_value=-1, max_value=10**6))
def test_a_block_always_ends_later_and_within_35_days(verdict, now, zone, streak):
    end = block_end(verdict, now, zone=zone, streak=streak)
    assert now < end <= now + LONGEST
    assert end.tzinfo is UTC


@given(MOMENTS, ZONES)
def test_the_next_midnight_is_on_the_next_date_there_and_none_lies_between(now, zone):
    midnight = next_midnight(now, zone)
    there = ZoneInfo(zone)
    assert now < midnight <= now + timedelta(hours=49)
    assert midnight.astimezone(there).date() > now.astimezone(there).date()
    assert (midnight - timedelta(seconds=1)).astimezone(there).date() <= midnight.astimezone(there).date()
