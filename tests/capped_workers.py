"""Processes that call until their budget is spent; see test_day_counts.py.

    python -m tests.capped_workers CONFIG START PROCESSES THREADS

Each lives from the instant START on, and prints as a line of JSON what each of its answers cost, and the first
line of its last errors. They are forked when all is imported, so that eight of them cost little more than one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.clock import SystemClock
from jobapp.domain.exceptions import NoAPIKeysAvailableError
from jobapp.stores import redis_room

A_DOLLAR_A_DAY = """
prices: {'*': {input: 3000, output: 6000}}  # an answer to "Hello" is 0.015 dollars
providers: {openai: {budgets: {usd_per_day: 1.00}}}
"""
"""A configuration."""


class Told(NamedTuple):
    """What processes told: the dollars of each answer, and the errors that ended them."""

    costs: list[float]
    errors: set[str]


def run(config: Path, environ: dict[str, str], start: str, processes: int = 1, threads: int = 4) -> Told:
    """Let processes call until their budget is spent, from the instant *start* on."""
    command = [sys.executable, "-m", __name__, str(config), start, str(processes), str(threads)]
    ended = subprocess.run(
        command,
        cwd=Path(__file__).parents[1],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        text=True,
        timeout=90,
        check=True,
    )
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(told) == processes
    costs = [cost for each in told for cost in each["costs"]]
    return Told(costs, {error for each in told for error in each["errors"]})


class ShiftedClock(SystemClock):
    """The machine's clock, set to another day."""

    def __init__(self, start: datetime) -> None:
        self._ahead = start - super().now()

    def now(self) -> datetime:
        return super().now() + self._ahead


def call_until_spent(config: str, start: str, threads: int) -> None:
    """Do so in this process."""
    redis_room.SKEW = float("inf")  # the clock of a Redis server is not set to another day
    llm = LLMInterface(config, clock=ShiftedClock(datetime.fromisoformat(start)))
    costs: list[float | None] = []

    def work(_: int) -> str:
        while True:
            try:
                costs.append(llm.complete("Hello", provider="openai", model="gpt-4o-mini").usage.cost)
            except NoAPIKeysAvailableError as error:
                return str(error).partition("\n")[0]

    with ThreadPoolExecutor(threads) as pool:
        errors = list(pool.map(work, range(threads)))
    os.write(1, f"{json.dumps({'costs': costs, 'errors': errors})}\n".encode())


def main(config: str, start: str, processes: str, threads: str) -> None:
    """Fork the processes, and wait for them."""
    import openai  # noqa: F401 - once for all of them

    fork = get_context("fork")
    workers = [
        fork.Process(target=call_until_spent, args=(config, start, int(threads)))
        for _ in range(int(processes))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
