"""What two ways of doing one thing cost, measured in turns, so that a busy machine strikes both alike."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median, quantiles

Clocked = Callable[[], float]
"""Does the thing once; returns the seconds that count."""

WARM_UP = 0.05
"""The share of turns that come before those that count."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Seconds of ours and of theirs, turn by turn."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratios(self) -> list[float]:
        return [mine / yours for mine, yours in zip(self.ours, self.theirs, strict=True)]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def added(self) -> float:
        """Seconds that ours takes longer."""
        return median(mine - yours for mine, yours in zip(self.ours, self.theirs, strict=True))

    def line(self, what: str, rival: str) -> str:
        low, _, high = quantiles(self.ratios, n=4)
        return (
            f"{what:<34} {self.ratio:6.3f} x {rival} [IQR {low:.3f} to {high:.3f}]  "
            f"{self.added * 1e6:+8.0f} µs on {median(self.theirs) * 1e6:8.0f} µs, {len(self.ours):,} pairs"
        )


def clocked(work: Callable[[], object]) -> Clocked:
    """Return what does *work* and tells how long that took."""

    def once() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return once


def in_turns(ours: Clocked, theirs: Clocked, count: int) -> Pairs:
    """Do both *count* times, each as often first as second."""
    pairs = Pairs([], [])
    for turn in range(-round(count * WARM_UP) - 1, count):
        first, second = (ours, theirs) if turn % 2 else (theirs, ours)
        taken = first(), second()
        _note(pairs, turn, taken)
    return pairs


async def ain_turns(
    ours: Callable[[], Awaitable[object]], theirs: Callable[[], Awaitable[object]], count: int
) -> Pairs:
    """Await both *count* times in the running loop, each as often first as second."""
    pairs = Pairs([], [])
    for turn in range(-round(count * WARM_UP) - 1, count):
        first, second = (ours, theirs) if turn % 2 else (theirs, ours)
        taken = await _atimed(first), await _atimed(second)
        _note(pairs, turn, taken)
    return pairs


async def _atimed(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


def _note(pairs: Pairs, turn: int, taken: tuple[float, float]) -> None:
    if turn >= 0:
        mine, yours = taken if turn % 2 else reversed(taken)
        pairs.ours.append(mine)
        pairs.theirs.append(yours)
