"""One provider's keys in memory: which is free, which is free next, and who waits for it. No I/O.

Each model has its own view of the keys (:mod:`jobapp.pool.model_keys`), each key in it a state of its own
(:mod:`jobapp.pool.key_state`). Instants are seconds since the epoch; the caller holds a lock around every
method.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from jobapp.domain.settings import BudgetSettings, Strategy
from jobapp.domain.types import ApiKey, Block, BlockId, Kind, Verdict
from jobapp.limits.budgets import Budgets
from jobapp.limits.reported import RequestHeadroom
from jobapp.pool.blocks import Blocks, scopes_of
from jobapp.pool.key_state import KeyState
from jobapp.pool.model_keys import ModelKeys
from jobapp.pool.reservation import NoneFree, Reservation, Take, Taken

NO_KEYS: frozenset[int] = frozenset()

SOON = 0.1
"""Seconds; nobody leaves reserved room that comes so soon for room that is there: all would go at once."""

MOST_JITTER = 1.0
"""Seconds of jitter at most for callers who wait for the same instant."""


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
        self._models: dict[str, ModelKeys] = {}
        self.blocks = Blocks(provider, self._index)

    def take(
        self, model: str, now: float, want: Take, reservation: Reservation | None = None
    ) -> Taken | NoneFree:
        """Find a key for *model* and reserve room with it.

        Args:
            model: The model that is to be asked.
            now: Seconds since the epoch.
            want: Which key, and how long it may be waited for.
            reservation: An earlier one, with which the caller waits; its key comes first.
        """
        keys = self._model(model)
        skip = self._skipped(want)
        if reservation is not None:
            if reservation.counted and reservation.state.admits(now):
                return self._begin(reservation, now)
            if self._is_best(keys, reservation, now, skip, staying=want.stay is not None):
                return Taken(reservation.key, reservation.wait(now), reservation=reservation)
            reservation.release()
        state = self._choose(keys, now, want, skip)
        if state is None:
            return NoneFree(self._first_free(keys, now, want.only))
        found = self._reserve(state, model, now, want)
        keys.use(state, now, counted=found.counted)
        wait = found.wait(now)
        return Taken(found.key, wait, reservation=found) if wait > 0 else self._begin(found, now)

    def _skipped(self, want: Take) -> frozenset[int]:
        skipped = frozenset(self._index[f] for f in want.skip) if want.skip else NO_KEYS
        if want.only is None:
            return skipped
        return skipped | (frozenset(range(len(self.keys))) - {self._index[want.only]})

    def _begin(self, reservation: Reservation, now: float) -> Taken:
        reservation.begin(now)
        return Taken(reservation.key, reservation=reservation)

    def _choose(self, keys: ModelKeys, now: float, want: Take, skip: frozenset[int]) -> KeyState | None:
        """Return the key to take: that to stay with, one that is ready, or the first that will be."""
        if want.stay is not None:
            state = keys.state(self._index[want.stay])
            if state.free_at(now) - now <= want.max_wait:
                return state
        if ready := keys.first_ready(now, skip):
            return ready
        if cooling := keys.first_cooling(now, skip):
            state, free_at = cooling
            # where only our own estimate says that the key is full, it is tried rather than given up
            if free_at - now <= want.max_wait or state.allowed_at(now) <= now:
                return state
        return None

    def _reserve(self, state: KeyState, model: str, now: float, want: Take) -> Reservation:
        """Return a reservation for when the key is free; for now where it is, or is too late."""
        key, free_at = self.keys[state.index], state.free_at(now)
        wait = free_at - now
        if wait > want.max_wait or round(wait, 6) <= 0:
            return Reservation(key, state, model, now, now, counted=True)
        others_wait_too = state.allowed_at(now) > now
        later = min(wait * want.jitter, MOST_JITTER, want.max_wait - wait) if others_wait_too else 0.0
        return Reservation(key, state, model, free_at, free_at + later, counted=state.foresees(now))

    def _is_best(
        self, keys: ModelKeys, held: Reservation, now: float, skip: frozenset[int], *, staying: bool
    ) -> bool:
        """Return whether a caller does best to wait on for the key of its reservation."""
        wait = held.wait(now)
        freed_early = now < held.free_at and held.state.free_at(now) <= now
        if wait <= 0 or freed_early:
            return False
        if staying or (held.counted and wait <= SOON):
            return True
        return keys.first_ready(now, skip | {held.state.index}) is None

    def answered(
        self, reservation: Reservation, now: float, said: RequestHeadroom | None = None, tokens: int = 0
    ) -> None:
        """End a reservation with an answer.

        Args:
            reservation: What the request was sent with.
            now: Seconds since the epoch.
            said: What the answer's headers say of the limit.
            tokens: What it cost.
        """
        reservation.end(tokens)
        self._learn_answer(reservation, now, said)

    def settle(
        self, reservation: Reservation, now: float, verdict: Verdict, blocks: Iterable[Block] = ()
    ) -> None:
        """End a reservation with a rejection, count it, and set keys aside.

        Args:
            reservation: What the request was sent with.
            now: Seconds since the epoch.
            verdict: What the rejection means.
            blocks: What follows from it, for this key and those that share its quota.
        """
        state = reservation.state
        reservation.end()
        if verdict.kind is Kind.RATE_LIMIT:
            state.sent -= 1
            state.meter.rejected(now, reservation.sent_at, verdict.retry_after, state.asked)
        elif verdict.kind is Kind.QUOTA:
            state.sent -= 1
            state.shared.spent_after = state.sent or math.inf
        for block in blocks:
            self.block(block, half_open=verdict.retry_after is None)

    def opened(self, reservation: Reservation, now: float) -> None:
        """Note that a stream has begun: its key answers, although the request is not over."""
        self._learn_answer(reservation, now, None)
        reservation.opened_at = now

    def _learn_answer(self, reservation: Reservation, now: float, said: RequestHeadroom | None) -> None:
        state = reservation.state
        state.unanswered = 0
        if reservation.number > state.shared.spent_after:
            state.shared.spent_after = math.inf
        if said is not None or reservation.opened_at is None:
            under_way = max(state.sent - reservation.number, state.asked)
            state.meter.answered(now, reservation.sent_at, said, under_way, state.reserved)
        if state.blocked_at and reservation.sent_at >= state.blocked_at:
            state.close()
            self.blocks.end_streak(reservation.key.fingerprint, reservation.model)

    def hold(self, reservation: Reservation, until: float) -> None:
        """Expect no answer from a key before *until*: another limit, for example of tokens, is full."""
        meter = reservation.state.meter
        meter.token_limit_until = max(meter.token_limit_until, until)

    def block(self, block: Block, *, half_open: bool = False) -> None:
        """Set a key aside; after a long block, or with *half_open*, one call probes it before the others."""
        if self.blocks.add(block, half_open=half_open):
            self._apply_everywhere((block,))

    def replace_blocks(self, blocks: Mapping[BlockId, Block]) -> None:
        """Take over the shared state: what is new is applied, and what was ended frees its keys."""
        new, freed = self.blocks.replace(blocks)
        self._apply_everywhere(new)
        for fingerprint in freed:
            for keys in self._models.values():
                keys.unblock(self._index[fingerprint])
            self._apply_everywhere(self.blocks.of(fingerprint))

    def _apply_everywhere(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            for model, keys in self._models.items():
                self._apply(model, keys, block)

    def _model(self, model: str) -> ModelKeys:
        keys = self._models.get(model)
        if keys is None:
            keys = self._models[model] = ModelKeys(
                len(self.keys), self._strategy, lambda index: self._budgets.of(self.keys[index], model)
            )
            for block in self.blocks.all():
                self._apply(model, keys, block)
        return keys

    def _apply(self, model: str, keys: ModelKeys, block: Block) -> None:
        if block.model not in scopes_of(model):
            return
        half_open = self.blocks.ends_half_open(block)
        keys.state(self._index[block.fingerprint]).block(
            block.since.timestamp(),
            block.until.timestamp(),
            half_open=half_open,
            backoff=half_open and block.kind is Kind.RATE_LIMIT,
        )

    def _first_free(self, keys: ModelKeys, now: float, only: str | None) -> float | None:
        """Return the seconds until any key, or *only* that one, is free, the skipped ones included."""
        if only is not None:
            return max(0.0, keys.state(self._index[only]).free_at(now) - now)
        found = keys.first_cooling(now, frozenset())
        if keys.ready:
            return 0.0
        return None if found is None else max(0.0, found[1] - now)
