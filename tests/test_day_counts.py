"""Days and months are counted once, by all processes together, over restarts, until their midnight."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobapp.domain.settings import BudgetSettings
from jobapp.domain.types import ApiKey, Usage
from jobapp.limits.counts import NO_COUNT, NO_COUNTS, Batch, Count, CountId, Counts
from jobapp.limits.day_window import TURN, DayCount, DayWindow, Period, Subject
from jobapp.limits.ledger import Ledger
from jobapp.limits.limit import Unit
from jobapp.limits.under_way import Me
from jobapp.pool.key_pool import Days, KeyPool
from jobapp.pool.reservation import NoneFree, Take, Taken
from jobapp.stores import atomic_file, kept_counts
from jobapp.stores.counts_file import CountsFile, decode, encode
from jobapp.testing import FakeClock, Simulator
from tests import capped_workers

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
T = NOW.timestamp()
HOUR = 3600.0
PACIFIC = "America/Los_Angeles"
A = ApiKey("A", "secret-a")
B = ApiKey("B", "secret-b")

IDS = st.builds(
    CountId,
    st.just("p"),
    st.sampled_from(["a", "b"]),
    st.just(""),
    st.just("UTC"),
    st.sampled_from(["2026-11-27", "2026-11"]),
)
COUNTS = st.builds(Count, st.integers(0, 5), st.integers(0, 99), st.sampled_from([0.0, 0.25, 1.5]))
USED = st.dictionaries(IDS, COUNTS, max_size=3)


def added(*all_used):
    total: dict[CountId, Count] = {}
    for used in all_used:
        for id_, count in used.items():
            total[id_] = total.get(id_, NO_COUNT).plus(count)
    return total


def used_in(ledger):
    batch = ledger.batch()
    return batch and batch.used


class TestTheMergeRules:
    @given(st.lists(st.tuples(st.sampled_from("xyz"), USED, st.integers(1, 3))))
    def test_each_batch_counts_once_however_often_it_is_brought(self, brought):
        counts, numbers = NO_COUNTS, dict.fromkeys("xyz", 0)
        for writer, used, times in brought:
            numbers[writer] += 1
            for _ in range(times):
                counts = counts.with_batch(Batch(writer, numbers[writer], used), NOW)
        assert counts.totals == added(*(used for _, used, _ in brought))

    @given(st.lists(USED, min_size=2, max_size=2))
    def test_batches_of_two_writers_add_up_in_any_order(self, used):
        one, other = (Batch(writer, 1, each) for writer, each in zip("xy", used, strict=True))
        assert NO_COUNTS.with_batch(one, NOW).with_batch(other, NOW) == NO_COUNTS.with_batch(
            other, NOW
        ).with_batch(one, NOW)

    @given(st.lists(USED, max_size=6), st.integers(0, 6), st.integers(0, 6))
    def test_two_memories_of_one_file_are_the_later_one(self, used, first, second):
        counts, seen = NO_COUNTS, [NO_COUNTS]
        for number, each in enumerate(used, 1):
            counts = counts.with_batch(Batch("x", number, each), NOW)
            seen.append(counts)
        first, second = min(first, len(used)), min(second, len(used))
        assert seen[first].merged(seen[second]) == seen[max(first, second)]
        assert seen[second].merged(seen[first]) == seen[max(first, second)]

    @given(USED)
    def test_what_is_written_is_read(self, used):
        counts = NO_COUNTS.with_batch(Batch("x", 3, used), NOW)
        assert decode(encode(counts, NOW)) == counts

    def test_past_days_go_and_those_of_a_wrong_clock(self):
        def of(*periods):
            return Counts({CountId("p", "a", "", "UTC", period): Count(1) for period in periods})

        known = of(
            "2026-11-24",
            "2026-11-25",
            "2026-11-27",
            "2026-11-29",
            "2026-11-30",
            "2026-10",
            "2026-11",
            "2027-01",
        )
        assert known.swept(NOW) == of("2026-11-25", "2026-11-27", "2026-11-29", "2026-11")
        kept = of("2026-11-27")
        assert kept.swept(NOW) is kept
        assert of("2026-11").swept(datetime(2026, 12, 1, tzinfo=UTC)) == of("2026-11")

    def test_a_writer_is_forgotten_when_nobody_repeats_its_batch(self):
        counts = NO_COUNTS.with_batch(Batch("x", 1, {}), NOW)
        assert counts.swept(NOW + timedelta(hours=23)) is counts
        assert counts.swept(NOW + timedelta(hours=25)).writers == {}


class TestTheLedger:
    ID = CountId("p", "a", "", "UTC", "2026-11-27")

    def test_what_is_used_is_known_before_and_after_it_is_written(self):
        ledger = Ledger()
        ledger.add(self.ID, Count(1, 10, 0.5))
        batch = ledger.batch()
        assert batch is not None
        ledger.add(self.ID, Count(1, 5))
        assert ledger.total(self.ID) == (2, 15, 0.5)
        ledger.learn(NO_COUNTS.with_batch(Batch("other", 1, {self.ID: Count(7)}), NOW))
        assert ledger.total(self.ID) == (9, 15, 0.5)
        assert ledger.batch() is batch
        ledger.learn(NO_COUNTS.with_batch(batch, NOW))
        assert ledger.total(self.ID) == (2, 15, 0.5)
        assert used_in(ledger) == {self.ID: Count(1, 5)}

    def test_a_forked_child_leaves_to_its_parent_what_that_used(self):
        ledger = Ledger()
        ledger.add(self.ID, Count(1))
        ledger.begin_anew()
        assert not ledger.is_unwritten
        ledger.add(self.ID, Count(2))
        assert used_in(ledger) == {self.ID: Count(2)}

    def test_it_asks_to_be_written_once(self):
        woken = []
        ledger = Ledger(lambda: woken.append(1))
        for _ in range(3):
            ledger.add(self.ID, Count(1))
        assert woken == [1]


@pytest.mark.parametrize(
    ("zone", "period", "at", "name", "hours_left"),
    [
        ("UTC", Period.DAY, NOW, "2026-11-27", 12),
        (PACIFIC, Period.DAY, datetime(2026, 11, 27, 7, tzinfo=UTC), "2026-11-26", 1),
        (PACIFIC, Period.DAY, datetime(2026, 3, 8, 8, tzinfo=UTC), "2026-03-08", 23),
        (PACIFIC, Period.DAY, datetime(2026, 11, 1, 7, tzinfo=UTC), "2026-11-01", 25),
        ("UTC", Period.MONTH, datetime(2026, 11, 30, 23, tzinfo=UTC), "2026-11", 1),
        (PACIFIC, Period.MONTH, datetime(2026, 12, 1, 7, tzinfo=UTC), "2026-11", 1),
    ],
)
def test_a_day_and_a_month_end_at_their_zones_midnight(zone, period, at, name, hours_left):
    id_, begins, ends = Subject("p", "a", "", zone, period).opened(at.timestamp())
    assert id_.period == name
    assert ends - at.timestamp() == hours_left * HOUR
    assert begins <= at.timestamp()


def pool(*rows, ledger=None, keys=(A,), zone="UTC", price=0.001):
    return KeyPool(
        "p",
        keys,
        budgets=[BudgetSettings(**row) for row in rows],
        days=Days(zone, ledger, lambda _: lambda usage: usage.total_tokens * price),
    )


def take(pool, now=T, model="m", **want):
    return pool.take(model, now, Take(**want))


def sent(pool, now=T, tokens=0, price=0.001, **want):
    """Ask and be answered; return whether there was room."""
    found = take(pool, now, **want)
    if isinstance(found, NoneFree):
        return False
    pool.answered(found.reservation, now, usage=Usage(tokens, 0, cost=tokens * price))
    return True


def how_many(pool, now=T, most=50, **want):
    return sum(sent(pool, now, **want) for _ in range(most))


class TestTheWindow:
    def test_requests_of_a_day_go_on_after_a_restart_and_end_at_midnight(self):
        ledger = Ledger()
        assert how_many(pool({"rpd": 5}, ledger=ledger), most=3) == 3
        again = pool({"rpd": 5}, ledger=ledger)
        assert how_many(again) == 2
        assert take(again).wait == pytest.approx(12 * HOUR)
        assert how_many(again, T + 12 * HOUR) == 5

    def test_another_allowance_goes_on_with_what_was_used(self):
        ledger = Ledger()
        assert how_many(pool({"rpd": 5}, ledger=ledger)) == 5
        assert how_many(pool({"rpd": 8}, ledger=ledger)) == 3

    def test_the_budgets_own_zone_goes_before_the_providers(self):
        keys = pool({"rpd": 1, "reset_timezone": "Asia/Tokyo"}, zone=PACIFIC)
        assert how_many(keys) == 1
        assert take(keys).wait == pytest.approx(3 * HOUR)

    def test_tokens_of_a_day_count_what_answers_cost(self):
        keys = pool({"tpd": 100})
        assert how_many(keys, tokens=30) == 4  # nobody knew that they would be longer than none
        assert how_many(keys, T + 12 * HOUR, tokens=30, size=120) == 3

    def test_a_group_is_counted_together_and_a_model_apart(self):
        team = (ApiKey("C", "secret-c", "team"), ApiKey("D", "secret-d", "team"))
        assert how_many(pool({"group": "team", "rpd": 3}, keys=team)) == 3
        keys = pool({"model": "m", "rpd": 2})
        assert [how_many(keys, model=model) for model in "mn"] == [2, 50]
        keys = pool({"model": "gpt-4o*", "rpd": 3})
        assert [how_many(keys, model=model) for model in ("gpt-4o-mini", "gpt-4o", "o3")] == [3, 0, 50]

    def test_dollars_are_reserved_until_an_answer_settles_them(self):
        keys = pool({"usd_per_day": 1.0})
        held = [take(keys, size=1600, max_wait=1.0) for _ in range(3)]  # 400 tokens of prompt: 0.40 dollars
        assert [found.wait for found in held] == [0, 0, pytest.approx(TURN)]
        assert take(keys, size=1600, max_wait=1.0).wait == pytest.approx(TURN)  # nor do those in line matter
        keys.release(held[2].reservation, T)
        for found in held[:2]:
            keys.answered(found.reservation, T, usage=Usage(100, 0, cost=0.1))
        assert take(keys, size=1600).wait == 0

    def test_with_nothing_spent_and_nothing_reserved_a_call_always_goes(self):
        keys = pool({"usd_per_day": 0.01})
        first = take(keys, size=400_000)
        assert isinstance(first, Taken)
        assert isinstance(take(keys, size=400_000), NoneFree)
        keys.answered(first.reservation, T, usage=Usage(100_000, 0, cost=100.0))
        assert take(keys).wait == pytest.approx(12 * HOUR)

    def test_a_rejected_request_costs_no_dollars_and_one_of_unknown_end_its_estimate(self):
        from jobapp.domain.types import Kind, Verdict

        keys = pool({"usd_per_day": 1.0})
        keys.settle(take(keys, size=1600).reservation, T, Verdict(Kind.UNAVAILABLE))
        (_, window), *_ = keys.budgets.days_of(A)
        assert window.left(T) == pytest.approx(1.0)
        keys.end(take(keys, size=1600).reservation)
        assert window.left(T) == pytest.approx(0.6)

    def test_a_new_process_that_knows_no_answer_reserves_what_was_usual_today(self):
        ledger = Ledger()
        assert sent(pool({"usd_per_month": 1.0}, ledger=ledger), tokens=400)
        keys = pool({"usd_per_month": 1.0}, ledger=ledger)
        assert take(keys).wait == 0
        assert take(keys, max_wait=1.0).wait == pytest.approx(TURN)  # 0.40 dollars are spent, 0.40 reserved

    def test_a_month_outlasts_its_days(self):
        keys = pool({"usd_per_month": 1.0})
        assert how_many(keys, tokens=500, size=2000) == 2
        assert not sent(keys, T + 48 * HOUR, tokens=500, size=2000)
        assert sent(keys, datetime(2026, 12, 1, tzinfo=UTC).timestamp(), tokens=500, size=2000)

    def test_a_clock_that_was_ahead_does_not_keep_the_day(self):
        keys = pool({"rpd": 2})
        assert how_many(keys, T + 240 * HOUR) == 2
        assert how_many(keys, T) == 2

    @given(st.lists(st.integers(0, 400), max_size=30))
    def test_what_is_spent_passes_the_cap_by_one_answer_at_most(self, tokens):
        keys = pool({"usd_per_day": 1.0})
        spent = [each * 0.001 for each in tokens if sent(keys, tokens=each, size=4 * each)]
        assert sum(spent) <= 1.0 + max(spent, default=0.0) + 1e-9


class TestTheFile:
    ID = CountId("p", "a", "", "UTC", "2026-11-27")

    def file(self, tmp_path, name="state.counts.json"):
        return CountsFile(tmp_path / name, FakeClock(NOW))

    def test_two_processes_add_up_and_read_each_other(self, tmp_path):
        one, other = self.file(tmp_path), self.file(tmp_path)
        one.ledger.add(self.ID, Count(3, 30, 0.5))
        other.ledger.add(self.ID, Count(4, 40))
        one.write()
        other.write()
        assert other.ledger.total(self.ID) == (7, 70, 0.5)
        one.look()
        assert one.ledger.total(self.ID) == (7, 70, 0.5)
        assert not one.ledger.is_unwritten

    def test_a_write_that_failed_after_all_was_written_is_not_counted_twice(self, tmp_path, monkeypatch):
        file = self.file(tmp_path)
        file.ledger.add(self.ID, Count(3))
        replace = atomic_file.replace

        def fails_late(*arguments):
            replace(*arguments)
            raise OSError(5, "the disk is gone")

        with monkeypatch.context() as broken:
            broken.setattr(atomic_file, "replace", fails_late)
            file.write()
        file.ledger.add(self.ID, Count(1))
        file.write()
        file.write()
        again = self.file(tmp_path)
        again.look()
        assert again.ledger.total(self.ID) == (4, 0, 0)

    @pytest.mark.parametrize(
        "content",
        [b"", b"{", b"[]", b"{}", b'{"version": 2}', b'{"version": 1, "counts": [3], "writers": []}'],
    )
    def test_a_broken_file_is_written_anew_from_memory(self, content, tmp_path, caplog):
        file = self.file(tmp_path)
        file.ledger.add(self.ID, Count(3))
        file.write()
        file.path.write_bytes(content)
        file.ledger.add(self.ID, Count(1))
        file.write()
        again = self.file(tmp_path)
        again.look()
        assert again.ledger.total(self.ID) == (4, 0, 0)
        assert "can't be read" in caplog.text

    def test_where_nothing_can_be_written_the_process_counts_on(self, tmp_path, caplog):
        (tmp_path / "folder").write_text("is a file")
        file = self.file(tmp_path, "folder/state.counts.json")
        file.ledger.add(self.ID, Count(3))
        file.write()
        file.write()
        assert file.ledger.total(self.ID) == (3, 0, 0)
        assert len(caplog.records) == 1

    def test_it_is_its_owners_alone_and_bears_no_key(self, tmp_path):
        file = self.file(tmp_path)
        file.ledger.add(self.ID, Count(3))
        file.write()
        assert file.path.stat().st_mode & 0o777 == 0o600


WORKER = """
import sys, time
from pathlib import Path
from jobapp.domain.clock import SystemClock
from jobapp.limits.counts import Count, CountId
from jobapp.stores.json_file import JSONFileStore
store = JSONFileStore(Path(sys.argv[1]), SystemClock())
store.refresh()
day = CountId("p", "a", "", "UTC", time.strftime("%Y-%m-%d", time.gmtime()))
for number in range(int(sys.argv[2])):
    store.ledger.add(day, Count(1, 10, 0.5))
    if sys.argv[3] == "slowly":
        print(number + 1, flush=True)
        time.sleep(0.01)
