"""The state file: its form and its writers' manners."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.domain.exceptions import StateStoreError
from jobapp.domain.types import Kind
from jobapp.stores import atomic_file
from jobapp.stores.codec import VERSION, Document, decode, encode
from jobapp.stores.json_file import PATIENCE, JSONFileStore
from jobapp.stores.state import NOTHING, QuotaState, Reset
from tests.store_faults import process_holding_lock
from tests.store_support import NOON, block, warnings_in
from tests.test_state import MEMORIES, WIDE, state_of

pytest_plugins = ["tests.store_fixtures"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "api_key_state.json"


def test_file_and_folder_are_for_their_owner_only(path, clock):
    JSONFileStore(path, clock).add([block()])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, f"{path.name}.lock"]


def test_a_file_that_others_could_read_is_closed_to_them_at_the_next_write(path, clock):
    JSONFileStore(path, clock).add([block()])
    path.chmod(0o644)
    JSONFileStore(path, clock).add([block("b" * 12)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can take a user's file"
)
def test_root_leaves_a_user_s_file_to_the_user(path, clock):
    JSONFileStore(path, clock).add([block()])
    for place in (path.parent, *path.parent.iterdir()):
        os.chown(place, 65534, 65534)
    JSONFileStore(path, clock).add([block("b" * 12)])
    assert {place.stat().st_uid for place in path.parent.iterdir()} == {65534}


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can take a user's file"
)
def test_root_gives_a_new_file_to_the_owner_of_the_folder(path, clock):
    path.parent.mkdir()
    os.chown(path.parent, 65534, 65534)
    JSONFileStore(path, clock).add([block()])
    assert {place.stat().st_uid for place in path.parent.iterdir()} == {65534}


def test_short_blocks_stay_in_memory(path, clock):
    store = JSONFileStore(path, clock)
    store.add([block(kind=Kind.RATE_LIMIT, seconds=4.9)])
    assert store.view().blocks
    assert not path.exists()


def test_a_short_block_from_before_the_clock_went_back_is_not_kept_for_a_day(path, clock):
    store = JSONFileStore(path, clock)
    clock.jump(timedelta(days=1))
    store.view()
    store.add([block(kind=Kind.RATE_LIMIT, since=clock.now(), seconds=4)])
    clock.jump(timedelta(days=-1))
    (held,) = store.view()
    assert held.until == clock.now() + timedelta(seconds=4)


def test_sweeping_a_file_without_expired_blocks_writes_nothing(path, clock):
    store = JSONFileStore(path, clock)
    store.add([block()])
    before = path.stat()
    store.sweep("openai", clock.now())
    assert path.stat() == before
    clock.advance(timedelta(days=3).total_seconds())
    store.sweep("openai", clock.now())
    assert json.loads(path.read_text())["blocks"] == []


def test_looking_makes_no_file_and_no_folder(path, clock):
    store = JSONFileStore(path, clock)
    store.view()
    store.sweep("openai", clock.now())
    store.close()
    assert not path.parent.exists()


def test_news_that_is_known_is_not_written_again(path, clock):
    store = JSONFileStore(path, clock)
    store.add([block()])
    before = atomic_file.signature_of(str(path))
    JSONFileStore(path, clock).add([block(), block(seconds=60)])
    assert atomic_file.signature_of(str(path)) == before


def test_two_writes_within_one_tick_of_the_clock_are_told_apart(path, clock):
    signatures = set()
    before = None
    path.parent.mkdir()
    for number in range(50):
        before = atomic_file.replace(path, b"%04d" % number, before)
        assert before == atomic_file.signature_of(str(path))
        signatures.add(before[:2])
    assert len(signatures) == 50


def test_a_failed_write_leaves_no_temporary_file(tmp_path):
    folder = tmp_path / "api_key_state.json"
    (folder / "x").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        atomic_file.replace(folder, b"content", None)
    assert [file.name for file in tmp_path.iterdir()] == [folder.name]


def test_what_broke_earlier_is_not_overwritten_by_what_breaks_now(path):
    path.parent.mkdir()
    for content in ("one", "two", "three"):
        path.write_text(content)
        atomic_file.move_aside(path, ".broken-x")
    assert sorted(file.read_text() for file in path.parent.iterdir()) == ["one", "three", "two"]


def test_a_writer_waits_for_another_s_write_and_no_longer_than_it_takes(path, clock, caplog):
    store = JSONFileStore(path, clock)
    with process_holding_lock(path) as holder:
        holder.terminate()  # it lets go while the store waits, or before
        store.add([block()])
    assert not store.unwritten
    assert not warnings_in(caplog)


def test_a_held_lock_costs_one_caller_its_wait_once(path, clock, monkeypatch):
    waits: list[float] = []
    asked, let_go = threading.Event(), threading.Event()

    @contextmanager
    def locked(_: Path, seconds: float) -> Iterator[None]:
        waits.append(seconds)
        if seconds == PATIENCE:
            raise TimeoutError
        asked.set()
        let_go.wait()
        yield

    store = JSONFileStore(path, clock)
    monkeypatch.setattr(atomic_file, "locked", locked)
    path.parent.mkdir()
    for number in range(5):
        store.add([block(f"{number:012x}")])
        assert asked.wait(60)
    store.refresh()
    store.close()
    assert waits == [PATIENCE, 10.0]
    let_go.set()
    for thread in threading.enumerate():
        if thread.name == "jobapp-late-writer":
            thread.join()
    assert len(JSONFileStore(path, clock).view().blocks) == 5


def test_closing_writes_what_could_not_be_written(path, clock):
    store = JSONFileStore(path, clock, lock_timeout=0)
    with process_holding_lock(path):
        store.add([block()])
        assert store.unwritten
    store.close()
    assert JSONFileStore(path, clock).view().blocks


def test_a_reset_that_can_not_be_written_counts_here_at_once_and_elsewhere_later(path, clock):
    store = JSONFileStore(path, clock, lock_timeout=0)
    store.add([block()])
    clock.advance(1)
    with process_holding_lock(path):
        with pytest.raises(
            StateStoreError, match=r"could not clear the keys in the file .*api_key_state\.json"
        ):
            store.reset(Reset(clock.now()))
        assert not store.view().blocks
    store.close()
    assert not JSONFileStore(path, clock).view().blocks


def test_blocks_are_kept_in_a_stable_order_one_a_line(path, clock):
    blocks = [block(f"{n:012x}", key_name=f"KEY_{n}") for n in (3, 1, 2)]
    JSONFileStore(path, clock).add(blocks)
    lines = [line for line in path.read_text().splitlines() if '"fingerprint"' in line]
    assert [json.loads(line.rstrip(","))["key"] for line in lines] == ["KEY_1", "KEY_2", "KEY_3"]


def test_a_reason_with_half_a_character_can_be_kept(path, clock):
    JSONFileStore(path, clock).add([block(reason="\ud83d broken")])
    (kept,) = JSONFileStore(path, clock).view()
    assert kept.reason == "? broken"


@given(MEMORIES)
def test_every_state_comes_back_from_the_file(memory):
    state = state_of(memory)
    document = decode(encode(state, NOON))
    assert document == Document(state, VERSION, ())


@given(WIDE, st.randoms(use_true_random=False))
def test_equal_states_make_equal_files(memory, random):
    shuffled = random.sample(memory, len(memory))
    assert encode(state_of(memory), NOON) == encode(state_of(shuffled), NOON)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
ROW = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("provider", "key", "fingerprint", "model", "kind", "until", "since", "strikes", "reason", "at"),
        JSON | st.sampled_from(["quota", "2026-07-01T12:00:00Z"]),
    ),
)
FILE = st.fixed_dictionaries(
    {},
    optional={
        "version": JSON | st.just(1),
        "blocks": JSON | st.lists(ROW),
        "resets": JSON | st.lists(ROW),
    },
)


@given(st.binary() | FILE.map(lambda value: json.dumps(value).encode(errors="replace")))
def test_no_content_of_the_file_raises(content):
    document = decode(content)
    assert isinstance(document.state, QuotaState)
    assert decode(encode(document.state, NOON)).faults == ()


@given(st.data())
def test_a_file_cut_off_anywhere_is_broken_and_not_empty(data):
    whole = encode(NOTHING.with_blocks([block()]), NOON)
    cut = data.draw(st.integers(0, len(whole) - 2))  # the last character is a line's end
    assert decode(whole[:cut]).faults
