"""One provider's keys in memory: which is free, which is free next, and who waits for it. No I/O.

Every model has a lane of its own. Instants are seconds since the epoch; the caller holds a lock around
every method.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from jobapp.domain.settings import BudgetSettings, Strategy
from jobapp.domain.types import ApiKey, Block, BlockId, Kind, Verdict
from jobapp.limits.budgets import Budgets
from jobapp.limits.reported import Allowance
from jobapp.pool.blocks import KnownBlocks, pools_of
from jobapp.pool.model_keys import Lane, Slot
from jobapp.pool.reservation import Ticket

NO_KEYS: frozenset[int] = frozenset()

SOON = 0.1
"""Seconds; booked room that comes so soon is not left for room that is there: all would go there at once."""

UNTIL_LEARNT = 1.0
"""Seconds for which a spent or bad key is left alone while the caller makes a block of what it was told."""

MOST_APART = 1.0
"""Seconds by which callers who wait for the same instant come apart at most."""


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
        self.blocks = KnownBlocks(provider, self._index)

    def take(
        self,
        model: str,
        now: float,
        *,
        stay: str | None = None,
        skip: Iterable[str] = (),
        patience: float = 0.0,
        apart: float = 0.0,
        ticket: Ticket | None = None,
    ) -> Ticket | float | None:
        """Find a key for *model*.

        Args:
            model: The model that is to be asked.
            now: Seconds since the epoch.
            stay: The fingerprint of the key to prefer, even if it must be waited for.
            skip: Fingerprints of keys that are not wanted.
            patience: The longest wait in seconds that the caller accepts.
            apart: The share of a wait by which to come later where others wait for the same instant.
            ticket: An earlier ticket, with which the caller waits; its key comes first.

        Returns:
            A ticket, whose ``wait`` is 0 when the key may be asked now; else the seconds until the first
            key is free, or ``None`` where there is no key.
        """
        lane = self._lane(model)
        skipped = frozenset(self._index[f] for f in skip) if skip else NO_KEYS
        if ticket is not None:
            if ticket.booked and ticket.slot.admits(now):
                ticket.begin(now)
                return ticket
            if self._is_best(lane, ticket, now, skipped, staying=stay is not None):
                return ticket
            ticket.give_back()
        slot = self._choose(lane, now, stay, skipped, patience)
        if slot is None:
            return self._first_free(lane, now)
        found = self._ticket(slot, model, now, patience, apart)
        lane.use(slot, now, counted=found.booked)
        if found.wait <= 0:
            found.begin(now)
        return found

    def _choose(
        self, lane: Lane, now: float, stay: str | None, skip: frozenset[int], patience: float
    ) -> Slot | None:
        """Return the key to take: that to stay with, one that is ready, or the first that will be."""
        if stay is not None:
            slot = lane.slot(self._index[stay])
            if slot.free_at(now) - now <= patience:
                return slot
        if ready := lane.first_ready(now, skip):
            return ready
        if cooling := lane.first_cooling(now, skip):
            slot, free_at = cooling
            # a wait that nobody but we foresee is not refused, but tried
            if free_at - now <= patience or slot.allowed_at(now) <= now:
                return slot
        return None

    def _ticket(self, slot: Slot, model: str, now: float, patience: float, apart: float) -> Ticket:
        """Return a ticket for when the key is free; for now where it is, or where that is beyond patience."""
        key, free_at = self.keys[slot.index], slot.free_at(now)
        wait = free_at - now
        if wait > patience or round(wait, 6) <= 0:
            return Ticket(key, slot, model, now, now, booked=True)
        shared = slot.allowed_at(now) > now
        later = min(wait * apart, MOST_APART, patience - wait) if shared else 0.0
        found = Ticket(key, slot, model, free_at, free_at + later, booked=slot.foresees(now))
        found.wait = round(wait + later, 6)
        return found

    def _is_best(
        self, lane: Lane, ticket: Ticket, now: float, skip: frozenset[int], *, staying: bool
    ) -> bool:
        """Tell whether a caller does best to wait on for the key of its ticket."""
        ticket.wait = round(ticket.due - now, 6)
        freed = now < ticket.free_at and ticket.slot.free_at(now) <= now
        if ticket.wait <= 0 or freed:
            return False
        if staying or (ticket.booked and ticket.wait <= SOON):
            return True
        return lane.first_ready(now, skip | {ticket.slot.index}) is None

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
        ticket.end(tokens)
        if verdict is None:
            self._answered(ticket, now, said)
        elif verdict.kind is Kind.RATE_LIMIT:
            slot.sent -= 1
            slot.meter.refused(now, ticket.sent_at, verdict.retry_after, slot.asked)
        elif verdict.kind in (Kind.QUOTA, Kind.AUTH):
            slot.blocked_until = max(slot.blocked_until, now + UNTIL_LEARNT)
            if verdict.kind is Kind.QUOTA:
                slot.sent -= 1
                slot.peers.spent_after = slot.sent or math.inf

    def opened(self, ticket: Ticket, now: float) -> None:
        """Note that a stream has begun: its key answers, although the request is not over."""
        self._answered(ticket, now, None)
        ticket.opened_at = now

    def _answered(self, ticket: Ticket, now: float, said: Allowance | None) -> None:
        slot = ticket.slot
        slot.unanswered = 0
        if ticket.number > slot.peers.spent_after:
            slot.peers.spent_after = math.inf
        if said is not None or ticket.opened_at is None:
            under_way = max(slot.sent - ticket.number, slot.asked)
            slot.meter.answered(now, ticket.sent_at, said, under_way, slot.booked)
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
        self.blocks.end_row(ticket.key.fingerprint, ticket.model)

    def block(self, block: Block, *, trial: bool = False) -> None:
        """Set a key aside; after a long block, or if *trial* says so, one call tries it before the others."""
        if self.blocks.add(block, trial=trial):
            self._apply_everywhere((block,))

    def replace_blocks(self, blocks: Mapping[BlockId, Block]) -> None:
        """Take over the shared state: what is new is applied, and what was ended frees its keys."""
        new, freed = self.blocks.replace(blocks)
        self._apply_everywhere(new)
        for fingerprint in freed:
            for lane in self._lanes.values():
                lane.free(self._index[fingerprint])
            self._apply_everywhere(self.blocks.of(fingerprint))

    def _apply_everywhere(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            for model, lane in self._lanes.items():
                self._apply(model, lane, block)

    def _lane(self, model: str) -> Lane:
        lane = self._lanes.get(model)
        if lane is None:
            lane = self._lanes[model] = Lane(
                len(self.keys), self._strategy, lambda index: self._budgets.of(self.keys[index], model)
            )
            for block in self.blocks.all():
                self._apply(model, lane, block)
        return lane

    def _apply(self, model: str, lane: Lane, block: Block) -> None:
        if block.model not in pools_of(model):
            return
        trial = self.blocks.ends_with_trial(block)
        slot = lane.slot(self._index[block.fingerprint])
        until = block.until.timestamp()
        slot.blocked_at = max(slot.blocked_at, block.since.timestamp())
        if until >= slot.blocked_until:
            slot.on_trial = trial
        if trial and block.kind is Kind.RATE_LIMIT:
            slot.backoff_until = max(slot.backoff_until, until)
        else:
            slot.blocked_until = max(slot.blocked_until, until)

    def _first_free(self, lane: Lane, now: float) -> float | None:
        """Return the seconds until any key is free, the skipped ones included."""
        found = lane.first_cooling(now, frozenset())
        if lane.ready:
            return 0.0
        return None if found is None else max(0.0, found[1] - now)
