"""The benchmarks: ``python -m tests.benchmarks`` runs all, with names only those."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tests.benchmarks import (
    batch,
    below,
    choice,
    conversations,
    fuzz,
    goodput,
    imports,
    kinds,
    memory,
    overhead,
    simulator_rate,
    virtual_time,
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="overhead below imports memory choice goodput kinds virtual conversations fuzz batch simulator",
    )
    parser.add_argument("--pairs", type=int, default=2000, help="pairs of calls for overhead (default 2000)")
    parser.add_argument(
        "--providers", nargs="+", choices=overhead.SUBJECTS, help="for overhead (default all)"
    )
    parser.add_argument("--state", default="", metavar="URL", help="for overhead, such as redis://localhost")
    parser.add_argument("--rounds", type=int, default=40, help="pairs for imports and choice (default 40)")
    parser.add_argument("--repeat", type=int, default=1, help="how often goodput is measured (default 1)")
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the batch (default 20,000)")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each virtual mix (default 5)")
    parser.add_argument(
        "--day",
        action="store_true",
        help="add virtual fleets of up to 1,000 processes, and a day of 1,000,000 prompts: half an hour",
    )
    options = parser.parse_args(arguments)
    benchmarks: dict[str, Callable[[], None]] = {
        "overhead": lambda: overhead.main(
            options.pairs, tuple(options.providers or overhead.SUBJECTS), options.state
        ),
        "below": lambda: below.main(options.pairs, tuple(options.providers or below.CALLS)),
        "imports": lambda: imports.main(options.rounds),
        "memory": lambda: memory.main(max(2, options.rounds // 8)),
        "choice": lambda: choice.main(options.rounds),
        "goodput": lambda: goodput.main(options.repeat),
        "kinds": lambda: kinds.main(options.repeat),
        "batch": lambda: batch.main(options.rows),
        "conversations": lambda: conversations.main(options.seeds),
        "fuzz": fuzz.main,
        "simulator": simulator_rate.main,
        "virtual": lambda: virtual_time.main(options.seeds, day=options.day),
    }
    if unknown := set(options.names) - benchmarks.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(benchmarks)}")
    for name in options.names or benchmarks:
        print(f"== {name}", flush=True)
        benchmarks[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
