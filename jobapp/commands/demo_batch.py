"""The demo's batch: a hundred rows, a run that is killed, a busy minute, and a run that goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from jobapp.commands.demo_process import child_environ
from jobapp.providers import PROVIDERS
from jobapp.testing import Fault, Simulator, Trouble

ROWS = 100
KILLED_AT = 40
"""Requests after which the first run is killed."""

AT_ONCE = 8
SLOW = 0.05
"""Seconds that an answer takes."""

PAUSE = 2.0
"""Seconds for which all keys are busy."""

LONGEST = 30.0
"""Seconds after which a run that should have come so far has failed."""


class BatchPlay(NamedTuple):
    """What came of the batch.

    Attributes:
        told: What happened, for people.
        requests: How many requests it took.
        as_expected: Whether every row was answered once, with no more requests than that takes.
    """

    told: str
    requests: int
    as_expected: bool


def play_batch() -> BatchPlay:
    """Let it happen."""
    environ: dict[str, str] = {}
    with (
        TemporaryDirectory(prefix="jobapp-demo-") as name,
        Simulator(export=environ.__setitem__) as simulator,
    ):
        folder = Path(name)
        (folder / "prompts.txt").write_text("".join(f"Question {number}\n" for number in range(1, ROWS + 1)))
        environ |= {"JOBAPP_CONFIG_DIR": name, "JOBAPP_CACHE_DIR": str(folder / "cache")}
        keys = [simulator.add_key("openai", f"sk-demo-{number}") for number in (1, 2)]
        for key in keys:
            key.slow = SLOW
        killed = _start(folder, environ)
        ends_at = time.monotonic() + LONGEST
        while simulator.requests() < KILLED_AT and killed.poll() is None and time.monotonic() < ends_at:
            time.sleep(SLOW / 5)
        killed.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        killed.communicate()
        for key in keys:
            key.fail(Trouble(Fault.BUSY_MINUTE, wait=PAUSE), times=1)
        errors = _start(folder, environ).communicate()[1]
        answered = _answered(folder)
        return _play(simulator.requests(), answered, errors)


def _play(requests: int, answered: list[str], errors: str) -> BatchPlay:
    story = (
        f"killed after {KILLED_AT} requests and started again, all keys busy for {PAUSE:.0f} s: "
        f"{len(answered)} of {ROWS} rows answered, {len(set(answered))} of them different, "
        f"with {requests} requests"
    )
    is_right = len(answered) == len(set(answered)) == ROWS and requests <= ROWS + 2 * AT_ONCE
    return BatchPlay(story if is_right else f"{story}; {errors.strip()}", requests, is_right)


def _start(folder: Path, environ: dict[str, str]) -> subprocess.Popen[str]:
    model = ["--provider", "openai", "--model", PROVIDERS["openai"].default_model or ""]
    command = [sys.executable, "-m", "jobapp", "batch", "prompts.txt", *model, "--concurrency", str(AT_ONCE)]
    return subprocess.Popen(  # noqa: S603 - our own program
        command, env=child_environ(environ), cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _answered(folder: Path) -> list[str]:
    output = folder / "prompts.out.jsonl"
    rows = (
        [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
        if output.exists()
        else []
    )
    return [row["custom_id"] for row in rows if row["response"]]
