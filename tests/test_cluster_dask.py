"""A facade on a Dask cluster of processes, with the state on Redis; skipped where ``distributed`` is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jobapp import LLMInterface, NoAPIKeysAvailableError
from jobapp.testing import Fault
from tests.calling import ONE, TWO, World, world_of
from tests.store_support import RedisServer, needs_server

pytest_plugins = ["tests.store_fixtures"]

distributed = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.foreign,
    pytest.mark.filterwarnings("ignore"),
    needs_server,
]  # the warnings are theirs

SPENT, FREE = "OPENAI_API_KEY", "OPENAI_API_KEY_BACKUP_1"
MODEL = {"provider": "openai", "model": "gpt-4o-mini"}


@pytest.fixture
def world(own_redis: RedisServer, tmp_path, monkeypatch) -> Iterator[World]:
    own_redis.start()
    with world_of("openai", "send", tmp_path, monkeypatch) as opened:
        monkeypatch.setenv("JOBAPP_STATE_URL", own_redis.url)
        opened.add(ONE, Fault.SPENT_DAY)
        opened.add(TWO)
        yield opened


@pytest.fixture
def client(world) -> Iterator[Any]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_a_bound_method_is_mapped_over_a_cluster_and_its_processes_share_what_they_learn(world, client):
    llm = LLMInterface()
    assert client.submit(llm.send_prompt, "first", **MODEL).result() == "echo: first"
    first, second = client.scheduler_info(n_workers=-1)["workers"]
    prompts = [f"prompt {number}" for number in range(20)]
    halves = [
        client.map(llm.complete, prompts[start::2], workers=[worker], pure=False, **MODEL)
        for start, worker in enumerate((first, second))
    ]
    done = [client.gather(half) for half in halves]
    assert [each.text for each in done[0]] == [f"echo: {prompt}" for prompt in prompts[0::2]]
    assert [each.text for each in done[1]] == [f"echo: {prompt}" for prompt in prompts[1::2]]
    assert {each.key for half in done for each in half} == {FREE}
    assert world.requests(ONE, TWO) == [1, 21]


def test_an_error_comes_back_whole(world, client):
    world.simulator.key("openai", TWO).fail(Fault.SPENT_DAY)
    asked = client.submit(LLMInterface().send_prompt, "Hello", **MODEL)
    with pytest.raises(NoAPIKeysAvailableError) as raised:
        asked.result()
    assert [line.key for line in raised.value.keys] == [SPENT, FREE]
    assert raised.value.available_at is not None
