"""Merging: whatever the order of writers, nothing that was learnt is lost and no reset is forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.domain.types import Block, BlockId, Kind
from jobapp.stores.state import (
    CLOCK_SKEW,
    LONGEST,
    NOTHING,
    RESET_MEMORY,
    STREAK_MEMORY,
    QuotaState,
    Reset,
    believable,
)
from tests.store_support import NOON, block

# few values, so that ids, times and kinds meet often
MOMENTS = st.integers(0, 6).map(lambda hour: NOON + timedelta(hours=hour))
KINDS = st.sampled_from([Kind.RATE_LIMIT, Kind.QUOTA, Kind.AUTH])
PROVIDERS = st.sampled_from(["openai", "google"])
FINGERPRINTS = st.sampled_from(["a" * 12, "b" * 12])
BLOCKS = st.builds(
    Block,
    provider=PROVIDERS,
    fingerprint=FINGERPRINTS,
    model=st.sampled_from([None, "m"]),
    kind=KINDS,
    until=MOMENTS,
    since=MOMENTS,
    reason=st.sampled_from(["", "why"]),
    key_name=st.sampled_from(["K", "L"]),
    streak=st.integers(1, 2),
)
RESETS = st.builds(
    Reset,
    at=MOMENTS,
    provider=st.none() | PROVIDERS,
    fingerprint=st.none() | FINGERPRINTS,
    kind=st.none() | KINDS,
)
MEMORIES = st.lists(BLOCKS | RESETS, max_size=8)
SPANS = st.builds(Reset, at=MOMENTS, provider=st.none() | PROVIDERS, fingerprint=st.none() | FINGERPRINTS)
"""Resets of all kinds: whatever the order, they end the block that counts and those beneath it alike."""
WIDE = st.lists(BLOCKS.map(lambda one: replace(one, since=NOON)) | SPANS, max_size=8)


def learn(state: QuotaState, news: Block | Reset) -> QuotaState:
    return state.with_reset(news) if isinstance(news, Reset) else state.with_blocks([news])


def state_of(memory: list[Block | Reset]) -> QuotaState:
    return reduce(learn, memory, NOTHING)


@given(WIDE, WIDE)
def test_merging_does_not_depend_on_who_is_first(one, other):
    assert state_of(one).merged(state_of(other)) == state_of(other).merged(state_of(one))


@given(WIDE, WIDE, WIDE)
def test_merging_does_not_depend_on_who_merges_first(one, two, three):
    a, b, c = map(state_of, (one, two, three))
    assert a.merged(b).merged(c) == a.merged(b.merged(c))


@given(MEMORIES)
def test_merging_twice_is_merging_once_and_keeps_the_object(memory):
    state = state_of(memory)
    assert state.merged(state) is state
    assert NOTHING.merged(state) == state


@given(WIDE, st.randoms(use_true_random=False))
def test_the_order_of_news_does_not_matter(memory, random):
    shuffled = random.sample(memory, len(memory))
    assert state_of(memory) == state_of(shuffled)


@given(WIDE)
def test_what_counts_is_the_latest_end_of_all_that_no_reset_covers(memory):
    blocks = [news for news in memory if isinstance(news, Block)]
    resets = [news for news in memory if isinstance(news, Reset)]
    expected: dict[BlockId, datetime] = {}
    for one in blocks:
        if not any(reset.covers(one) for reset in resets):
            expected[one.id] = max(expected.get(one.id, one.until), one.until)
    assert {id_: one.until for id_, one in state_of(memory).blocks.items()} == expected


@given(MEMORIES, MEMORIES, RESETS)
def test_a_reset_never_loses_to_an_older_memory(memory, older, reset):
    state = state_of(memory).with_reset(reset).merged(state_of(older))
    assert not [one for one in state if reset.covers(one)]


@given(WIDE, WIDE)
def test_what_one_state_adds_to_another_makes_the_merged_one(one, other):
    a, b = state_of(one), state_of(other)
    assert b.merged(a.beyond(b)) == b.merged(a)
    assert b.beyond(b).is_empty


@given(MEMORIES)
def test_every_block_that_counts_was_learnt_and_outlasts_its_like(memory):
    resets = [news for news in memory if isinstance(news, Reset)]
    for one in state_of(memory):
        assert one in memory
        assert not any(reset.covers(one) for reset in resets)


def test_a_block_beneath_a_longer_one_of_another_kind_goes_with_it():
    spent, rejected = block(seconds=7200), block(kind=Kind.AUTH, seconds=3600)
    assert state_of([spent, rejected, Reset(NOON, kind=Kind.QUOTA)]).is_empty is False
    assert not state_of([spent, rejected, Reset(NOON, kind=Kind.QUOTA)]).blocks


def test_the_same_news_again_keeps_the_object():
    state = NOTHING.with_blocks([block()]).with_reset(Reset(NOON - timedelta(days=1)))
    assert state.with_blocks([block(), block(seconds=60)]) is state
    assert state.with_reset(Reset(NOON - timedelta(days=2), provider="openai")) is state


@pytest.mark.parametrize("kind", LONGEST)
def test_no_block_lasts_longer_than_its_kind_may(kind):
    endless = block(kind=kind, seconds=timedelta(days=4000).total_seconds())
    assert believable(endless, NOON).until == NOON + LONGEST[kind]


@given(BLOCKS, MOMENTS)
def test_a_block_holds_from_now_no_longer_than_it_was_meant_to_last(one, now):
    held = believable(one, now)
    assert held.until - now <= max(one.until - one.since, timedelta())
    assert held.until <= one.until
    assert believable(held, now) is held


def test_a_block_of_the_past_is_believed_as_it_is():
    assert believable(block(), NOON) == block()


def test_a_block_from_a_clock_a_day_ahead_starts_now():
    ahead = block(since=NOON + timedelta(days=1), seconds=60)
    assert believable(ahead, NOON).until == NOON + timedelta(seconds=60)


def test_a_reset_from_a_clock_a_day_ahead_does_not_end_what_is_learnt_today():
    state = NOTHING.with_reset(Reset(NOON + timedelta(days=1)))
    assert not state.with_blocks([block()]).blocks
    assert state.believed(NOON).with_blocks([block()]).blocks
    within = NOTHING.with_reset(Reset(NOON + CLOCK_SKEW))
    assert within.believed(NOON) is within


@given(MEMORIES, MOMENTS)
def test_believing_twice_changes_nothing(memory, now):
    state = state_of(memory).believed(now)
    assert state.believed(now) is state


def test_an_expired_block_is_remembered_for_a_day():
    state = NOTHING.with_blocks([block()])
    end = block().until
    assert state.swept(end + STREAK_MEMORY - timedelta(seconds=1)) is state
    assert state.swept(end + STREAK_MEMORY).is_empty


def test_sweeping_one_provider_leaves_the_others():
    state = NOTHING.with_blocks([block(), block(provider="google")])
    swept = state.swept(NOON + timedelta(days=9), "google")
    assert [one.provider for one in swept] == ["openai"]


def test_a_reset_is_remembered_longer_than_any_block_it_ended():
    assert max(LONGEST.values()) < RESET_MEMORY
    state = NOTHING.with_reset(Reset(NOON))
    assert state.swept(NOON + RESET_MEMORY - timedelta(seconds=1)) is state
    assert state.swept(NOON + RESET_MEMORY).is_empty


def test_too_many_blocks_cost_the_expired_first_then_those_that_end_first():
    blocks = [block(f"{n:012x}", seconds=60.0 * n) for n in range(10)]
    state = NOTHING.with_blocks(blocks)
    assert state.bounded(NOON, 10) is state
    kept = state.bounded(NOON + timedelta(minutes=5), 3)
    assert sorted(one.until for one in kept) == [one.until for one in blocks[-3:]]
