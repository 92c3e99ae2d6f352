"""The keys as one model sees them: which is free, and which is free next. No I/O.

What is free is found without looking at the other keys, however many there are. Instants are seconds since
the epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from typing import NamedTuple

from jobapp.domain.settings import Strategy
from jobapp.limits.budgets import BudgetLimits
from jobapp.limits.meter import ONE, Cost, RateMeter
from jobapp.limits.under_way import Me, UnderWay
from jobapp.pool.key_state import KeyState, SharedEstimates

Rank = tuple[float, int, int]
"""What puts the ready keys of a lane in order: less room, later turn, later place."""

NEARLY = 0.02
"""Waits that differ by less than this share are the same: those who wait are spread over such keys."""

NEARLY_FIRST = 8
"""How many keys are looked at for that."""

LONG, LONGEST = 1.0, 120.0
"""Seconds for which a key is full that others are told of: from a moment to a window."""


class Sharing(NamedTuple):
    """What the keys of a model have to do with other processes.

    Attributes:
        me: This process.
        join: Shares a new state with them.
        look: Brings one up to date with them.
        full_until: Returns until when one of them found the key of an index full, without more of a look.
        tell_full: Lets them know that.
    """

    me: Me
    join: Callable[[KeyState], None]
    look: Callable[[KeyState], None]
    full_until: Callable[[int], float]
    tell_full: Callable[[KeyState, float], None]


class ModelKeys:
    """The keys as one model sees them.

    A key stands in exactly one of two heaps: ``ready``, by preference, or ``cooling``, by the instant it is
    free; one that turns out not to be ready, or to be free later, is moved when it comes to the top. One
    that is free earlier than was thought gets a second entry, and the first is stale (lazy deletion).

    Args:
        indexes: The keys.
        strategy: Which ready key is preferred.
        budget: Returns what the configuration allows the key of an index.
        shared: What the keys have in common.
        sharing: What other processes have to do with them.
    """

    def __init__(
        self,
        indexes: Iterable[int],
        strategy: Strategy,
        budget: Callable[[int], BudgetLimits],
        shared: SharedEstimates,
        sharing: Sharing,
    ) -> None:
        self._budget = budget
        self._sharing = sharing
        self.indexes = frozenset(indexes)
        self.states: dict[int, KeyState] = {}
        self.shared = shared
        self._seen = shared.rates.length.seconds
        self.sticky = strategy is Strategy.STICKY
        self.ready: list[Rank] = [(-math.inf, turn, index) for turn, index in self._first_turns()]
        self.cooling: list[tuple[float, int]] = []
        self._cools_until: dict[int, float] = {}  # which entry of a key in ``cooling`` is not stale
        self.turn = 0
        self.tiers: Sequence[ModelKeys] = (self,)

    def _first_turns(self) -> Iterator[tuple[int, int]]:
        """Yield a turn and a key; with ``spread`` the processes of a fleet do not all begin with one key."""
        indexes, count = sorted(self.indexes), len(self.indexes)
        if self.sticky or not count:
            return ((0, index) for index in indexes)
        start = hash(self._sharing.me.owner) % count
        return ((place - count, indexes[(start + place) % count]) for place in range(count))

    def state(self, index: int) -> KeyState:
        """Return what is known of the key of that index, by other processes too."""
        state = self._own_state(index)
        self._sharing.look(state)
        return state

    def _own_state(self, index: int) -> KeyState:
        state = self.states.get(index)
        if state is None:
            meter, under_way = RateMeter(self.shared.rates), UnderWay(self._sharing.me)
            state = self.states[index] = KeyState(
                index, meter, self._budget(index), self.shared, under_way=under_way
            )
            self._sharing.join(state)
        return state

    def knows(self, state: KeyState) -> bool:
        """Return whether *state* is what is known of its key, and not what was known once."""
        return self.states.get(state.index) is state

    def has(self, index: int) -> bool:
        """Return whether the key of that index is among them."""
        return index in self.indexes

    def tier_of(self, index: int) -> int:  # noqa: ARG002 - there is one
        """Return the place among ``tiers`` of the one that the key of that index is in."""
        return 0

    def first_ready(self, now: float, skip: frozenset[int], cost: Cost = ONE) -> KeyState | None:
        """Return the preferred key that is free now for a request of that *cost*.

        As far as this process knows: whoever takes it holds it first, and so learns what others know.
        """
        self._move_due(now, cost)
        passed: list[Rank] = []
        found = None
        while self.ready and found is None:
            index = self.ready[0][2]
            if (full_until := self._full_until(index, now)) > now:
                heappop(self.ready)
                self._cool(index, full_until)
                continue
            state = self._own_state(index)
            free_at = state.free_at(now, cost=cost)
            if free_at > now:
                heappop(self.ready)
                self._cool(index, free_at)
                self._tell_full(state, now)
            elif index in skip:
                passed.append(heappop(self.ready))
            else:
                found = state
        for entry in passed:
            heappush(self.ready, entry)
        return found

    def first_cooling(self, now: float, skip: frozenset[int], cost: Cost = ONE) -> KeyState | None:
        """Return the key that is free first; of some that are nearly first, the idlest."""
        passed: list[tuple[float, int]] = []
        nearly: list[tuple[KeyState, float]] = []
        while self.cooling and len(nearly) < NEARLY_FIRST:
            at, index = heappop(self.cooling)
            if self._cools_until.get(index) != at:
                continue
            state = self.state(index)
            free_at = state.free_at(now, cost=cost)
            if free_at > at:
                self._cool(index, free_at)
                continue
            passed.append((free_at, index))
            if nearly and free_at > nearly[0][1] + (nearly[0][1] - now) * NEARLY:
                break
            if index not in skip:
                nearly.append((state, free_at))
        for free_at, index in passed:
            self._cool(index, free_at)
        return min((state for state, _ in nearly), key=lambda state: state.turn, default=None)

    def _full_until(self, index: int, now: float) -> float:
        """Return until when another process found a key full that this one has not looked at; 0 for free."""
        if index in self.states:
            return 0.0
        until = self._sharing.full_until(index)
        return until if until <= now + LONGEST else 0.0

    def _tell_full(self, state: KeyState, now: float) -> None:
        """Let other processes pass over a key that is full for long, whatever waits for it here."""
        until = state.free_at(now, 0)
        if now + LONG < until <= now + LONGEST:
            self._sharing.tell_full(state, until)

    def _cool(self, index: int, free_at: float) -> None:
        self._cools_until[index] = free_at
        heappush(self.cooling, (free_at, index))

    def look_at(self, state: KeyState, now: float) -> None:
        """Note that a key may be free earlier: one who waited for it went away, or an answer came."""
        known = self._cools_until.get(state.index)
        if known is not None and (free_at := state.free_at(now)) < known:
            self._cool(state.index, free_at)
            self._sharing.tell_full(state, 0.0)

    def use(self, state: KeyState, now: float) -> None:
        """Give a request its turn; with ``spread`` the key then goes behind those with more room."""
        self.turn += 1
        state.turn = self.turn
        if not self.sticky and self.ready and self.ready[0][2] == state.index:
            heapreplace(self.ready, self._rank(state, now))

    def _rank(self, state: KeyState, now: float) -> Rank:
        return (
            (-math.inf, 0, state.index) if self.sticky else (-state.meter.room(now), state.turn, state.index)
        )

    def begin_anew(self, index: int) -> None:
        """Forget what is known of the key of that index: another has taken its place."""
        self.states.pop(index, None)
        if self._cools_until.pop(index, None) is not None:
            heappush(self.ready, self._rank(self.state(index), 0.0))

    def unblock(self, state: KeyState) -> None:
        """Forget what blocks a key."""
        state.unblock()
        self._seen = math.nan

    def _move_due(self, now: float, cost: Cost) -> None:
        if self._seen != self.shared.rates.length.seconds:
            self._look_again(now, cost)
        while self.cooling and self.cooling[0][0] <= now:
            at, index = heappop(self.cooling)
            if self._cools_until.get(index) != at:
                continue
            state = self.states.get(index)
            if state is None:
                free_at = self._full_until(index, now)
            else:
                self._sharing.look(state)
                free_at = state.free_at(now, cost=cost)
            if free_at > now:
                self._cool(index, free_at)
            else:
                del self._cools_until[index]
                heappush(self.ready, (-math.inf, 0, index) if state is None else self._rank(state, now))

    def _look_again(self, now: float, cost: Cost) -> None:
        """Put the keys in order that wait, for all of them may be free at other instants than was thought."""
        self._seen = self.shared.rates.length.seconds
        for index in self._cools_until.keys() & self.states.keys():
            self._cools_until[index] = self.state(index).free_at(now, cost=cost)
        self.cooling = [(at, index) for index, at in self._cools_until.items()]
        heapify(self.cooling)
