"""The table "what survives what" of docs/concepts/state.md, row by row, with faults that really happen."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from jobapp.domain.types import Block, Kind
from jobapp.stores.codec import decode, encode, from_text
from jobapp.stores.json_file import JSONFileStore
from jobapp.stores.redis import RedisStore
from jobapp.stores.snapshot import MAX_BYTES
from jobapp.stores.state import NOTHING, Reset
from jobapp.stores.store import open_store
from tests.store_faults import answering, as_nobody, file_size_limit, mounted, process_holding_lock
from tests.store_support import SERVER, Clock, RedisServer, block, look, warnings_in
from tests.torture.kill_writers import torture

pytest_plugins = ["tests.store_fixtures"]

PAGE = Path(__file__).parent.parent / "docs" / "concepts" / "state.md"
ROOM = "### The room that processes share"
"""Its table is that of test_room_faults.py."""

NEWS = block("e" * 12)
"""What is learnt during a fault."""


@dataclass
class File:
    """A state file that knows :func:`block`, and what happens to it."""

    folder: Path
    clock: Clock
    caplog: pytest.LogCaptureFixture

    @property
    def path(self) -> Path:
        return self.folder / "cache" / "api_key_state.json"

    def open(self, **options) -> JSONFileStore:
        return JSONFileStore(self.path, self.clock, **options)

    def warnings(self) -> list[str]:
        return warnings_in(self.caplog)

    def aside(self) -> list[bytes]:
        return [file.read_bytes() for file in self.path.parent.glob("api_key_state.json.broken-*")]

    def ids(self) -> set[str]:
        """Return what another process finds."""
        return {one.fingerprint for one in self.open().view()}

    def goes_on_from_memory(self, store: JSONFileStore) -> None:
        """Learn something that can't be written, twice, for one warning."""
        store.add([NEWS])
        store.add([block("f" * 12)])
        assert store.unwritten
        assert {"e" * 12, "f" * 12} <= {one.fingerprint for one in store.view()}
        (warning,) = self.warnings()
        assert str(self.path.parent) in warning

    def is_written_at_last(self, store: JSONFileStore) -> None:
        """Learn something more, now that the fault is over."""
        store.add([block("d" * 12)])
        assert not store.unwritten
        assert {"d" * 12, "e" * 12, "f" * 12} <= self.ids()


@pytest.fixture
def file(clock: Clock, caplog: pytest.LogCaptureFixture) -> Iterator[File]:
    folder = Path(tempfile.mkdtemp(prefix="state-"))  # pytest's own is closed to other users
    folder.chmod(0o755)
    place = File(folder.resolve(), clock, caplog)
    place.open().add([block()])
    yield place
    shutil.rmtree(folder)


def _killed_writer(file: File) -> None:
    with process_holding_lock(file.path) as holder:
        holder.kill()
        holder.wait()
        (file.path.parent / ".api_key_state.json.killed.tmp").write_text("half")
        store = file.open(lock_timeout=0)
        store.add([NEWS])
        assert not store.unwritten
    assert len(list(file.path.parent.iterdir())) == 2
    counts = torture(str(file.path.parent), kills=25, seconds=20, seed=1)
    assert (counts["lost"], counts["broken"], counts["lost_at_the_end"]) == (0, 0, 0)


def _frozen_writer(file: File) -> None:
    store = file.open(lock_timeout=0.1)
    with process_holding_lock(file.path) as holder:
        holder.send_signal(signal.SIGSTOP)
        file.goes_on_from_memory(store)
        assert block().id in store.view().blocks
    file.is_written_at_last(store)
    patient = file.open()
    with process_holding_lock(file.path) as holder:
        holder.send_signal(signal.SIGSTOP)
        for number in range(20):
            patient.add([block(f"{number:012x}")])
        (writer,) = [each for each in threading.enumerate() if each.name == "jobapp-late-writer"]
        assert writer.daemon
        assert len(patient.view().blocks) > 20
        patient.refresh()
        assert not patient.stale
    writer.join()
    assert not patient.unwritten
    assert len(file.open().view().blocks) > 20


