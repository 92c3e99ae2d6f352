"""A child that is forked amid other threads' work uses its keys as its parent does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from jobapp.core.api_key_manager import APIKeyManager
from jobapp.core.config_manager import ConfigManager
from jobapp.domain import forking
from jobapp.domain.types import ApiKey
from jobapp.pool.reservation import Take, Taken
from tests.benchmarks.virtual_store import alone

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

KEYS = [ApiKey(f"KEY_{number}", f"secret {number}") for number in range(20)]
FORKS, PATIENCE = 60, 5


@pytest.fixture
def manager():
    config = ConfigManager(environ={"JOBAPP_CONFIG_DIR": "/nonexistent"})
    return APIKeyManager("KEY_0", [], config_manager=config, provider="openai", keys=KEYS, store=alone())


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


@pytest.fixture
def importing(tmp_path, monkeypatch):
    """Give what lets a thread import something for a module of that name, and wait in its middle."""
    monkeypatch.syspath_prepend(tmp_path)
    threads: list[threading.Thread] = []

    def start(importer):
        HALF.clear()
        WHOLE.clear()
        name = f"slow_to_import_{len(threads)}"
        (tmp_path / f"{name}.py").write_text("import tests.test_forks as t; t.HALF.set(); t.WHOLE.wait()")
        work = f"def work(): import {name}\nwork()"
        threads.append(threading.Thread(target=exec, args=[work, {"__name__": importer}]))
        threads[-1].start()
        assert HALF.wait(60)

    yield start
    WHOLE.set()
    for thread in threads:
        thread.join()


HALF, WHOLE = threading.Event(), threading.Event()


def test_a_fork_waits_for_an_import_of_ours_and_for_no_other(importing):
    assert not forking.is_importing()
    importing("somebody.else")
    assert not forking.is_importing()
    WHOLE.set()
    importing("jobapp.providers.google")
    assert forking.is_importing()
    WHOLE.set()


FIRST_CALLS = """
import os, signal, sys, threading, time
from jobapp import LLMInterface
from jobapp.testing import Simulator

with Simulator(export=os.environ.__setitem__) as simulator:
    simulator.add_key("{provider}", "sk-one")
    llm = LLMInterface()
    ask = lambda: llm.send_prompt("Hello", provider="{provider}", model="m", deadline=20)
    first = threading.Thread(target=ask)
    first.start()
    time.sleep({after})
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        os._exit(0 if ask() else 1)
    first.join()
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0)
"""


@pytest.mark.parametrize("after", [0.2])
@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_a_child_that_is_forked_amid_the_first_call_can_call(provider, after, tmp_path):
    program = FIRST_CALLS.format(provider=provider, after=after)
    environ = {**os.environ, "JOBAPP_CACHE_DIR": str(tmp_path), "JOBAPP_CONFIG_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], env=environ, check=False)
    assert done.returncode == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forks_of_several_threads_leave_the_interpreter_as_it_was(manager):
    ends: list[int] = []
    before = sys.getswitchinterval()

    def fork_often():
        ends.extend(in_child(lambda: ask(manager)) for _ in range(6))

    threads = [threading.Thread(target=fork_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == [0] * 24
    assert sys.getswitchinterval() == before
    assert in_child(lambda: os._exit(sys.getswitchinterval() != before)) == 0
    ask(manager)
