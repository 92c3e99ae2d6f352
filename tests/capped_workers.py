"""One of several processes that call until their budget is spent; see test_day_counts.py.

    python -m tests.capped_workers CONFIG START THREADS

Lives from the instant START on, and prints as JSON what each answer cost, and the first line of the last error.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.clock import SystemClock
from jobapp.domain.exceptions import NoAPIKeysAvailableError


class ShiftedClock(SystemClock):
    """The machine's clock, set to another day."""

    def __init__(self, start: datetime) -> None:
        self._ahead = start - super().now()

    def now(self) -> datetime:
        return super().now() + self._ahead


def main(config: str, start: str, threads: int) -> None:
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
    print(json.dumps({"costs": costs, "errors": errors}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
