"""What the user allows is obeyed from the first request."""

from __future__ import annotations

import pytest

from jobapp.domain.settings import BudgetSettings
from jobapp.domain.types import ApiKey, Usage
from jobapp.limits.day_window import TURN
from jobapp.pool.key_pool import KeyPool
from jobapp.pool.reservation import NoneFree, Take, Taken

NOW = 1_700_000_000.0
A = ApiKey("A", "secret-a")
B = ApiKey("B", "secret-b")
IN_GROUP = (ApiKey("C", "secret-c", "team"), ApiKey("D", "secret-d", "team"))


def pool(*rows, keys=(A,)):
    return KeyPool("p", keys, budgets=[BudgetSettings(**row) for row in rows])


def take(pool, model="m", now=NOW, max_wait=0.0):
    return pool.take(model, now, Take(max_wait=max_wait))


def wait_of(found):
    assert isinstance(found, NoneFree)
    return found.wait


def names(found):
    return [taken.key.name for taken in found if isinstance(taken, Taken)]


def test_requests_per_minute_are_not_exceeded():
    keys = pool({"rpm": 2})
    assert names(take(keys) for _ in range(3)) == ["A", "A"]
    assert wait_of(take(keys)) == pytest.approx(60)
    assert names([take(keys, now=NOW + 60)]) == ["A"]


def test_a_budget_counts_for_each_key_unless_it_names_one():
    keys = pool({"rpm": 1}, {"key": "B", "rpm": 3}, keys=(A, B))
    assert names(take(keys) for _ in range(5)) == ["A", "B"]
    keys = pool({"key": "A", "rpm": 1}, keys=(A, B))
    assert names(take(keys) for _ in range(4)) == ["A", "B", "B", "B"]


def test_a_budget_without_a_model_counts_all_models_together():
    keys = pool({"rpm": 2})
    assert names([take(keys, "m"), take(keys, "n"), take(keys, "o")]) == ["A", "A"]


def test_a_budget_of_one_model_leaves_the_others_free():
    keys = pool({"rpm": 1, "model": "m"})
    assert names([take(keys, "m"), take(keys, "n"), take(keys, "n"), take(keys, "m")]) == ["A", "A", "A"]


def test_a_group_shares_its_budget():
    keys = pool({"group": "team", "rpm": 3}, keys=IN_GROUP)
    assert names(take(keys) for _ in range(5)) == ["C", "C", "C"]


def test_a_days_requests_are_not_exceeded():
    keys = pool({"rpd": 1})
    assert names([take(keys), take(keys, now=NOW + 3600)]) == ["A"]
    assert names([take(keys, now=NOW + 86_400)]) == ["A"]


def test_tokens_per_minute_count_what_answers_cost():
    keys = pool({"tpm": 100})
    keys.answered(take(keys).reservation, NOW, usage=Usage(20, 20))
    keys.answered(take(keys).reservation, NOW, usage=Usage(40, 20))
    assert wait_of(take(keys)) == pytest.approx(60)
    assert names([take(keys, now=NOW + 60)]) == ["A"]


def test_a_request_reserves_its_tokens_before_it_is_sent():
    keys = pool({"tpm": 100})
    want = Take(size=160, max_tokens=30)  # 40 tokens of prompt, and as long an answer as the ones before had
    assert isinstance(keys.take("m", NOW, want), Taken)
    assert isinstance(keys.take("m", NOW, want), Taken)
    assert wait_of(keys.take("m", NOW, want)) == pytest.approx(60)


def test_requests_at_the_same_time_are_not_exceeded():
    keys = pool({"max_concurrency": 2}, keys=(A, B))
    found = [take(keys) for _ in range(5)]
    assert names(found) == ["A", "A", "B", "B"]
    assert wait_of(found[4]) == pytest.approx(TURN)
    keys.answered(found[0].reservation, NOW)
    assert names([take(keys)]) == ["A"]
    found[1].reservation.end()
    assert names([take(keys)]) == ["A"]


def test_a_request_that_is_given_back_leaves_its_room():
    keys = pool({"rpm": 1})
    take(keys)
    reserved = take(keys, max_wait=60)
    assert reserved.wait == pytest.approx(60)
    behind = take(keys, max_wait=60)
    assert behind.wait == pytest.approx(120)
    keys.release(behind.reservation, NOW)
    keys.release(reserved.reservation, NOW)
    assert take(keys, max_wait=60).wait == pytest.approx(60)
