"""A mix in virtual time, on the real policy, key pool and manager: only requests and sleeps are pretended."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from jobapp.calls.call_policy import Answered, Flow, Rejected, Send, Served, Settle, Wait, call_policy
from jobapp.core.api_key_manager import APIKeyManager
from jobapp.core.config_manager import ConfigManager
from jobapp.domain.settings import RetrySettings
from jobapp.domain.types import ApiKey, ErrorFacts, Kind, Usage, Verdict
from jobapp.pool.reservation import NoneFree, Reservation, Take, Taken
from tests.benchmarks.mixes import DAY, KeyLimits, Mix, optimum
from tests.benchmarks.virtual_store import START, Shared, Store, VirtualClock
from tests.limit_servers import KINDS, Enforced, Tell

MODEL = "model"


@dataclass(slots=True)
class ServerKey:
    """What a provider enforces for one key, and what it counted.

    Attributes:
        limits: What it allows.
        enforced: The limit as it is kept.
        phase: Seconds by which its clock is ahead: windows by the clock are met half-way.
        rejected: Requests that were rejected because of a limit.
        spent_asked: Those that were sent although the caller knew that the day is spent.
    """

    limits: KeyLimits
    enforced: Enforced
    phase: float = 0.0
    rejected: int = 0
    spent_asked: int = 0
    _day: float = 0.0
    _of_day: int = 0
    _known_spent: float = math.inf

    def ask(
        self, now: float, *, sent: float, cost: float, tell: Tell
    ) -> tuple[ErrorFacts | None, dict[str, str]]:
        """Return what a request meets that was *sent* before: a rejection, or the answer's headers."""
        self._roll(now)
        if self.limits.cap is not None and self._of_day >= self.limits.cap:
            self.rejected += 1
            self.spent_asked += sent > self._known_spent
            return _SPENT, {}
        then = now + self.phase
        wait = self.enforced.admit(then, cost)
        headers, seconds, text = tell(self.enforced, then, wait, START.timestamp() - self.phase)
        if wait:
            self.rejected += 1
            return _busy(headers, seconds, text), {}
        self._of_day += 1
        return None, headers

    def told(self, verdict: Verdict, now: float) -> None:
        """Note that the caller knows what it was rejected for."""
        if verdict.kind is Kind.QUOTA:
            self._known_spent = min(self._known_spent, now)

    def _roll(self, now: float) -> None:
        if now >= self._day + DAY:
            self._day, self._of_day, self._known_spent = now // DAY * DAY, 0, math.inf


_SPENT = ErrorFacts(
    "openai",
    429,
    {},
    {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}},
)


def _busy(headers: dict[str, str], seconds: float | None, text: str) -> ErrorFacts:
    message = f"Rate limit reached on requests per min (RPM). {text}"
    error: dict[str, Any] = {"message": message, "code": "rate_limit_exceeded"}
    if seconds is not None:
        kind = "type.googleapis.com/google.rpc.RetryInfo"
        error["details"] = [{"@type": kind, "retryDelay": f"{seconds:.9f}s"}]
    return ErrorFacts("openai", 429, headers, {"error": error})


class Outcome(NamedTuple):
    """What became of a mix.

    Attributes:
        served: Prompts that were answered.
        makespan: Seconds until the last of them, over the optimum.
        wasted: Refused requests per success.
        spent_asked: How often a key was asked that was known to be spent.
        longest: The longest that a call took, in seconds.
    """

    served: int
    makespan: float
    wasted: float
    spent_asked: int
    longest: float


@dataclass(slots=True)
class _Process:
    """One of a fleet, with its workers.

    Attributes:
        manager: Its keys.
        store: How it sees what is shared.
        warm_at: Until when its requests are slow to leave: modules load, connections open.
        alive: Whether it has not been killed.
        busy: How many prompts it has under way.
    """

    manager: APIKeyManager
    store: Store
    warm_at: float
    alive: bool = True
    busy: int = 0


