"""A child that is forked amid other threads' work uses its keys as its parent does."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from jobapp.core.api_key_manager import APIKeyManager
from jobapp.core.config_manager import ConfigManager
from jobapp.domain.types import ApiKey
from jobapp.pool.reservation import Take, Taken
from tests.benchmarks.simulation import Nowhere

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

KEYS = [ApiKey(f"KEY_{number}", f"secret {number}") for number in range(20)]
FORKS, PATIENCE = 150, 5


@pytest.fixture
def manager():
    config = ConfigManager(environ={"JOBAPP_CONFIG_DIR": "/nonexistent"})
    return APIKeyManager("KEY_0", [], config_manager=config, provider="openai", keys=KEYS, store=Nowhere())


def ask(manager):
    found = manager.take("m", Take(max_wait=60.0))
    assert isinstance(found, Taken)
    if found.wait:
        manager.release(found.reservation, sent=False)
    else:
        manager.answered(found.reservation)


def in_child(work):
    """Return how a forked child ended that did *work*: 0 for well, -14 where it hung."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(PATIENCE)
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_child_hangs_or_misses_a_key_that_other_threads_were_taking(manager):
    stop = threading.Event()

    def take_and_answer():
        while not stop.is_set():
            ask(manager)

    def use_all_keys():
        for _ in range(3 * len(KEYS)):
            ask(manager)

    threads = [threading.Thread(target=take_and_answer) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        ends = [in_child(use_all_keys) for _ in range(FORKS)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert ends == [0] * FORKS