def _power_cut(file: File) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: it shows what is synced when")
    program = (
        "from jobapp.domain.clock import SystemClock\n"
        "from jobapp.stores.json_file import JSONFileStore\n"
        "from tests.store_support import block\n"
        "from datetime import UTC, datetime\n"
        "from pathlib import Path\n"
        f"store = JSONFileStore(Path({str(file.path)!r}), SystemClock())\n"
        "store.add([block('e' * 12, since=datetime.now(UTC))])\n"
        "import os; os.write(1, b'acknowledged')\n"
    )
    log = file.folder / "strace"
    calls = "fsync,fdatasync,rename,renameat,renameat2,write"
    done = subprocess.run(
        ["strace", "-f", "-y", "-e", f"trace={calls}", "-o", str(log), sys.executable, "-c", program],
        capture_output=True,
        check=False,
        cwd=PAGE.parent.parent.parent,
    )
    if b"ptrace" in done.stderr or not log.exists():
        pytest.skip("strace may not trace here")
    text = log.read_text()
    order = [
        re.search(rf"fsync\(\d+<{re.escape(str(file.path.parent))}/\.api_key_state\.json\.[^>]*tmp>", text),
        re.search(r"rename\w*\(.*api_key_state\.json", text),
        re.search(rf"fsync\(\d+<{re.escape(str(file.path.parent))}>", text),
        re.search(r'write\(1<.*"acknowledged"', text),
    ]
    places = [found.start() for found in order if found]
    assert len(places) == 4
    assert places == sorted(places)


def _disk_full(file: File) -> None:
    with mounted(file.path.parent, "64k") as _:
        store = file.open()
        store.add([block()])
        whole = file.path.read_bytes()
        ballast = file.path.parent / "ballast"
        with pytest.raises(OSError, match="No space"):
            ballast.write_bytes(b"x" * 2**20)
        file.goes_on_from_memory(store)
        assert file.path.read_bytes() == whole
        assert {one.name for one in file.path.parent.iterdir()} == {
            file.path.name,
            f"{file.path.name}.lock",
            "ballast",
        }
        ballast.unlink()
        file.is_written_at_last(store)


def _size_limit(file: File) -> None:
    store, whole = file.open(), file.path.read_bytes()
    with file_size_limit(100):
        file.goes_on_from_memory(store)
    assert file.path.read_bytes() == whole
    file.is_written_at_last(store)


def _read_only_disk(file: File) -> None:
    with mounted(file.path.parent, "64k") as again:
        file.open().add([block()])
        again("ro")
        store = file.open()
        file.goes_on_from_memory(store)
        assert block().id in store.view().blocks
        again("rw")
        store.refresh()  # reads what others counted, and does not try to write yet
        assert not store.stale
        assert store.unwritten
        file.clock.advance(30)
        assert store.stale
        store.refresh()  # as a call does that learns nothing
        assert not store.unwritten
        file.is_written_at_last(store)


def _unwritable_folder(file: File) -> None:
    file.path.parent.chmod(0o555)
    file.path.chmod(0o644)

    def work() -> bool:
        store = file.open()
        file.goes_on_from_memory(store)
        return block().id in store.view().blocks

    assert as_nobody(work)
    file.path.parent.chmod(0o755)


def _unreadable_file(file: File) -> None:
    file.path.parent.chmod(0o777)
    file.path.chmod(0o000)
    before = file.path.stat()

    def work() -> bool:
        store = file.open()
        store.view()
        file.goes_on_from_memory(store)
        return block().id in store.view().blocks

    assert not as_nobody(work)
    assert file.path.stat() == before


def _missing_folder(file: File) -> None:
    store = file.open()
    shutil.rmtree(file.path.parent)
    previous = os.umask(0)
    try:
        JSONFileStore(file.folder / "one" / "two" / "state.json", file.clock).add([NEWS])
    finally:
        os.umask(previous)
    assert {stat.S_IMODE((file.folder / name).stat().st_mode) for name in ("one", "one/two")} == {0o700}
    store.add([NEWS])
    assert file.ids() == {NEWS.fingerprint}
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert not file.warnings()


def _deleted_file(file: File) -> None:
    store = file.open()
    assert store.view().blocks
    file.path.unlink()
    assert not store.view().blocks
    store.add([NEWS])
    assert file.ids() == {NEWS.fingerprint}
    assert not file.warnings()


def _is_set_aside(file: File, content: bytes, *, still_known: bool = True) -> None:
    """Break the file under a process that has read it, while another starts."""
    running, starting = file.open(), file.open()
    assert running.view().blocks
    file.path.write_bytes(content)
    assert running.view().blocks == {block().id: block()}
    assert bool(starting.view().blocks) is still_known
    starting.add([NEWS])
    assert running.view().blocks.keys() == {block().id, NEWS.id}
    assert file.ids() == {block().fingerprint, NEWS.fingerprint}
    assert file.aside() == [content]
    (warning,) = file.warnings()
    assert "set aside as api_key_state.json.broken-" in warning


