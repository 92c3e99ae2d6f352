"""The processes of a machine count what they use of their keys together."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobapp.domain.settings import BudgetSettings, Strategy
from jobapp.domain.types import ApiKey, Block, Kind, Usage, Verdict
from jobapp.limits.headers import Reported
from jobapp.limits.ledger import Ledger
from jobapp.limits.limit import Unit
from jobapp.pool.key_pool import Days, KeyPool
from jobapp.pool.model_keys import NEARLY_FIRST
from jobapp.pool.reservation import Take, Taken
from jobapp.stores.room_table import RoomTable

NOW = 1_800_000_000.0
KEY = ApiKey("KEY", "secret")
ANY = Take(max_wait=120.0)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="each process counts by itself there")


def pool_of(path: Path) -> KeyPool:
    """Return the keys as another process sees them."""
    return KeyPool("p", [KEY], table=RoomTable(path))


def taken(pool: KeyPool, now: float = NOW) -> Taken:
    found = pool.take("m", now, ANY)
    assert isinstance(found, Taken)
    assert not found.wait
    assert found.reservation
    return found


def is_full(pool: KeyPool, now: float) -> bool:
    """Return whether a call would have to wait, and let none wait."""
    found = pool.take("m", now, ANY)
    if isinstance(found, Taken) and found.reservation:
        pool.release(found.reservation, now)
    return not isinstance(found, Taken) or found.wait > 0


def told(remaining: int) -> list[Reported]:
    return [Reported("x-ratelimit-limit-requests", Unit.REQUESTS, 3, remaining, 60.0, bucket=False)]


def learnt(pool: KeyPool) -> None:
    """Let it be told that the key has two requests more in this minute."""
    reservation = taken(pool).reservation
    assert reservation
    pool.answered(reservation, NOW, told(2))


def test_room_that_one_process_took_is_not_taken_by_another(tmp_path):
    first, second = pool_of(tmp_path / "room"), pool_of(tmp_path / "room")
    learnt(first)
    taken(second)
    taken(first)
    assert is_full(second, NOW)
    assert is_full(first, NOW)


def test_a_key_that_another_process_was_refused_is_not_asked(tmp_path):
    first, second = pool_of(tmp_path / "room"), pool_of(tmp_path / "room")
    reservation = taken(first).reservation
    assert reservation
    since = datetime.fromtimestamp(NOW, UTC)
    block = Block("p", KEY.fingerprint, "m", Kind.QUOTA, since + timedelta(hours=1), since, "spent", "KEY", 1)
    first.settle(reservation, NOW, Verdict(Kind.QUOTA), [block])
    assert is_full(second, NOW + 1)


def test_a_key_whose_long_block_ended_is_tried_by_one_call_of_all_processes(tmp_path):
    since = datetime.fromtimestamp(NOW - 7200, UTC)
    block = Block("p", KEY.fingerprint, "m", Kind.QUOTA, since + timedelta(hours=1), since, "spent", "KEY", 1)
    first, second = pool_of(tmp_path / "room"), pool_of(tmp_path / "room")
    for pool in (first, second):
        pool.replace_blocks({block.id: block})
    probe = taken(first).reservation
    assert probe
    assert is_full(second, NOW)
    first.answered(probe, NOW + 1)
    taken(second, NOW + 1)
    taken(second, NOW + 1)


def test_what_a_killed_process_had_under_way_is_written_off(tmp_path):
    code = (
        "import os, sys, time; from pathlib import Path; from tests.test_shared_room import pool_of, taken\n"
        "pool = pool_of(Path(sys.argv[1])); [taken(pool) for _ in range(4)]; print('taken', flush=True)\n"
        "time.sleep(60)"
    )
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "room")], stdout=subprocess.PIPE, text=True, cwd=root
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == "taken\n"
        assert is_full(pool_of(tmp_path / "room"), NOW), "slow start: four"
        other.send_signal(signal.SIGKILL)
    taken(pool_of(tmp_path / "room"))


def test_a_probe_whose_process_was_killed_is_not_waited_for(tmp_path, monkeypatch):
    since = datetime.fromtimestamp(NOW - 7200, UTC)
    block = Block("p", KEY.fingerprint, "m", Kind.QUOTA, since + timedelta(hours=1), since, "spent", "KEY", 1)
    context = multiprocessing.get_context("fork")
    sent = context.Event()
    other = context.Process(target=_probe, args=(tmp_path / "room", block, sent))
    other.start()
    assert sent.wait(10)
    pool = pool_of(tmp_path / "room")
    pool.replace_blocks({block.id: block})
    assert is_full(pool, NOW), "the other one is probing it"
    other.kill()
    other.join(10)
    later = time.monotonic() + 2.0
    monkeypatch.setattr("jobapp.stores.room_table.time.monotonic", lambda: later)
    taken(pool)


def _probe(path: Path, block: Block, sent) -> None:
    pool = pool_of(path)
    pool.replace_blocks({block.id: block})
    taken(pool)
    sent.set()
    signal.pause()


def test_only_the_user_reads_it_and_it_names_no_key(tmp_path):
    learnt(pool_of(tmp_path / "room"))
    assert (tmp_path / "room").stat().st_mode & 0o777 == 0o600
    assert b"secret" not in (tmp_path / "room").read_bytes()


@contextmanager
def frozen_holder(path: Path) -> Iterator[None]:
    """Let a process be stopped while it holds the lock, and go on afterwards."""
    context = multiprocessing.get_context("fork")
    held, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(path, held, done))
    process.start()
    assert held.wait(10)
    assert process.pid
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)
        done.set()
        process.join(10)


def _hold(path: Path, held, done) -> None:
    table = RoomTable(path)
    assert table.lock("p")
    held.set()
    done.wait(30)
    table.unlock("p")


def test_what_is_settled_while_the_lock_is_held_elsewhere_is_not_under_way_for_ever(tmp_path):
    first, second = pool_of(tmp_path / "room"), pool_of(tmp_path / "room")
    reservations = [taken(first).reservation for _ in range(4)]
    with frozen_holder(tmp_path / "room"):
        for reservation in reservations:
            assert reservation
            first.answered(reservation, NOW + 1)
    third = taken(first, NOW + 2)
    assert third.reservation
    assert third.reservation.state.asked == 1
    taken(second, NOW + 2)


def capped(path: Path, ledger: Ledger | None = None) -> KeyPool:
    """Return the keys with a dollar for the day, as another process sees them; a token is a tenth of a cent."""
    days = Days("UTC", ledger, lambda _: lambda usage: usage.total_tokens / 1000)
    return KeyPool("p", [KEY], budgets=[BudgetSettings(usd_per_day=1.0)], table=RoomTable(path), days=days)


def test_what_an_answer_costs_that_one_process_learnt_is_what_another_reserves(tmp_path):
    first, second = capped(tmp_path / "room"), capped(tmp_path / "room")
    reservation = taken(first).reservation
    assert reservation
    first.answered(reservation, NOW, usage=Usage(0, 400, cost=0.4))
    taken(second)
    assert is_full(second, NOW), "0.40 dollars are spent and 0.40 reserved"


def killed_while_it_asks(path: Path) -> None:
    pool = capped(path)
    assert isinstance(pool.take("m", NOW, Take(size=1600)), Taken)  # 400 tokens: 0.40 dollars
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_process_had_under_way_is_spent(tmp_path):
    ledger = Ledger()
    for _ in range(2):
        process = multiprocessing.get_context("fork").Process(
            target=killed_while_it_asks, args=(tmp_path / "room",)
        )
        process.start()
        process.join()
    pool = capped(tmp_path / "room", ledger)
    assert is_full(pool, NOW), "a request costs 0.40 dollars"
    ((_, window),) = pool.budgets.days_of(KEY)
    assert window.left(NOW) == pytest.approx(0.2)


def many(path: Path, strategy: Strategy) -> KeyPool:
    """Return twenty keys as another process sees them."""
    keys = [ApiKey(f"KEY_{number}", f"secret {number}") for number in range(20)]
    return KeyPool("p", keys, strategy, table=RoomTable(path))


def fill(pool: KeyPool, now: float) -> None:
    """Let each key tell that it is full for a minute, and the pool find that."""
    for _ in pool.keys:
        reservation = taken(pool, now).reservation
        assert reservation
        pool.answered(reservation, now, told(0))
    assert is_full(pool, now)


def test_keys_that_others_found_full_are_passed_over_without_a_look_at_each(tmp_path):
    first, second = (many(tmp_path / "room", Strategy.STICKY) for _ in range(2))
    fill(first, NOW)
    assert is_full(second, NOW + 1)
    known = second._models["m"].tiers[0].states
    assert len(known) <= 1 + NEARLY_FIRST
    assert not is_full(second, NOW + 60.1)


def test_a_key_that_was_found_full_is_found_again_when_the_room_is_forgotten(tmp_path):
    first, second = (many(tmp_path / "room", Strategy.STICKY) for _ in range(2))
    fill(first, NOW)
    RoomTable(tmp_path / "room").forget()
    taken(second, NOW + 1)


def test_processes_that_spread_their_requests_begin_with_different_keys(tmp_path):
    begun = {taken(many(tmp_path / f"{number}", Strategy.SPREAD)).key.name for number in range(20)}
    assert len(begun) > 5


def test_processes_that_stick_to_a_key_begin_with_the_same(tmp_path):
    begun = {taken(many(tmp_path / f"{number}", Strategy.STICKY)).key.name for number in range(3)}
    assert begun == {"KEY_0"}


def test_what_was_sent_and_answered_while_the_lock_was_held_elsewhere_is_counted_later(tmp_path):
    first, second = pool_of(tmp_path / "room"), pool_of(tmp_path / "room")
    learnt(first)
    with frozen_holder(tmp_path / "room"):
        alone = taken(first).reservation
        assert alone
        first.answered(alone, NOW)
    taken(second)
    reservation = taken(second, NOW + 1).reservation
    assert reservation, "it does not know yet"
    state = first._models["m"].state(0)
    with first._room.hold(state):
        pass
    assert is_full(second, NOW + 2)
    assert state.sent.requests == 4
    assert state.ended.requests == 2
    assert state.asked == 2


def test_a_rejection_while_the_lock_was_held_elsewhere_counts_nothing_later(tmp_path):
    first, second = pool_of(tmp_path / "room"), pool_of(tmp_path / "room")
    learnt(first)
    with frozen_holder(tmp_path / "room"):
        alone = taken(first).reservation
        assert alone
        first.settle(alone, NOW + 0.1, Verdict(Kind.RATE_LIMIT, retry_after=1.0))
    taken(second)
    state = first._models["m"].state(0)
    with first._room.hold(state):
        pass
    assert state.sent.requests == 2
    assert state.ended.requests == 1
    taken(second)


def test_a_process_that_can_not_have_the_lock_sees_what_others_wrote(tmp_path, monkeypatch):
    first, second = pool_of(tmp_path / "room"), pool_of(tmp_path / "room")
    learnt(first)
    taken(second)
    monkeypatch.setattr(second._room._table, "lock", lambda *_: False)
    taken(first)
    assert is_full(second, NOW)
