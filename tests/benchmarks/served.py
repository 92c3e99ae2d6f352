"""The simulator in a process of its own, so that it takes no time from the calls that are measured.

python -m tests.benchmarks.served     (its parent writes the keys, one line of JSON, to its input)
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from jobapp.testing import Request, Simulator

Keys = Sequence[tuple[str, str, dict[str, Any]]]
"""Provider, secret, and what else ``Simulator.add_key`` is told."""

ON_ITS_WAY = 0.05
"""Seconds after a rejection in which a request may have been sent before the rejection was read."""


@dataclass(frozen=True)
class Served:
    """A simulator that runs.

    Attributes:
        environ: The variables that point jobapp at it, its keys among them.
    """

    environ: dict[str, str]
    _process: subprocess.Popen[str]

    def counts(self) -> dict[str, int]:
        """Return ``asked``, ``rejected`` and ``spent_asked``: how often a spent key was asked again."""
        _say(self._process.stdin, "counts")
        told: dict[str, int] = _hear(self._process.stdout)
        return told


@contextmanager
def serving(keys: Keys, *, hints: bool = True) -> Iterator[Served]:
    """Run a simulator with *keys* until the block ends."""
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        _say(process.stdin, {"keys": keys, "hints": hints})
        try:
            yield Served(_hear(process.stdout), process)
        finally:
            process.communicate()  # its input ends, and so does it


class _SpentKeys:
    """Counts the requests to keys whose day is spent, from when their first rejection is known."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._refused_at: dict[str, float] = {}
        self.asked: Counter[str] = Counter()

    def look(self, request: Request) -> None:
        key = self._simulator.key(request.provider, request.key)
        day = key.quota.day_room(request.provider, request.model, request.at)
        if day is not None and not day.remaining:
            now = time.monotonic()
            if now - self._refused_at.setdefault(request.key, now) > ON_ITS_WAY:
                self.asked[request.key] += 1


def main() -> None:
    """Serve the keys of the first line of the input until the input ends; answer every other line."""
    wanted = json.loads(sys.stdin.readline())
    with Simulator(hints=wanted["hints"], keep=0, state=None) as simulator:
        spent = _SpentKeys(simulator)
        simulator.on_request = spent.look
        for provider, secret, limits in wanted["keys"]:
            simulator.add_key(provider, secret, **limits)
        _say(sys.stdout, simulator.environ())
        for _ in sys.stdin:
            asked, rejected = simulator.requests(), simulator.rejections()
            _say(sys.stdout, {"asked": asked, "refused": rejected, "spent_asked": spent.asked.total()})


def _say(stream: IO[str] | None, what: Any) -> None:
    assert stream is not None
    stream.write(json.dumps(what) + "\n")
    stream.flush()


def _hear(stream: IO[str] | None) -> Any:
    assert stream is not None
    return json.loads(stream.readline())


if __name__ == "__main__":
    main()
