"""Ten conversations of twenty turns over five keys, each of an account with a prompt cache of its own.

python -m tests.benchmarks conversations       (virtual time; what a turn finds cached, costs, and takes)
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from statistics import median

from jobapp.domain.prices import Price
from jobapp.domain.settings import Strategy
from jobapp.domain.types import Usage
from jobapp.pool.reservation import NoneFree, Reservation, Take, Taken
from jobapp.testing.prompt_cache import PromptCache
from tests.benchmarks.mixes import KeyLimits, Mix
from tests.benchmarks.simulation import MODEL, Simulation, Worker

TALKS, TURNS, KEYS = 10, 20, 5

SYSTEM, QUESTION, ANSWER = 1500, 100, 200
"""Tokens of the text that every turn begins with, which is another one in each conversation, and of a turn."""

LEAST = 1024
"""A shorter prompt is not cached (OpenAI, prompt caching guide, 2026)."""

PRICE = Price(2.50, 10.0, cached_input=1.25)
"""Dollars for a million tokens: what is cached at half the price, as OpenAI has it."""

FREE = Mix(
    "keys that are always free",
    keys=(KeyLimits(1000, 60.0),) * KEYS,
    prompts=TALKS * TURNS,
    workers=TALKS,
    latency=2.0,
)
FULL = replace(FREE, name="keys of 10 requests a minute", keys=(KeyLimits(10, 60.0),) * KEYS)


@dataclass(slots=True)
class Told:
    """What became of the conversations.

    Attributes:
        seconds: Until the last answer.
        cached: The share of the prompts' tokens that was in a cache.
        dollars: What all answers cost.
        warm: The share of turns that went to the key of the turn before, of those for which it was free.
        moved: The share of turns that went to another key than the turn before.
    """

    seconds: float
    cached: float
    dollars: float
    warm: float
    moved: float


class Conversations(Simulation):
    """The conversations: each asks its next question when the last is answered.

    Args:
        mix: The keys.
        seed: Of all that is random.
        with_sessions: Whether each call names its conversation.
    """

    def __init__(self, mix: Mix, seed: int, *, with_sessions: bool) -> None:
        super().__init__(mix, seed)
        self._with_sessions = with_sessions
        self._caches = {key.fingerprint: PromptCache() for key in self._keys}
        self._asked: dict[int, int] = defaultdict(int)
        self._last: dict[int, int] = {}
        self._usages: list[Usage] = []
        self._free = self._warm = self._moved = 0

    def tell(self) -> Told:
        """Let everything happen, and tell what became of it."""
        outcome = self.run()
        assert outcome.served == TALKS * TURNS
        read, asked = (
            sum(getattr(usage, name) for usage in self._usages) for name in ("cached_tokens", "input_tokens")
        )
        later = TALKS * (TURNS - 1)
        return Told(
            self._last_end,
            read / asked,
            sum(PRICE.cost_of(usage) for usage in self._usages),
            self._warm / max(1, self._free),
            self._moved / later,
        )

    def _prompt_for(self, worker: int) -> int | None:
        self._asked[worker] += 1
        return self._asked[worker] if self._asked[worker] <= TURNS else None

    def _wanted(self, worker: Worker, action: Take) -> Take:
        session = f"talk {worker.number}" if self._with_sessions else None
        return super()._wanted(worker, action)._replace(size=4 * SYSTEM, session=session)

    def _take(self, worker: Worker, action: Take) -> Taken | NoneFree:
        """Take a key, and note whether it is that of the turn before, and whether that was free."""
        pool, now = worker.process.manager._pool, self._clock.now().timestamp()
        last = self._last.get(worker.number)
        was_free = last is not None and pool._model(MODEL).state(last).free_at(now) <= now
        found = super()._take(worker, action)
        if worker.reservation is not None and worker.reservation.sent_at:
            index = pool._index[worker.reservation.key.fingerprint]
            self._free += was_free
            self._warm += was_free and index == last
            self._moved += last is not None and index != last
            self._last[worker.number] = index
        return found

    def _used(self, worker: Worker, reservation: Reservation) -> Usage:
        turn = self._asked[worker.number]
        texts = [
            f"{worker.number} " * SYSTEM,
            *(f"{number} " * (QUESTION + ANSWER) for number in range(1, turn)),
        ]
        texts.append(f"ask {turn} " * (QUESTION // 2))
        cache, at = self._caches[reservation.key.fingerprint], self._clock.now()
        cached = cache.look(MODEL, texts, at, LEAST).read
        cache.keep(MODEL, texts, at)
        tokens = SYSTEM + (turn - 1) * (QUESTION + ANSWER) + QUESTION
        self._usages.append(Usage(tokens, ANSWER, cached))
        return self._usages[-1]


def told(mix: Mix, seeds: int, *, with_sessions: bool) -> list[Told]:
    """Return what became of the conversations with each seed."""
    return [Conversations(mix, seed, with_sessions=with_sessions).tell() for seed in range(1, seeds + 1)]


def main(seeds: int) -> None:
    """Print a line for each way of going about it."""
    for mix in (FREE, FULL):
        for what, strategy, with_sessions in (
            ("sticky", Strategy.STICKY, False),
            ("spread", Strategy.SPREAD, False),
            ("spread, session", Strategy.SPREAD, True),
        ):
            found = told(replace(mix, strategy=strategy), seeds, with_sessions=with_sessions)
            figures = {name: median(getattr(each, name) for each in found) for name in Told.__slots__}
            print(
                f"{mix.name:<30} {what:<16} {figures['seconds']:7.1f} s  {figures['cached']:.3f} cached  "
                f"${figures['dollars']:.4f}  {figures['warm']:.3f} warm of those free  {figures['moved']:.3f} moved"
            )
