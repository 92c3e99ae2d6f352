"""Keys of lower tiers go first: free ones, then those that cost money."""

from __future__ import annotations

from collections import Counter

import pytest

from jobapp.config.key_doubts import doubts
from jobapp.domain.events import AttemptStarted
from jobapp.domain.exceptions import NoAPIKeysAvailableError
from jobapp.domain.settings import Strategy
from jobapp.domain.types import ApiKey
from jobapp.pool.key_pool import KeyPool
from jobapp.pool.reservation import NoneFree, Take, Taken
from tests.calling import world_of
from tests.config_support import home

__all__ = ["home"]

NOW = 1_772_323_200.0
FREE = [f"sk-free-{number}" for number in range(5)]
PAID = "sk-paid"
STRATEGIES = pytest.mark.parametrize("strategy", ["sticky", "spread"])


def pool_of(*keys, strategy=Strategy.STICKY):
    return KeyPool("p", [ApiKey(name, f"secret-{name}", **more) for name, more in keys], strategy)


def take(pool, model="m", now=NOW, held=None, **want):
    return pool.take(model, now, Take(**want), held)


def test_a_key_serves_only_the_models_of_its_patterns():
    pool = pool_of(("A", {"models": ("gpt-4o*",)}), ("B", {}))
    assert [take(pool, model).key.name for model in ("gpt-4o-mini", "o3")] == ["A", "B"]


def test_a_model_that_no_key_serves_finds_none():
    assert take(pool_of(("A", {"models": ("gpt-4o*",)})), "o3") == NoneFree(None)


@STRATEGIES
def test_the_lower_tier_is_asked_first_whatever_the_order(strategy):
    pool = pool_of(("paid", {"tier": 2}), ("free", {}), ("dear", {"tier": 3}), strategy=Strategy(strategy))
    assert [take(pool).key.name for _ in range(4)] == ["free"] * 4


def block(pool, index, seconds):
    pool._model("m").state(index).block(NOW, NOW + seconds, half_open=False, backoff=False)


@pytest.mark.parametrize(
    ("tier_wait", "max_wait", "key", "wait"),
    [(0, 90, "paid", 0), (29, 90, "paid", 0), (30, 90, "free", 30), (60, 20, "paid", 0)],
)
def test_a_call_goes_up_when_nothing_below_is_free_within_tier_wait(tier_wait, max_wait, key, wait):
    pool = pool_of(("free", {}), ("paid", {"tier": 2}))
    block(pool, 0, 30)
    found = take(pool, tier_wait=tier_wait, max_wait=max_wait)
    assert (found.key.name, found.wait) == (key, wait)


def test_a_key_of_the_lower_tier_is_not_stayed_with_beyond_tier_wait():
    pool = pool_of(("free", {}), ("paid", {"tier": 2}))
    block(pool, 0, 30)
    stay = pool.keys[0].fingerprint
    assert take(pool, stay=stay, max_wait=90).key.name == "paid"
    assert take(pool, stay=stay, max_wait=90, tier_wait=30).key.name == "free"


def test_who_waits_below_does_not_go_up_because_a_higher_key_is_free():
    pool = pool_of(("free", {}), ("paid", {"tier": 2}))
    block(pool, 0, 30)
    held = take(pool, tier_wait=60, max_wait=90).reservation
    again = take(pool, now=NOW + 10, held=held, tier_wait=60, max_wait=90)
    assert (again.key.name, again.wait) == ("free", 20)


def test_where_the_highest_tier_is_not_free_either_the_first_of_all_is_waited_for():
    pool = pool_of(("free", {}), ("paid", {"tier": 2}))
    block(pool, 0, 30)
    block(pool, 1, 500)
    found = take(pool, max_wait=90)
    assert isinstance(found, Taken)
    assert (found.key.name, found.wait) == ("free", 30)


def free_first(world, strategy, tier_wait, **limits):
    for number, secret in enumerate(FREE):
        world.add(secret, name=f"FREE_{number}", **limits)
    world.add(PAID, name="PAID")
    keys = [{"name": "PAID", "tier": 2}, *(f"FREE_{number}" for number in range(len(FREE)))]
    retry = {"strategy": strategy, "tier_wait": tier_wait, "jitter": "none"}
    world.settings.update({"retry": retry, "providers": {"openai": {"keys": keys}}})


def answered_by(world, prompts):
    with world.interface(on_event=None) as llm:
        ask = {"provider": "openai", "model": world.provider.model}
        return Counter(llm.complete("Hello", **ask).key for _ in range(prompts))


@pytest.mark.parametrize(("strategy", "day"), [("sticky", 100), ("spread", 20)])
def test_exactly_the_prompts_that_the_free_days_leave_are_paid_for(strategy, day, tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        free_first(world, strategy, 0, per_day=day)
        answers = answered_by(world, 10 * day)
    assert answers.pop("PAID") == 5 * day
    assert set(answers.values()) == {day}


@STRATEGIES
@pytest.mark.parametrize(("tier_wait", "is_paid_for"), [(0, True), (90, False)])
def test_busy_minutes_are_waited_out_below_where_tier_wait_allows(
    strategy, tier_wait, is_paid_for, tmp_path, monkeypatch
):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        free_first(world, strategy, tier_wait, limit=5)
        assert bool(answered_by(world, 100)["PAID"]) is is_paid_for


def test_keys_of_no_use_for_a_model_are_not_told_of(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.add("sk-one", name="ONE", per_day=1)
        world.add("sk-two", name="TWO")
        world.settings["providers"] = {"openai": {"keys": ["ONE", {"name": "TWO", "models": "o3*"}]}}
        world.call()
        with pytest.raises(NoAPIKeysAvailableError) as caught:
            world.call()
    assert "TWO" not in str(caught.value)


def test_the_attempt_and_its_event_tell_which_tier_was_asked(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.add("sk-one", name="FREE", per_day=1)
        world.add("sk-two", name="PAID")
        world.settings["providers"] = {"openai": {"keys": ["FREE", {"name": "PAID", "tier": 2}]}}
        done = [world.call(), world.call()]
    asked = [event.tier for event in world.events if isinstance(event, AttemptStarted)]
    assert asked == [attempt.tier for each in done for attempt in each.attempts] == [1, 2]


def test_a_key_may_name_its_group(home):
    yaml = "providers: {openai: {keys: [A, {name: B, group: g, tier: 2, models: [x, y]}], groups: {g: A}}}"
    keys = home.config(yaml, A="sk-a", B="sk-b").keys_of("openai")
    assert [(key.name, key.group, key.tier, key.models) for key in keys] == [
        ("A", "g", 1, ()),
        ("B", "g", 2, ("x", "y")),
    ]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("[A, {name: B, models: [m, x*]}]", "keys: B: no configured model fits x*"),
        ("[A, {name: B, models: x*}]", "keys: B may serve none of the configured models (m)"),
        (
            "[{name: A, group: g}, {name: B, group: g, tier: 2}]",
            "the group g shares one quota, but is in the",
        ),
        ("[A, {name: B, models: m*, tier: 2, group: g}]", ""),
        ("[A], budgets: [{rpd: 5}, {model: n*, rpd: 5}]", "budgets[2].model: no configured model fits n*"),
        ("[A], budgets: [{model: m*, rpd: 5}]", ""),
    ],
)
def test_what_is_hardly_meant_is_told_at_start(home, keys, told):
    yaml = f"models: {{default: {{provider: openai, model: m}}}}\nproviders: {{openai: {{keys: {keys}}}}}"
    found = list(doubts(home.config(yaml).settings))
    assert [told in words for words in found] == ([True] if told else [])
