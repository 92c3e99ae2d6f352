"""Many workers in many processes learn of a spent key from each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from jobapp.testing import Fault, Simulator
from tests.store_support import needs_server

pytest_plugins = ["tests.store_fixtures"]

PROCESSES, THREADS, CALLS = 8, 25, 3
WORKERS = PROCESSES * THREADS
SPENT = [f"sk-spent-{i}" for i in range(10)]
GOOD = [f"sk-good-{i}" for i in range(10)]


@pytest.fixture(params=["file", pytest.param("redis", marks=needs_server)])
def state_url(request, tmp_path):
    if request.param == "redis":
        return f"{request.getfixturevalue('shared_redis').url}?namespace=workers"
    return str(tmp_path / "state.json")


@pytest.fixture
def simulator():
    with Simulator() as simulator:
        for number, secret in enumerate([*SPENT, *GOOD], start=1):
            name = "OPENAI_API_KEY" if number == 1 else f"OPENAI_API_KEY_{number}"
            simulator.add_key("openai", secret, Fault.SPENT_DAY if secret in SPENT else None, name=name)
        yield simulator


class Processes:
    """Processes of workers, started before any of them calls."""

    def __init__(self, count, environ, threads, calls):
        command = [sys.executable, "-m", "tests.many_workers", str(threads), str(calls)]
        self.processes = [
            subprocess.Popen(
                command,
                env=environ,
                cwd=Path(__file__).parents[1],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(count)
        ]
        assert [self.end(process.stdout).readline() for process in self.processes] == ["ready\n"] * count

    @staticmethod
    def end(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe

    def run(self):
        """Let all of them call at once; return what each call was answered with."""
        for process in self.processes:
            self.end(process.stdin).write("go\n")
            self.end(process.stdin).flush()
        return [answer for p in self.processes for answer in json.loads(p.communicate(timeout=300)[0])]


def test_each_spent_key_is_asked_only_by_those_already_on_their_way(simulator, state_url, tmp_path):
    environ = {
        **{name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")},
        **simulator.environ(),
        "JOBAPP_STATE_URL": state_url,
        "JOBAPP_CACHE_DIR": str(tmp_path),
        "JOBAPP_CONFIG_DIR": str(tmp_path),
    }
    answers = Processes(PROCESSES, environ, THREADS, CALLS).run()
    assert len(answers) == WORKERS * CALLS
    assert {answer for answer in answers if not answer.startswith("OPENAI_API_KEY_")} == set()
    asked = [simulator.requests("openai", secret) for secret in SPENT]
    assert all(1 <= count <= WORKERS for count in asked)
    late = Processes(1, environ, 1, 1).run()
    assert late[0].startswith("OPENAI_API_KEY_")
    assert [simulator.requests("openai", secret) for secret in SPENT] == asked
