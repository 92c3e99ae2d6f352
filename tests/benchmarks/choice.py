"""What the choice of a key costs, by the number of keys: to take one, and to note its answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles

from jobapp.domain.settings import Strategy
from jobapp.domain.types import ApiKey, Block, Kind
from jobapp.limits.headers import Reported
from jobapp.limits.limit import Unit
from jobapp.pool.key_pool import KeyPool
from jobapp.pool.reservation import Take, Taken

SIZES = (10, 100, 1_000, 10_000, 100_000)
TAKES = 1_000
"""How many choices one figure is the mean of."""

NOW = datetime(2026, 1, 5, tzinfo=UTC)
SAID = (Reported("x", Unit.REQUESTS, 1_000_000, 900_000, 30.0),)
WANT = Take()


class Chooser:
    """A pool of *size* keys, every *blocked*-th of them spent, each of the others asked once already."""

    def __init__(self, size: int, strategy: Strategy, blocked: int = 0) -> None:
        keys = [ApiKey(f"KEY_{number}", f"sk-{number}") for number in range(size)]
        self._pool = KeyPool("openai", keys, strategy)
        self._now = NOW.timestamp()
        for key in keys[::blocked] if blocked else ():
            until = NOW + timedelta(hours=8)
            self._pool.block(Block("openai", key.fingerprint, None, Kind.QUOTA, until, NOW))
        self.choose(size)

    def choose(self, times: int) -> None:
        """Take a key and note an answer, that often."""
        for _ in range(times):
            self._now += 1e-4
            found = self._pool.take("model", self._now, WANT)
            assert isinstance(found, Taken)
            assert found.reservation is not None
            self._pool.answered(found.reservation, self._now, said=SAID)

    def seconds(self) -> float:
        """Return the seconds of one choice."""
        began = time.perf_counter()
        self.choose(TAKES)
        return (time.perf_counter() - began) / TAKES


CASES: dict[str, Callable[[int], Chooser]] = {
    "sticky": lambda size: Chooser(size, Strategy.STICKY),
    "spread": lambda size: Chooser(size, Strategy.SPREAD),
    "sticky, every other key spent": lambda size: Chooser(size, Strategy.STICKY, blocked=2),
    "spread, every other key spent": lambda size: Chooser(size, Strategy.SPREAD, blocked=2),
}


def run(case: str, count: int, sizes: tuple[int, ...] = SIZES) -> dict[int, list[float]]:
    """Return the seconds of one choice for each size, *count* figures taken in turns."""
    choosers = {size: CASES[case](size) for size in sizes}
    taken: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(count):
        for size, chooser in choosers.items():
            taken[size].append(chooser.seconds())
    return taken


def main(count: int) -> None:
    """Print for each case and size the time of one choice, and its ratio to that of the fewest keys."""
    for case in CASES:
        taken = run(case, count)
        for size in SIZES:
            pairs = zip(taken[size], taken[SIZES[0]], strict=True)
            ratios = [one / other for one, other in pairs]
            low, _, high = quantiles(ratios, n=4)
            print(
                f"{case:<30} {size:>7,} keys {median(taken[size]) * 1e6:7.2f} µs  {median(ratios):5.2f} x "
                f"{SIZES[0]} keys [IQR {low:.2f} to {high:.2f}], {count} pairs of {TAKES:,}",
                flush=True,
            )
