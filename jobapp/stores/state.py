"""What is known of all keys, as one immutable value, and how two such values become one. No I/O.

Merging is commutative, associative and idempotent, whatever the order of writers: of two blocks of the
same id the one that ends later counts, and a reset carries its time, so that a block learnt before it
does not come back from an older memory. For that to hold exactly, a block that ends earlier is kept
beside the one that counts for as long as a reset might end the one and not the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
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
        outlasted: Blocks that end before the one in ``blocks`` but would outlive a reset of it.
    """

    blocks: Mapping[BlockId, Block] = EMPTY
    resets: Mapping[Selection, Reset] = EMPTY
    outlasted: Mapping[BlockId, tuple[Block, ...]] = EMPTY

    def __iter__(self) -> Iterator[Block]:
        """Yield every block, the outlasted ones included."""
        yield from self.blocks.values()
        for blocks in self.outlasted.values():
            yield from blocks

    @property
    def is_empty(self) -> bool:
        """Tell that nothing is known, not even a reset."""
        return not self.blocks and not self.resets

    def with_blocks(self, blocks: Iterable[Block]) -> QuotaState:
        """Return this state with *blocks* learnt; the same object where that changes nothing."""
        known = self.blocks or {}
        learnt: dict[BlockId, list[Block]] = {}
        for block in blocks:
            if known.get(block.id) != block and not self._was_reset(block):
                learnt.setdefault(block.id, []).append(block)
        if not learnt:
            return self
        first, rest = dict(known), dict(self.outlasted)
        for id_, news in learnt.items():
            candidates = [*news, *self._of(id_)]
            first[id_], *others = _standing(set(candidates)) if len(candidates) > 1 else candidates
            _put(rest, id_, tuple(others))
        return self if (first, rest) == (known, self.outlasted) else QuotaState(first, self.resets, rest)

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

        def is_of_use(block: Block, memory: timedelta) -> bool:
            return now - block.until < memory or provider not in (None, block.provider)

        first = {id_: block for id_, block in self.blocks.items() if is_of_use(block, STREAK_MEMORY)}
        rest: dict[BlockId, tuple[Block, ...]] = {}
        for id_, blocks in self.outlasted.items():
            _put(rest, id_, tuple(block for block in blocks if is_of_use(block, timedelta())))
        resets = {s: reset for s, reset in self.resets.items() if now - reset.at < RESET_MEMORY}
        swept = QuotaState(first, resets, rest)
        return self if swept == self else swept

    def bounded(self, now: datetime, limit: int) -> QuotaState:
        """Return this state with at most *limit* blocks: those that still hold, the longest first."""
        if len(self.blocks) + sum(map(len, self.outlasted.values())) <= limit:
            return self
        holding = sorted((block for block in self.blocks.values() if block.until > now), key=_rank)
        return QuotaState({block.id: block for block in holding[-limit:]}, self.resets)

    def _of(self, id_: BlockId) -> tuple[Block, ...]:
        if id_ not in self.blocks:
            return ()
        return (self.blocks[id_], *self.outlasted.get(id_, ()))

    def _was_reset(self, block: Block) -> bool:
        if not self.resets:
            return False
        known = (self.resets.get(selection) for selection in _selections(block))
        return any(reset.covers(block) for reset in known if reset is not None)


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


def _standing(blocks: set[Block]) -> list[Block]:
    """Return the blocks of one id that may yet count, the one that counts now first.

    A block needs no memory when one that ends no earlier is ended by no reset that it would survive.
    """
    standing: list[Block] = []
    for block in sorted(blocks, key=_rank, reverse=True):
        if not any(known.kind is block.kind and known.since >= block.since for known in standing):
            standing.append(block)
    return standing


def _put(outlasted: dict[BlockId, tuple[Block, ...]], id_: BlockId, blocks: tuple[Block, ...]) -> None:
    if blocks:
        outlasted[id_] = blocks
    else:
        outlasted.pop(id_, None)


def _is(one: Block, other: Block) -> bool:
    return one is other
