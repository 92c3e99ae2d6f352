"""Mixes of keys, prompts and workers, and what the best possible scheduler would need for each."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from jobapp.domain.settings import Strategy

DAY = 86_400.0
TOLD, SILENT = "window, OpenAI's headers", "window, nothing said"


class KeyLimits(NamedTuple):
    """What a provider allows one key: requests in a window that its first request opens, and in a day."""

    limit: int
    window: float
    cap: int | None = None


@dataclass(frozen=True)
class Mix:
    """One experiment.

    Attributes:
        keys: What each key allows.
        prompts: How many there are, all from the start unless ``bursts`` says otherwise.
        workers: How many ask at the same time.
        latency: Seconds an answer takes; a rejection takes a fifth of it.
        kind: How the server keeps its limits, and tells of them.
        strategy: Which free key a call takes.
        failing: The share of requests that the server fails with.
        bursts: Into how many equal bursts the prompts come.
        every: Seconds between two bursts.
        rules: Other settings of ``retry``.
        processes: Among how many the workers are divided.
        store_latency: Seconds in which a process hears of the others, and that a look for a key takes.
        outages: When the store is away: from when to when, in seconds.
        dying: The share of requests at which a process is killed, with all that it has under way.
        cold: Seconds for which the first requests of a process are late, for modules load.
    """

    name: str
    keys: tuple[KeyLimits, ...]
    prompts: int
    workers: int
    latency: float = 0.005
    kind: str = TOLD
    strategy: Strategy = Strategy.SPREAD
    failing: float = 0.0
    bursts: int = 1
    every: float = 0.0
    rules: Mapping[str, Any] = field(default_factory=dict)
    processes: int = 1
    store_latency: float = 0.0
    outages: tuple[tuple[float, float], ...] = ()
    dying: float = 0.0
    cold: float = 0.0

    def cost_of(self, tokens: int) -> float:
        """Return what a request of so many *tokens* counts."""
        return tokens if "tokens" in self.kind else 1.0

    def arrives(self, number: int) -> float:
        """Return when the prompt of that number is there."""
        return number * self.bursts // self.prompts * self.every


def optimum(mix: Mix) -> float:
    """Return a makespan that no scheduler can beat, though it knew every limit beforehand.

    After each burst, what is left can't be done faster than its keys and its workers allow.
    """
    if mix.kind.startswith("bucket"):
        rate = sum(key.limit / key.window for key in mix.keys)
        return max(mix.latency, (mix.prompts - sum(key.limit for key in mix.keys)) / rate)
    firsts = [-(-burst * mix.prompts // mix.bursts) for burst in range(mix.bursts)]
    return max(mix.arrives(first) + _fastest(mix, mix.prompts - first) for first in firsts)


def _fastest(mix: Mix, todo: int) -> float:
    """Return the fewest seconds for *todo* prompts that are all there, with fresh keys.

    Each key opens its windows as early and as often as it can. Whatever instant a window opens at, the
    prompts that no earlier window had room for are still to be worked through from then on.
    """
    opens = [(0.0, number) for number in range(len(mix.keys))]
    left = [_cap(key) for key in mix.keys]
    fastest = 0.0
    while True:
        at, number = heapq.heappop(opens)
        fastest = max(fastest, at + mix.latency * math.ceil(todo / mix.workers))
        key = mix.keys[number]
        serves = min(key.limit, left[number])
        todo -= int(min(serves, todo))
        if not todo:
            return fastest
        left[number] -= serves
        again = at + key.window
        if not left[number]:
            again, left[number] = (at // DAY + 1) * DAY, _cap(key)
        heapq.heappush(opens, (again, number))


def _cap(key: KeyLimits) -> float:
    return math.inf if key.cap is None else key.cap


SECOND = KeyLimits(10, 1.0)
CAPPED = KeyLimits(10, 1.0, 20)
MINUTE = KeyLimits(10, 60.0)
SMALL = KeyLimits(3, 60.0)
ONCE = KeyLimits(1, 60.0)
A_DAY = KeyLimits(50, DAY)
FREE_TIER = KeyLimits(10, 60.0, 200)

_MIX_OF_ISSUE: tuple[tuple[KeyLimits, ...], int, int] = ((SECOND,) * 3 + (CAPPED,) * 2, 300, 8)
_PATIENT = {"max_wait": 120.0}

ISSUE = Mix("300 prompts, 5 keys, spread", *_MIX_OF_ISSUE)
ISSUE_UNHINTED = Mix("300 prompts, 5 keys, spread, no hints", *_MIX_OF_ISSUE, kind=SILENT)
ISSUE_STICKY = Mix("300 prompts, 5 keys, sticky", *_MIX_OF_ISSUE, strategy=Strategy.STICKY)
ISSUE_STICKY_UNHINTED = Mix(
    "300 prompts, 5 keys, sticky, no hints", *_MIX_OF_ISSUE, strategy=Strategy.STICKY, kind=SILENT
)

MIXES: Sequence[Mix] = (
    ISSUE,
    ISSUE_UNHINTED,
    ISSUE_STICKY,
    ISSUE_STICKY_UNHINTED,
    Mix("10 keys of 10 a minute", (MINUTE,) * 10, 1000, 8, latency=0.5, rules=_PATIENT),
    Mix(
        "10 keys of 10 a minute, no hints", (MINUTE,) * 10, 1000, 8, latency=0.5, kind=SILENT, rules=_PATIENT
    ),
    Mix("1 key of 3 a minute", (SMALL,), 30, 2, latency=1.0, rules=_PATIENT),
    Mix(
        "1 key of 3 a minute, no hints",
        (SMALL,),
        30,
        2,
        latency=1.0,
        kind=SILENT,
        rules={**_PATIENT, "max_retries": 8},
    ),
    Mix("20 keys of 50 a day", (A_DAY,) * 20, 2500, 8, latency=1.0, rules={"max_wait": 2 * DAY}),
    Mix("50 keys, 200 workers", (SECOND,) * 50, 5000, 200),
    Mix("50 keys, 200 workers, no hints", (SECOND,) * 50, 5000, 200, kind=SILENT),
    Mix("100 keys, 2,000 workers", (MINUTE,) * 100, 5000, 2000, latency=2.0, rules={"max_wait": 600.0}),
    Mix("1,000 keys, 200 workers", (MINUTE,) * 1000, 50_000, 200, latency=0.5, rules=_PATIENT),
    Mix(
        "bursts of 100, 10 keys", (MINUTE,) * 10, 1000, 50, latency=1.0, bursts=10, every=90.0, rules=_PATIENT
    ),
    Mix("a provider that fails 1 in 10", (SECOND,) * 5, 300, 8, failing=0.1),
)


def fleet(name: str, **change: Any) -> Mix:
    """Return the mix of issue, split among the processes of a fleet."""
    usual: dict[str, Any] = {"prompts": 296, "workers": 32, "processes": 8, "rules": {"max_retries": 30}}
    return replace(ISSUE, name=name, **{**usual, **change})


FLEETS: Sequence[Mix] = (
    fleet("8 processes x 4 workers"),
    fleet("the same, no hints", kind=SILENT),
    fleet("the same, first requests half a second late", cold=0.5),
    fleet("the same, no hints", cold=0.5, kind=SILENT),
    fleet("2 processes x 8", processes=2, workers=16),
    fleet("32 processes x 2", processes=32, workers=64),
    fleet("a store of 2 ms", store_latency=0.002),
    fleet("the store is away for 2 s of 8", outages=((2.0, 4.0),)),
    fleet("each 50th request kills its process", dying=0.02),
)


def large(name: str, keys: Sequence[KeyLimits], prompts: int, **change: Any) -> Mix:
    """Return a mix of many keys, more prompts than one minute serves, and a store of 2 ms."""
    return Mix(name, tuple(keys), prompts, latency=0.5, rules=_PATIENT, store_latency=0.002, **change)


LARGE: Sequence[Mix] = (
    large("100 processes, 1,000 keys", (MINUTE,) * 1000, 20_000, workers=200, processes=100),
    large(
        "each 500th request kills one of them",
        (MINUTE,) * 1000,
        19_000,
        workers=200,
        processes=100,
        dying=0.002,
    ),
    large("1 process, 100,000 keys of 1 a minute", (ONCE,) * 100_000, 110_000, workers=2000),
    large("1,000 processes, 10,000 keys", (MINUTE,) * 10_000, 200_000, workers=2000, processes=1000),
)


A_DAY_OF_PROMPTS = Mix(
    "a day: 1,000,000 prompts, 10,000 keys",
    (FREE_TIER,) * 10_000,
    1_000_000,
    2000,
    latency=1.0,
    rules=_PATIENT,
)
