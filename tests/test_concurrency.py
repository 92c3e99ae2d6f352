"""Many calls at once, on one interface."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta

import pytest

from jobapp.core.llm_interface import LLMInterface
from jobapp.testing import Fault, Quota, Simulator

CALLS = 500
SPENT, CUT, GOOD = "sk-canary-spent", "sk-canary-cut", ["sk-canary-a", "sk-canary-b", "sk-canary-c"]


@pytest.fixture
def simulator(own_folders, monkeypatch):
    with Simulator(export=monkeypatch.setenv) as simulator:
        yield simulator


async def test_500_calls_with_a_spent_key_and_one_that_is_cut_at_random_are_all_answered(simulator, tmp_path):
    simulator.add_key("openai", SPENT, Fault.SPENT_DAY)
    simulator.add_key("openai", CUT)
    for secret in GOOD:
        simulator.add_key("openai", secret)
    rng = random.Random(7)
    simulator.on_request = lambda request: Fault.CUT if request.key == CUT and rng.random() < 0.2 else None
    config = tmp_path / "jobapp.yaml"
    config.write_text("retry: {strategy: spread, retry_delay: 0.01, max_retries: 12}")
    async with LLMInterface(config, rng=random.Random(1)) as llm:
        calls = (llm.acomplete(f"{i}", provider="openai", model="gpt-4o-mini") for i in range(CALLS))
        answers = await asyncio.gather(*calls)
    assert [done.text for done in answers] == [f"echo: {i}" for i in range(CALLS)]
    asked = Counter(attempt.key for done in answers for attempt in done.attempts)
    on_their_way = CALLS // 5 + 1
    assert 1 <= simulator.requests("openai", SPENT) <= on_their_way
    assert sum(asked.values()) == simulator.requests("openai")
    spent = next(line for line in LLMInterface(config).key_status() if line.state == "quota")
    assert spent.until is not None
    assert spent.since is not None
    assert spent.until - spent.since < timedelta(minutes=10), "those on their way are one refusal, not many"
    assert simulator.active_requests == 0


def test_threads_share_what_one_of_them_learns(simulator):
    from concurrent.futures import ThreadPoolExecutor

    simulator.add_key("openai", SPENT, quota=Quota(per_day=1))
    simulator.add_key("openai", GOOD[0])
    with LLMInterface() as llm, ThreadPoolExecutor(8) as threads:
        ask = lambda _: llm.complete("Hello", provider="openai", model="gpt-4o-mini").key  # noqa: E731
        first = ask(0)
        spent = ask(0)
        later = set(threads.map(ask, range(40)))
    assert (first, spent, later) == ("OPENAI_API_KEY", "OPENAI_API_KEY_BACKUP_1", {"OPENAI_API_KEY_BACKUP_1"})
    assert simulator.requests("openai", SPENT) == 1, (
        "the headers of the first answer told that it was the last"
    )


def test_one_interface_serves_several_event_loops(simulator):
    simulator.add_key("openai", GOOD[0])
    llm = LLMInterface()

    async def ask() -> str:
        try:
            return await llm.asend_prompt("Hello", provider="openai", model="gpt-4o-mini")
        finally:
            await llm.aclose()

    assert [asyncio.run(ask()) for _ in range(3)] == ["echo: Hello"] * 3
    assert simulator.rejections("openai") == 0
