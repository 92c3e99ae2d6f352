"""The counts of days and months on a real server: they outlast every process, the room, and the server's data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobapp.domain.settings import BudgetSettings
from jobapp.domain.types import ApiKey, Usage
from jobapp.limits.counts import Count, CountId
from jobapp.pool.key_pool import Days, KeyPool
from jobapp.pool.reservation import NoneFree, Take
from jobapp.stores.redis import RedisStore
from jobapp.stores.redis_connection import Connection
from jobapp.testing import Simulator
from tests import capped_workers
from tests.capped_workers import A_DOLLAR_A_DAY
from tests.store_support import NOON, Clock, needs_server, warnings_in

pytest_plugins = ["tests.store_fixtures"]
pytestmark = needs_server

KEY = ApiKey("KEY", "secret")
DAY = CountId("p", "a", "", "UTC", "2026-07-01")
MONTH = DAY._replace(period="2026-07")


@pytest.fixture
def server(own_redis):
    own_redis.start()
    return own_redis


@pytest.fixture
def opened(server, clock):
    """Open the store as another process does."""
    return lambda at=clock: RedisStore(server.url, at, timeout=5)


def used(store, *, after=1.0, of=DAY):
    """Return what the store says was used, when it has looked again."""
    store._clock.advance(after)
    store.refresh()
    return store.ledger.total(of)


def spend(store, *counts, of=DAY):
    for count in counts:
        store.ledger.add(of, count)
    store._counts.write()


def test_two_processes_add_up_and_read_each_other(opened):
    one, other = opened(), opened()
    one.ledger.add(DAY, Count(3, 30, 0.5))
    spend(other, Count(4, 40))
    spend(one, of=MONTH)
    assert used(one) == used(other) == (7, 70, 0.5)
    assert not one.ledger.is_unwritten


def test_a_batch_whose_answer_was_lost_counts_once(opened, monkeypatch):
    store = opened()

    def lost(self, work):
        work()
        raise store._counts.faults[0]("no answer")

    with monkeypatch.context() as broken:
        broken.setattr(Connection, "in_time", lost)
        spend(store, Count(3))
    assert store.ledger.is_unwritten
    assert used(store) == used(opened()) == (3, 0, 0)
    spend(store, Count(1))
    assert used(opened()) == (4, 0, 0)


def flushed(server):
    server.command("FLUSHALL")


def evicted(server):
    server.command("DEL", "{jobapp}:counts:2026-07-01")


def spoilt(server):
    flushed(server)
    server.command("SET", "{jobapp}:counts:2026-07-01", "nonsense")


def begun_anew_by_another(server):
    flushed(server)
    spend(RedisStore(server.url, Clock()), Count(100))


@pytest.mark.parametrize("lose", [flushed, evicted, spoilt])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_server_that_lost_its_data_is_told_again_before_anything_is_added(server, opened, lose, order):
    stores = opened(), opened()
    for store in stores:
        spend(store, Count(3, 30, 0.25))
    assert used(stores[0]) == used(stores[1]) == (6, 60, 0.5)
    lose(server)
    for place in order:
        spend(stores[place], Count(1, 10))
    assert used(stores[0]) == used(stores[1]) == used(opened()) == (8, 80, 0.5)


def test_who_began_anew_on_a_server_that_lost_its_data_does_not_hide_the_loss(server, opened):
    store = opened()
    spend(store, Count(3))
    begun_anew_by_another(server)
    assert used(store) == (100, 0, 0)
    spend(store, Count(1))
    assert used(opened()) == (101, 0, 0)


def test_a_server_that_went_back_is_told_what_is_known(server, opened):
    store = opened()
    spend(store, Count(3))
    name = "{jobapp}:counts:2026-07-01"
    fields = server.command("HGETALL", name)
    old = [line.decode() for line in fields if line[:1] not in (b"*", b"$", b"%")]
    spend(store, Count(5))
    server.command("HSET", name, *old)
    assert used(opened()) == (3, 0, 0)
    assert used(store) == used(opened()) == (8, 0, 0)


def test_nonsense_in_a_count_counts_nothing_and_harms_no_other(server, opened, caplog):
    spend(opened(), Count(3))
    server.command("HSET", "{jobapp}:counts:2026-07-01", "who?", "x", '["p","b"]', "1 2 3", "", "y")
    store = opened()
    assert used(store) == (3, 0, 0)
    spend(store, Count(1))
    assert used(opened()) == (4, 0, 0)
    assert not warnings_in(caplog)


def test_while_the_server_is_away_the_process_counts_on_and_tells_it_later(server, opened, caplog):
    store = opened()
    spend(store, Count(3))
    server.stop()
    spend(store, Count(2))
    spend(store, Count(2))
    assert used(store) == (7, 0, 0)
    assert len(warnings_in(caplog)) == 1
    server.start()
    spend(store, Count(1))
    assert used(opened(), after=40) == (8, 0, 0)


def test_counts_last_until_their_day_or_month_is_over(server, opened):
    store = opened()
    spend(store, Count(1))
    spend(store, Count(1), of=MONTH)
    days = {}
    for name in ("2026-07-01", "2026-07"):
        (left,) = server.command("PTTL", f"{{jobapp}}:counts:{name}")
        days[name] = int(left[1:]) / 86_400_000
    assert 1.5 < days["2026-07-01"] < 4
    assert 31 < days["2026-07"] < 35


class Process:
    """One that lives at *at*, and asks with a dollar for the day or the month."""

    def __init__(self, opened, at, **budget):
        self.clock = Clock(at)
        self.store = opened(self.clock)
        self.store.refresh()
        days = Days("UTC", self.store.ledger, lambda _: lambda usage: usage.total_tokens / 100)
        self.pool = KeyPool("p", [KEY], budgets=[BudgetSettings(**budget)], table=self.store.room, days=days)

    def spend(self):
        """Ask as long as there is room; return how often, and when there is room again."""
        now, answered = self.clock.now().timestamp(), 0
        while True:
            found = self.pool.take("m", now, Take())
            if isinstance(found, NoneFree):
                return answered, self.clock.now() + timedelta(seconds=found.wait or 0)
            self._answer(found)
            answered += 1

    def spend_once(self):
        """Ask and be answered."""
        self._answer(self.pool.take("m", self.clock.now().timestamp(), Take()))

    def _answer(self, found):
        usage = Usage(5, 5, cost=0.1)
        self.pool.answered(found.reservation, self.clock.now().timestamp(), usage=usage)

    def end(self):
        self.store.close()


def forget_room(server):
    """Let all go that lasts no longer than its processes."""
    for name in server.command("KEYS", "*")[2::2]:
        if not name.startswith((b"{jobapp}:counts", b"{jobapp}:writer")):
            server.command("DEL", name.decode())


@pytest.mark.parametrize(
    ("budget", "ends"),
    [
        ({"usd_per_day": 1.0}, datetime(2026, 7, 2, tzinfo=UTC)),
        ({"usd_per_month": 1.0}, datetime(2026, 8, 1, tzinfo=UTC)),
        ({"tpd": 100}, datetime(2026, 7, 2, tzinfo=UTC)),
        ({"rpd": 10}, datetime(2026, 7, 2, tzinfo=UTC)),
    ],
)
def test_a_spent_budget_stays_spent_when_all_processes_and_their_room_are_gone(
    server, opened, budget, ends, monkeypatch
):
    monkeypatch.setattr("jobapp.stores.redis_room.SKEW", float("inf"))
    first = Process(opened, NOON, **budget)
    assert first.spend() == (10, ends)
    first.end()
    forget_room(server)
    assert Process(opened, NOON + timedelta(hours=11), **budget).spend() == (0, ends)
    assert Process(opened, ends + timedelta(seconds=1), **budget).spend()[0] == 10


def test_processes_that_live_at_once_spend_one_budget(opened, monkeypatch):
    monkeypatch.setattr("jobapp.stores.redis_room.SKEW", float("inf"))
    processes = [Process(opened, NOON, usd_per_day=1.0) for _ in range(3)]
    for process in processes:
        process.spend_once()
    assert [process.spend()[0] for process in processes] == [7, 0, 0]


def test_a_reset_of_the_keys_leaves_the_counts_alone(opened, monkeypatch):
    from jobapp.stores.state import Reset

    monkeypatch.setattr("jobapp.stores.redis_room.SKEW", float("inf"))
    process = Process(opened, NOON, usd_per_day=1.0)
    assert process.spend()[0] == 10
    process.end()
    process.store.reset(Reset(NOON))
    assert Process(opened, NOON, usd_per_day=1.0).spend()[0] == 0


def test_eight_processes_spend_a_days_dollars_and_leave_them_on_the_server(server, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(f"{A_DOLLAR_A_DAY}state: {{url: '{server.url}'}}\n")
    with Simulator() as simulator:
        simulator.add_key("openai", "sk-one")
        environ = {**simulator.environ(), "JOBAPP_CACHE_DIR": str(tmp_path / "cache")}
        costs, _ = capped_workers.run(config, environ, "2026-11-27T12:00:00+00:00", processes=8)
        assert 0.98 <= sum(costs) <= 1.00 + 4 * max(costs)
        forget_room(server)
        costs, errors = capped_workers.run(config, environ, "2026-11-27T13:00:00+00:00")
        assert costs == []
        (error,) = errors
        assert error.startswith("No API keys available: your own budget is spent.")
        assert "at 2026-11-28 00:00:00 UTC" in error
        forget_room(server)
        costs, _ = capped_workers.run(config, environ, "2026-11-28T00:00:01+00:00")
        assert 0.98 <= sum(costs) <= 1.00 + 4 * max(costs)
