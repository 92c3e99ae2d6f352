"""The bounds that hold in virtual time: no wall clock, no network, the same figures on every machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobapp.domain.settings import Strategy
from tests.benchmarks import virtual_time
from tests.benchmarks.mixes import (
    A_DAY_OF_PROMPTS,
    CAPPED,
    DAY,
    ISSUE,
    ISSUE_STICKY,
    ISSUE_UNHINTED,
    MINUTE,
    MIXES,
    SECOND,
    KeyLimits,
    Mix,
    optimum,
)
from tests.benchmarks.simulation import ServerKey

SEEDS = 7


def test_spread_with_hints_wastes_next_to_nothing():
    for outcome in virtual_time.run(ISSUE, SEEDS):
        assert outcome.served == ISSUE.prompts
        assert outcome.makespan <= 1.05
        assert outcome.wasted <= 0.03
        assert outcome.spent_asked == 0
        assert outcome.longest < 2


def test_spread_without_hints_learns_the_limits():
    for outcome in virtual_time.run(ISSUE_UNHINTED, SEEDS):
        assert outcome.served == ISSUE_UNHINTED.prompts
        assert outcome.makespan <= 1.3
        assert outcome.wasted <= 0.15
        assert outcome.spent_asked == 0


UNHINTED = [mix for mix in MIXES if not mix.hints and mix.strategy is Strategy.SPREAD]


@pytest.mark.parametrize("mix", UNHINTED, ids=lambda mix: mix.name)
def test_with_many_keys_or_few_no_prompt_is_lost_where_the_server_gives_no_hints(mix):
    for outcome in virtual_time.run(mix, 3):
        assert outcome.served == mix.prompts
        assert outcome.makespan <= 1.3


def test_sticky_with_hints_wastes_little():
    for outcome in virtual_time.run(ISSUE_STICKY, SEEDS):
        assert outcome.served == ISSUE_STICKY.prompts
        assert outcome.wasted <= 0.05
        assert outcome.spent_asked == 0


def test_many_keys_and_workers_come_near_the_optimum():
    small_day = replace(A_DAY_OF_PROMPTS, keys=A_DAY_OF_PROMPTS.keys[:100], prompts=10_000, workers=20)
    (outcome,) = virtual_time.run(small_day, 1)
    assert outcome.served == small_day.prompts
    assert outcome.makespan <= 1.02
    assert outcome.wasted <= 0.01


def test_a_run_is_the_same_for_the_same_seed():
    assert virtual_time.run(ISSUE_UNHINTED, 2) == virtual_time.run(ISSUE_UNHINTED, 2)


@pytest.mark.parametrize(
    ("mix", "seconds"),
    [
        (Mix("one window", (SECOND,), 10, 10, latency=0.5), 0.5),
        (Mix("the second window", (SECOND,), 11, 11, latency=0.5), 1.5),
        (Mix("three that are open all day", (SECOND,) * 3 + (CAPPED,) * 2, 300, 8, latency=0.0), 8.0),
        (Mix("few workers", (MINUTE,) * 10, 100, 2, latency=1.0), 50.0),
        (Mix("few workers after a window", (MINUTE,) * 10, 200, 2, latency=1.0), 110.0),
        (Mix("the next day", (CAPPED,), 21, 8, latency=1.0), DAY + 1.0),
        (Mix("the last burst", (SECOND,), 20, 10, latency=0.5, bursts=2, every=30.0), 30.5),
    ],
    ids=lambda value: value.name if isinstance(value, Mix) else None,
)
def test_no_scheduler_beats_the_optimum(mix: Mix, seconds: float):
    assert optimum(mix) == pytest.approx(seconds)


def test_a_key_of_the_simulation_opens_its_window_with_its_first_request():
    key = ServerKey(KeyLimits(1, 10.0))
    assert key.ask(5.0, sent=5.0, hints=True)[0] is None
    rejection, _ = key.ask(8.0, sent=8.0, hints=True)
    assert rejection is not None
    assert rejection.retry_after == pytest.approx(7.0)
    assert key.ask(15.0, sent=15.0, hints=True)[0] is None
    assert key.rejected == 1