def _truncated_file(file: File) -> None:
    _is_set_aside(file, file.path.read_bytes()[:-40])


def _not_utf8(file: File) -> None:
    _is_set_aside(file, b"\xff\xfe" + file.path.read_bytes())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"17",
        b'{"version": "one"}',
        b'{"version": -1}',
        b'{"version": true}',
        b'{"version": 1, "blocks": {}}',
        b'{"version": 1, "blocks": [], "resets": 5}',
        b'{"blocks": []}',
        b'{"version": 1e999}',
        b'{"version": NaN}',
        b"[" * 100_000,
        b'{"version": ' + b"9" * 5000 + b"}",
        b"\x00" * 4096,
    ],
    ids=lambda content: repr(content[:50]),
)
def test_no_shape_of_the_file_stops_a_call(file, content):
    _is_set_aside(file, content)


def _wrong_types(file: File) -> None:
    _is_set_aside(file, b'{"version": 1, "blocks": "none", "resets": {}}')


def _huge_file(file: File) -> None:
    running = file.open()
    assert running.view().blocks
    with file.path.open("r+b") as sparse:
        sparse.truncate(MAX_BYTES + 1)
    assert running.view().blocks
    running.add([NEWS])
    assert file.ids() == {block().fingerprint, NEWS.fingerprint}
    (warning,) = file.warnings()
    assert "larger than" in warning


BAD_FIELDS = [
    {"until": "tomorrow"},
    {"until": "2026-07-01T12:00:00"},
    {"until": 5},
    {"until": "0001-01-01T00:00:00+14:00"},
    {"since": None},
    {"kind": "request"},
    {"kind": []},
    {"provider": None},
    {"fingerprint": ""},
    {"strikes": 0},
    {"strikes": True},
    {"strikes": 1.5},
    {"model": 3},
    {"reason": None},
    {"key": {}},
]


def _spoil(file: File, bad_field: dict[str, object]) -> bytes:
    file.open().add([block("9" * 12)])
    whole = json.loads(file.path.read_text())
    whole["blocks"] = [whole["blocks"][0], {**whole["blocks"][1], **bad_field}]
    return json.dumps(whole).encode()


@pytest.mark.parametrize("bad_field", BAD_FIELDS, ids=repr)
def test_a_bad_field_costs_one_block_only(file, bad_field):
    spoilt = _spoil(file, bad_field)
    file.path.write_bytes(spoilt)
    assert file.ids() == {block().fingerprint}
    assert file.ids() == {block().fingerprint}
    assert file.aside() == [spoilt]
    assert len(file.warnings()) == 1


def _one_bad_entry(file: File) -> None:
    file.path.write_bytes(_spoil(file, {"until": "never"}))
    file.open().add([NEWS])
    assert file.ids() == {block().fingerprint, NEWS.fingerprint}
    assert len(file.aside()) == len(file.warnings()) == 1


def _not_a_file(file: File) -> None:
    file.path.unlink()
    os.mkfifo(file.path)
    store = file.open()
    store.view()
    file.goes_on_from_memory(store)
    assert stat.S_ISFIFO(file.path.stat().st_mode)
    file.caplog.clear()
    file.path.unlink()
    file.path.mkdir()
    by_default = open_store(None, file.path.parent, file.clock)
    assert isinstance(by_default, JSONFileStore)
    file.goes_on_from_memory(by_default)
    assert not list(file.path.iterdir())


def _newer_form(file: File) -> None:
    whole = json.loads(file.path.read_text())
    whole |= {"version": 2, "surprise": {}}
    whole["blocks"].append({"kind": "of another sort"})
    file.path.write_text(json.dumps(whole))
    before = file.path.read_bytes()
    store = file.open()
    file.goes_on_from_memory(store)
    assert block().id in store.view().blocks
    assert file.path.read_bytes() == before
    assert not file.aside()


def _byte_order_mark(file: File) -> None:
    known = file.ids()
    file.path.write_bytes(b"\xef\xbb\xbf" + file.path.read_bytes())
    assert file.ids() == known
    file.open().add([NEWS])
    assert file.ids() == {*known, NEWS.fingerprint}
    assert not file.warnings()


def _older_form(file: File) -> None:
    older = {"quota_exhausted_keys": {"OPENAI_API_KEY": "2026-07-01"}, "last_updated": "2026-07-01T12:00:00"}
    _is_set_aside(file, json.dumps(older).encode(), still_known=True)


