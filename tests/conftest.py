"""What holds for all tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# no test's outcome depends on how fast the machine is
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# a shell's background job ignores Ctrl-C, and so would the tests that send it
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def no_price_list() -> Iterator[None]:
    """Let answers be the same whatever the price lists of genai-prices say this month."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobapp.core.pricing.is_installed", lambda _: False)
        yield


@pytest.fixture
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let jobapp find and keep nothing but in a folder of this test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBAPP_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("JOBAPP_CONFIG_DIR", str(tmp_path))
    return tmp_path
