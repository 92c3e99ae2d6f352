"""What is known of all keys, as one immutable value, and how two such values become one. No I/O.

Merging keeps the later ``until`` of two blocks of the same id, whatever the order of writers. A reset
carries its time: a block that was learnt before it does not come back from an older memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobapp.core.types import EMPTY, Block, BlockId, Kind

STRIKE_MEMORY = timedelta(days=1)
"""How long an expired block is kept: a key refused again soon after it is blocked for longer."""

RESET_MEMORY = timedelta(days=40)
"""How long a reset is kept: longer than any block can last."""


Selection = tuple[str | None, str | None, Kind | None]


@dataclass(frozen=True, slots=True)
class Reset:
    """A person's word that what was learnt no longer holds.

    Attributes:
        at: Aware UTC at which it was said; blocks learnt later stand.
        provider: Only this provider's blocks; ``None`` for all.
        fingerprint: Only this key's blocks; ``None`` for all.
        kind: Only blocks of this kind; ``None`` for all.
    """

    at: datetime
    provider: str | None = None
    fingerprint: str | None = None
    kind: Kind | None = None

    @property
    def selection(self) -> Selection:
        """What it is about, whatever its time."""
        return (self.provider, self.fingerprint, self.kind)

    def covers(self, block: Block) -> bool:
        """Tell whether this reset ends *block*."""
        return (
            block.since <= self.at
            and self.provider in (None, block.provider)
            and self.fingerprint in (None, block.fingerprint)
            and self.kind in (None, block.kind)
        )


@dataclass(frozen=True, slots=True)
class QuotaState:
    """All blocks by their id, and the newest reset of each selection, which older memories must obey."""

    blocks: Mapping[BlockId, Block] = EMPTY
    resets: Mapping[Selection, Reset] = EMPTY

    def with_blocks(self, blocks: Iterable[Block]) -> QuotaState:
        """Return this state with *blocks* learnt."""
        merged = dict(self.blocks)
        for block in blocks:
            if not any(reset.covers(block) for reset in self.resets.values()):
                merged[block.id] = later(merged.get(block.id), block)
        return QuotaState(merged, self.resets)

    def with_reset(self, reset: Reset) -> QuotaState:
        """Return this state without what *reset* ends."""
        kept = {id_: block for id_, block in self.blocks.items() if not reset.covers(block)}
        known = self.resets.get(reset.selection, reset)
        return QuotaState(kept, {**self.resets, reset.selection: max(known, reset, key=lambda r: r.at)})

    def merged(self, other: QuotaState) -> QuotaState:
        """Return what both know together; the order does not matter."""
        state = self
        for reset in other.resets.values():
            state = state.with_reset(reset)
        return state.with_blocks(other.blocks.values())

    def swept(self, now: datetime, provider: str | None = None) -> QuotaState:
        """Return this state without the blocks (of *provider*) whose memory is no longer of use."""
        kept = {
            id_: block
            for id_, block in self.blocks.items()
            if now - block.until < STRIKE_MEMORY or provider not in (None, block.provider)
        }
        return self if len(kept) == len(self.blocks) else QuotaState(kept, self.resets)


def later(known: Block | None, learnt: Block) -> Block:
    """Return the one of two blocks of the same id that ends later."""
    return learnt if known is None or _end(learnt) > _end(known) else known


def _end(block: Block) -> tuple[datetime, datetime, int]:
    return (block.until, block.since, block.strikes)
