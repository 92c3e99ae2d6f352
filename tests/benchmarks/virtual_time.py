"""Mixes of keys and workers in virtual time, on the real policy, key pool and manager.

    python -m tests.benchmarks.virtual_time [--day]

Prints, for each mix: the makespan over the optimum, refused requests per success, the longest time a
prompt took, and how many prompts were lost. ``--day`` adds 1,000,000 prompts over 10,000 keys.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import random
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from jobapp.core.api_key_manager import APIKeyManager
from jobapp.core.call_policy import (
    Answered,
    Learn,
    NoneFree,
    Refused,
    Send,
    Served,
    Take,
    Taken,
    Wait,
    call_policy,
)
from jobapp.core.config_manager import ConfigManager
from jobapp.core.key_pool import Ticket
from jobapp.core.settings import Jitter, RetrySettings, Strategy
from jobapp.core.types import ApiKey, Kind, Scope, Verdict
from jobapp.stores.state import QuotaState

START = datetime(2026, 1, 5, tzinfo=UTC)


class VirtualClock:
    """Time that the simulation sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError("the simulation waits by its own schedule")

    async def asleep(self, seconds: float) -> None:
        raise NotImplementedError("the simulation waits by its own schedule")


class Nowhere:
    """A store that keeps nothing: one process is simulated."""

    state = QuotaState()

    def view(self) -> QuotaState:
        return self.state

    def add(self, blocks: object) -> None: ...
    def sweep(self, provider: str, now: datetime) -> None: ...
    def close(self) -> None: ...
    def reset(self, reset: object) -> tuple[()]:
        return ()


@dataclass(slots=True)
class ServerKey:
    """What a provider enforces for one key: a fixed window that its first request opens, and a day's cap."""

    limit: int
    window: float
    cap: int | None = None
    start: float = -1e18
    used: int = 0
    served: int = 0
    refused: int = 0
    refused_spent: int = 0


@dataclass(frozen=True)
class Mix:
    """One experiment.

    Attributes:
        keys: Limit, window seconds and cap of each key.
        prompts: How many, all there from the start unless they arrive in bursts.
        workers: How many ask at the same time.
        latency: Seconds an answer takes, and a refusal a fifth of it.
        hints: Whether the server's headers tell what is left, and its refusals how long to wait.
        strategy: Which free key a call takes.
        failing: The share of requests that the server fails with.
    """

    name: str
    keys: tuple[tuple[int, float, int | None], ...]
    prompts: int
    workers: int
    latency: float = 0.005
    hints: bool = True
    strategy: Strategy = Strategy.SPREAD
    failing: float = 0.0
    rules: Mapping[str, Any] = field(default_factory=dict)


class Simulation:
    """One run of a mix."""

    def __init__(self, mix: Mix, seed: int = 1) -> None:
        self.mix = mix
        self.rng = random.Random(seed)
        self.clock = VirtualClock()
        config = ConfigManager(environ={"JOBAPP_CONFIG_DIR": "/nonexistent"})
        settings = {"jitter": Jitter.FULL, "strategy": mix.strategy, **mix.rules}
        self.rules = RetrySettings(**settings)
        keys = [ApiKey(f"KEY_{i}", f"secret {i}") for i in range(len(mix.keys))]
        self.manager = APIKeyManager(
            keys[0].name,
            [],
            config_manager=config,
            provider="openai",
            keys=keys,
            store=Nowhere(),
            clock=self.clock,
            strategy=mix.strategy,
        )
        self.server = {key.fingerprint: ServerKey(*given) for key, given in zip(keys, mix.keys, strict=True)}
        self.todo: Iterator[int] = iter(range(mix.prompts))
        self.times: list[float] = []
        self.lost = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def run(self) -> dict[str, float]:
        for _ in range(self.mix.workers):
            self._at(0.0, self._next_prompt)
        while self._events:
            at, _, event = heapq.heappop(self._events)
            self.clock.seconds = at
            event()
        served = len(self.times)
        return {
            "makespan": max(self.times_end, default=0.0),
            "served": served,
            "lost": self.lost,
            "refused": sum(key.refused for key in self.server.values()),
            "respent": sum(max(0, key.refused_spent - 1) for key in self.server.values()),
            "longest": max(self.times, default=0.0),
        }

    times_end: list[float]

    def _at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), event))

    def _next_prompt(self) -> None:
        if next(self.todo, None) is None:
            return
        flow = call_policy(("m",), self.rules, self.rng)
        self._step(_Worker(flow, self.clock.seconds), None)

    def _step(self, worker: _Worker, answer: Any) -> None:
        """Perform actions until one takes time."""
        while True:
            try:
                action = worker.flow.send(answer)
            except StopIteration as end:
                outcome = end.value
                self._at(self.clock.seconds, lambda: self._done(worker, outcome))
                return
            answer = None
            match action:
                case Take():
                    answer = self._take(worker, action)
                case Send():
                    self._send(worker)
                    return
                case Learn(key, verdict, cooldown):
                    self.manager.remember(self.manager.learn(key, "m", verdict, cooldown))
                case Wait(seconds):
                    self._at(self.clock.seconds + seconds, lambda: self._step(worker, None))
                    return

    def _take(self, worker: _Worker, action: Take) -> Taken | NoneFree:
        ticket, worker.ticket = worker.ticket, None
        found = self.manager.take(
            "m", stay=action.stay, skip=action.skip, patience=action.patience, ticket=ticket
        )
        if isinstance(found, Ticket):
            worker.ticket = found
            return Taken(found.key, found.wait, booked=found.booked)
        return NoneFree(found)

    def _send(self, worker: _Worker) -> None:
        assert worker.ticket is not None
        key = self.server[worker.ticket.key.fingerprint]
        verdict, headers = self._serve(key)
        latency = self.mix.latency * (self.rng.uniform(0.8, 1.2) if verdict is None else 0.2)
        self._at(self.clock.seconds + latency, lambda: self._answer(worker, verdict, headers))

    def _serve(self, key: ServerKey) -> tuple[Verdict | None, dict[str, str]]:
        now = self.clock.seconds
        if self.rng.random() < self.mix.failing:
            return Verdict(Kind.UNAVAILABLE), {}
        if key.cap is not None and key.served >= key.cap:
            key.refused += 1
            key.refused_spent += 1
            return Verdict(Kind.QUOTA, Scope.MODEL, resets_at=START + timedelta(days=1)), {}
        if now >= key.start + key.window:
            key.start, key.used = now, 0
        left = key.start + key.window - now
        if key.used >= key.limit:
            key.refused += 1
            return Verdict(Kind.RATE_LIMIT, Scope.MODEL, left if self.mix.hints else None), {}
        key.used += 1
        key.served += 1
        return None, self._headers(key, left) if self.mix.hints else {}

    def _headers(self, key: ServerKey, left: float) -> dict[str, str]:
        return {
            "x-ratelimit-limit-requests": str(key.limit),
            "x-ratelimit-remaining-requests": str(key.limit - key.used),
            "x-ratelimit-reset-requests": f"{left:.3f}s",
        }

    def _answer(self, worker: _Worker, verdict: Verdict | None, headers: dict[str, str]) -> None:
        assert worker.ticket is not None
        ticket, worker.ticket = worker.ticket, None
        if verdict is None:
            self.manager.answered(ticket, headers)
            self._step(worker, Answered("text"))
        else:
            row = self.manager.refused(ticket, verdict)
            self._step(worker, Refused(verdict, row=row))

    def _done(self, worker: _Worker, outcome: object) -> None:
        if isinstance(outcome, Served):
            self.times.append(self.clock.seconds - worker.started)
            self.times_end = [self.clock.seconds]
        else:
            self.lost += 1
        self._next_prompt()


