"""Which key a conversation had last, so that it may find the provider's prompt cache warm. No I/O.

A preference among keys that are free, or free as soon as any other, and no more: nobody waits longer for a
warm key, nor changes the tier for it.
"""

from __future__ import annotations

from collections import OrderedDict

from jobapp.limits.meter import Cost
from jobapp.pool.key_state import KeyState
from jobapp.pool.model_keys import ModelKeys
from jobapp.pool.tiers import TieredKeys

IDLE = 3600.0
"""Seconds without a turn after which a conversation is forgotten."""

MOST = 10_000
"""Conversations that are remembered; of more, the longest idle is forgotten."""


class Sessions:
    """The key of each conversation, by its model and name. Instants are seconds since the epoch."""

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def note(self, model: str, session: str, index: int, now: float) -> None:
        """Note which key a turn of a conversation is sent with."""
        self._last[model, session] = (index, now)
        self._last.move_to_end((model, session))
        if len(self._last) > MOST:
            self._last.popitem(last=False)

    def prefer(
        self,
        first: KeyState,
        keys: ModelKeys | TieredKeys,
        session: tuple[str, str],
        now: float,
        skip: frozenset[int],
        cost: Cost,
    ) -> KeyState:
        """Return the key that it had, if that is free as soon as the one that is *first*, and of its tier."""
        index, at = self._last.get(session, (first.index, now))
        tier = keys.tiers[keys.tier_of(first.index)]
        if tier.sticky or index == first.index or now - at > IDLE or index in skip or not tier.has(index):
            return first
        warm = tier.state(index)
        return warm if warm.free_at(now, cost=cost) <= max(now, first.free_at(now, cost=cost)) else first
