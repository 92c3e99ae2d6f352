"""A batch in real time over the simulator: 300 prompts, 8 threads, 5 keys, two of which have a daily cap."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jobapp.core.config_manager import ConfigManager
from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.exceptions import JobAppError
from tests.benchmarks.mixes import ISSUE, optimum
from tests.benchmarks.rival import Rotating
from tests.benchmarks.served import Keys, Served, serving

MODEL = "gpt-4o-mini"
OTHER_MODEL = "gpt-4o"
"""Asked once beforehand, so that clients are there; it has limits of its own."""
KEYS: Keys = [
    ("openai", f"sk-goodput-{number}", {"limit": key.limit, "window": key.window, "per_day": key.cap})
    for number, key in enumerate(ISSUE.keys)
]
WINDOW = max(key.window for key in ISSUE.keys)

Ask = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch.

    Attributes:
        waits: Seconds that each prompt took which was answered.
        makespan: Seconds until the last of them.
        counts: What the simulator counted.
    """

    waits: list[float]
    makespan: float
    counts: dict[str, int]

    def line(self, what: str) -> str:
        served, longest = len(self.waits), max(self.waits, default=0.0)
        in_windows = [sum(window <= wait / WINDOW < window + 1 for wait in self.waits) for window in range(3)]
        return (
            f"{what:<22} {served} of {ISSUE.prompts}  {self.makespan / optimum(ISSUE):.3f} x optimum  "
            f"{self.counts['refused'] / max(1, served):.3f} refused/success  "
            f"spent asked again {self.counts['spent_asked']}  longest {longest:.2f} s; prompts done within "
            f"1, 2, 3 windows: {', '.join(str(sum(in_windows[: n + 1])) for n in range(3))}"
        )


def run(ask: Ask, served: Served) -> Outcome:
    """Ask all prompts as fast as the threads can."""
    waits: list[float] = []
    ends: list[float] = []

    def one(number: int) -> None:
        asked = time.monotonic()
        try:
            ask(f"Prompt number {number}", MODEL)
        except JobAppError as error:
            print(f"  lost: {type(error).__name__}: {str(error)[:150]}", flush=True)
            return
        ends.append(time.monotonic())
        waits.append(ends[-1] - asked)

    ask("Are you there?", OTHER_MODEL)
    began = time.monotonic()
    with ThreadPoolExecutor(ISSUE.workers) as threads:
        list(threads.map(one, range(ISSUE.prompts)))
    return Outcome(waits, max(ends, default=began) - began, served.counts())


@contextmanager
def by_jobapp(served: Served, strategy: str) -> Iterator[Ask]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "batch.yaml"
        file.write_text(f"retry:\n  strategy: {strategy}\n", encoding="utf-8")
        environ = {**served.environ, "JOBAPP_CONFIG_DIR": folder, "JOBAPP_CACHE_DIR": folder}
        with LLMInterface(ConfigManager(file, environ=environ)) as llm:
            yield lambda prompt, model: llm.send_prompt(prompt, provider="openai", model=model)


@contextmanager
def by_hand(served: Served, _: str) -> Iterator[Ask]:
    rival = Rotating([secret for _, secret, _ in KEYS], served.environ["OPENAI_BASE_URL"])
    yield rival.ask


CASES = (("spread", by_jobapp), ("sticky", by_jobapp), ("25 lines by hand", by_hand))


def main(count: int) -> None:
    """Print a line for each way, with hints from the server and without, *count* times."""
    logging.getLogger("jobapp").setLevel(logging.CRITICAL)
    for _ in range(count):
        for hints in (True, False):
            for name, way in CASES:
                with serving(KEYS, hints=hints) as served, way(served, name) as ask:
                    print(run(ask, served).line(name if hints else f"{name}, no hints"), flush=True)
