"""One provider's keys in memory: which is free, which is free next, and who waits for it. No I/O.

Each model has its own view of the keys (:mod:`jobapp.pool.model_keys`), each key in it a state of its own
(:mod:`jobapp.pool.key_state`). Instants are seconds since the epoch; the caller holds a lock around every
method.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from jobapp.domain.prices import CostOf
from jobapp.domain.settings import BudgetSettings, Strategy
from jobapp.domain.types import ApiKey, Block, BlockId, Kind, Usage, Verdict
from jobapp.limits.budgets import Budgets
from jobapp.limits.headers import Reported
from jobapp.limits.ledger import Ledger
from jobapp.limits.meter import NOTHING, Cost
from jobapp.pool.blocks import Blocks, scopes_of
from jobapp.pool.choice import Keys, Wanted, choose, is_best
from jobapp.pool.key_state import KeyState, SharedEstimates
from jobapp.pool.model_keys import ModelKeys, Sharing
from jobapp.pool.reservation import NoneFree, Reservation, Take, Taken
from jobapp.pool.sessions import Sessions
from jobapp.pool.shared_room import Part, SharedRoom, Table
from jobapp.pool.tiers import in_tiers

NO_KEYS: frozenset[int] = frozenset()
NO_USAGE = Usage()

BACK = 1.0
"""Seconds by which a clock may go back before what was learnt by it counts no more."""

MOST_JITTER = 1.0
"""Seconds of jitter at most for callers who wait for the same instant."""


class Days(NamedTuple):
    """How days are counted.

    Attributes:
        zone: The IANA zone in whose midnight the provider's day ends.
        ledger: Where they are counted for good; ``None`` for this process alone.
        price_of: Returns what the answers of a model cost, where somebody knows.
    """

    zone: str = "UTC"
    ledger: Ledger | None = None
    price_of: Callable[[str], CostOf | None] | None = None


class KeyPool:
    """The keys of one provider and what is known of them.

    Args:
        provider: Its name.
        keys: In order of preference, no fingerprint twice.
        strategy: Which free key a call takes.
        budgets: What the user allows.
        reserves_max_tokens: Whether the provider counts ``max_tokens`` before it answers.
        table: What is shared with other processes; ``None`` for nothing.
        days: How days are counted.
    """

    def __init__(
        self,
        provider: str,
        keys: Sequence[ApiKey],
        strategy: Strategy = Strategy.STICKY,
        budgets: Sequence[BudgetSettings] = (),
        *,
        reserves_max_tokens: bool = False,
        table: Table | None = None,
        days: Days | None = None,
    ) -> None:
        days = days or Days()
        self.provider = provider
        self.keys = tuple(keys)
        self._strategy = strategy
        self._room = SharedRoom(provider, table)
        self.budgets = Budgets(budgets, self._room.me, provider=provider, zone=days.zone, ledger=days.ledger)
        self._price_of = days.price_of
        self._reserves_max_tokens = reserves_max_tokens
        self._tickets = itertools.count()
        self._index = {key.fingerprint: i for i, key in enumerate(self.keys)}
        self._models: dict[str, Keys] = {}
        self._latest = 0.0  # when a key was last looked for
        self.blocks = Blocks(provider, self._index)
        self._sessions = Sessions()

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
        found = self._take(model, now, want, reservation)
        if want.session is not None and isinstance(found, Taken) and found.wait <= 0:
            self._sessions.note(model, want.session, self._index[found.key.fingerprint], now)
        return found

    def _take(self, model: str, now: float, want: Take, reservation: Reservation | None) -> Taken | NoneFree:
        if now < self._latest - BACK:
            self._models.clear()  # the clock was set back: windows and logs would end in a time to come
        self._latest = now
        keys = self._model(model)
        if reservation is None or not keys.knows(reservation.state):
            wanted = self._wanted(keys, now, want, self._estimate(keys, model, want))
            return self._find(keys, model, wanted, next(self._tickets))
        self._room.look_again(reservation.state, now)
        if self._is_due(reservation, keys, want, now):
            with self._room.hold(reservation.state):
                if self._is_due(reservation, keys, want, now):
                    return self._begin(reservation, now)
        wanted = self._wanted(keys, now, want, reservation.cost)
        if is_best(keys, reservation, wanted):
            return Taken(reservation.key, reservation.wait(now), reservation=reservation)
        self.release(reservation, now)
        return self._find(keys, model, wanted, reservation.ticket)

    def _wanted(self, keys: Keys, now: float, want: Take, cost: Cost) -> Wanted:
        skip = frozenset([self._index[f] for f in want.skip]) if want.skip else NO_KEYS
        if want.only is not None:
            skip |= frozenset(range(len(self.keys))) - {self._index[want.only]}
        return Wanted(want, now, cost, skip, keys.state(self._index[want.stay]) if want.stay else None)

    def swap(self, old: ApiKey, new: ApiKey) -> None:
        """Put *new* in the place of *old*: what was learnt of one key is not the other's."""
        self.blocks.forget(old.fingerprint)
        index = self._index.pop(old.fingerprint)
        self._index[new.fingerprint] = index
        self.keys = (*self.keys[:index], new, *self.keys[index + 1 :])
        for keys in self._models.values():
            keys.begin_anew(index)

    def release(self, reservation: Reservation, now: float) -> None:
        """Note that a caller no longer waits for its reservation's key, or does not send what it began."""
        state = reservation.state
        if reservation.sent_at:
            with self._room.hold(state):
                reservation.end()
                state.take_back(now, reservation.sent_at, reservation.cost)
        else:
            reservation.release()
        self._model(reservation.model).look_at(state, now)

    def _is_due(self, held: Reservation, keys: Keys, want: Take, now: float) -> bool:
        """Return whether the key of a reservation is free for it, by what is known now."""
        held.cost = self._estimate_with(held.state, keys, held.model, want, now)
        held.foresee(now)
        return held.wait(now) <= 0

    def _find(self, keys: Keys, model: str, wanted: Wanted, ticket: int) -> Taken | NoneFree:
        """Choose a key, and begin with it or stand in its line."""
        costs_are_known = keys.shared.tokens.is_known
        while True:
            want, now, cost, skip, _ = wanted
            state, is_ready = choose(keys, wanted)
            if state is not None and want.session is not None:
                state = self._sessions.prefer(state, keys, (model, want.session), now, skip, cost)
            if state is None:
                first = self._first_free(keys, now, want.only, cost)
                return NoneFree(first, all_bad=self._are_all_bad(model, now))
            was_free = is_ready or state.free_at(now, cost=cost) <= now
            with self._room.hold(state) as has_news:
                if has_news or not costs_are_known:
                    wanted = wanted._replace(cost=self._estimate_with(state, keys, model, want, now))
                    if was_free and state.free_at(now, cost=wanted.cost) > now:
                        continue  # another process took the room in this moment, or what is usual is more
                return self._reserve(keys, state, model, wanted, ticket, is_ready=is_ready)

    def _estimate(self, keys: Keys, model: str, want: Take) -> Cost:
        """Return what a request will cost, in dollars only where a budget counts them."""
        cost = keys.shared.tokens.cost(want.size, want.max_tokens)
        if not self.budgets.counts_dollars or self._price_of is None:
            return cost
        price = self._price_of(model)
        dollars = price and price(Usage(round(cost.input), round(cost.output)))
        return cost._replace(dollars=dollars or 0.0)

    def _estimate_with(self, state: KeyState, keys: Keys, model: str, want: Take, now: float) -> Cost:
        """Return it by what others learnt; before any answer it is what was usual with the key today."""
        cost = self._estimate(keys, model, want)
        return cost if keys.shared.tokens.is_known else state.at_least_usual(now, cost)

    def _reserve(
        self, keys: Keys, state: KeyState, model: str, wanted: Wanted, ticket: int, *, is_ready: bool
    ) -> Taken:
        """Begin with a key, or stand in its line."""
        want, now, cost, _, _ = wanted
        key = self.keys[state.index]
        found = Reservation(key, state, model, ticket, cost, want.size, want.tries_left)
        keys.use(state, now)
        if is_ready:
            return self._begin(found, now)
        wait = round(found.foresee(now) - now, 6)
        if wait <= 0 or not wanted.is_worth_it(state):
            return self._begin(found, now)
        if state.allowed_at(now) > now:
            found.late = max(
                0.0, min(wait * want.jitter, MOST_JITTER, want.max_wait - wait, want.left - wait)
            )
        state.wait(ticket)
        return Taken(found.key, found.wait(now), reservation=found)

    def _begin(self, reservation: Reservation, now: float) -> Taken:
        reservation.begin(now)
        return Taken(reservation.key, reservation=reservation)

    def answered(
        self, reservation: Reservation, now: float, said: Sequence[Reported] = (), usage: Usage = NO_USAGE
    ) -> None:
        """End a reservation with an answer.

        Args:
            reservation: What the request was sent with.
            now: Seconds since the epoch.
            said: What the answer's headers say of the key's limits.
            usage: What it cost.
        """
        state = reservation.state
        with self._room.hold(state):
            reservation.end()
            self._spend(reservation, usage)
            if usage.total_tokens:
                cost = Cost(1.0, usage.input_tokens, usage.output_tokens)
                state.correct(now, cost.plus(reservation.cost, -1.0))
                state.shared.tokens.learn(reservation.size, usage.input_tokens, usage.output_tokens)
            self._learn_answer(reservation, now, said)

    def _spend(self, reservation: Reservation, usage: Usage = NO_USAGE) -> None:
        """Count for the day what a request cost; where nobody tells, what it was thought to cost."""
        if usage.total_tokens:
            reservation.state.budget.spend(usage.total_tokens, usage.cost or 0.0)
        else:
            cost = reservation.cost
            reservation.state.budget.spend(round(cost.input + cost.output), usage.cost or cost.dollars)

    def end(self, reservation: Reservation) -> None:
        """End a reservation of which nobody knows the end: it may be paid for."""
        with self._room.hold(reservation.state):
            reservation.end()
            reservation.state.meter.ended(reservation.sent_at)
            self._spend(reservation)

    def settle(
        self,
        reservation: Reservation,
        now: float,
        verdict: Verdict,
        blocks: Iterable[Block] = (),
        said: Sequence[Reported] = (),
    ) -> None:
        """End a reservation with a rejection, count it, and set keys aside.

        Args:
            reservation: What the request was sent with.
            now: Seconds since the epoch.
            verdict: What the rejection means.
            blocks: What follows from it, for this key and those that share its quota.
            said: What its headers say of the key's limits.
        """
        state = reservation.state
        with self._room.hold(state):
            others = reservation.others()
            reservation.end()
            if verdict.kind in (Kind.RATE_LIMIT, Kind.QUOTA):
                state.not_counted(reservation.sent_at, reservation.cost)
            if verdict.kind is Kind.RATE_LIMIT:
                state.shrink()
                wait, sent_at = verdict.retry_after, reservation.sent_at
                state.meter.rejected(now, sent_at, wait, said, others, reservation.cost)
            elif reservation.opened_at is not None:
                self._spend(reservation)  # a stream that broke off
            elif verdict.kind is Kind.QUOTA:
                state.meter.take_back(now, reservation.sent_at, reservation.cost)
                state.shared.spent_after = state.sent.requests or math.inf
            else:
                state.meter.ended(reservation.sent_at)
                if reservation.may_be_paid:
                    self._spend(reservation)
        for block in blocks:
            self.block(block, half_open=verdict.retry_after is None)

    def opened(self, reservation: Reservation, now: float) -> None:
        """Note that a stream has begun: its key answers, although the request is not over."""
        if not reservation.state.is_well_known:
            with self._room.hold(reservation.state):
                self._learn_answer(reservation, now, ())
        reservation.opened_at = now

    def _learn_answer(self, reservation: Reservation, now: float, said: Sequence[Reported]) -> None:
        state = reservation.state
        if reservation.opened_at is None:
            state.grow()
        if state.sent.requests > state.shared.spent_after:
            state.shared.spent_after = math.inf
        others = reservation.others() if said else NOTHING
        state.meter.answered(now, reservation.sent_at, said, others)
        if state.blocked_at and reservation.sent_at >= state.blocked_at:
            state.close(reservation.sent_at)
            self.blocks.end_streak(reservation.key.fingerprint, reservation.model)
        self._model(reservation.model).look_at(state, now)

    def block(self, block: Block, *, half_open: bool = False) -> None:
        """Set a key aside; after a long block, or with *half_open*, one call probes it before the others."""
        if self.blocks.add(block, half_open=half_open):
            self._apply_everywhere((block,), news=True)

    def replace_blocks(self, blocks: Mapping[BlockId, Block]) -> None:
        """Take over the shared state: what is new is applied, and what was ended frees its keys."""
        new, freed = self.blocks.replace(blocks)
        self._apply_everywhere(new)
        for fingerprint in freed:
            for keys in self._models.values():
                state = keys.state(self._index[fingerprint])
                with self._room.hold(state):
                    keys.unblock(state)
            self._apply_everywhere(self.blocks.of(fingerprint))

    def _apply_everywhere(self, blocks: Iterable[Block], *, news: bool = False) -> None:
        for block in blocks:
            for model, keys in self._models.items():
                self._apply(model, keys, block, news=news)

    def _model(self, model: str) -> Keys:
        keys = self._models.get(model)
        if keys is None:
            keys = self._models[model] = self._open(model)
            for block in self.blocks.all():
                self._apply(model, keys, block)
        return keys

    def _open(self, model: str) -> Keys:
        """Return the keys that serve *model*, in their tiers."""
        shared = SharedEstimates(reserves_max_tokens=self._reserves_max_tokens)
        common = Part(f"{self.provider} {model}", shared)
        return in_tiers(
            self.keys,
            model,
            lambda indexes: ModelKeys(
                indexes,
                self._strategy,
                lambda index: self.budgets.of(self.keys[index], model),
                shared,
                Sharing(
                    self._room.me,
                    lambda state: self._share(state, model, common),
                    self._room.look,
                    lambda index: self._room.full_until(self._record_of(index, model)),
                    self._room.tell_full,
                ),
            ),
        )

    def _record_of(self, index: int, model: str) -> str:
        return f"{self.provider} {model} {self.keys[index].fingerprint}"

    def _share(self, state: KeyState, model: str, common: Part) -> None:
        """Let other processes know of a key what this one knows."""
        key = self.keys[state.index]
        mine = Part(self._record_of(state.index, model), state)
        budgets = self.budgets.counted(key, model).items()
        state.parts = (common, mine, *(Part(f"{self.provider} {name}", limits) for name, limits in budgets))

    def _apply(self, model: str, keys: Keys, block: Block, *, news: bool = False) -> None:
        if block.model not in scopes_of(model):
            return
        half_open = self.blocks.ends_half_open(block)
        backoff = half_open and block.kind is Kind.RATE_LIMIT
        since, until = block.since.timestamp(), block.until.timestamp()
        state = keys.state(self._index[block.fingerprint])
        state.block(since, until, half_open=half_open, backoff=backoff)
        if news:
            with self._room.hold(state):
                state.tell(since, until, half_open=half_open, backoff=backoff)

    def _are_all_bad(self, model: str, now: float) -> bool:
        bad = self._bad(model, now)
        return bool(bad) and all(key.fingerprint in bad for key in self.keys if key.serves(model))

    def not_bad(self, model: str, now: float) -> Iterator[ApiKey]:
        """Yield the keys that serve *model* and were not rejected as bad."""
        bad = self._bad(model, now)
        return (key for key in self.keys if key.serves(model) and key.fingerprint not in bad)

    def _bad(self, model: str, now: float) -> set[str]:
        scopes = scopes_of(model)
        return {
            block.fingerprint
            for block in self.blocks.all()
            if block.kind is Kind.AUTH and block.model in scopes and block.until.timestamp() > now
        }

    def _first_free(self, keys: Keys, now: float, only: str | None, cost: Cost) -> float | None:
        """Return the seconds until any key, or *only* that one, is free, the skipped ones included."""
        if only is not None:
            return max(0.0, keys.state(self._index[only]).free_at(now, cost=cost) - now)
        if ready := keys.first_ready(now, NO_KEYS, cost):
            self._room.look(ready)
            return max(0.0, ready.free_at(now, cost=cost) - now)
        found = keys.first_cooling(now, NO_KEYS, cost)
        return None if found is None else max(0.0, found.free_at(now, cost=cost) - now)
