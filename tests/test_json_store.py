"""The state file on real disks: who writes, who reads, and what the file looks like."""

from __future__ import annotations

import json
import logging
import stat
from datetime import UTC, datetime, timedelta

import pytest

from jobapp.core.types import Kind
from jobapp.stores.json_file import JSONFileStore
from tests.store_support import block

pytest_plugins = ["tests.store_fixtures"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "api_key_state.json"


def test_file_and_folder_are_for_their_owner_only(path, clock):
    JSONFileStore(path, clock).add([block()])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "api_key_state.json",
        "api_key_state.json.lock",
    ]


def test_short_blocks_stay_in_memory(path, clock):
    store = JSONFileStore(path, clock)
    store.add([block(kind=Kind.RATE_LIMIT, seconds=4.9)])
    assert store.view().blocks
    assert not path.exists()


def test_sweeping_a_file_without_expired_blocks_writes_nothing(path, clock):
    store = JSONFileStore(path, clock)
    store.add([block()])
    before = path.stat()
    store.sweep("openai", clock.now())
    assert path.stat() == before
    clock.advance(timedelta(days=3).total_seconds())
    store.sweep("openai", clock.now())
    assert json.loads(path.read_text())["blocks"] == []


def test_the_older_form_is_read_and_converted(path, clock):
    path.parent.mkdir()
    path.write_text(
        '{"quota_exhausted_keys": {"GOOGLE_API_KEY": "2026-07-01", "OPENAI_API_KEY_OLD": "2026-07-01"},'
        ' "last_updated": "2026-07-01T12:00:00"}'
    )
    keys = {"GOOGLE_API_KEY": ("google", "f" * 12)}
    store = JSONFileStore(path, clock, legacy=keys.get)
    (converted,) = store.view().blocks.values()
    assert (converted.provider, converted.fingerprint, converted.kind) == ("google", "f" * 12, Kind.QUOTA)
    assert converted.until == datetime(2026, 7, 2, 7, tzinfo=UTC)  # midnight Pacific
    store.sweep("google", clock.now())
    written = json.loads(path.read_text())
    assert written["version"] == 1
    assert written["quota_exhausted_keys"] == {"OPENAI_API_KEY_OLD": "2026-07-01"}
    keys["OPENAI_API_KEY_OLD"] = ("openai", "a" * 12)
    later = JSONFileStore(path, clock, legacy=keys.get)
    assert len(later.view().blocks) == 2


def test_a_broken_file_is_set_aside_with_one_warning_and_calls_go_on(path, clock, caplog):
    path.parent.mkdir()
    path.write_text('{"version": 1, "blocks": [')
    with caplog.at_level(logging.WARNING):
        store = JSONFileStore(path, clock)
        assert not store.view().blocks
        store.add([block()])
        assert JSONFileStore(path, clock).view().blocks
    assert len(caplog.records) == 1
    (aside,) = path.parent.glob("*.broken-*")
    assert aside.read_text() == '{"version": 1, "blocks": ['


def test_blocks_are_kept_in_a_stable_order(path, clock):
    blocks = [block(fingerprint=f"{n:012x}", key_name=f"KEY_{n}") for n in (3, 1, 2)]
    JSONFileStore(path, clock).add(blocks)
    names = [row["key"] for row in json.loads(path.read_text())["blocks"]]
    assert names == ["KEY_1", "KEY_2", "KEY_3"]
