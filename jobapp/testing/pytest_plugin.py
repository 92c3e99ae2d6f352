"""The fixtures ``llm_simulator`` and ``fake_clock``; pytest finds them by the entry point of the package."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from jobapp.testing import FakeClock, Simulator

MARKER = (
    "llm_simulator(block_network=False, real_time=False): what the fixture of that name does: refuse what "
    "leaves this machine; live by the machine's clock and not by fake_clock"
)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def fake_clock() -> FakeClock:
    """Return a clock that moves only when told."""
    from jobapp.testing import FakeClock

    return FakeClock()


@pytest.fixture
def llm_simulator(
    request: pytest.FixtureRequest, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Simulator]:
    """Give a started simulator that lives by ``fake_clock``, with the environment pointed at it.

    Keys and proxies in the environment are hidden; each key that is added to the simulator is set in their
    place. jobapp's cache is a folder of this test. ``@pytest.mark.llm_simulator(block_network=True)`` refuses
    what leaves this machine, ``real_time=True`` lives by the machine's clock; a test in which a client sleeps
    in real time while ``fake_clock`` stands still ends with a warning.
    """
    from jobapp.testing import Simulator
    from jobapp.testing.environment import hidden

    wanted = _wanted(request)
    for name in [*hidden(os.environ), "JOBAPP_STATE_URL"]:
        monkeypatch.delenv(name, raising=False)
    with Simulator(
        None if wanted["real_time"] else fake_clock,
        export=monkeypatch.setenv,
        state=tmp_path / "jobapp-cache",
        block_network=wanted["block_network"],
    ) as simulator:
        yield simulator
    if simulator.sleepers.told:
        warnings.warn(simulator.sleepers.told, stacklevel=1)


def _wanted(request: pytest.FixtureRequest) -> dict[str, Any]:
    wanted: dict[str, Any] = {"block_network": False, "real_time": False}
    for marker in [*request.node.iter_markers("llm_simulator")][::-1]:  # the closest has the last word
        if marker.args or marker.kwargs.keys() - wanted.keys():
            raise pytest.UsageError(f"a test is marked otherwise than {MARKER.partition(':')[0]}")
        wanted |= marker.kwargs
    return wanted
