"""The fixtures ``llm_simulator`` and ``fake_clock``; pytest finds them by the entry point of the package."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from jobapp.testing import FakeClock, Simulator


@pytest.fixture
def fake_clock() -> FakeClock:
    """Return a clock that moves only when told."""
    from jobapp.testing import FakeClock

    return FakeClock()


@pytest.fixture
def llm_simulator(
    fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Simulator]:
    """Give a started simulator that lives by ``fake_clock``, with the environment pointed at it.

    Keys in the environment are hidden; each key that is added to the simulator is set in their place.
    jobapp's cache is a folder of this test.
    """
    from jobapp.providers import PROVIDERS
    from jobapp.testing import Simulator

    own_keys = tuple(f"{prefix}_API_KEY" for spec in PROVIDERS.values() for prefix in spec.key_prefixes)
    for name in [name for name in os.environ if name.startswith(own_keys)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("JOBAPP_CACHE_DIR", str(tmp_path / "jobapp-cache"))
    with Simulator(fake_clock, export=monkeypatch.setenv) as simulator:
        yield simulator
