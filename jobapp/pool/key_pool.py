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
from jobapp.limits.reported import RequestHeadroom
from jobapp.pool.blocks import Blocks, scopes_of
from jobapp.pool.model_keys import KeyState, ModelKeys
from jobapp.pool.reservation import Reservation

NO_KEYS: frozenset[int] = frozenset()

SOON = 0.1
"""Seconds; booked room that comes so soon is not left for room that is there: all would go there at once."""

UNTIL_LEARNT = 1.0
"""Seconds for which a spent or bad key is left alone while the caller makes a block of what it was told."""

MOST_JITTER = 1.0
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
        self._models: dict[str, ModelKeys] = {}
        self.blocks = Blocks(provider, self._index)

    def take(
        self,
        model: str,
        now: float,
        *,
        stay: str | None = None,
        skip: Iterable[str] = (),
        max_wait: float = 0.0,
        jitter: float = 0.0,
        reservation: Reservation | None = None,
    ) -> Reservation | float | None:
        """Find a key for *model*.

        Args:
            model: The model that is to be asked.
            now: Seconds since the epoch.
            stay: The fingerprint of the key to prefer, even if it must be waited for.
            skip: Fingerprints of keys that are not wanted.
            max_wait: The longest wait in seconds that the caller accepts.
            jitter: The share of a wait by which to come later where others wait for the same instant.
            reservation: An earlier ticket, with which the caller waits; its key comes first.

        Returns:
            A ticket, whose ``wait`` is 0 when the key may be asked now; else the seconds until the first
            key is free, or ``None`` where there is no key.
        """
        keys_of_model = self._model(model)
        skipped = frozenset(self._index[f] for f in skip) if skip else NO_KEYS
        if reservation is not None:
            if reservation.reserved and reservation.state.admits(now):
                reservation.begin(now)
                return reservation
            if self._is_best(keys_of_model, reservation, now, skipped, staying=stay is not None):
                return reservation
            reservation.release()
        state = self._choose(keys_of_model, now, stay, skipped, max_wait)
        if state is None:
            return self._first_free(keys_of_model, now)
        found = self._reserve(state, model, now, max_wait, jitter)
        keys_of_model.use(state, now, counted=found.reserved)
        if found.wait <= 0:
            found.begin(now)
        return found

    def _choose(
        self, keys_of_model: ModelKeys, now: float, stay: str | None, skip: frozenset[int], max_wait: float
    ) -> KeyState | None:
        """Return the key to take: that to stay with, one that is ready, or the first that will be."""
        if stay is not None:
            state = keys_of_model.state(self._index[stay])
            if state.free_at(now) - now <= max_wait:
                return state
        if ready := keys_of_model.first_ready(now, skip):
            return ready
        if cooling := keys_of_model.first_cooling(now, skip):
            state, free_at = cooling
            # a wait that nobody but we foresee is not rejected, but tried
            if free_at - now <= max_wait or state.allowed_at(now) <= now:
                return state
        return None

    def _reserve(
        self, state: KeyState, model: str, now: float, max_wait: float, jitter: float
    ) -> Reservation:
        """Return a ticket for when the key is free; for now where it is, or where that is beyond patience."""
        key, free_at = self.keys[state.index], state.free_at(now)
        wait = free_at - now
        if wait > max_wait or round(wait, 6) <= 0:
            return Reservation(key, state, model, now, now, reserved=True)
        shared = state.allowed_at(now) > now
        later = min(wait * jitter, MOST_JITTER, max_wait - wait) if shared else 0.0
        found = Reservation(key, state, model, free_at, free_at + later, reserved=state.foresees(now))
        found.wait = round(wait + later, 6)
        return found

    def _is_best(
        self,
        keys_of_model: ModelKeys,
        reservation: Reservation,
        now: float,
        skip: frozenset[int],
        *,
        staying: bool,
    ) -> bool:
        """Return whether a caller does best to wait on for the key of its ticket."""
        reservation.wait = round(reservation.due - now, 6)
        freed = now < reservation.free_at and reservation.state.free_at(now) <= now
        if reservation.wait <= 0 or freed:
            return False
        if staying or (reservation.reserved and reservation.wait <= SOON):
            return True
        return keys_of_model.first_ready(now, skip | {reservation.state.index}) is None

    def finish(
        self,
        reservation: Reservation,
        now: float,
        verdict: Verdict | None = None,
        said: RequestHeadroom | None = None,
        tokens: int = 0,
    ) -> None:
        """Learn from the end of a request.

        Args:
            reservation: What it was sent with.
            now: Seconds since the epoch.
            verdict: What its rejection means; ``None`` for an answer.
            said: What the answer's headers say of the limit.
            tokens: What it cost.
        """
        state = reservation.state
        reservation.end(tokens)
        if verdict is None:
            self._answered(reservation, now, said)
        elif verdict.kind is Kind.RATE_LIMIT:
            state.sent -= 1
            state.meter.rejected(now, reservation.sent_at, verdict.retry_after, state.asked)
        elif verdict.kind in (Kind.QUOTA, Kind.AUTH):
            state.blocked_until = max(state.blocked_until, now + UNTIL_LEARNT)
            if verdict.kind is Kind.QUOTA:
                state.sent -= 1
                state.shared.spent_after = state.sent or math.inf

    def opened(self, reservation: Reservation, now: float) -> None:
        """Note that a stream has begun: its key answers, although the request is not over."""
        self._answered(reservation, now, None)
        reservation.opened_at = now

    def _answered(self, reservation: Reservation, now: float, said: RequestHeadroom | None) -> None:
        state = reservation.state
        state.unanswered = 0
        if reservation.number > state.shared.spent_after:
            state.shared.spent_after = math.inf
        if said is not None or reservation.opened_at is None:
            under_way = max(state.sent - reservation.number, state.asked)
            state.meter.answered(now, reservation.sent_at, said, under_way, state.reserved)
        if state.blocked_at and reservation.sent_at >= state.blocked_at:
            self._end_streak(reservation)

    def hold(self, reservation: Reservation, until: float) -> None:
        """Expect no answer from a key before *until*: a limit of another kind, of tokens say, is full."""
        meter = reservation.state.meter
        meter.token_limit_until = max(meter.token_limit_until, until)

    def _end_streak(self, reservation: Reservation) -> None:
        """Note that a key which was rejected has answered since."""
        state = reservation.state
        state.half_open, state.blocked_at, state.backoff_until = False, 0.0, 0.0
        self.blocks.end_streak(reservation.key.fingerprint, reservation.model)

    def block(self, block: Block, *, half_open: bool = False) -> None:
        """Set a key aside; after a long block, or with *half_open*, one call probes it before the others."""
        if self.blocks.add(block, half_open=half_open):
            self._apply_everywhere((block,))

    def replace_blocks(self, blocks: Mapping[BlockId, Block]) -> None:
        """Take over the shared state: what is new is applied, and what was ended frees its keys."""
        new, freed = self.blocks.replace(blocks)
        self._apply_everywhere(new)
        for fingerprint in freed:
            for keys_of_model in self._models.values():
                keys_of_model.free(self._index[fingerprint])
            self._apply_everywhere(self.blocks.of(fingerprint))

    def _apply_everywhere(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            for model, keys_of_model in self._models.items():
                self._apply(model, keys_of_model, block)

    def _model(self, model: str) -> ModelKeys:
        keys_of_model = self._models.get(model)
        if keys_of_model is None:
            keys_of_model = self._models[model] = ModelKeys(
                len(self.keys), self._strategy, lambda index: self._budgets.of(self.keys[index], model)
            )
            for block in self.blocks.all():
                self._apply(model, keys_of_model, block)
        return keys_of_model

    def _apply(self, model: str, keys_of_model: ModelKeys, block: Block) -> None:
        if block.model not in scopes_of(model):
            return
        half_open = self.blocks.ends_half_open(block)
        state = keys_of_model.state(self._index[block.fingerprint])
        until = block.until.timestamp()
        state.blocked_at = max(state.blocked_at, block.since.timestamp())
        if until >= state.blocked_until:
            state.half_open = half_open
        if half_open and block.kind is Kind.RATE_LIMIT:
            state.backoff_until = max(state.backoff_until, until)
        else:
            state.blocked_until = max(state.blocked_until, until)

    def _first_free(self, keys_of_model: ModelKeys, now: float) -> float | None:
        """Return the seconds until any key is free, the skipped ones included."""
        found = keys_of_model.first_cooling(now, frozenset())
        if keys_of_model.ready:
            return 0.0
        return None if found is None else max(0.0, found[1] - now)
