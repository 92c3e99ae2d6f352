"""Which key made which object is remembered, across processes and for a month."""

from __future__ import annotations

import stat
from datetime import timedelta

import pytest

from jobapp.stores.object_owners import MOST, ObjectOwners
from jobapp.testing import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "api_objects.txt"


def test_an_object_is_known_to_another_process(path, clock):
    mine, others = ObjectOwners(path, clock), ObjectOwners(path, clock)
    assert others.of(["resp_1"]) is None
    mine.add(["resp_1", "resp_2"], "f1")
    others.add(["file-1"], "f2")
    assert [others.of([id_]) for id_ in ("resp_1", "resp_2", "file-1", "x")] == ["f1", "f1", "f2", None]
    assert mine.of(["x", "file-1"]) == "f2"


def test_the_file_is_its_owners_alone_and_holds_no_key(path, clock):
    ObjectOwners(path, clock).add(["resp_1"], "0123456789ab")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().split() == [f"{clock.now().timestamp():.0f}", "0123456789ab", "resp_1"]


def test_a_torn_or_foreign_line_costs_nothing_else(path, clock):
    ObjectOwners(path, clock).add(["resp_1"], "f1")
    with path.open("ab") as file:
        file.write(b"\xff\xfe nonsense\n\n17 f2 resp_2\ntorn")
    owners = ObjectOwners(path, clock)
    assert (owners.of(["resp_1"]), owners.of(["resp_2"]), owners.of(["torn"])) == ("f1", "f2", None)


def test_the_newest_are_kept_and_the_file_stays_bounded(path, clock):
    owners = ObjectOwners(path, clock)
    for batch in range(40):
        clock.advance(1)
        owners.add([f"resp_{batch:03}_{number:04}_{'x' * 90}" for number in range(1000)], "f1")
    assert path.stat().st_size <= 2 * MOST * 160 + 1000 * 160
    fresh = ObjectOwners(path, clock)
    assert fresh.of([f"resp_039_0999_{'x' * 90}"]) == "f1"
    assert fresh.of([f"resp_000_0000_{'x' * 90}"]) is None


def test_a_folder_that_cant_be_written_costs_one_warning(tmp_path, clock, caplog):
    (tmp_path / "file").write_text("")
    owners = ObjectOwners(tmp_path / "file" / "api_objects.txt", clock)
    for number in range(3):
        owners.add([f"resp_{number}"], "f1")
    assert owners.of(["resp_2"]) == "f1"
    assert caplog.text.count("can't be kept") == 1


def test_what_is_older_than_a_month_is_forgotten_when_the_list_is_full(path, clock):
    owners = ObjectOwners(path, clock)
    owners.add(["resp_old"], "f1")
    clock.advance(timedelta(days=31).total_seconds())
    owners.add([f"resp_{number}" for number in range(MOST)], "f1")
    assert ObjectOwners(path, clock).of(["resp_old"]) is None
