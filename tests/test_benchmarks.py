"""The bounds that hold in virtual time: no wall clock, no network, the same figures on every machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobapp.domain.settings import Strategy
from tests.benchmarks import conversations, virtual_time
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
    SILENT,
    SMALL,
    KeyLimits,
    Mix,
    fleet,
    optimum,
)
from tests.limit_servers import KINDS

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


@pytest.mark.parametrize(
    ("change", "makespan", "wasted"),
    [
        ({}, 1.02, 0.06),
        ({"processes": 2, "workers": 16}, 1.02, 0.04),
        ({"processes": 32, "workers": 64}, 1.02, 0.08),
        ({"cold": 0.5}, 1.1, 0.08),
        ({"store_latency": 0.002}, 1.02, 0.06),
        ({"dying": 0.02}, 1.25, 0.1),
        ({"outages": ((2.0, 4.0),)}, 1.2, 0.5),
        ({"kind": SILENT}, 1.1, 0.12),
        ({"kind": SILENT, "cold": 0.5}, 1.15, 0.12),
        ({"kind": SILENT, "cold": 2.0}, 1.9, 0.15),
        ({"kind": SILENT, "store_latency": 0.002}, 1.1, 0.12),
    ],
    ids=str,
)
def test_a_fleet_uses_its_keys_as_one_process_would(change, makespan, wasted):
    mix = fleet("a fleet", **change)
    for outcome in virtual_time.run(mix, 3):
        assert outcome.served == mix.prompts
        assert outcome.makespan <= makespan
        assert outcome.wasted <= wasted


UNHINTED = [mix for mix in MIXES if mix.kind == SILENT and mix.strategy is Strategy.SPREAD]


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


def mix_of(kind: str, strategy: Strategy, keys: int = 5, limit: int = 10) -> Mix:
    return Mix(kind, (KeyLimits(limit, 60.0),) * keys, 8 * keys * limit, 8, 0.1, kind=kind, strategy=strategy)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_limit_is_met_with_little_waste(kind: str):
    most, wasted = (1.2, 0.2) if "nothing" in kind else (1.1, 0.05) if "headers" in kind else (1.1, 0.15)
    if kind == "bucket, nothing said":
        most = 1.35  # looks like a window at first
    for outcome in virtual_time.run(mix := mix_of(kind, Strategy.SPREAD), 3):
        assert outcome.served == mix.prompts
        assert outcome.makespan <= most
        assert outcome.wasted <= wasted


@pytest.mark.parametrize("kind", KINDS)
def test_sticky_is_little_slower_with_every_kind_of_limit(kind: str):
    most = 1.4 if kind == "bucket, nothing said" else 1.3
    for outcome in virtual_time.run(mix := mix_of(kind, Strategy.STICKY), 3):
        assert outcome.served == mix.prompts
        assert outcome.makespan <= most


def test_a_thousand_workers_do_not_fall_on_unknown_keys_at_once():
    mix = Mix("a crowd", (MINUTE,) * 50, 1000, 1000, latency=2.0)
    (outcome,) = virtual_time.run(mix, 1)
    assert outcome.served == mix.prompts
    assert outcome.wasted <= 0.05


def test_nobody_waits_much_longer_than_the_optimum_needs():
    mix = Mix("a line", (SMALL,) * 2, 30, 30, latency=1.0)
    (outcome,) = virtual_time.run(mix, 1)
    assert outcome.longest <= optimum(mix) + 2 * 60.0


@pytest.mark.parametrize("mix", [conversations.FREE, conversations.FULL], ids=["free", "full"])
def test_a_conversation_with_a_session_stays_with_its_warm_key_and_takes_no_longer(mix):
    with_, without = (conversations.told(mix, 3, with_sessions=sessions) for sessions in (True, False))
    for one, other in zip(with_, without, strict=True):
        assert one.warm >= 0.95
        assert one.seconds <= 1.05 * other.seconds
        assert one.cached > other.cached
