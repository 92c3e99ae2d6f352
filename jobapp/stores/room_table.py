"""The room of keys in a file beside the state, for all processes of one machine.

It is a table of records of one size, each a row of numbers under a name::

    head     | form of the file, size of a record, how many there are
    record   | digest of its name, stamp, time, length and CRC-32 of the numbers, the numbers (float64)
             | in its last 8 bytes until when its key is full, for those who look for another one

A record is read and written whole, by one system call each, under a lock that the operating system takes
back from a process that dies. It is not mapped into memory, which would save a call some microseconds: a
file that is cut short, or whose network goes away, kills a process that maps it. Nothing is synced to disk:
what is here is of use for a minute. A torn record, or one from the future, counts as empty, and a lost file
costs some rejections.
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from jobapp.domain.forking import survive_fork
from jobapp.limits.under_way import Me, Members, Owner
from jobapp.pool.shared_room import Part

try:
    import fcntl
except (
    ImportError
):  # Windows has no locks of a few bytes that end with their process; there it is memory only
    fcntl = None  # type: ignore[assignment]

HEAD = struct.Struct("<8sIIQ")
RECORD = struct.Struct("<16sQdII")
FULL = struct.Struct("<d")
DIGEST = 16
WRITTEN = struct.Struct("<QdII")
"""What is written anew with each record, after the digest of its name."""

COUNT_AT = 16
STAMP = struct.Struct("<Q")
SIZE = 4096
"""Bytes of a record, and of the head."""

FULL_AT = SIZE - FULL.size

MAGIC = b"jobroom\x01"
MOST = 200_000
"""Records; beyond, a key is known to this process only."""

PATIENCE = 0.3
"""Seconds to wait for a lock while nobody writes: it is held for microseconds, if no process was stopped."""

LONGEST = 1.0
"""Seconds to wait for one at most, while others have it in turns: the machine is busy."""

BRIEF = 0.002
"""Seconds to wait for one that could not be had, until somebody writes: the thread may run an event loop."""

POLL, LONGEST_POLL = 0.0003, 0.005
"""Seconds between the first two tries, and between later ones at most."""

PAUSE = 1.0
"""Seconds for which the file, or a living process, is not looked at again, and by which clocks may differ."""

RETRY = 30.0
"""Seconds after which a file that could not be used is tried again."""

ADMISSION = 0
"""The byte that is locked while a record is added; each other lock has one of its own."""


_logger = logging.getLogger(__name__)


class RoomTable:
    """The table. Safe in threads and after a fork.

    Attributes:
        waits: Whether a look takes a round trip: it does not.

    Args:
        path: The file; it and its folder are made when first needed.
    """

    waits = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._inode = 0
        self._offsets: dict[str, int] = {}
        self._digests: dict[bytes, int] = {}
        self._is_usable = False  # a file that failed is closed when nobody is in the middle of anything
        self._looked_at = self._retry_at = 0.0
        self._stuck: dict[str, int] = {}  # locks that could not be had, and when the table was written before
        self._alive_at: dict[Owner, float] = {}
        self._told = False
        self._members = Members()
        survive_fork(self)

    def make_locks(self) -> None:
        """Make the lock, and say who this process is; called again in a forked child."""
        self._threads = threading.RLock()
        self._depth = 0
        pid = os.getpid()
        self._me = Owner(pid, _started(pid) or time.time())
        self._members.belong_to(self._me)

    def join(self) -> Me:
        """Return what one who counts by itself in this process is called."""
        return self._members.join()

    def is_alive(self, owner: Owner) -> bool:
        """Return whether a process lives; a second is not too late to learn that it does not."""
        now = time.monotonic()
        if now < self._alive_at.get(owner, 0.0):
            return True
        if not _lives(owner):
            return False
        self._alive_at = {known: until for known, until in self._alive_at.items() if until > now}
        self._alive_at[owner] = now + PAUSE
        return True

    def later(self, work: Callable[[], None]) -> None:
        """Do *work*: at once, for it takes microseconds."""
        work()

    def lock(self, name: str, parts: Sequence[Part] = ()) -> bool:  # noqa: ARG002 - one lock is for all
        """Take the lock of that name; return whether it could be had in a moment."""
        if not self._is_open():
            return False
        if not self._threads.acquire(timeout=PATIENCE):
            return False
        if self._depth or self._lock_byte(name):
            self._depth += 1
            return True
        self._threads.release()
        return False

    def unlock(self, name: str) -> None:
        """Give it back."""
        self._depth -= 1
        if not self._depth:
            with suppress(OSError):  # the file was closed, and the lock is gone with it
                fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, _byte(name))
        self._threads.release()

    def stamp(self, name: str) -> int:
        """Return a number that is another one after each write; needs no lock."""
        try:
            offset = self._offset(name)
            return 0 if offset is None else STAMP.unpack(os.pread(self._fd, 8, offset + 16))[0]
        except (OSError, struct.error) as error:
            self._fail(error)
            return 0

    def read(self, name: str) -> bytes | None:
        """Return what a record holds; ``None`` where it holds nothing, or nothing whole."""
        try:
            offset = self._offset(name)
            found = b"" if offset is None else os.pread(self._fd, SIZE, offset)
        except (OSError, struct.error) as error:
            self._fail(error)
            return None
        if len(found) < RECORD.size:
            return None
        _, _, written_at, length, check = RECORD.unpack_from(found)
        if written_at > time.time() + PAUSE:
            return None  # the clock was set back
        numbers = found[RECORD.size : RECORD.size + length]
        return numbers if length and length % 8 == 0 and zlib.crc32(numbers) == check else None

    def write(self, name: str, numbers: bytes, stamp: int) -> int:
        """Replace what a record holds, whose *stamp* was read under this lock; return the new one."""
        try:
            offset = self._offset(name)
            if offset is None or len(numbers) > FULL_AT - RECORD.size:
                return 0
            stamp = max(0, stamp) + 1
            head = WRITTEN.pack(stamp, time.time(), len(numbers), zlib.crc32(numbers))
            os.pwrite(self._fd, head + numbers, offset + DIGEST)
        except (OSError, struct.error) as error:
            self._fail(error)
            return 0
        return stamp

    def full_until(self, name: str) -> float:
        """Return until when the key of a record is full, as the last one found who looked; 0 for free."""
        try:
            offset = self._known_offset(name)
            return 0.0 if offset is None else FULL.unpack(os.pread(self._fd, FULL.size, offset + FULL_AT))[0]
        except (OSError, struct.error) as error:
            self._fail(error)
            return 0.0

    def tell_full(self, name: str, until: float) -> None:
        """Tell it; eight bytes in their place are written whole."""
        try:
            if (offset := self._known_offset(name)) is not None:
                os.pwrite(self._fd, FULL.pack(until), offset + FULL_AT)
        except OSError as error:
            self._fail(error)

    def forget(self) -> None:
        """Empty all records."""
        if not self._is_open():
            return
        try:
            for offset in range(SIZE, (self._count() + 1) * SIZE, SIZE):
                digest, stamp, *_ = RECORD.unpack(os.pread(self._fd, RECORD.size, offset))
                os.pwrite(self._fd, RECORD.pack(digest, stamp + 1, 0.0, 0, 0), offset)
                os.pwrite(self._fd, FULL.pack(0.0), offset + FULL_AT)
        except (OSError, struct.error) as error:
            self._fail(error)

    def _is_open(self) -> bool:
        """Return whether the file can be used; one that was deleted is made anew."""
        now = time.monotonic()
        if now < self._looked_at + PAUSE and self._is_usable:
            return True
        if fcntl is None or now < self._retry_at:
            return False
        with self._threads:
            if not self._depth:
                try:
                    self._open_again(now)
                except OSError as error:
                    self._fail(error)
        return self._is_usable

    def _open_again(self, now: float) -> None:
        self._looked_at = now
        with suppress(FileNotFoundError):
            if self._is_usable and self._path.stat().st_ino == self._inode:
                return
        self._is_usable = False
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._offsets, self._digests = -1, {}, {}
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._inode = os.fstat(self._fd).st_ino
        if not self._lock_byte(""):
            raise TimeoutError("another process is making it")
        try:
            magic, size, _, _ = HEAD.unpack(os.pread(self._fd, HEAD.size, 0).ljust(HEAD.size, b"\0"))
            if (magic, size) != (MAGIC, SIZE):
                os.ftruncate(self._fd, 0)
                os.pwrite(self._fd, HEAD.pack(MAGIC, SIZE, 0, 0), 0)
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, ADMISSION)
        self._is_usable = True

    def _fail(self, error: Exception) -> None:
        """Go on from memory for a while; a file that was cut short is begun anew soon."""
        self._is_usable = False
        self._retry_at = time.monotonic() + (PAUSE if isinstance(error, struct.error) else RETRY)
        if not self._told:
            self._told = True
            _logger.debug("The room of keys in %s is not shared: %s.", self._path, error)

    def _lock_byte(self, name: str) -> bool:
        try:
            if not (self._try_byte(name) or self._wait_for_byte(name)):
                return False
        except OSError as error:
            self._fail(error)
            return False
        self._stuck.pop(name, None)
        return True

    def _try_byte(self, name: str) -> bool:
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(name))
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _wait_for_byte(self, name: str) -> bool:
        """Wait for a lock, longer while others write; a holder that was stopped keeps nobody for long."""
        began, poll, written_at = time.monotonic(), POLL, self._written_at()
        until = began + (BRIEF if self._stuck.get(name) == written_at else PATIENCE)
        while not self._try_byte(name):
            now = time.monotonic()
            if now >= until:
                before, written_at = written_at, self._written_at()
                if written_at == before or now >= began + LONGEST:
                    self._stuck[name] = written_at
                    return False
                until = now + PATIENCE
            time.sleep(poll)
            poll = min(2 * poll, LONGEST_POLL)
        return True

    def _written_at(self) -> int:
        """Return when any record was written last, as the file system tells."""
        return os.fstat(self._fd).st_mtime_ns

    def _count(self) -> int:
        return min(MOST, int(STAMP.unpack(os.pread(self._fd, 8, COUNT_AT))[0]))

    def _known_offset(self, name: str) -> int | None:
        """Return where a record is; ``None`` where it is missing, or the file can't be used."""
        if not self._is_usable:
            return None
        offset = self._offsets.get(name)
        if offset is None:
            with self._threads:
                offset = self._find(_digest(name))
            if offset is not None:
                self._offsets[name] = offset
        return offset

    def _offset(self, name: str) -> int | None:
        """Return where a record is; one that is missing is added."""
        found = self._known_offset(name)
        if found is not None or not self._is_usable:
            return found
        digest = _digest(name)
        with self._threads:
            if self._lock_byte(""):
                try:
                    found = self._find(digest) or self._add(digest)
                finally:
                    fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, ADMISSION)
        if found is not None:
            self._offsets[name] = found
        return found

    def _find(self, digest: bytes) -> int | None:
        """Return where the record of that digest is, the new ones of other processes included."""
        known, count = len(self._digests), self._count()
        for number in range(known + 1, count + 1):
            self._digests[os.pread(self._fd, 16, number * SIZE)] = number * SIZE
        return self._digests.get(digest)

    def _add(self, digest: bytes) -> int | None:
        number = self._count() + 1
        if number > MOST:
            return None
        os.ftruncate(self._fd, (number + 1) * SIZE)
        os.pwrite(self._fd, RECORD.pack(digest, 0, 0.0, 0, 0), number * SIZE)
        os.pwrite(self._fd, STAMP.pack(number), COUNT_AT)
        self._digests[digest] = number * SIZE
        return number * SIZE


@cache
def _byte(name: str) -> int:
    return 1 + zlib.crc32(name.encode()) if name else ADMISSION


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=16).digest()


def _started(pid: int) -> float | None:
    """Return when a process started, in ticks since the machine did; ``None`` where that can't be told."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        return float(text.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def _lives(owner: Owner) -> bool:
    try:
        os.kill(int(owner.pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    started = _started(int(owner.pid))
    return started is None or started == owner.started
