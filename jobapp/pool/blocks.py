"""The blocks of one provider's keys in memory, and how each of them ends. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping

from jobapp.domain.types import FREE_MODELS, Block, BlockId, Kind


def scopes_of(model: str) -> tuple[str | None, ...]:
    """Return what a block may name that keeps *model* from being asked."""
    return (None, model, FREE_MODELS) if model.endswith(":free") else (None, model)


class Blocks:
    """For each id the block that ends last, expired ones included.

    Args:
        provider: Whose keys they are about.
        fingerprints: The keys; blocks of others do not matter.
    """

    def __init__(self, provider: str, fingerprints: Container[str]) -> None:
        self._provider = provider
        self._fingerprints = fingerprints
        self._blocks: dict[BlockId, Block] = {}
        self._in_streak: set[BlockId] = set()  # those whose keys have not answered since
        self._half_open: set[BlockId] = set()

    def all(self) -> Collection[Block]:
        """Return all blocks that are known."""
        return self._blocks.values()

    def of(self, fingerprint: str) -> list[Block]:
        """Return the blocks of one key."""
        return [block for block in self._blocks.values() if block.fingerprint == fingerprint]

    def forget(self, fingerprint: str) -> None:
        """Forget what is known of one key."""
        for block in self.of(fingerprint):
            self._end(block)

    def _end(self, block: Block) -> None:
        del self._blocks[block.id]
        self._in_streak.discard(block.id)
        self._half_open.discard(block.id)

    def last(self, block_id: BlockId, kind: Kind) -> Block | None:
        """Return the last block of that id and kind, expired or not, unless the key has answered since."""
        block = self._blocks.get(block_id)
        return block if block is not None and block.kind is kind and block_id in self._in_streak else None

    def ends_half_open(self, block: Block) -> bool:
        """Return whether one call tries the key before the others, for it is not sure that it answers."""
        return block.id in self._half_open

    def add(self, block: Block, *, half_open: bool = False) -> bool:
        """Add a block; return whether it holds, and no longer one holds already."""
        if not self._concerns(block):
            return False
        known = self._blocks.get(block.id)
        self._in_streak.add(block.id)
        if known is not None and known.until > block.until:
            return False
        self._blocks[block.id] = block
        if half_open or block.kind is not Kind.RATE_LIMIT:
            self._half_open.add(block.id)
        else:
            self._half_open.discard(block.id)
        return True

    def replace(self, blocks: Mapping[BlockId, Block]) -> tuple[list[Block], set[str]]:
        """Take over the shared state; return what blocks are new, and the keys of those that ended early."""
        mine = {id_: block for id_, block in blocks.items() if self._concerns(block)}
        ended = [b for id_, b in self._blocks.items() if id_ not in mine or mine[id_].until < b.until]
        for block in ended:
            self._end(block)
        new = [block for id_, block in mine.items() if self._blocks.get(id_) != block and self.add(block)]
        return new, {block.fingerprint for block in ended}

    def end_streak(self, fingerprint: str, model: str) -> None:
        """Note that a key which was rejected has answered for *model* since."""
        for pool in scopes_of(model):
            self._in_streak.discard((self._provider, fingerprint, pool))

    def _concerns(self, block: Block) -> bool:
        return block.provider == self._provider and block.fingerprint in self._fingerprints
