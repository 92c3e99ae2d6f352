"""The keys as one model sees them: which is free, and which is free next. No I/O.

What is free is found without looking at the other keys, however many there are. Instants are seconds since
the epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace

from jobapp.domain.settings import Strategy
from jobapp.limits.budgets import BudgetLimits
from jobapp.limits.meter import RateMeter
from jobapp.limits.window_length import WindowLengthEstimate

Rank = tuple[float, int, int]
"""What puts the ready keys of a lane in order: less room, later turn, later place."""

NEARLY = 0.02
"""Waits that differ by less than this share are the same: those who wait are spread over such keys."""

NEARLY_FIRST = 8
"""How many keys are looked at for that."""

MOST_UNPROVEN = 4
"""Requests under way without an answer between them, from which on another free key comes first: if this
one turns out to be spent, each of them is rejected."""

PROBE_POLL = 0.05
"""Seconds between two looks at a key that one call is trying alone, for it may be spent or full."""


class SharedEstimates:
    """What the keys of one model have in common: the length of their windows, and perhaps their quota."""

    __slots__ = ("length", "spent_after")

    def __init__(self) -> None:
        self.length = WindowLengthEstimate()
        self.spent_after = math.inf
        """So many requests one of them was answered before its quota was spent."""


@dataclass(slots=True)
class KeyState:
    """One key in one lane."""

    index: int
    meter: RateMeter
    allowed: BudgetLimits
    shared: SharedEstimates
    blocked_at: float = 0.0
    """When it was last blocked; 0 once it has answered since."""
    blocked_until: float = 0.0
    half_open: bool = False
    """When the last block ends, it is not sure that the key answers: one call tries before the others do."""
    asked: int = 0
    """Requests that are under way."""
    reserved: int = 0
    """Requests that wait for their turn."""
    pending_verdict: int = 0
    """Requests that were rejected, while nobody knows yet what that means."""
    sent: int = 0
    """Requests that were ever sent, and not rejected because of a limit."""
    unanswered: int = 0
    """Requests that were sent since its last answer."""
    turn: int = 0
    """When it was last taken, counted in turns of the lane."""

    backoff_until: float = 0.0
    """A busy minute of unknown length: what the meter knows better ends it."""

    def open_at(self, now: float) -> float:
        """Return when nothing that was said forbids to ask the key."""
        until = self.blocked_until
        if self.backoff_until > now:
            reopens_at = self.meter.reopens_at(now)
            until = max(until, self.backoff_until if reopens_at is None else reopens_at)
        if self.pending_verdict:
            until = max(until, now + PROBE_POLL)
        if self.asked and (self.half_open or self.sent >= self.shared.spent_after or self.meter.unsure()):
            until = max(until, now + PROBE_POLL)
        for gate in self.allowed.gates:
            until = max(until, gate.ready_at(now))
        return until

    def allowed_at(self, now: float) -> float:
        """Return when the key may be asked, by what was said and what is budgeted."""
        until = self.open_at(now)
        return max(until, self.allowed.ready_at(now)) if self.allowed.limits else until

    def free_at(self, now: float) -> float:
        """Return when the key may be asked and is expected to answer."""
        return max(self.allowed_at(now), self.meter.ready_at(now))

    def foresees(self, now: float) -> bool:
        """Return whether it is known how much room there will be when the key is free."""
        return self.meter.limit is not None or self.open_at(now) <= now

    def admits(self, now: float) -> bool:
        """Return whether a request that was booked may be sent now."""
        return self.open_at(now) <= now and self.meter.admits(now)

    def book(self, now: float) -> None:
        """Count a request, for now or for when the key is free."""
        self.reserved += 1
        self.meter.use(now)
        for limit in self.allowed.limits:
            limit.use(now)

    def release(self) -> None:
        """Take back a request that was booked."""
        self.reserved -= 1
        self.meter.release()
        for limit in self.allowed.limits:
            limit.release()

    def begin(self, now: float) -> int:
        """Note that a request that was booked is sent; return its number."""
        self.reserved -= 1
        self.asked += 1
        self.sent += 1
        self.unanswered += 1
        self.meter.begin(now)
        for gate in self.allowed.gates:
            gate.under_way += 1
        return self.sent

    def is_unproven(self) -> bool:
        """Return whether many ask the key already, and nobody knows whether it answers."""
        return min(self.asked, self.unanswered) >= MOST_UNPROVEN

    def end(self, tokens: int = 0) -> None:
        """Note that a request is over, which cost *tokens*."""
        self.asked -= 1
        for limit in self.allowed.limits:
            limit.done(tokens)
        for gate in self.allowed.gates:
            gate.under_way -= 1


class ModelKeys:
    """The keys as one model sees them.

    A key stands in exactly one of two heaps: ``ready``, by preference, or ``cooling``, by the instant it is
    free; one that turns out not to be ready, or to be free later, is moved when it comes to the top.

    Args:
        size: How many keys there are.
        strategy: Which ready key is preferred.
        allowed: Returns what the configuration allows the key of an index.
    """

    def __init__(self, size: int, strategy: Strategy, allowed: Callable[[int], BudgetLimits]) -> None:
        self._allowed = allowed
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
            state = self.states[index] = KeyState(index, meter, self._allowed(index), self._shared)
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
            state.book(now)
        self.turn += 1
        state.turn = self.turn
        if not self.sticky and self.ready and self.ready[0][2] == state.index:
            heapreplace(self.ready, self._rank(state, now))

    def _rank(self, state: KeyState, now: float) -> Rank:
        return (
            (-math.inf, 0, state.index) if self.sticky else (-state.meter.room(now), state.turn, state.index)
        )

    def free(self, index: int) -> None:
        """Forget what blocks the key of that index; what is known of its limits stays."""
        state = self.state(index)
        state.blocked_at = state.blocked_until = state.backoff_until = 0.0
        state.half_open = False
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
