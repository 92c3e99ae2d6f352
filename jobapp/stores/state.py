"""What is known of all keys, as one immutable value, and how two such values become one. No I/O.

The state is a join-semilattice, so that writers need no order: ``a.merged(b)`` is the least state that knows
what both know. It has two parts, each with its own join:

========  ==================================  =================================================
part      by                                  of two, the one that stays
========  ==================================  =================================================
blocks    provider, key and model (the id)    the one that ends later
resets    what they select                    the newer one; one that another includes goes
========  ==================================  =================================================

A reset ends the blocks that it selects and that were learnt before it, whenever they come: it is remembered
with its time, as long as any memory of such a block may last. So no older memory brings a block back, and
merging blocks is commutative, associative and idempotent, as is merging resets (M. Shapiro et al.,
"Conflict-free replicated data types", 2011).

Between the two it is an approximation: a block that a longer one has replaced is forgotten, and if a reset
then ends only the longer one, of another kind or learnt before it, the key is free although the shorter
block still held. That costs one rejection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import reduce
from itertools import product

from jobapp.domain import quota_reset
from jobapp.domain.types import EMPTY, Block, BlockId, Kind

STREAK_MEMORY = timedelta(days=1)
"""How long an expired block is kept: a key rejected again soon after it is blocked for longer."""

LONGEST = {
    Kind.RATE_LIMIT: quota_reset.LONGEST_MINUTE,
    Kind.AUTH: quota_reset.BAD_KEY_FOR_MODEL,
    Kind.QUOTA: quota_reset.LONGEST,
    Kind.REQUEST: quota_reset.WITHDRAWN_MODEL,
}
"""The longest a block of each kind may last: what says more comes from a clock that was wrong."""

RESET_MEMORY = max(LONGEST.values()) + STREAK_MEMORY
"""How long a reset is kept: as long as any block that it ended could be remembered."""

CLOCK_SKEW = timedelta(minutes=1)
"""How far apart the clocks of two machines may be."""

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
        """Return whether this reset ends *block*."""
        return block.since <= self.at and self.selection in _selections(block)

    def includes(self, other: Reset) -> bool:
        """Return whether this reset ends all that *other* ends."""
        pairs = zip(self.selection, other.selection, strict=True)
        return other.at <= self.at and all(mine in (None, theirs) for mine, theirs in pairs)


@dataclass(frozen=True, slots=True)
class QuotaState:
    """What is known of all keys.

    Attributes:
        blocks: For each id the block that ends last; expired ones stay for :data:`STREAK_MEMORY`.
        resets: The newest reset of each selection, which older memories must obey.
    """

    blocks: Mapping[BlockId, Block] = field(default_factory=dict)
    resets: Mapping[Selection, Reset] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Block]:
        """Yield every block."""
        yield from self.blocks.values()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known, not even a reset."""
        return not self.blocks and not self.resets

    def with_blocks(self, blocks: Iterable[Block]) -> QuotaState:
        """Return this state with *blocks* learnt; the same object where that changes nothing."""
        new: dict[BlockId, Block] = {}
        for block in blocks:
            known = new.get(block.id) or self.blocks.get(block.id)
            if (known is None or _rank(block) > _rank(known)) and not self._was_reset(block):
                new[block.id] = block
        return QuotaState({**self.blocks, **new}, self.resets) if new else self

    def with_reset(self, reset: Reset) -> QuotaState:
        """Return this state without what *reset* ends; the same object where it was known."""
        if any(known.includes(reset) for known in self.resets.values()):
            return self
        kept = {s: known for s, known in self.resets.items() if not reset.includes(known)}
        resets = {**kept, reset.selection: reset}
        return QuotaState(EMPTY, resets).with_blocks(block for block in self if not reset.covers(block))

    def with_resets(self, resets: Iterable[Reset]) -> QuotaState:
        """Return this state without what *resets* end."""
        return reduce(QuotaState.with_reset, resets, self)

    def merged(self, other: QuotaState) -> QuotaState:
        """Return what both know together; the order does not matter."""
        return self.with_resets(other.resets.values()).with_blocks(other)

    def beyond(self, other: QuotaState) -> QuotaState:
        """Return what this state adds to *other*."""
        both, known = other.merged(self), set(other)
        resets = {s: reset for s, reset in both.resets.items() if reset not in other.resets.values()}
        return QuotaState(EMPTY, resets).with_blocks(block for block in both if block not in known)

    def believed(self, now: datetime) -> QuotaState:
        """Return what of this holds at *now*, whatever clock it was written by.

        See :func:`believable` for blocks. A reset that lies ahead by more than :data:`CLOCK_SKEW`
        would end what is learnt from now on, so it is not obeyed.
        """
        blocks = [believable(block, now) for block in self]
        resets = {s: reset for s, reset in self.resets.items() if reset.at <= now + CLOCK_SKEW}
        if len(resets) == len(self.resets) and all(map(_is, blocks, self)):
            return self
        return QuotaState(EMPTY, resets).with_blocks(blocks)

    def swept(self, now: datetime, provider: str | None = None) -> QuotaState:
        """Return this state without what (of *provider*) expired so long ago that it is of no use."""

        def is_of_use(block: Block) -> bool:
            return now - block.until < STREAK_MEMORY or provider not in (None, block.provider)

        blocks = {id_: block for id_, block in self.blocks.items() if is_of_use(block)}
        resets = {s: reset for s, reset in self.resets.items() if now - reset.at < RESET_MEMORY}
        if (len(blocks), len(resets)) == (len(self.blocks), len(self.resets)):
            return self
        return QuotaState(blocks, resets)

    def bounded(self, now: datetime, limit: int) -> QuotaState:
        """Return this state with at most *limit* blocks: those that still hold, the longest first."""
        if len(self.blocks) <= limit:
            return self
        holding = sorted((block for block in self.blocks.values() if block.until > now), key=_rank)
        return QuotaState({block.id: block for block in holding[-limit:]}, self.resets)

    def _was_reset(self, block: Block) -> bool:
        if not self.resets:
            return False
        known = (self.resets.get(selection) for selection in _selections(block))
        return any(reset.covers(block) for reset in known if reset is not None)


