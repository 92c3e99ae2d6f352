"""The older program's surface: names of keys in, words out, and state that lasts."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from jobapp.core.api_key_manager import APIKeyManager
from jobapp.core.config_manager import ConfigManager
from jobapp.core.key_setup import provider_of
from jobapp.domain.exceptions import ConfigError
from jobapp.domain.types import Kind, Usage, Verdict
from jobapp.pool.block_rules import PATIENT_STREAK
from jobapp.pool.reservation import Take
from jobapp.testing import FakeClock

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
RPM = (
    "Error code: 429 - {'error': {'message': 'Rate limit reached on requests per min (RPM): Limit 3, Used 3.', "
    "'type': 'requests', 'code': 'rate_limit_exceeded'}}"
)
CREDIT = "Error code: 429 - {'error': {'type': 'insufficient_quota', 'code': 'insufficient_quota'}}"
BAD_KEY = "Error code: 401 - {'error': {'code': 'invalid_api_key'}}"
FAULTY = "Error code: 400 - {'error': {'type': 'invalid_request_error', 'code': 'invalid_value'}}"


@pytest.fixture
def clock():
    return FakeClock(NOON)


@pytest.fixture
def manager_of(tmp_path, clock):
    environ = {
        "JOBAPP_CACHE_DIR": str(tmp_path),
        "JOBAPP_CONFIG_DIR": str(tmp_path),
        "OPENAI_API_KEY": "sk-canary-one",
        "OPENAI_API_KEY_BACKUP_1": "sk-canary-two",
        "GOOGLE_API_KEY": "AIza-canary",
    }

    def make(primary="OPENAI_API_KEY", backups=("OPENAI_API_KEY_BACKUP_1",), **more):
        config = ConfigManager(environ=environ, env_path=None)
        return APIKeyManager(primary, list(backups), config_manager=config, clock=clock, **more)

    return make


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def test_the_older_attributes_are_there(manager_of, tmp_path):
    manager = manager_of()
    assert manager.primary_key_env == "OPENAI_API_KEY"
    assert manager.backup_key_envs == ["OPENAI_API_KEY_BACKUP_1"]
    assert manager.current_key_env == "OPENAI_API_KEY"
    assert manager.provider_name == "openai"
    assert manager.state_file == str(tmp_path / "api_key_state.json")
    assert (manager.failed_keys, manager.quota_exhausted_keys) == (set(), {})


@pytest.mark.parametrize(
    ("error", "word", "state"),
    [
        (CREDIT, "quota_exhausted", "quota_exhausted_until_2026-07-02T00:00Z"),
        (BAD_KEY, "failed", "failed"),
        (RPM, "rate_limited", "rate_limited_until_2026-07-01T12:01:00Z"),
        (FAULTY, "failed", "available"),
    ],
)
def test_an_error_is_remembered_as_what_it_means(manager_of, error, word, state):
    manager = manager_of()
    assert manager.handle_api_error(error, "OPENAI_API_KEY") == word
    assert manager.get_quota_status()["OPENAI_API_KEY"] == state
    assert manager.is_key_available("OPENAI_API_KEY") is (state == "available")


def test_the_two_limits_are_told_apart(manager_of):
    manager = manager_of()
    assert [manager.is_rate_limit_error(error) for error in (RPM, CREDIT, FAULTY)] == [True, False, False]
    assert [manager.is_quota_exhausted_error(e) for e in (RPM, CREDIT, FAULTY)] == [False, True, False]


def test_the_next_key_is_the_first_that_is_free(manager_of):
    manager = manager_of()
    manager.mark_key_quota_exhausted("OPENAI_API_KEY")
    assert manager.get_next_key_env() == "OPENAI_API_KEY_BACKUP_1"
    manager.mark_key_failed("OPENAI_API_KEY_BACKUP_1")
    assert manager.get_next_key_env() is None
    assert manager.failed_keys == {"OPENAI_API_KEY_BACKUP_1"}
    assert list(manager.quota_exhausted_keys) == ["OPENAI_API_KEY"]


def test_a_failed_key_is_free_again_after_an_hour_and_a_spent_one_after_midnight(manager_of, clock):
    manager = manager_of()
    manager.mark_key_failed("OPENAI_API_KEY")
    manager.mark_key_quota_exhausted("OPENAI_API_KEY_BACKUP_1")
    clock.advance(timedelta(hours=1).total_seconds())
    assert manager.is_key_available("OPENAI_API_KEY")
    assert not manager.is_key_available("OPENAI_API_KEY_BACKUP_1")
    clock.advance(timedelta(hours=11).total_seconds())
    assert manager.is_key_available("OPENAI_API_KEY_BACKUP_1")


def test_another_manager_knows_what_one_learnt(manager_of):
    manager_of().mark_key_quota_exhausted("OPENAI_API_KEY")
    assert not manager_of().is_key_available("OPENAI_API_KEY")


def test_a_reset_clears_every_provider_and_a_quota_reset_only_this_ones_quota(manager_of):
    manager, google = manager_of(), manager_of("GOOGLE_API_KEY", [])
    manager.mark_key_failed("OPENAI_API_KEY")
    manager.mark_key_quota_exhausted("OPENAI_API_KEY_BACKUP_1")
    google.mark_key_quota_exhausted("GOOGLE_API_KEY")
    assert [block.kind for block in manager.reset_quota_only()] == [Kind.QUOTA]
    assert manager.failed_keys == {"OPENAI_API_KEY"}
    assert list(google.quota_exhausted_keys) == ["GOOGLE_API_KEY"]
    manager_of("YOUR_KEY", []).reset()
    assert manager.failed_keys == set()
    assert google.quota_exhausted_keys == {}


def test_a_name_without_a_value_is_rotated_by_name(manager_of):
    manager = manager_of("SOME_KEY", ["SOME_KEY_2"])
    manager.mark_key_failed("SOME_KEY")
    assert manager.get_next_key_env() == "SOME_KEY_2"


def test_a_name_that_is_no_key_of_the_manager_is_refused(manager_of):
    with pytest.raises(ConfigError, match="OTHER_KEY: is not a key of this manager"):
        manager_of().mark_key_failed("OTHER_KEY")


def test_expired_blocks_are_swept_once_in_a_session(manager_of):
    manager = manager_of()
    mark = (manager.provider_name, id(manager.store))
    assert mark in APIKeyManager.swept
    manager.force_quota_reset_check()
    assert mark in APIKeyManager.swept


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("OPENAI_API_KEY_BACKUP_2", "openai"),
        ("GEMINI_KEY_2", "google"),
        ("MY_GOOGLE_API_KEY", "google"),
        ("anthropic_api_key", "anthropic"),
        ("OPENROUTER_API_KEY", "openrouter"),
        ("YOUR_KEY", "unknown"),
    ],
)
def test_the_provider_is_told_by_the_name(name, provider):
    assert provider_of(name) == provider


def test_the_rules_are_shown_with_the_users_own_first(manager_of):
    ids = [rule.id for rule in manager_of().error_rules]
    assert len(ids) == len(set(ids)) > 50


def test_no_key_is_in_what_is_shown_or_kept(manager_of, tmp_path, caplog):
    caplog.set_level("DEBUG", logger="jobapp")
    manager = manager_of()
    manager.handle_api_error(f"{BAD_KEY} sk-canary-one", "OPENAI_API_KEY")
    texts = [repr(manager.keys), repr(manager.statuses()), caplog.text]
    texts += [path.read_text() for path in tmp_path.rglob("*.json")]
    assert not any("canary" in text for text in texts)


def reserve(manager):
    """Return the reservation of a request that is sent now with the first key."""
    reservation = manager.take("m", Take(stay=manager.keys[0].fingerprint)).reservation
    assert reservation.key is manager.keys[0]
    return reservation


def test_of_rejections_that_are_not_written_yet_the_longest_holds_whatever_others_write(manager_of, clock):
    manager = manager_of()
    key = manager.keys[0]
    under_way = [reserve(manager), reserve(manager)]
    for reservation, seconds in zip(under_way, (50.0, 20.0), strict=True):
        manager.settle(reservation, Verdict(Kind.RATE_LIMIT), seconds)
    manager_of().mark_key_failed("OPENAI_API_KEY_BACKUP_1")
    manager.store.refresh()
    manager.take("m", Take())
    (line,) = [line for line in manager.statuses() if line.key == key.name]
    assert line.until == clock.now() + timedelta(seconds=50)


def test_a_key_whose_tokens_are_used_up_is_held_until_they_are_back(manager_of, clock):
    manager = manager_of()
    reservation = reserve(manager)
    headers = {
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "30s",
    }
    manager.answered(reservation, headers, Usage(900, 100))
    assert manager.take("m", Take()).key.name == "OPENAI_API_KEY_BACKUP_1"
    clock.advance(30)
    assert manager.take("m", Take()).key.name == "OPENAI_API_KEY"


def test_a_busy_minute_without_end_is_taken_for_more_and_more_but_tried_each_hour(manager_of, clock):
    manager = manager_of()
    lengths = []
    for _ in range(PATIENT_STREAK + 8):
        (block,) = manager.settle(reserve(manager), Verdict(Kind.RATE_LIMIT), 60.0)
        lengths.append((block.until - block.since).total_seconds())
        clock.advance(lengths[-1] + 1)
    assert lengths[:PATIENT_STREAK] == [60.0] * PATIENT_STREAK
    assert lengths[PATIENT_STREAK:] == [120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0, 3600.0]


def test_a_look_at_the_keys_in_the_middle_of_a_call_waits_for_nothing(manager_of, monkeypatch):
    """A signal's handler or a finalizer interrupts a thread wherever it is."""
    manager, seen = manager_of(), []
    take = manager._pool.take

    def interrupted(*arguments):
        seen.extend(manager.statuses("m"))
        return take(*arguments)

    monkeypatch.setattr(manager._pool, "take", interrupted)
    thread = threading.Thread(target=lambda: manager.take("m", Take()), daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert [line.state for line in seen] == ["free"] * len(manager.keys)
