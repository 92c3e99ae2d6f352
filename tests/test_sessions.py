"""A conversation prefers the key it had, whose prompt cache is warm."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from jobapp.domain.exceptions import ConfigError
from jobapp.domain.settings import Strategy
from jobapp.domain.types import ApiKey
from jobapp.pool import sessions
from jobapp.pool.key_pool import KeyPool
from jobapp.pool.reservation import Take, Taken
from tests.calling import WAYS, world_of

NOW = 1_772_323_200.0


def pool_of(count=5, **last):
    keys = [ApiKey(f"K{number}", f"secret-{number}") for number in range(count - 1)]
    return KeyPool("p", [*keys, ApiKey("last", "secret-last", **last)], Strategy.SPREAD)


def turn(pool, session, now=NOW, *, is_answered=True):
    """Return the name of the key that a turn of a conversation is sent with."""
    found = pool.take("m", now, Take(session=session, max_wait=90))
    assert isinstance(found, Taken)
    if is_answered and found.wait <= 0:
        pool.answered(found.reservation, now)
    return found.key.name


def block(pool, name, seconds=500):
    index = [key.name for key in pool.keys].index(name)
    pool._model("m").state(index).block(NOW, NOW + seconds, half_open=False, backoff=False)


def test_ten_conversations_of_twenty_turns_stay_with_their_keys_and_use_them_all():
    pool, keys = pool_of(), defaultdict(list)
    for number in range(200):
        keys[number % 10].append(turn(pool, f"conversation {number % 10}", NOW + number))
    warm = sum(key == own[0] for own in keys.values() for key in own[1:])
    assert warm >= 0.95 * 190
    assert len({own[0] for own in keys.values()}) == 5


def test_a_warm_key_that_is_not_free_is_not_waited_for():
    pool = pool_of()
    warm = turn(pool, "a")
    block(pool, warm)
    assert turn(pool, "a") != warm


def test_no_call_goes_up_a_tier_for_a_warm_key():
    pool = pool_of(2, tier=2)
    block(pool, "K0", 10)
    assert turn(pool, "a") == "last"
    assert turn(pool, "a", NOW + 10) == "K0"


def test_an_idle_conversation_is_forgotten(monkeypatch):
    pool = pool_of()
    first = turn(pool, "a")
    turn(pool, "b")
    assert turn(pool, "a", NOW + sessions.IDLE) == first
    assert turn(pool, "a", NOW + 3 * sessions.IDLE) != first


def test_no_more_conversations_are_remembered_than_a_bound(monkeypatch):
    monkeypatch.setattr(sessions, "MOST", 3)
    pool = pool_of()
    for number in range(10):
        turn(pool, str(number))
    assert [name for _, name in pool._sessions._last] == ["7", "8", "9"]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_calling_takes_a_session(way, tmp_path, monkeypatch):
    with world_of("openai", way, tmp_path, monkeypatch) as world:
        for number in range(3):
            world.add(f"sk-{number}")
        world.settings["retry"] = {"strategy": "spread"}
        with world.interface() as llm:
            ask = {"provider": "openai", "model": world.provider.model}
            keys = Counter(WAYS[way](llm, "Hello", session="a", **ask).key for _ in range(4))
            others = Counter(WAYS[way](llm, "Hello", **ask).key for _ in range(4))
    assert len(keys) == 1
    assert len(others) == 3


def test_a_client_takes_a_session(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        keys = [world.add(f"sk-{number}") for number in range(3)]
        world.settings["retry"] = {"strategy": "spread"}
        with world.interface() as llm, llm.client("openai", session="a") as client:
            for _ in range(4):
                client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}])
        assert sorted(world.requests(*(f"sk-{number}" for number in range(len(keys))))) == [0, 0, 4]


@pytest.mark.parametrize("session", ["", 3])
def test_a_session_without_a_name_is_refused(session, tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.add("sk-0")
        with pytest.raises(ConfigError, match="session: must be text"):
            world.call(session=session)