class ClockJumps:
    """Notices that the clock was set, back or right again, by a clock that only runs.

    Args:
        now: Aware UTC.
        monotonic: Seconds of the other clock at the same instant.
    """

    def __init__(self, now: datetime, monotonic: float) -> None:
        self._last = now
        self._ahead = now.timestamp() - monotonic

    def seen(self, now: datetime, monotonic: float) -> bool:
        """Return whether it was set since this was asked last: back, or ahead by more than the skew."""
        ahead = now.timestamp() - monotonic
        jumped = now < self._last or ahead - self._ahead > CLOCK_SKEW.total_seconds()
        self._last, self._ahead = now, ahead
        return jumped


NOTHING = QuotaState()
"""What a new store knows."""


def believable(block: Block, now: datetime) -> Block:
    """Return *block* as it holds at *now* against a clock that has jumped.

    A block that was learnt in the future is taken as learnt now, so that it lasts no longer from now
    than it was meant to last; and none lasts longer than its kind may.
    """
    since = min(block.since, now)
    until = since + min(block.until - block.since, LONGEST[block.kind])
    if (since, until) == (block.since, block.until):
        return block
    return replace(block, since=since, until=until)


def _selections(block: Block) -> Iterator[Selection]:
    """Yield every selection that *block* falls under."""
    return product((None, block.provider), (None, block.fingerprint), (None, block.kind))


def _rank(block: Block) -> tuple[datetime, datetime, Kind, int, str, str]:
    """Order blocks of one id: the later end counts, all else only makes the order total."""
    return (block.until, block.since, block.kind, block.streak, block.reason, block.key_name)


def _is(one: Block, other: Block) -> bool:
    return one is other
