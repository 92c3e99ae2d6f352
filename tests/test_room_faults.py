"""The rows of docs/concepts/state.md about the room that processes share, with faults that really happen."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobapp.stores.room_table import BRIEF, RECORD, RETRY, SIZE
from tests.test_shared_room import (
    NOW,
    frozen_holder,
    is_full,
    learnt,
    pool_of,
    taken,
)
from tests.test_stores_faults import PAGE, ROOM
from tests.torture.kill_callers import torture

KILLS = 500

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="each process counts by itself there"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


def is_shared(path: Path) -> None:
    """Learn that there are two requests left, and find that each of two processes can send one."""
    first, second = pool_of(path), pool_of(path)
    learnt(first)
    taken(second)
    taken(first)
    assert is_full(second, NOW)
    assert is_full(first, NOW)


def spoil(path: Path, at: int, content: bytes) -> None:
    """Write over each record."""
    with path.open("r+b") as file:
        for record in range(1, path.stat().st_size // SIZE):
            file.seek(record * SIZE + at)
            file.write(content)


def _torn_record(tmp_path: Path) -> None:
    for damage in (b"\xff" * 64, b"\0" * 64):
        path = tmp_path / damage.hex()[:2]
        learnt(pool_of(path))
        spoil(path, 60, damage)
        for _ in range(4):
            taken(pool_of(path))


def _record_from_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = time.time() + 3600.0
    with monkeypatch.context() as patch:
        patch.setattr("jobapp.stores.room_table.time.time", lambda: ahead)
        learnt(pool_of(tmp_path / "room"))
    for _ in range(4):
        taken(pool_of(tmp_path / "room"))


def _foreign_room(tmp_path: Path) -> None:
    for number, content in enumerate([b"", b"another program's", b"\xff" * 3 * SIZE, b"jobroom\x00" * SIZE]):
        path = tmp_path / str(number)
        path.write_bytes(content)
        is_shared(path)


def _room_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "room"
    for size in (0, 10, SIZE, SIZE + RECORD.size + 5):
        first, second = pool_of(path), pool_of(path)
        learnt(first)
        os.truncate(path, size)
        taken(first)
        taken(first)
        assert is_full(first, NOW), "it knows what it knew"
        taken(second)
        path.unlink()


def _room_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "room"
    first, second = pool_of(path), pool_of(path)
    learnt(first)
    path.unlink()
    later = time.monotonic() + 2.0
    monkeypatch.setattr("jobapp.stores.room_table.time.monotonic", lambda: later)
    taken(first)
    taken(second)
    assert is_full(first, NOW)
    assert path.exists()


def _room_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "room"
    first, second = pool_of(path), pool_of(path)
    learnt(first)
    taken(first)
    taken(first)
    assert is_full(first, NOW)
    taken(second)
    (tmp_path / "file").unlink()
    later = time.monotonic() + RETRY + 1.0
    monkeypatch.setattr("jobapp.stores.room_table.time.monotonic", lambda: later)
    is_shared(path)


def _killed_caller(tmp_path: Path) -> None:
    found = torture(str(tmp_path), KILLS)
    assert found["under_way"] == 0
    assert found["taken"] <= found["counted"] <= found["most_taken"]


def _frozen_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, other = pool_of(tmp_path / "room"), pool_of(tmp_path / "room")
    learnt(pool)
    naps: list[float] = []
    sleep = time.sleep

    def nap(seconds: float) -> None:
        naps.append(seconds)
        sleep(seconds)

    monkeypatch.setattr("jobapp.stores.room_table.time.sleep", nap)
    with frozen_holder(tmp_path / "room"):
        reservation = taken(pool).reservation
        assert reservation
        assert naps
        naps.clear()
        pool.answered(reservation, NOW)
        assert sum(naps) <= 4 * BRIEF, "to look for the key, and to note the answer"
    taken(pool)
    assert is_full(other, NOW)


def _time_goes_back(tmp_path: Path) -> None:
    first, second = pool_of(tmp_path / "room"), pool_of(tmp_path / "room")
    learnt(first)
    taken(first)
    taken(second)
    assert is_full(first, NOW)
    assert not is_full(first, NOW - 3600.0)


def _forked_caller(tmp_path: Path) -> None:
    pool = pool_of(tmp_path / "room")
    reservations = [taken(pool).reservation for _ in range(4)]
    pid = os.fork()
    if pid == 0:
        full = is_full(pool, NOW)
        os._exit(0 if full else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "slow start: four are under way"
    for reservation in reservations:
        assert reservation
        pool.answered(reservation, NOW + 1)
    found = taken(pool, NOW + 2).reservation
    assert found
    assert found.state.asked == 1


def rows() -> list[str]:
    """Return the faults that the page promises something about."""
    _, _, room = PAGE.read_text().partition(ROOM)
    return re.findall(r"^\| `([a-z0-9-]+)` \|", room, re.MULTILINE)


def scenario(fault: str) -> Callable[..., None]:
    found: Callable[..., None] = globals()["_" + fault.replace("-", "_")]
    return found


@pytest.mark.parametrize("fault", rows())
def test_what_survives_what(fault: str, request: pytest.FixtureRequest) -> None:
    code = scenario(fault).__code__
    scenario(fault)(*map(request.getfixturevalue, code.co_varnames[: code.co_argcount]))


def test_the_page_has_a_row_for_every_scenario() -> None:
    scenarios = {name for name, value in globals().items() if name.startswith("_") and callable(value)}
    assert scenarios - {"__loader__"} == {"_" + fault.replace("-", "_") for fault in rows()}
