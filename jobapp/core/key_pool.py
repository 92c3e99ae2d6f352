"""One provider's keys in memory: which is free, which is free next, and who waits for it. No I/O.

Every model has a lane of its own. Instants are seconds since the epoch; the caller holds a lock around
every method.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from jobapp.core.key_lane import Lane, Slot
from jobapp.core.settings import BudgetSettings, Strategy
from jobapp.core.types import FREE_MODELS, ApiKey, Block, BlockId, Kind, Verdict
from jobapp.rates.budgets import Budgets
from jobapp.rates.meter import Allowance


def pools_of(model: str) -> tuple[str | None, ...]:
    """Return what a block may name that keeps *model* from being asked."""
    return (None, model, FREE_MODELS) if model.endswith(":free") else (None, model)


NO_KEYS: frozenset[int] = frozenset()


@dataclass(slots=True)
class Ticket:
    """A key that was found for a caller, and counted: it must be finished or given back.

    Attributes:
        key: The key.
        slot: Where its requests are counted.
        model: The model it was found for.
        wait: Seconds until it may be asked.
        sent_at: When it was handed over for asking, in seconds since the epoch.
        opened_at: When the stream began that it was sent for; ``None`` where there is none.
        number: Its place among the requests of the key to the model.
        booked: Whether the request is counted already, for room that is known to come.
        shared: Whether others may wait for the same instant.
    """

    key: ApiKey
    slot: Slot
    model: str
    wait: float
    sent_at: float
    number: int = 0
    booked: bool = False
    shared: bool = False
    opened_at: float | None = None


class KeyPool:
    """The keys of one provider and what is known of them.

    Args:
        provider: Its name.
        keys: In order of preference, no fingerprint twice.
        strategy: Which free key a call takes.
        budgets: What the user allows.
    """

    def __init__(
        self,
        provider: str,
        keys: Sequence[ApiKey],
        strategy: Strategy = Strategy.STICKY,
        budgets: Sequence[BudgetSettings] = (),
    ) -> None:
        self.provider = provider
        self.keys = tuple(keys)
        self._strategy = strategy
        self._budgets = Budgets(budgets)
        self._index = {key.fingerprint: i for i, key in enumerate(self.keys)}
        self._lanes: dict[str, Lane] = {}
        self._blocks: dict[BlockId, Block] = {}
        self._struck: set[BlockId] = set()

    def take(
        self,
        model: str,
        now: float,
        *,
        stay: str | None = None,
        skip: Iterable[str] = (),
        patience: float = 0.0,
        ticket: Ticket | None = None,
    ) -> Ticket | float | None:
        """Find a key for *model*.

        Args:
            model: The model that is to be asked.
            now: Seconds since the epoch.
            stay: The fingerprint of the key to prefer, even if it must be waited for.
            skip: Fingerprints of keys that are not wanted.
            patience: The longest wait in seconds that the caller accepts.
            ticket: An earlier ticket whose wait is over; its key comes first.

        Returns:
            A ticket, whose ``wait`` is 0 when the key may be asked now; else the seconds until the first
            key is free, or ``None`` where there is no key.
        """
        lane = self._lane(model)
        if ticket is not None:
            if ticket.booked and ticket.slot.open_at(now) <= now:
                return self._hand_over(ticket, now)
            self.give_back(ticket)
        if stay is not None:
            slot = lane.slot(self._index[stay])
            if slot.free_at(now) - now <= patience:
                return self._ticket(lane, slot, model, now)
        skipped = frozenset(self._index[f] for f in skip) if skip else NO_KEYS
        ready = lane.first_ready(now, skipped)
        if ready is not None:
            return self._ticket(lane, ready, model, now)
        cooling = lane.first_cooling(now, skipped)
        if cooling is not None and cooling[1] - now <= patience:
            return self._ticket(lane, cooling[0], model, now)
        if cooling is not None and cooling[0].allowed_at(now) <= now:
            return self._ticket(lane, cooling[0], model, now, at_once=True)
        return self._first_free(lane, now)

    def give_back(self, ticket: Ticket) -> None:
        """Take back a ticket whose request is not sent."""
        if ticket.booked:
            ticket.slot.give_back()

    def finish(
        self,
        ticket: Ticket,
        now: float,
        verdict: Verdict | None = None,
        said: Allowance | None = None,
        tokens: int = 0,
    ) -> None:
        """Learn from the end of a request.

        Args:
            ticket: What it was sent with.
            now: Seconds since the epoch.
            verdict: What its refusal means; ``None`` for an answer.
            said: What the answer's headers say of the limit.
            tokens: What it cost.
        """
        slot = ticket.slot
        slot.end(tokens)
        if verdict is None:
            self._answered(ticket, now, said)
        elif verdict.kind is Kind.RATE_LIMIT:
            slot.meter.refused(now, ticket.sent_at, verdict.retry_after, slot.asked)

    def opened(self, ticket: Ticket, now: float) -> None:
        """Note that a stream has begun: its key answers, although the request is not over."""
        self._answered(ticket, now, None)
        ticket.opened_at = now

    def _answered(self, ticket: Ticket, now: float, said: Allowance | None) -> None:
        slot = ticket.slot
        if said is not None or ticket.opened_at is None:
            slot.meter.answered(
                now, ticket.sent_at, said, max(slot.sent - ticket.number, slot.asked) + slot.booked
            )
        if slot.blocked_at and ticket.sent_at >= slot.blocked_at:
            self._end_row(ticket)

    def hold(self, ticket: Ticket, until: float) -> None:
        """Expect no answer from a key before *until*: a limit of another kind, of tokens say, is full."""
        meter = ticket.slot.meter
        meter.held_until = max(meter.held_until, until)

    def _end_row(self, ticket: Ticket) -> None:
        """Note that a key which was refused has answered since."""
        slot = ticket.slot
        slot.on_trial, slot.blocked_at, slot.backoff_until = False, 0.0, 0.0
        for pool in pools_of(ticket.model):
            self._struck.discard((self.provider, ticket.key.fingerprint, pool))

    def drop(self, ticket: Ticket) -> None:
        """Note that a request was given up by its caller: it tells nothing of the key."""
        ticket.slot.end()

    def known(self, block_id: BlockId, kind: Kind) -> Block | None:
        """Return the last block of that id and kind, expired or not, unless the key has answered since."""
        block = self._blocks.get(block_id)
        return block if block is not None and block.kind is kind and block_id in self._struck else None

    def block(self, block: Block, *, trial: bool = False) -> None:
        """Set a key aside; after a long block, or if *trial* says so, one call tries it before the others."""
        if not self._concerns(block):
            return
        known = self._blocks.get(block.id)
        self._struck.add(block.id)
        if known is not None and known.until > block.until:
            return
        self._blocks[block.id] = block
        for model, lane in self._lanes.items():
            self._apply(model, lane, block, trial=trial or block.kind is not Kind.RATE_LIMIT)

    def blocks(self) -> Collection[Block]:
        """Return all blocks that are known, expired ones included."""
        return self._blocks.values()

    def replace_blocks(self, blocks: Mapping[BlockId, Block]) -> None:
        """Take over the shared state: what is new is applied, and what was ended frees its keys."""
        mine = {id_: block for id_, block in blocks.items() if self._concerns(block)}
        ended = [b for id_, b in self._blocks.items() if id_ not in mine or mine[id_].until < b.until]
        for block in ended:
            del self._blocks[block.id]
            self._struck.discard(block.id)
        for id_, block in mine.items():
            if self._blocks.get(id_) != block:
                self.block(block)
        for fingerprint in {block.fingerprint for block in ended}:
            self._free(fingerprint)

    def _free(self, fingerprint: str) -> None:
        """Let a key obey the blocks that are left of it, and no other."""
        left = [block for block in self._blocks.values() if block.fingerprint == fingerprint]
        for model, lane in self._lanes.items():
            lane.free(self._index[fingerprint])
            for block in left:
                self._apply(model, lane, block, trial=block.kind is not Kind.RATE_LIMIT)

    def _concerns(self, block: Block) -> bool:
        return block.provider == self.provider and block.fingerprint in self._index

    def _lane(self, model: str) -> Lane:
        lane = self._lanes.get(model)
        if lane is None:
            lane = self._lanes[model] = Lane(
                len(self.keys), self._strategy, lambda index: self._budgets.of(self.keys[index], model)
            )
            for block in self._blocks.values():
                self._apply(model, lane, block, trial=block.kind is not Kind.RATE_LIMIT)
        return lane

    def _apply(self, model: str, lane: Lane, block: Block, *, trial: bool) -> None:
        if block.model not in pools_of(model):
            return
        slot = lane.slot(self._index[block.fingerprint])
        until = block.until.timestamp()
        slot.blocked_at = max(slot.blocked_at, block.since.timestamp())
        if until >= slot.blocked_until:
            slot.on_trial = trial
        if trial and block.kind is Kind.RATE_LIMIT:
            slot.backoff_until = max(slot.backoff_until, until)
        else:
            slot.blocked_until = max(slot.blocked_until, until)

    def _ticket(self, lane: Lane, slot: Slot, model: str, now: float, *, at_once: bool = False) -> Ticket:
        """Give a request its turn with *slot*: now, in room that is booked, or with another look later."""
        wait = round(max(0.0, slot.free_at(now) - now), 6)
        ticket = Ticket(self.keys[slot.index], slot, model, wait, now)
        ticket.shared = slot.allowed_at(now) > now
        ticket.booked = slot.foresees(now)
        lane.use(slot, now, counted=ticket.booked)
        return self._hand_over(ticket, now) if wait <= 0 or at_once else ticket

    def _hand_over(self, ticket: Ticket, now: float) -> Ticket:
        ticket.wait, ticket.sent_at, ticket.number = 0.0, now, ticket.slot.begin()
        return ticket

    def _first_free(self, lane: Lane, now: float) -> float | None:
        """Return the seconds until any key is free, the skipped ones included."""
        found = lane.first_cooling(now, frozenset())
        if lane.ready:
            return 0.0
        return None if found is None else max(0.0, found[1] - now)
