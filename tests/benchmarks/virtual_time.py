"""Mixes in virtual time: makespan over the optimum, rejected requests per success, and the longest call."""

from __future__ import annotations

import time
from statistics import median

from tests.benchmarks.mixes import A_DAY_OF_PROMPTS, FLEETS, LARGE, MIXES, Mix
from tests.benchmarks.simulation import Outcome, Simulation


def run(mix: Mix, seeds: int) -> list[Outcome]:
    """Run a mix with as many seeds."""
    return [Simulation(mix, seed).run() for seed in range(1, seeds + 1)]


def line(mix: Mix, outcomes: list[Outcome], seconds: float) -> str:
    """Return the medians of a mix, with the worst in brackets."""

    def told(values: list[float], digits: int) -> str:
        return f"{median(values):.{digits}f} [{max(values):.{digits}f}]"

    return (
        f"{mix.name:<44} {min(each.served for each in outcomes):,} of {mix.prompts:,}  "
        f"{told([each.makespan for each in outcomes], 3)} x optimum  "
        f"{told([each.wasted for each in outcomes], 3)} refused/success  "
        f"longest {told([each.longest for each in outcomes], 2)} s  "
        f"spent asked again {max(each.spent_asked for each in outcomes)}  "
        f"{len(outcomes)} seeds, {seconds:.1f} s"
    )


def main(seeds: int, *, day: bool = False) -> None:
    """Print a line for each mix and fleet, and for large ones and a *day* of 1,000,000 prompts."""
    large = (*LARGE, A_DAY_OF_PROMPTS) if day else ()
    for mix, runs in [*((m, seeds) for m in (*MIXES, *FLEETS)), *((m, 1) for m in large)]:
        began = time.perf_counter()
        outcomes = run(mix, runs)
        print(line(mix, outcomes, time.perf_counter() - began), flush=True)