def _symbolic_link(file: File) -> None:
    target = file.folder / "elsewhere" / "target.json"
    target.parent.mkdir()
    file.path.rename(target)
    file.path.symlink_to(target)
    file.open().add([NEWS])
    assert file.path.is_symlink()
    assert {one.fingerprint for one in decode(target.read_bytes()).state} == {
        block().fingerprint,
        NEWS.fingerprint,
    }
    assert not file.warnings()


def _clock_ahead(file: File) -> None:
    file.clock.jump(timedelta(days=1))
    file.open().add([block("e" * 12, since=file.clock.now(), seconds=60)])
    file.clock.jump(timedelta(days=-1))
    store = file.open()
    assert store.view().blocks[NEWS.id].until == file.clock.now() + timedelta(seconds=60)
    store.sweep("openai", file.clock.now())  # what a session does first: from now on it is so on disk too
    file.clock.advance(61)
    assert file.open().view().blocks[NEWS.id].until < file.clock.now()


def _clock_goes_back(file: File) -> None:
    store = file.open()
    file.clock.jump(timedelta(days=1))
    store.add([block("e" * 12, since=file.clock.now(), seconds=60)])
    file.clock.jump(timedelta(days=-1))
    assert store.view().blocks[NEWS.id].until == file.clock.now() + timedelta(seconds=60)


def _reset_ahead(file: File) -> None:
    file.clock.jump(timedelta(days=1))
    file.open().reset(Reset(file.clock.now()))
    file.clock.jump(timedelta(days=-1))
    file.open().add([NEWS])
    assert file.ids() == {NEWS.fingerprint}


def _endless_block(file: File) -> None:
    endless = block("e" * 12, kind=Kind.AUTH, seconds=timedelta(days=3650).total_seconds())
    file.path.write_bytes(encode(NOTHING.with_blocks([endless]), file.clock.now()))
    assert file.open().view().blocks[NEWS.id].until == file.clock.now() + timedelta(days=1)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def _fork(file: File) -> None:
    store = file.open()
    done = threading.Event()

    def write_on() -> None:
        number = 0
        while not done.is_set():
            number += 1
            store.add([block(f"a{number:011x}")])

    writer = threading.Thread(target=write_on)
    writer.start()
    children = []
    for number in range(10):
        child = os.fork()
        if child == 0:
            store.add([block(f"c{number:011x}")])
            for thread in threading.enumerate():  # the lock may be contended for longer than a caller waits
                if thread.name == "jobapp-late-writer":
                    thread.join()
            os._exit(store.unwritten)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    done.set()
    writer.join()
    assert statuses == [0] * 10
    assert {f"c{number:011x}" for number in range(10)} <= file.ids()
    assert not file.warnings()


@dataclass
class Shared:
    """A server, and the stores of two machines that have used it; ``mine`` knows :func:`block`."""

    server: RedisServer
    clock: Clock
    caplog: pytest.LogCaptureFixture

    def open(self, **options) -> RedisStore:
        return RedisStore(self.server.url, self.clock, **{"timeout": 5, **options})

    def warnings(self) -> list[str]:
        return warnings_in(self.caplog)

    def look(self, store: RedisStore) -> set[str]:
        """Return what a call sees, when the last look is long ago."""
        self.clock.advance(60)
        return {one.fingerprint for one in look(store)}

    def ids(self) -> set[str]:
        """Return what a new process on another machine finds."""
        return self.look(self.open())

    def goes_on_from_memory(self, store: RedisStore, known: set[str]) -> None:
        """Learn something that can't be written, in two calls a minute apart, for one warning."""
        assert self.look(store) == known
        store.add([self.news("e")])
        self.clock.advance(60)
        store.add([self.news("f")])
        assert store.unwritten
        assert self.look(store) == {*known, "e" * 12, "f" * 12}
        (warning,) = self.warnings()
        assert str(self.server.socket) in warning

    def is_written_at_last(self, store: RedisStore, known: set[str]) -> None:
        assert self.look(store) == {*known, "e" * 12, "f" * 12} == self.ids()
        assert not store.unwritten

    def news(self, digit: str) -> Block:
        learnt: Block = block(digit * 12, since=self.clock.now())
        return learnt


@pytest.fixture
def shared(own_redis: RedisServer, clock: Clock, caplog: pytest.LogCaptureFixture) -> Shared:
    return Shared(own_redis, clock, caplog)


