"""The keys of one model in tiers: those of a lower tier are asked first. No I/O.

Each tier keeps its keys in order by itself (:mod:`jobapp.pool.model_keys`), so a key is found without looking
at the others, and at one place in each tier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from jobapp.domain.types import ApiKey
from jobapp.limits.meter import ONE, Cost
from jobapp.pool.key_state import KeyState
from jobapp.pool.model_keys import ModelKeys


class TieredKeys:
    """What :class:`ModelKeys` is, over several of them.

    Args:
        tiers: The keys of each tier, the lowest first; they have their estimates in common.
        tier_of: The place of each key's tier among them, by the key's index.
    """

    def __init__(self, tiers: Sequence[ModelKeys], tier_of: Mapping[int, int]) -> None:
        self.tiers = tiers
        self._tier_of = tier_of
        self.shared = tiers[0].shared

    def tier_of(self, index: int) -> int:
        """Return the place among ``tiers`` of the one that the key of that index is in."""
        return self._tier_of.get(index, 0)

    def _of(self, index: int) -> ModelKeys:
        return self.tiers[self.tier_of(index)]

    @property
    def states(self) -> dict[int, KeyState]:
        """What is known of the keys that were looked at."""
        return {index: state for tier in self.tiers for index, state in tier.states.items()}

    def state(self, index: int) -> KeyState:
        """Return what is known of the key of that index."""
        return self._of(index).state(index)

    def knows(self, state: KeyState) -> bool:
        """Return whether *state* is what is known of its key, and not what was known once."""
        return self._of(state.index).knows(state)

    def first_ready(self, now: float, skip: frozenset[int], cost: Cost = ONE) -> KeyState | None:
        """Return the preferred key that is free now, of the lowest tier that has one."""
        return next((state for tier in self.tiers if (state := tier.first_ready(now, skip, cost))), None)

    def first_cooling(self, now: float, skip: frozenset[int], cost: Cost = ONE) -> KeyState | None:
        """Return the key that is free first, whatever its tier; of two at once the lower one."""
        found = (state for tier in self.tiers if (state := tier.first_cooling(now, skip, cost)))
        return min(found, key=lambda state: state.free_at(now, cost=cost), default=None)

    def look_at(self, state: KeyState, now: float) -> None:
        """Note that a key may be free earlier."""
        self._of(state.index).look_at(state, now)

    def use(self, state: KeyState, now: float) -> None:
        """Give a request its turn."""
        self._of(state.index).use(state, now)

    def begin_anew(self, index: int) -> None:
        """Forget what is known of the key of that index."""
        self._of(index).begin_anew(index)

    def unblock(self, state: KeyState) -> None:
        """Forget what blocks a key."""
        self._of(state.index).unblock(state)


def in_tiers(
    keys: Sequence[ApiKey], model: str, make: Callable[[list[int]], ModelKeys]
) -> ModelKeys | TieredKeys:
    """Return those of *keys* that serve *model*, in their tiers; *make* orders the keys of some indexes."""
    by_tier: dict[int, list[int]] = {}
    for index, key in enumerate(keys):
        if key.serves(model):
            by_tier.setdefault(key.tier, []).append(index)
    if len(by_tier) <= 1:
        return make(next(iter(by_tier.values()), []))
    members = [by_tier[tier] for tier in sorted(by_tier)]
    tier_of = {index: place for place, indexes in enumerate(members) for index in indexes}
    return TieredKeys([make(indexes) for indexes in members], tier_of)
