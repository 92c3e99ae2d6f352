"""Sixteen writers, killed at random: every block that was acknowledged is there, and no reader saw a broken file.

The number of kills is that of the environment variable JOBAPP_TORTURE_KILLS (300 when it is not set: a few
seconds); each run ends after 25 s unless it is set. ``python -m tests.torture.kill_writers --help``.
"""

from __future__ import annotations

import os

import pytest

from tests.store_support import needs_server
from tests.torture.kill_writers import torture

pytest_plugins = ["tests.store_fixtures"]

KILLS = int(os.environ.get("JOBAPP_TORTURE_KILLS", "0"))
SECONDS = 36_000 if KILLS else 25

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


def is_unharmed(counts, log):
    with log.disabled():
        print(counts)
    assert counts["killed"] > 0
    assert counts["acknowledged"] > 0
    assert counts["looks"] > 0
    assert (counts["lost"], counts["lost_at_the_end"], counts["broken"]) == (0, 0, 0)


def test_killed_writers_lose_nothing_in_the_file(tmp_path, capsys):
    counts = torture(str(tmp_path), KILLS or 300, SECONDS, seed=20260701)
    is_unharmed(counts, capsys)
    assert not counts["lock_stayed"]
    assert counts["files"] == ["api_key_state.json", "api_key_state.json.lock"]


@needs_server
def test_killed_writers_lose_nothing_on_the_server(own_redis, capsys):
    own_redis.start()
    is_unharmed(torture(own_redis.url, KILLS or 100, SECONDS, seed=20260701), capsys)