@pytest.fixture
def mine(shared: Shared) -> RedisStore:
    shared.server.start()
    store = shared.open()
    store.add([block()])
    return store


KNOWN = {block().fingerprint}


def _server_gone_at_start(shared: Shared) -> None:
    store = shared.open()
    shared.goes_on_from_memory(store, set())
    shared.server.start()
    shared.is_written_at_last(store, set())


def _server_gone_midway(shared: Shared, mine: RedisStore) -> None:
    shared.server.stop()
    shared.goes_on_from_memory(mine, KNOWN)
    shared.server.start()
    shared.is_written_at_last(mine, KNOWN)


def _server_gone_an_hour(shared: Shared, mine: RedisStore) -> None:
    shared.server.stop()
    tries: list[float] = []
    start = shared.clock.monotonic()
    while (now := shared.clock.monotonic() - start) < 3600:
        shared.clock.advance(0.25)
        if mine.stale:
            mine.refresh()
            tries.append(now)
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses[:6] == [1, 2, 4, 8, 16, 30]
    assert set(pauses[6:]) == {30}
    assert len(shared.warnings()) == 1


def _server_hangs(shared: Shared) -> None:
    shared.server.start()
    store = shared.open(timeout=0.05)
    assert shared.server.process is not None
    shared.server.process.send_signal(signal.SIGSTOP)
    try:
        shared.goes_on_from_memory(store, set())
        store.add([block("a" * 12)])
        assert not store.stale, "the call after a failed one would wait again"
    finally:
        shared.server.process.send_signal(signal.SIGCONT)


def _server_lost_its_data(shared: Shared, mine: RedisStore) -> None:
    shared.server.stop()
    shared.server.start()
    shared.look(mine)
    shared.look(mine)
    assert shared.ids() == KNOWN
    shared.server.command("FLUSHALL")
    shared.look(mine)
    shared.look(mine)
    assert shared.ids() == KNOWN
    assert not shared.warnings()


def _server_went_back(shared: Shared, mine: RedisStore) -> None:
    shared.server.command("SAVE")
    mine.add([shared.news("e")])
    assert shared.server.process is not None
    shared.server.process.kill()
    shared.server.stop()
    shared.server.start()
    other = shared.open()
    other.add([shared.news("f")])
    assert shared.ids() == {*KNOWN, "f" * 12}
    shared.look(mine)
    shared.look(mine)
    assert shared.ids() == {*KNOWN, "e" * 12, "f" * 12}


def _server_full(shared: Shared, mine: RedisStore) -> None:
    shared.server.command("CONFIG", "SET", "maxmemory", "1")
    mine.add([shared.news("e")])
    shared.clock.advance(60)
    mine.add([shared.news("f")])
    assert mine.unwritten
    assert len(shared.warnings()) == 1
    shared.server.command("CONFIG", "SET", "maxmemory", "0")
    shared.is_written_at_last(mine, KNOWN)


def _server_evicts(shared: Shared, mine: RedisStore) -> None:
    shared.server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    shared.server.command("CONFIG", "SET", "maxmemory", "1gb")
    store = shared.open()
    for digit in "ef":
        store.add([shared.news(digit)])
    names = ("{jobapp}:block:openai:" + 12 * digit for digit in "ef")
    shared.server.command("DEL", *names)  # as an eviction does
    assert shared.ids() == KNOWN
    assert shared.look(store) == {*KNOWN, "e" * 12, "f" * 12} == shared.ids()
    assert all("allkeys-lru" in warning for warning in shared.warnings())
    shared.caplog.clear()
    shared.look(store)
    assert not shared.warnings()


def _server_refuses(shared: Shared, mine: RedisStore) -> None:
    shared.server.command("CONFIG", "SET", "requirepass", "right")
    url = f"unix://user:top-secret@{shared.server.socket}"
    store = RedisStore(url, shared.clock)
    shared.goes_on_from_memory(store, set())
    assert "secret" not in shared.caplog.text


def _server_forgot_the_script(shared: Shared, mine: RedisStore) -> None:
    shared.server.command("SCRIPT", "FLUSH")
    mine.add([shared.news("e")])
    assert shared.ids() == {*KNOWN, "e" * 12}
    assert not shared.warnings()


