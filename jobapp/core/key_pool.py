"""One provider's keys in memory: which is free, which is free next, and who waits for it. No I/O.

Every model has a lane. A key stands in exactly one of a lane's two heaps: ``ready``, by preference, or
``cooling``, by the instant it is free. What is free is found without looking at the other keys, however
many there are. Instants are seconds since the epoch; the caller holds a lock around every method.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace

from jobapp.core.rate_meter import Allowance, Learnt, RateMeter, SharedLength
from jobapp.core.settings import Strategy
from jobapp.core.types import FREE_MODELS, ApiKey, Block, BlockId, Kind, Verdict

Rank = tuple[float, int, int]
"""What puts the ready keys of a lane in order: less room, later turn, later place."""

NEARLY = 0.02
"""Waits that differ by less than this share are the same: those who wait are spread over such keys."""

NEARLY_FIRST = 8
"""How many keys are looked at for that."""

PROBE_POLL = 0.05
"""Seconds between two looks at a key that one call is trying again after a long block."""


def pools_of(model: str) -> tuple[str | None, ...]:
    """Return what a block may name that keeps *model* from being asked."""
    return (None, model, FREE_MODELS) if model.endswith(":free") else (None, model)


@dataclass(slots=True)
class Slot:
    """One key in one lane."""

    index: int
    meter: RateMeter
    blocked_at: float = 0.0
    """When it was last blocked; 0 once it has answered since."""
    blocked_until: float = 0.0
    on_trial: bool = False
    """When the last block ends, it is not sure that the key answers: one call tries before the others do."""
    asked: int = 0
    """Requests that are under way."""
    booked: int = 0
    """Requests that wait for their turn."""
    sent: int = 0
    """Requests that were ever sent."""
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
        if self.asked and (self.on_trial or self.meter.learnt.unsure()):
            return max(until, now + PROBE_POLL)
        return until

    def free_at(self, now: float) -> float:
        """Return when the key may be asked and is expected to answer."""
        return max(self.open_at(now), self.meter.ready_at(now))


@dataclass(slots=True)
class Ticket:
    """A key that was found for a caller, and counted: it must be finished or given back.

    Attributes:
        key: The key.
        model: The model it was found for.
        wait: Seconds until it may be asked.
        sent_at: When it was handed over for asking, in seconds since the epoch.
        number: Its place among the requests of the key to the model.
        booked: Whether the wait is for room that is this caller's own.
    """

    key: ApiKey
    model: str
    wait: float
    sent_at: float
    number: int = 0
    booked: bool = False


class _Lane:
    """The keys as one model sees them."""

    def __init__(self, size: int, strategy: Strategy) -> None:
        self.slots: dict[int, Slot] = {}
        self.length = SharedLength()
        self._seen = self.length.seconds
        self.ready: list[Rank] = [(-math.inf, 0, i) for i in range(size)]
        self.cooling: list[tuple[float, int]] = []
        self.sticky = strategy is Strategy.STICKY
        self.turn = 0

    def slot(self, index: int) -> Slot:
        slot = self.slots.get(index)
        if slot is None:
            slot = self.slots[index] = Slot(index, RateMeter(Learnt(self.length)))
        return slot

    def first_ready(self, now: float, skip: frozenset[int]) -> Slot | None:
        """Return the preferred key that is free now."""
        self._move_due(now)
        passed: list[Rank] = []
        found = None
        while self.ready and found is None:
            index = self.ready[0][2]
            slot = self.slot(index)
            free_at = slot.free_at(now)
            if free_at > now:
                heappop(self.ready)
                heappush(self.cooling, (free_at, index))
            elif index in skip:
                passed.append(heappop(self.ready))
            else:
                found = slot
        for entry in passed:
            heappush(self.ready, entry)
        return found

    def first_cooling(self, now: float, skip: frozenset[int]) -> tuple[Slot, float] | None:
        """Return the key that is free first, with the instant; of some that are nearly first, the idlest."""
        passed: list[tuple[float, int]] = []
        nearly: list[tuple[Slot, float]] = []
        while self.cooling and len(nearly) < NEARLY_FIRST:
            at, index = heappop(self.cooling)
            slot = self.slot(index)
            free_at = slot.free_at(now)
            if free_at > at:
                heappush(self.cooling, (free_at, index))
                continue
            passed.append((free_at, index))
            if nearly and free_at > nearly[0][1] + (nearly[0][1] - now) * NEARLY:
                break
            if index not in skip:
                nearly.append((slot, free_at))
        for entry in passed:
            heappush(self.cooling, entry)
        return min(nearly, key=lambda found: found[0].turn, default=None)

    def use(self, slot: Slot, now: float) -> None:
        """Count a request with *slot*; with ``spread`` it goes behind the keys that have more room."""
        slot.meter.use(now)
        self.turn += 1
        slot.turn = self.turn
        if not self.sticky and self.ready and self.ready[0][2] == slot.index:
            heapreplace(self.ready, self._rank(slot, now))

    def _rank(self, slot: Slot, now: float) -> Rank:
        return (-math.inf, 0, slot.index) if self.sticky else (-slot.meter.room(now), slot.turn, slot.index)

    def _move_due(self, now: float) -> None:
        if self._seen != self.length.seconds:
            self._seen = self.length.seconds
            self.cooling = [(self.slot(index).free_at(now), index) for _, index in self.cooling]
            heapify(self.cooling)
        while self.cooling and self.cooling[0][0] <= now:
            _, index = heappop(self.cooling)
            slot = self.slot(index)
            free_at = slot.free_at(now)
            if free_at > now:
                heappush(self.cooling, (free_at, index))
            else:
                heappush(self.ready, self._rank(slot, now))


class KeyPool:
    """The keys of one provider and what is known of them.

    Args:
        provider: Its name.
        keys: In order of preference, no fingerprint twice.
        strategy: Which free key a call takes.
    """

    def __init__(self, provider: str, keys: Sequence[ApiKey], strategy: Strategy = Strategy.STICKY) -> None:
        self.provider = provider
        self.keys = tuple(keys)
        self._strategy = strategy
        self._index = {key.fingerprint: i for i, key in enumerate(self.keys)}
        self._lanes: dict[str, _Lane] = {}
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
            slot = lane.slot(self._index[ticket.key.fingerprint])
            if slot.open_at(now) <= now:
                return self._hand_over(slot, ticket, now)
            self.give_back(ticket)
        if stay is not None:
            slot = lane.slot(self._index[stay])
            if slot.free_at(now) - now <= patience:
                return self._ticket(lane, slot, model, now)
        skipped = frozenset(self._index[f] for f in skip)
        ready = lane.first_ready(now, skipped)
        if ready is not None:
            return self._ticket(lane, ready, model, now)
        cooling = lane.first_cooling(now, skipped)
        if cooling is not None and cooling[1] - now <= patience:
            return self._ticket(lane, cooling[0], model, now)
        if cooling is not None and cooling[0].open_at(now) <= now:
            return self._hand_over(cooling[0], self._ticket(lane, cooling[0], model, now), now)
        return self._first_free(lane, now)

    def give_back(self, ticket: Ticket) -> None:
        """Take back a ticket whose request is not sent."""
        slot = self._slot(ticket)
        slot.booked -= 1
        slot.meter.give_back()

    def finish(
        self, ticket: Ticket, now: float, verdict: Verdict | None = None, said: Allowance | None = None
    ) -> None:
        """Learn from the end of a request.

        Args:
            ticket: What it was sent with.
            now: Seconds since the epoch.
            verdict: What its refusal means; ``None`` for an answer.
            said: What the answer's headers say of the limit.
        """
        slot = self._slot(ticket)
        slot.asked = max(0, slot.asked - 1)
        if verdict is None:
            slot.meter.answered(now, ticket.sent_at, said, slot.sent - ticket.number + slot.booked)
            if slot.blocked_at and ticket.sent_at >= slot.blocked_at:
                self._end_row(slot, ticket)
        elif verdict.kind is Kind.RATE_LIMIT:
            slot.meter.refused(now, ticket.sent_at, verdict.retry_after, slot.asked)

    def _end_row(self, slot: Slot, ticket: Ticket) -> None:
        """Note that a key which was refused has answered since."""
        slot.on_trial, slot.blocked_at = False, 0.0
        for pool in pools_of(ticket.model):
            self._struck.discard((self.provider, ticket.key.fingerprint, pool))

    def drop(self, ticket: Ticket) -> None:
        """Note that a request was given up by its caller: it tells nothing of the key."""
        slot = self._slot(ticket)
        slot.asked = max(0, slot.asked - 1)

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
        if any(id_ not in mine or mine[id_].until < block.until for id_, block in self._blocks.items()):
            self._blocks.clear()
            self._struck.clear()
            self._lanes.clear()
        for id_, block in mine.items():
            if self._blocks.get(id_) != block:
                self.block(block)

    def _concerns(self, block: Block) -> bool:
        return block.provider == self.provider and block.fingerprint in self._index

    def _lane(self, model: str) -> _Lane:
        lane = self._lanes.get(model)
        if lane is None:
            lane = self._lanes[model] = _Lane(len(self.keys), self._strategy)
            for block in self._blocks.values():
                self._apply(model, lane, block, trial=block.kind is not Kind.RATE_LIMIT)
        return lane

    def _apply(self, model: str, lane: _Lane, block: Block, *, trial: bool) -> None:
        if block.model not in pools_of(model):
            return
        slot = lane.slot(self._index[block.fingerprint])
        until = block.until.timestamp()
        slot.blocked_at = max(slot.blocked_at, block.since.timestamp())
        if trial and block.kind is Kind.RATE_LIMIT:
            slot.backoff_until = max(slot.backoff_until, until)
        else:
            slot.blocked_until = max(slot.blocked_until, until)
        slot.on_trial = trial

    def _slot(self, ticket: Ticket) -> Slot:
        return self._lane(ticket.model).slot(self._index[ticket.key.fingerprint])

    def _ticket(self, lane: _Lane, slot: Slot, model: str, now: float) -> Ticket:
        """Count a request with *slot*, at once or booked for when the key is free."""
        wait = round(max(0.0, slot.free_at(now) - now), 6)
        lane.use(slot, now)
        slot.booked += 1
        ticket = Ticket(self.keys[slot.index], model, wait, now, booked=slot.open_at(now) <= now)
        return self._hand_over(slot, ticket, now) if wait <= 0 else ticket

    def _hand_over(self, slot: Slot, ticket: Ticket, now: float) -> Ticket:
        slot.booked -= 1
        slot.asked += 1
        slot.sent += 1
        ticket.wait, ticket.sent_at, ticket.number = 0.0, now, slot.sent
        return ticket

    def _first_free(self, lane: _Lane, now: float) -> float | None:
        """Return the seconds until any key is free, the skipped ones included."""
        found = lane.first_cooling(now, frozenset())
        if lane.ready:
            return 0.0
        return None if found is None else max(0.0, found[1] - now)
