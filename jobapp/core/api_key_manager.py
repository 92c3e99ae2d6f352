"""One provider's keys: joins what an error means, which key is free, and the memory that lasts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from jobapp.core.key_setup import (
    budgets_of,
    named_keys,
    open_state,
    open_unknown_rejections,
    provider_of,
    rules_of,
)
from jobapp.core.key_use import spent_budgets, today
from jobapp.core.older_surface import OlderSurface
from jobapp.core.pricing import cost_of, is_known, unpriced
from jobapp.core.warn_once import warn_once
from jobapp.domain.clock import Clock, SystemClock
from jobapp.domain.forking import stay_whole_in_forks
from jobapp.domain.key_status import KeyStatus
from jobapp.domain.prices import CostOf, priced
from jobapp.domain.settings import Strategy
from jobapp.domain.types import EMPTY, ApiKey, Block, ErrorFacts, Kind, Usage, Verdict
from jobapp.limits.headers import Reported, read_limits
from jobapp.pool.block_rules import BlockRules
from jobapp.pool.blocks import scopes_of
from jobapp.pool.key_pool import NO_USAGE, Days, KeyPool
from jobapp.pool.reservation import NoneFree, Reservation, Take, Taken
from jobapp.pool.withdrawn import NO_ACCESS, WithdrawnModels
from jobapp.providers import spec_of

if TYPE_CHECKING:
    from pathlib import Path

    from jobapp.classification.rule import Rule
    from jobapp.core.config_manager import ConfigManager
    from jobapp.stores.state import QuotaState
    from jobapp.stores.store import QuotaStore

logger = logging.getLogger(__name__)


class APIKeyManager(OlderSurface):
    """The keys of one provider, in order, with everything that is known of them. Safe in threads.

    Args:
        primary_key_env: Name of the environment variable of the first key.
        backup_key_envs: Names of the others, in order.
        state_file: Another file for the quota state than the configuration's.
        config_manager: Where keys, folders and settings come from; a new one when left out.
        provider: The provider's name, where the variable's name does not tell it.
        keys: The keys themselves, where they were found already.
        store: The quota state, where it is open already.
        clock: The time, for tests.
        strategy: Which free key a call takes, where not as the configuration says.

    Raises:
        ConfigError: A setting is wrong.
    """

    swept: ClassVar[set[tuple[str, int]]] = set()
    """Provider and store whose expired blocks were swept in this session: once each."""

    def __init__(
        self,
        primary_key_env: str,
        backup_key_envs: Sequence[str],
        state_file: str | Path | None = None,
        config_manager: ConfigManager | None = None,
        *,
        provider: str | None = None,
        keys: Sequence[ApiKey] | None = None,
        store: QuotaStore | None = None,
        clock: Clock | None = None,
        strategy: Strategy | None = None,
    ) -> None:
        from jobapp.core.config_manager import ConfigManager

        config = config_manager or ConfigManager()
        settings = config.settings
        self.primary_key_env = primary_key_env
        self.backup_key_envs = list(backup_key_envs)
        self.provider_name = provider or provider_of(primary_key_env)
        self.state_file = str(state_file or settings.cache_path / "api_key_state.json")
        self.clock = clock or SystemClock()
        self.store = store or open_state(config, self.clock, state_file)
        names = (primary_key_env, *backup_key_envs)
        self.keys = tuple(named_keys(names, config) if keys is None else keys)
        self._own_rules = rules_of(config)
        self._unknown = open_unknown_rejections(config, self.clock)
        self._zone = config.reset_zone(self.provider_name)
        self._prices, self._price_by_model = settings.prices, dict[str, CostOf | None]()
        budgets = budgets_of(self.provider_name, config)
        spec = spec_of(self.provider_name)
        self._table = self.store.room if settings.share_room else None
        self._pool = KeyPool(
            self.provider_name,
            self.keys,
            strategy or settings.retry.strategy,
            budgets,
            reserves_max_tokens=spec is not None and spec.reserves_max_tokens,
            table=self._table,
            days=Days(self._zone, self.store.ledger, self._price_of),
        )
        self._block_rules = BlockRules(self.provider_name, self._zone, self._pool.blocks)
        self._withdrawn = WithdrawnModels(self.provider_name)
        stay_whole_in_forks(self)
        self._seen: QuotaState | None = None
        self._unwritten: set[Block] = set()
        self._sweep_once()
        logger.info(
            "%s: %d keys: %s", self.provider_name, len(self.keys), ", ".join(k.name for k in self.keys)
        )

    def make_locks(self) -> None:
        """Make the lock anew in a forked child; no thread is inside it in the instant of a fork.

        It is reentrant: a signal's handler or a finalizer may look at the keys in the middle of a call.
        """
        self._lock = threading.RLock()

    @property
    def waits(self) -> bool:
        """Whether :meth:`take` and :meth:`settle` may take a round trip to a server."""
        return self._table is not None and self._table.waits

    def _later(self, work: Callable[..., None], *arguments: Any) -> None:
        """Do *work* with the lock; in a thread where it takes a round trip, for nobody waits for it."""
        if self._table is None:
            self._do(work, *arguments)
        else:
            self._table.later(partial(self._do, work, *arguments))

    def _do(self, work: Callable[..., None], *arguments: Any) -> None:
        with self._lock:
            work(*arguments)

    def take(self, model: str, want: Take, held: Reservation | None = None) -> Taken | NoneFree:
        """Find a key for *model* and reserve room with it; the one that is *held* comes first."""
        now = self.clock.now().timestamp()
        with self._lock:
            self._look()
            return self._pool.take(model, now, want, held)

    def is_withdrawn(self, model: str) -> bool:
        """Return whether a call that may ask another model does better to: this one is not there."""
        blocks = self.store.view().blocks
        if not blocks:
            return False
        with self._lock:
            return self._withdrawn.leaves_to_others(model, blocks, self.clock.now())

    def withdrawn_models(self) -> list[KeyStatus]:
        """Return the models that are believed to be withdrawn, a line each."""
        with self._lock:
            blocks = self._withdrawn.in_force(self.store.view().blocks, self.clock.now())
        return [_line_of(block) for block in blocks]

    def release(self, reservation: Reservation, *, sent: bool) -> None:
        """Note that a caller gave up a request, before or after it was *sent*: no key is at fault."""
        if sent:
            self._later(self._pool.end, reservation)
        else:
            self._later(self._pool.release, reservation, self.clock.now().timestamp())

    def opened(self, reservation: Reservation) -> None:
        """Note that a stream has begun; it keeps its key until it is over."""
        self._later(self._pool.opened, reservation, self.clock.now().timestamp())

    def answered(
        self, reservation: Reservation, headers: Mapping[str, str] = EMPTY, usage: Usage = NO_USAGE
    ) -> None:
        """End a reservation with an answer: what its headers say of the key's limits, and what it cost."""
        now = self.clock.now().timestamp()
        at = now if reservation.opened_at is None else reservation.opened_at
        said = read_limits(headers, at) if headers else ()
        if at < now:  # the headers of a long stream are old news
            said = tuple(each for each in said if at + each.resets_in >= now)
        self._later(self._answered, reservation, at, said, usage)

    def _answered(self, reservation: Reservation, at: float, said: Sequence[Reported], usage: Usage) -> None:
        self._pool.answered(reservation, at, said, usage)
        if usage.cost is None and reservation.state.budget.counts_dollars:
            self._tell_unpriced(reservation.model)
        if reservation.model in self._withdrawn.said:
            self._set_aside_without_access(reservation.key, reservation.model)
        if self._seen is not None and self._seen.blocks:
            self._withdrawn.answered(reservation.model, self._seen.blocks, self.clock.now())

    def _tell_unpriced(self, model: str) -> None:
        if not is_known(self._price_of(model)):
            warn_once(unpriced(self.provider_name, model))

    def _price_of(self, model: str) -> CostOf | None:
        if model not in self._price_by_model:
            self._price_by_model[model] = cost_of(self.provider_name, model, self._prices)
        return self._price_by_model[model]

    def priced(self, model: str, usage: Usage) -> Usage:
        """Return what an answer of *model* used with what it cost, where somebody knows."""
        return priced(usage, self._price_of(model))

    def judge(self, facts: ErrorFacts) -> Verdict:
        """Tell what a rejection means, by this manager's rules."""
        from jobapp.classification.classify import classify

        verdict = classify(facts, self.clock.now(), self.error_rules)
        self._note_unknown(facts, verdict)
        return verdict

    def _note_unknown(self, facts: ErrorFacts, verdict: Verdict) -> None:
        """Keep and log a rejection that no rule knew, once for each form: a person may know what it means."""
        from jobapp.classification.unknown_forms import unknown_form

        form = unknown_form(facts, verdict, (key.secret for key in self.keys))
        if form is not None and self._unknown.note(form.identity, asdict(form)):
            logger.warning(
                "%s: a rejection that no rule knows (HTTP %s %s), taken for %s: %s; "
                "`jobapp explain --unknown` shows it with a row for your rules",
                *(form.provider, form.status, form.code, form.kind, form.words),
            )

    def streak(self, key: ApiKey, model: str, verdict: Verdict) -> int:
        """Return how many times in a row *key* was rejected so before."""
        now = self.clock.now()
        with self._lock:
            return self._block_rules.streak(key, model, verdict, now)

    def settle(
        self,
        reservation: Reservation,
        verdict: Verdict,
        cooldown: float | None = None,
        headers: Mapping[str, str] = EMPTY,
    ) -> tuple[Block, ...]:
        """End a reservation with a rejection: count it, and set aside what it is true of, in one step.

        Args:
            reservation: What the request was sent with.
            verdict: What the rejection means.
            cooldown: Seconds for which a busy minute is waited; left out, what the verdict says.
            headers: Of the rejection.

        Returns:
            The blocks; :meth:`remember` writes them where other processes find them.
        """
        now = self.clock.now()
        at = now.timestamp()
        said = read_limits(headers, at) if headers else ()
        with self._lock:
            key, model = reservation.key, reservation.model
            blocks = self._block_rules.blocks(key, model, verdict, now, self.keys, cooldown)
            if verdict.kind is Kind.REQUEST and self._is_of_all(key, model, verdict, at):
                blocks = self._withdrawn.learn(model, verdict, self.store.view().blocks, now)
            self._pool.settle(reservation, at, verdict, blocks, said)
            self._unwritten.update(blocks)
        return blocks

    def _is_of_all(self, key: ApiKey, model: str, verdict: Verdict, now: float) -> bool:
        return self._withdrawn.is_said_by_all(model, verdict, key, self._pool.not_bad(model, now))

    def set_aside(self, key: ApiKey, model: str, verdict: Verdict) -> None:
        """Remember what *verdict* says of *key*, told by other means than a call. May wait for I/O.

        Args:
            key: The key.
            model: The model it is about; empty for all.
            verdict: What is known.
        """
        self.remember(self._set_aside(key, model, verdict))

    def _set_aside(self, key: ApiKey, model: str, verdict: Verdict) -> tuple[Block, ...]:
        with self._lock:
            blocks = self._block_rules.blocks(key, model, verdict, self.clock.now(), self.keys)
            for block in blocks:
                self._pool.block(block, half_open=verdict.retry_after is None)
            self._unwritten.update(blocks)
        return blocks

    def _set_aside_without_access(self, answered: ApiKey, model: str) -> None:
        """Set those aside that may not use a model which *answered* may use; a thread writes it down."""
        for key in self._withdrawn.lack_access(model, answered, self.keys):
            logger.warning(
                "%s: %s may not use %s, and %s may", self.provider_name, key.name, model, answered.name
            )
            blocks = self._set_aside(key, model, NO_ACCESS)
            threading.Thread(target=self.remember, args=(blocks,), name="jobapp-late-block").start()

    def remember(self, blocks: Sequence[Block]) -> None:
        """Write *blocks* to the store. May wait for a disk or a server: not for an event loop's thread."""
        before = self.store.view()
        self.store.add(blocks)
        after = self.store.view()
        with self._lock:
            self._unwritten.difference_update(blocks)
            if self._seen is before and after == before.with_blocks(blocks):
                self._seen = after  # nothing but what this process knows already

    @property
    def error_rules(self) -> tuple[Rule, ...]:
        """The table by which rejections are told apart: the user's rules, then jobapp's."""
        from jobapp.classification.classify import RULES

        return (*self._own_rules, *RULES)

    def statuses(self, model: str | None = None, *, details: bool = False) -> list[KeyStatus]:
        """Return what is known of each key: a line a block, or one line that says it is free.

        A spent budget of the user's own is a line too.

        Args:
            model: Only what bears on this model; all models when left out.
            details: Whether to tell what each key did today, too.
        """
        now = self.clock.now()
        with self._lock:
            self._look()
            blocks = [b for b in self._pool.blocks.all() if b.until > now]
        if model is not None:
            blocks = [b for b in blocks if b.model in scopes_of(model)]
        serving = [key for key in self.keys if model is None or key.serves(model)]
        lines = [line for key in serving for line in self._lines(key, blocks, model, now)]
        return self._with_details(lines, now) if details else lines

    def _with_details(self, lines: Iterable[KeyStatus], now: datetime) -> list[KeyStatus]:
        by_name, budgets = {key.name: key for key in self.keys}, self._pool.budgets
        with self._lock:
            use = {name: today(budgets, key, now.timestamp()) for name, key in by_name.items()}
        return [
            replace(line, tier=key.tier, models=key.models, today=use[line.key])
            for line in lines
            if (key := by_name[line.key])
        ]

    def reset(self) -> tuple[Block, ...]:
        """Clear every failed and exhausted key, whatever the provider; return what was cleared."""
        from jobapp.stores.state import Reset

        return self.store.reset(Reset(self.clock.now()))

    def take_over(self, keys: Iterable[ApiKey]) -> None:
        """Put *keys* in the place of those of the same names: their values were replaced."""
        named = {key.name: key for key in keys}
        with self._lock:
            for old in self.keys:
                new = named.get(old.name, old)
                if new.fingerprint not in {key.fingerprint for key in self._pool.keys}:
                    self._pool.swap(old, new)
                    logger.info("%s: %s has another value now", self.provider_name, old.name)
            self.keys = self._pool.keys
            self._seen = None

    def _look(self) -> None:
        """Take over what other processes have learnt, if anything changed."""
        state = self.store.view()
        if state is not self._seen:
            self._pool.replace_blocks(state.with_blocks(self._unwritten).blocks)
            self._seen = state

    def sweep(self) -> None:
        """Drop from the store what expired so long ago that it is of no use."""
        self.store.sweep(self.provider_name, self.clock.now())

    def _sweep_once(self) -> None:
        mark = (self.provider_name, id(self.store))
        if mark not in self.swept:
            self.swept.add(mark)
            self.sweep()

    def _lines(
        self, key: ApiKey, blocks: Sequence[Block], model: str | None, now: datetime
    ) -> list[KeyStatus]:
        mine = [replace(_line_of(b), key=key.name) for b in blocks if b.fingerprint == key.fingerprint]
        with self._lock:
            mine += spent_budgets(self.provider_name, self._pool.budgets, key, model, now.timestamp())
        return mine or [KeyStatus(self.provider_name, key.name, None, "free")]


def _line_of(block: Block) -> KeyStatus:
    kind = block.kind.value
    return KeyStatus(
        block.provider, block.key_name, block.model, kind, block.until, block.reason, block.since
    )
