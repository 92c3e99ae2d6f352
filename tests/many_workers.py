"""One of several processes whose threads all call with the same keys; see test_many_workers.py.

    python -m tests.many_workers THREADS CALLS

Waits for a line on its standard input, calls, and prints a JSON list: the key of each answer, or the error.
"""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.exceptions import JobAppError


def main(threads: int, calls: int) -> None:
    llm = LLMInterface()
    start = threading.Barrier(threads)

    def work(_: int) -> list[str]:
        start.wait()
        return [call() for _ in range(calls)]

    def call() -> str:
        try:
            return llm.complete("Hello", provider="openai", model="gpt-4o-mini").key
        except JobAppError as error:
            return f"{type(error).__name__}: {error}"

    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(threads) as pool:
        answers = [answer for each in pool.map(work, range(threads)) for answer in each]
    print(json.dumps(answers), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
