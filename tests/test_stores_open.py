"""Which store a setting names, and that a process has one of each."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from jobapp.domain.clock import SystemClock
from jobapp.domain.exceptions import ConfigError, StateStoreError
from jobapp.stores.json_file import JSONFileStore
from jobapp.stores.redis import RedisStore
from jobapp.stores.store import open_store
from tests.store_support import Clock, block

pytest_plugins = ["tests.store_fixtures"]


def file_of(url, cache_path):
    store = open_store(url, cache_path, SystemClock())
    assert isinstance(store, JSONFileStore)
    return store.path


def test_without_a_setting_the_file_is_in_the_cache_folder(tmp_path):
    assert file_of(None, tmp_path) == tmp_path / "api_key_state.json"


@pytest.mark.parametrize("form", [str, Path, lambda path: path.as_uri(), lambda path: f"file:{path}"])
def test_a_path_or_file_url_names_the_file(tmp_path, form):
    path = tmp_path / "a folder" / "mine.json"
    assert file_of(form(path), tmp_path) == path


def test_a_folder_stands_for_the_usual_file_in_it(tmp_path):
    assert file_of(str(tmp_path), Path("elsewhere")) == tmp_path / "api_key_state.json"


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert file_of("~/state.json", Path("elsewhere")) == tmp_path / "state.json"


def test_a_letter_and_a_colon_is_a_path_of_windows_no_scheme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert file_of("C:/state.json", tmp_path).name == "state.json"


@pytest.mark.parametrize("scheme", ["http", "sqlite", "mysql"])
def test_an_unknown_scheme_is_a_configuration_error_that_names_the_setting(tmp_path, scheme):
    with pytest.raises(ConfigError, match=rf"state\.url.*JOBAPP_STATE_URL.*{scheme}.*redis://"):
        open_store(f"{scheme}://host/x", tmp_path, SystemClock())


def test_one_place_is_one_store_in_a_process(tmp_path):
    store = open_store(None, tmp_path, SystemClock())
    (tmp_path / "link").symlink_to(tmp_path)
    assert open_store(str(tmp_path / "link" / "api_key_state.json"), tmp_path, SystemClock()) is store
    assert open_store(None, tmp_path, Clock()) is not store


def test_a_store_that_nobody_uses_is_let_go(tmp_path):
    clock = Clock()
    first = id(open_store(None, tmp_path, clock))
    gc.collect()
    kept = [open_store(None, tmp_path / str(n), clock) for n in range(50)]
    assert len({id(store) for store in kept} | {first}) >= 50


@pytest.mark.parametrize(
    "url", ["redis://h:1/0", "rediss://h:1/0", "unix:///a/socket", "redis://h?db=2&namespace=n"]
)
def test_the_schemes_of_redis_open_no_connection(tmp_path, url):
    assert isinstance(open_store(url, tmp_path, SystemClock()), RedisStore)


def test_the_namespace_of_the_url_keeps_projects_apart(tmp_path, shared_redis):
    mine = open_store(f"{shared_redis.url}?namespace=mine", tmp_path, Clock())
    other = open_store(f"{shared_redis.url}?namespace=other", tmp_path, Clock())
    mine.add([block()])
    other.refresh()
    assert not other.view().blocks


@pytest.mark.parametrize(
    "url", ["redis://user:top-secret@host:port/0", "redis://:top-secret", "redis://h?x=top-secret"]
)
def test_a_url_that_can_not_be_read_is_an_error_without_its_password(tmp_path, url):
    with pytest.raises(ConfigError, match=r"state\.url") as caught:
        open_store(url, tmp_path, SystemClock())
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_without_the_package_redis_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(StateStoreError, match=r"pip install '\.\[redis\]'") as caught:
        open_store("redis://:top-secret@host", tmp_path, SystemClock())
    assert "secret" not in str(caught.value)


def test_importing_the_stores_loads_neither_redis_nor_filelock():
    program = "import sys, jobapp.stores.store; print({'redis', 'filelock'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
