"""The keys as one model sees them: which is free, and which is free next. No I/O.

What is free is found without looking at the other keys, however many there are. Instants are seconds since
the epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace

from jobapp.domain.settings import Strategy
from jobapp.limits.budgets import BudgetLimits
from jobapp.limits.meter import RateMeter
from jobapp.pool.key_state import KeyState, SharedEstimates

Rank = tuple[float, int, int]
"""What puts the ready keys of a lane in order: less room, later turn, later place."""

NEARLY = 0.02
"""Waits that differ by less than this share are the same: those who wait are spread over such keys."""

NEARLY_FIRST = 8
"""How many keys are looked at for that."""


class ModelKeys:
    """The keys as one model sees them.

    A key stands in exactly one of two heaps: ``ready``, by preference, or ``cooling``, by the instant it is
    free; one that turns out not to be ready, or to be free later, is moved when it comes to the top.

    Args:
        size: How many keys there are.
        strategy: Which ready key is preferred.
        budget: Returns what the configuration allows the key of an index.
    """

    def __init__(self, size: int, strategy: Strategy, budget: Callable[[int], BudgetLimits]) -> None:
        self._budget = budget
        self.states: dict[int, KeyState] = {}
        self._shared = SharedEstimates()
        self._seen = self._shared.length.seconds
        self.ready: list[Rank] = [(-math.inf, 0, i) for i in range(size)]
        self.cooling: list[tuple[float, int]] = []
        self.sticky = strategy is Strategy.STICKY
        self.turn = 0

    def state(self, index: int) -> KeyState:
        """Return what is known of the key of that index."""
        state = self.states.get(index)
        if state is None:
            meter = RateMeter(self._shared.length)
            state = self.states[index] = KeyState(index, meter, self._budget(index), self._shared)
        return state

    def first_ready(self, now: float, skip: frozenset[int]) -> KeyState | None:
        """Return the preferred key that is free now; with ``sticky`` rather one that is not crowded."""
        self._move_due(now)
        passed: list[Rank] = []
        found = crowded = None
        while self.ready and found is None:
            index = self.ready[0][2]
            state = self.state(index)
            free_at = state.free_at(now)
            if free_at > now:
                heappop(self.ready)
                heappush(self.cooling, (free_at, index))
            elif index in skip:
                passed.append(heappop(self.ready))
            elif self.sticky and state.is_unproven():
                crowded = crowded or state
                passed.append(heappop(self.ready))
            else:
                found = state
        for entry in passed:
            heappush(self.ready, entry)
        return found or crowded

    def first_cooling(self, now: float, skip: frozenset[int]) -> tuple[KeyState, float] | None:
        """Return the key that is free first, with the instant; of some that are nearly first, the idlest."""
        passed: list[tuple[float, int]] = []
        nearly: list[tuple[KeyState, float]] = []
        while self.cooling and len(nearly) < NEARLY_FIRST:
            at, index = heappop(self.cooling)
            state = self.state(index)
            free_at = state.free_at(now)
            if free_at > at:
                heappush(self.cooling, (free_at, index))
                continue
            passed.append((free_at, index))
            if nearly and free_at > nearly[0][1] + (nearly[0][1] - now) * NEARLY:
                break
            if index not in skip:
                nearly.append((state, free_at))
        for entry in passed:
            heappush(self.cooling, entry)
        return min(nearly, key=lambda found: found[0].turn, default=None)

    def use(self, state: KeyState, now: float, *, counted: bool) -> None:
        """Give a request its turn; with ``spread`` the key then goes behind those with more room."""
        if counted:
            state.reserve(now)
        self.turn += 1
        state.turn = self.turn
        if not self.sticky and self.ready and self.ready[0][2] == state.index:
            heapreplace(self.ready, self._rank(state, now))

    def _rank(self, state: KeyState, now: float) -> Rank:
        return (
            (-math.inf, 0, state.index) if self.sticky else (-state.meter.room(now), state.turn, state.index)
        )

    def unblock(self, index: int) -> None:
        """Forget what blocks the key of that index; what is known of its limits stays."""
        self.state(index).unblock()
        self._seen = math.nan

    def _move_due(self, now: float) -> None:
        if self._seen != self._shared.length.seconds:
            self._seen = self._shared.length.seconds
            self.cooling = [(self.state(index).free_at(now), index) for _, index in self.cooling]
            heapify(self.cooling)
        while self.cooling and self.cooling[0][0] <= now:
            _, index = heappop(self.cooling)
            state = self.state(index)
            free_at = state.free_at(now)
            if free_at > now:
                heappush(self.cooling, (free_at, index))
            else:
                heappush(self.ready, self._rank(state, now))
