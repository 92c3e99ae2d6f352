"""Which key a call takes, among those that are free and those that it may wait for. No I/O.

A key that is free in the lowest tier is taken; else, of the tiers from the lowest up, the first that has one
free, or free soon enough to be waited for rather than to go up. With a key that the call stays with, that one
comes first, as long as it is worth the wait.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from jobapp.limits.meter import Cost
from jobapp.pool.key_state import KeyState
from jobapp.pool.model_keys import ModelKeys
from jobapp.pool.reservation import Reservation, Take
from jobapp.pool.tiers import TieredKeys

Keys = ModelKeys | TieredKeys

SOON = 0.1
"""Seconds; nobody leaves reserved room that comes so soon for room that is there: all would go at once."""


class Wanted(NamedTuple):
    """What a call wants, in the pool's own terms.

    Attributes:
        want: What the call said.
        now: Seconds since the epoch.
        cost: What its request will use.
        skip: The keys that it has given up, by index.
        stay: The key that it goes on with, if that is worth it.
    """

    want: Take
    now: float
    cost: Cost
    skip: frozenset[int]
    stay: KeyState | None

    def is_worth_it(self, state: KeyState) -> bool:
        """Return whether the call waits for a key: not too long, nor beyond the deadline in its line."""
        want, now = self.want, self.now
        if state.free_at(now, 0, self.cost, want.tries_left) - now > want.max_wait:
            return False
        return (
            want.left == math.inf or state.free_at(now, None, self.cost, want.tries_left) - now <= want.left
        )


def choose(keys: Keys, wanted: Wanted) -> tuple[KeyState | None, bool]:
    """Return the key to take, and whether it is known to be free.

    A tier that is not free within ``tier_wait`` is left for the next; where none is, the first key is.
    """
    _, now, cost, skip, stay = wanted
    ready = keys.tiers[0].first_ready(now, skip, cost) if stay is None else None
    if ready or len(keys.tiers) == 1:
        return ready or _choose(keys, wanted), bool(ready)
    if stay is not None and _is_soon(keys, stay, wanted):
        return _choose(keys, wanted), False
    wanted = wanted._replace(stay=None)
    for tier in keys.tiers[:-1]:
        if ready := tier.first_ready(now, skip, cost):
            return ready, True
        cooling = tier.first_cooling(now, skip, cost)
        if cooling and _is_soon(keys, cooling, wanted):
            return cooling, False
    return _choose(keys.tiers[-1], wanted) or _choose(keys, wanted), False


def _choose(keys: Keys, wanted: Wanted) -> KeyState | None:
    """Return the key to take: that to stay with, one that is ready, or the first that will be."""
    want, now, cost, skip, stay = wanted
    if stay is not None and (want.only is not None or not stay.is_crowded()) and wanted.is_worth_it(stay):
        return stay
    if ready := keys.first_ready(now, skip, cost):
        return ready
    if cooling := keys.first_cooling(now, skip, cost):
        # where only our own estimate says that the key is full, it is tried rather than given up
        worth = wanted.is_worth_it(cooling)
        if worth or (cooling.allowed_at(now, 0, cost) <= now and not cooling.waiting):
            return cooling
    return None


def _is_soon(keys: Keys, state: KeyState, wanted: Wanted) -> bool:
    """Return whether a key is free, for whoever comes last, before its call may go up a tier."""
    if not wanted.is_worth_it(state):
        return False
    wait = state.free_at(wanted.now, None, wanted.cost, wanted.want.tries_left) - wanted.now
    return wait <= wanted.want.tier_wait or keys.tier_of(state.index) == len(keys.tiers) - 1


def is_best(keys: Keys, held: Reservation, wanted: Wanted) -> bool:
    """Return whether a call does best to wait on for the key of its reservation."""
    now, wait = wanted.now, held.wait(wanted.now)
    if wait <= SOON:
        return True
    if not wanted.is_worth_it(held.state):
        return False
    place = keys.tier_of(held.state.index)
    if place < len(keys.tiers) - 1 and wait > wanted.want.tier_wait:
        return False
    if wanted.stay is not None:
        return True
    others = wanted.skip | {held.state.index}
    below = keys.tiers[: place + 1]
    if any(tier.first_ready(now, others, held.cost) for tier in below):
        return False
    coming = [state for tier in below if (state := tier.first_cooling(now, others, held.cost))]
    sooner = min(coming, key=lambda state: state.free_at(now, None, held.cost), default=None)
    return sooner is None or sooner.free_at(now, None, held.cost) + SOON >= held.free_at