def _server_drips(shared: Shared) -> None:
    with answering(b"$100000\r\n", then=b"x") as port:
        store = RedisStore(f"redis://127.0.0.1:{port}", shared.clock, timeout=0.1)
        threads = [threading.Thread(target=store.add, args=[[shared.news(digit)]]) for digit in "abcdef"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert {one.fingerprint for one in store.view()} == {digit * 12 for digit in "abcdef"}
        assert not store.stale
        (warning,) = shared.warnings()
        assert "no answer within 0.1 seconds" in warning


def _no_redis_server(shared: Shared) -> None:
    deep = b"*1\r\n" * 100_000
    answers = (
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b":abc\r\n",
        b"$abc\r\n",
        b"+OK\r\n",
        b"*0\r\n",
        b"*-5\r\n",
    )
    for answer in (
        *answers,
        b",1e400\r\n",
        b"_\r\n",
        b"%1\r\n",
        deep,
        b"*7\r\n" + 7 * b"$-1\r\n",
        b"\xff\x00" * 50,
    ):
        with answering(answer) as port:
            store = RedisStore(f"redis://127.0.0.1:{port}", shared.clock, timeout=1)
            store.add([shared.news("e")])
            store.refresh()
            assert store.view().blocks
            assert store.unwritten
        (warning,) = shared.warnings()
        assert f"redis://127.0.0.1:{port}" in warning
        shared.caplog.clear()


def _reset_ahead_on_server(shared: Shared, mine: RedisStore) -> None:
    shared.clock.at = datetime.now(UTC)
    for ahead in (timedelta(minutes=5), timedelta(days=1)):
        mine.add([shared.news("d")])
        shared.clock.jump(ahead)
        shared.open().reset(Reset(shared.clock.now()))
        shared.clock.jump(-ahead)
        assert shared.ids() == set()
        mine.add([shared.news("e")])
        assert shared.ids() == {"e" * 12}
        mine.reset(Reset(shared.clock.now()))
        assert shared.ids() == set()
    assert not shared.warnings()


def _bad_entry_on_server(shared: Shared, mine: RedisStore) -> None:
    key = "{jobapp}:block:openai:" + block().fingerprint
    for nonsense in ("nonsense", "[]", '{"kind": "quota"}', "\x00"):
        for field in (f"quota|{nonsense}", f"quota|{nonsense}|{nonsense}", nonsense):
            shared.server.command("HSET", key, field, nonsense)
            shared.server.command("HSET", "{jobapp}:resets", field, nonsense)
    for deep in ("[" * 100_000 + "]" * 100_000, '{"kind":' * 5_000 + "1" + "}" * 5_000):
        shared.server.command("HSET", key, f"quota|{deep[:9]}|", deep)
    mine.add([shared.news("e")])
    mine.reset(Reset(shared.clock.now(), provider="google"))
    assert shared.ids() == {*KNOWN, "e" * 12}
    shared.server.command("HSET", "{jobapp}:meta", "version", "abc")
    mine.add([shared.news("f")])
    assert shared.ids() == {*KNOWN, "e" * 12, "f" * 12}
    assert not shared.warnings()


def _client_killed(shared: Shared) -> None:
    shared.server.start()
    counts = torture(shared.server.url, kills=25, seconds=20, seed=1)
    assert (counts["lost"], counts["lost_at_the_end"]) == (0, 0)


def rows() -> list[str]:
    """Return the faults that the page promises something about."""
    stores, _, _ = PAGE.read_text().partition(ROOM)
    return re.findall(r"^\| `([a-z0-9-]+)` \|", stores, re.MULTILINE)


def scenario(fault: str) -> Callable[..., None]:
    found: Callable[..., None] = globals()["_" + fault.replace("-", "_")]
    return found


def needs(fault: str) -> list[str]:
    code = scenario(fault).__code__
    return list(code.co_varnames[: code.co_argcount])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("fault", rows())
def test_what_survives_what(fault, request):
    if "shared" in needs(fault) and SERVER is None:
        pytest.skip("neither redis-server nor valkey-server is installed")
    scenario(fault)(*map(request.getfixturevalue, needs(fault)))


def test_the_page_has_a_row_for_every_scenario():
    scenarios = {name for name, value in globals().items() if name.startswith("_") and callable(value)}
    helpers = {"_is_set_aside", "_spoil"}
    assert scenarios - helpers - {"__loader__"} == {"_" + fault.replace("-", "_") for fault in rows()}


def test_the_file_on_the_page_is_one_that_jobapp_reads_and_writes():
    examples = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (example,) = [each for each in examples if '"blocks"' in each]
    document = decode(example.encode())
    assert not document.faults
    assert len(document.state.blocks) == 2
    updated = json.loads(example)["last_updated"]
    assert encode(document.state, from_text(updated)) == example.encode()