@dataclass(slots=True)
class _Worker:
    flow: Generator[Any, Any, Any]
    started: float
    ticket: Ticket | None = None


def optimum(mix: Mix) -> float:
    """Return the seconds that a scheduler who knows every limit beforehand needs, latency left out."""
    opens = [(0.0, i) for i in range(len(mix.keys))]
    heapq.heapify(opens)
    left = [cap for _, _, cap in mix.keys]
    todo = mix.prompts
    while opens:
        at, i = heapq.heappop(opens)
        limit, window, _ = mix.keys[i]
        cap = left[i]
        serves = min(limit, todo) if cap is None else min(limit, todo, cap)
        todo -= serves
        if todo <= 0:
            return at
        if cap is not None:
            left[i] = cap - serves
        if serves:
            heapq.heappush(opens, (at + window, i))
    raise ValueError("these keys can't serve so many prompts")


SECOND = (10, 1.0, None)
CAPPED = (10, 1.0, 20)
MINUTE = (10, 60.0, None)
ISSUE = (SECOND,) * 3 + (CAPPED,) * 2

MIXES = (
    Mix("300 prompts, 5 keys, spread", ISSUE, 300, 8),
    Mix("the same, no hints", ISSUE, 300, 8, hints=False),
    Mix("the same, sticky", ISSUE, 300, 8, strategy=Strategy.STICKY),
    Mix("the same, sticky, no hints", ISSUE, 300, 8, strategy=Strategy.STICKY, hints=False),
    Mix("minute windows", (MINUTE,) * 10, 1000, 8, latency=1.0, rules={"max_wait": 120.0}),
    Mix(
        "minute windows, no hints",
        (MINUTE,) * 10,
        1000,
        8,
        latency=1.0,
        hints=False,
        rules={"max_wait": 120.0},
    ),
    Mix("50 keys, 200 workers", (SECOND,) * 50, 5000, 200),
    Mix("50 keys, 200 workers, no hints", (SECOND,) * 50, 5000, 200, hints=False),
    Mix("2,000 workers, 100 keys", (MINUTE,) * 100, 5000, 2000, latency=2.0, rules={"max_wait": 600.0}),
    Mix("a failing provider", (SECOND,) * 5, 300, 8, failing=0.1),
    Mix("one key of 3 a minute", ((3, 60.0, None),), 30, 2, latency=1.0, rules={"max_wait": 120.0}),
    Mix(
        "one key of 3 a minute, no hints",
        ((3, 60.0, None),),
        30,
        2,
        latency=1.0,
        hints=False,
        rules={"max_wait": 120.0, "max_retries": 8},
    ),
)
DAY = Mix("a day: 1,000,000 prompts, 10,000 keys", ((10, 60.0, 200),) * 10_000, 1_000_000, 2000, latency=1.0)


def report(mix: Mix, seed: int = 1) -> str:
    """Run *mix* and return its line."""
    began = time.perf_counter()
    got = Simulation(mix, seed).run()
    took = time.perf_counter() - began
    best = optimum(mix) + mix.latency
    return (
        f"{mix.name:<40} {got['served']:>8.0f} of {mix.prompts:<8} {got['makespan'] / best:>6.3f} x optimum "
        f"{got['refused'] / max(1, got['served']):>6.3f} refused/success  longest {got['longest']:>6.2f} s  "
        f"spent asked again {got['respent']:.0f}  ({took:.1f} s real)"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--day", action="store_true")
    options = parser.parse_args()
    for mix in (*MIXES, DAY) if options.day else MIXES:
        print(report(mix), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