"""


def total(path):
    counts = decode(path.with_suffix(".counts.json").read_bytes())
    return sum(count.requests for count in counts.totals.values())


def test_the_counts_of_processes_that_end_add_up(tmp_path):
    state = tmp_path / "state.json"
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, state, str(100 + i), "fast"]) for i in range(4)
    ]
    assert [worker.wait(60) for worker in workers] == [0] * 4
    assert total(state) == 406


def test_a_killed_process_loses_what_it_counted_within_a_moment_only(tmp_path):
    state = tmp_path / "state.json"
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, state, "100000", "slowly"], stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    counted_at = [(int(line), time.monotonic()) for line, _ in zip(worker.stdout, range(250), strict=False)]
    os.kill(worker.pid, signal.SIGKILL)
    killed_at = time.monotonic()
    worker.wait()
    old = [number for number, at in counted_at if at < killed_at - kept_counts.PERIOD - 1.0]
    assert old[-1] <= total(state) <= counted_at[-1][0] + 5
    worker.stdout.close()


def test_eight_processes_spend_a_days_dollars_and_no_more_until_the_next_day(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(capped_workers.A_DOLLAR_A_DAY)
    with Simulator() as simulator:
        simulator.add_key("openai", "sk-one")
        environ = {**simulator.environ(), "JOBAPP_CACHE_DIR": str(tmp_path / "cache")}
        costs, errors = capped_workers.run(config, environ, "2026-11-27T12:00:00+00:00", processes=8)
        assert 0.98 <= sum(costs) <= 1.00 + 4 * max(costs), "four are under way before the first answer"
        assert all(error.startswith("No API keys available: your own budget is spent.") for error in errors)
        assert all("at 2026-11-28 00:00:00 UTC" in error for error in errors)
        assert capped_workers.run(config, environ, "2026-11-27T13:00:00+00:00").costs == []
        costs, _ = capped_workers.run(config, environ, "2026-11-28T00:00:01+00:00")
        assert 0.98 <= sum(costs) <= 1.00 + 4 * max(costs)


@given(st.floats(1e-6, 100.0), st.floats(0.0, 100.0), st.floats(0.0, 10.0), st.integers(1, 50))
@example(2.0, 1e-6, 2.0, 1)
def test_what_keeps_a_request_out_until_midnight_is_told_as_spent(limit, used, cost, requests):
    count = DayCount(Subject("p", "a", "", "UTC", Period.DAY), Ledger(), Me())
    window = DayWindow("usd_per_day", Unit.DOLLARS, limit, count)
    window.ready_at(T, cost=cost)
    count.spend(Count(requests, 0, used))
    if window.ready_at(T, cost=cost) > T + TURN:
        assert window.spent_until(T) == datetime(2026, 11, 28, tzinfo=UTC)