@dataclass(slots=True)
class Worker:
    """One who asks prompt after prompt.

    Attributes:
        number: Which of them.
    """

    flow: Flow
    started: float
    process: _Process
    number: int
    reservation: Reservation | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(order=True, slots=True)
class _Event:
    at: float
    order: int
    happen: Callable[[], None] = field(compare=False)


class Simulation:
    """One run of a mix.

    Args:
        mix: The mix.
        seed: Of all that is random: latencies, failures, jitter.
    """

    def __init__(self, mix: Mix, seed: int = 1) -> None:
        self._mix = mix
        self._rng = random.Random(seed)
        self._clock = VirtualClock()
        self._rules = RetrySettings(strategy=mix.strategy, **mix.rules)
        self._keys = keys = [ApiKey(f"KEY_{number}", f"secret {number}") for number in range(len(mix.keys))]
        self._config = ConfigManager(environ={"JOBAPP_CONFIG_DIR": "/nonexistent"})
        self._shared = Shared(self._clock, mix.store_latency, mix.outages)
        make, self._tell = KINDS[mix.kind]
        tokens, phase = mix.cost_of(1000), self._rng.uniform(0.0, mix.keys[0].window)
        self._server = {
            key.fingerprint: ServerKey(limits, make(limits.limit * tokens, limits.window), phase)
            for key, limits in zip(keys, mix.keys, strict=True)
        }
        self._lost = 0  # prompts that died with their process
        self._todo: Iterator[int] = iter(range(mix.prompts))
        self._took: list[float] = []
        self._last_end = 0.0
        self._events: list[_Event] = []
        self._order = itertools.count()

    def _start(self) -> _Process:
        store = Store(self._shared, alone=self._mix.processes == 1)
        manager = APIKeyManager(
            self._keys[0].name,
            [],
            config_manager=self._config,
            provider="openai",
            keys=self._keys,
            store=store,
            clock=self._clock,
            strategy=self._mix.strategy,
        )
        return _Process(manager, store, self._clock.seconds + self._mix.cold)

    def run(self) -> Outcome:
        """Let everything happen, and tell what became of it."""
        processes = [self._start() for _ in range(self._mix.processes)]
        for number in range(self._mix.workers):
            self._next_prompt(processes[number % len(processes)], number)
        while self._events:
            event = heapq.heappop(self._events)
            self._clock.seconds = event.at
            event.happen()
        keys, served = self._server.values(), len(self._took)
        return Outcome(
            served=served,
            makespan=self._last_end / optimum(self._mix),
            wasted=sum(key.rejected for key in keys) / max(1, served),
            spent_asked=sum(key.spent_asked for key in keys),
            longest=max(self._took, default=0.0),
        )

    def _at(self, when: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, _Event(when, next(self._order), happen))

    def _next_prompt(self, process: _Process, worker: int) -> None:
        number = self._prompt_for(worker)
        if number is None and self._lost:
            self._lost -= 1
            number = 0
        if number is not None:
            process.busy += 1
            at = max(self._clock.seconds, self._mix.arrives(number))
            self._at(at, partial(self._begin, process, worker))

    def _prompt_for(self, worker: int) -> int | None:
        """Return the number of the next prompt; ``None`` where there is none."""
        return next(self._todo, None)

    def _begin(self, process: _Process, worker: int) -> None:
        if not process.alive:
            return
        flow = call_policy((MODEL,), self._rules, self._rng)
        self._step(Worker(flow, self._clock.seconds, process, worker), None)

    def _step(self, worker: Worker, answer: Any) -> None:
        """Perform what the policy decides, until something takes time."""
        while worker.process.alive:
            try:
                action = worker.flow.send(answer)
            except StopIteration as end:
                self._end(worker, end.value)
                return
            answer = None
            match action:
                case Take() if self._mix.store_latency:
                    self._at(
                        self._clock.seconds + self._mix.store_latency,
                        partial(self._took_late, worker, action),
                    )
                    return
                case Take():
                    answer = self._take(worker, action)
                case Settle():
                    self._settle(worker, action)
                case Send():
                    self._send(worker)
                    return
                case Wait():
                    self._at(self._clock.seconds + action.seconds, partial(self._step, worker, None))
                    return

    def _took_late(self, worker: Worker, action: Take) -> None:
        if worker.process.alive:
            self._step(worker, self._take(worker, action))

    def _take(self, worker: Worker, action: Take) -> Taken | NoneFree:
        action = self._wanted(worker, action)
        found = worker.process.manager.take(MODEL, action, worker.reservation)
        worker.reservation = found.reservation if isinstance(found, Taken) else None
        return found

    def _wanted(self, worker: Worker, action: Take) -> Take:
        """Return what a worker wants of a key."""
        return action._replace(size=3600, max_tokens=100)

    def _used(self, worker: Worker, reservation: Reservation) -> Usage:
        """Return what an answer used."""
        return Usage(900, 100)

    def _send(self, worker: Worker) -> None:
        """Let a request travel for a fifth of its latency, more or less: it may overtake others."""
        reservation, process = worker.reservation, worker.process
        assert reservation is not None
        way = self._mix.latency * self._rng.uniform(0.1, 0.3)
        if self._clock.seconds < process.warm_at:
            way += (process.warm_at - self._clock.seconds) * self._rng.uniform(0.8, 1.2)
        if self._mix.dying and self._rng.random() < self._mix.dying:
            self._kill(process)
        self._at(self._clock.seconds + way, partial(self._arrive, worker, reservation, self._clock.seconds))

    def _kill(self, process: _Process) -> None:
        """Let a process die with all that it has under way, and another one take its place."""
        process.alive = False
        process.store.die()
        self._lost += process.busy
        successor = self._start()
        workers = self._mix.workers // self._mix.processes
        for number in range(workers):
            self._next_prompt(successor, number)

    def _arrive(self, worker: Worker, reservation: Reservation, sent: float) -> None:
        now, latency = self._clock.seconds, self._mix.latency
        facts: ErrorFacts | None = ErrorFacts("openai", 503)
        headers: dict[str, str] = {}
        if self._rng.random() >= self._mix.failing:
            facts, headers = self._server[reservation.key.fingerprint].ask(
                now, sent=sent, cost=self._mix.cost_of(1000), tell=self._tell
            )
        if facts is None:
            answered = partial(self._answered, worker, reservation, headers)
            self._at(now + latency * self._rng.uniform(0.7, 0.9), answered)
        else:
            self._at(now + latency * 0.2, partial(self._rejected, worker, reservation, facts))

    def _answered(self, worker: Worker, reservation: Reservation, headers: dict[str, str]) -> None:
        worker.reservation = None
        if not worker.process.alive:
            return
        worker.process.manager.answered(reservation, headers, self._used(worker, reservation))
        self._step(worker, Answered("text"))

    def _rejected(self, worker: Worker, reservation: Reservation, facts: ErrorFacts) -> None:
        if not worker.process.alive:
            return
        manager = worker.process.manager
        verdict = manager.judge(facts)
        worker.headers = facts.headers
        self._server[reservation.key.fingerprint].told(verdict, self._clock.seconds)
        streak = manager.streak(reservation.key, MODEL, verdict)
        self._step(worker, Rejected(verdict, streak=streak))

    def _settle(self, worker: Worker, action: Settle) -> None:
        reservation, worker.reservation = worker.reservation, None
        assert reservation is not None
        manager = worker.process.manager
        manager.remember(manager.settle(reservation, action.verdict, action.cooldown, worker.headers))

    def _end(self, worker: Worker, outcome: object) -> None:
        worker.process.busy -= 1
        if isinstance(outcome, Served):
            self._took.append(self._clock.seconds - worker.started)
            self._last_end = self._clock.seconds
        self._next_prompt(worker.process, worker.number)
