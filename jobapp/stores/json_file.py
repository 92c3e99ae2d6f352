"""The state in a file that every process of one machine shares.

A write takes the lock, reads what others wrote, merges, and replaces the file; when :meth:`JSONFileStore.add`
returns, the block is on disk. A reader never sees half a file, and notices a change by one ``stat``.

A lock that another process holds for longer than a write takes (it was stopped, or its disk is slow) costs
one caller :data:`PATIENCE`. From then on a thread of the store's own waits for it, and writes what is learnt
meanwhile too; callers go on from memory. It is a daemon: no process waits for it at its end.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from jobapp.domain.clock import Clock
from jobapp.domain.forking import survive_fork
from jobapp.domain.types import Block
from jobapp.stores import atomic_file
from jobapp.stores.codec import VERSION, encode
from jobapp.stores.counts_file import open_counts
from jobapp.stores.outage import Outage, not_written
from jobapp.stores.room_table import RoomTable
from jobapp.stores.snapshot import MAX_BYTES, OnDisk, load
from jobapp.stores.state import NOTHING, ClockJumps, QuotaState, Reset, believable

FILE_NAME = "api_key_state.json"

BRIEF = timedelta(seconds=5)
"""A block shorter than this is not worth a write: it stays in the memory of its process."""

MAX_BLOCKS = 100_000
"""More blocks than this are not kept in a file: the expired go first, then those that end first."""

PATIENCE = 1.0
"""Seconds that a caller waits for another process's write."""

TURN = 0.05
"""Seconds after which a caller looks whether the thread before it is still writing, or waits itself."""

RETRY = 30.0
"""Seconds after a failed write until a call tries again that has learnt nothing itself."""

ADVICE = "Make the folder writable for this user, or set state.url or JOBAPP_CACHE_DIR to another place."

_logger = logging.getLogger(__name__)


class _NewerFormError(Exception):
    """The file was written by a later jobapp: it must not be written over."""


_WRITE_ERRORS = (OSError, NotImplementedError, _NewerFormError)  # filelock's word for a disk without locks


class JSONFileStore:
    """The default store.

    Args:
        path: The file. A symbolic link is followed once, now: its target is the file, and lock and
            temporary files are made beside the target.
        clock: The time.
        lock_timeout: Seconds after which another process's write is taken for one that never ends.
    """

    def __init__(self, path: Path, clock: Clock, *, lock_timeout: float = 10.0) -> None:
        self.path = Path(os.path.realpath(path.expanduser()))
        self._file = str(self.path)
        self._clock = clock
        self._lock_timeout = lock_timeout
        self._outage = Outage(_logger, self._file, ADVICE)
        self.room = RoomTable(self.path.with_suffix(".room"))
        """What is used of each key, beside it."""
        self._counts = open_counts(self.path.with_suffix(".counts.json"), clock)
        self.ledger = self._counts.ledger
        """What was used in days and months, beside it too."""
        self._disk = OnDisk()
        self._jumps = ClockJumps(clock.now(), clock.monotonic())
        self._retry_at = clock.monotonic()
        self._brief = NOTHING
        self._unwritten = NOTHING
        self._state = NOTHING
        self._first_write = True
        survive_fork(self)

    def make_locks(self) -> None:
        """Make the locks; called again in a forked child, where no late writer is."""
        self._memory = threading.RLock()
        self._writing = threading.Lock()  # held during a write, and taken before _memory
        self._is_writing = False  # whether the lock of the file is ours; changed with _writing held
        self._is_late = False  # whether the late writer is at work; changed with _memory held

    @property
    def unwritten(self) -> bool:
        """Return whether something was learnt that could not be written yet."""
        return not self._unwritten.is_empty

    @property
    def stale(self) -> bool:
        """Return whether others may have counted, or what could not be written is worth another try.

        A view itself looks at the file for blocks.
        """
        return self._counts.is_due or self._is_to_be_written()

    def _is_to_be_written(self) -> bool:
        is_due = self._unwritten is not NOTHING and not self._is_late
        return is_due and self._clock.monotonic() >= self._retry_at

    def refresh(self) -> None:
        """Read what others counted; write what could not be written before, if that is possible now."""
        if self._counts.is_due:
            self._counts.look()
        if self._is_to_be_written():
            self._flush()

    def view(self) -> QuotaState:
        """Return what is known, another process's news included; the same object while nothing changed."""
        now = self._clock.now()
        try:
            self._believe(now)
            if atomic_file.signature_of(self._file) != self._disk.signature:
                self._read()
            if self._outage:
                self._outage.end("read")
        except OSError as error:
            self._outage.begin("read", error)
        return self._state

    def add(self, blocks: Iterable[Block]) -> None:
        """Remember *blocks*; when this returns, those of 5 s and longer are on disk."""
        now = self._clock.now()
        self._believe(now)
        brief: list[Block] = []
        lasting: list[Block] = []
        for block in (believable(block, now) for block in blocks):
            (brief if block.until - block.since < BRIEF else lasting).append(block)
        with self._memory:
            self._brief = self._brief.swept(now).with_blocks(brief)
            self._unwritten = self._unwritten.with_blocks(lasting)
            self._adopt(self._disk)
        if lasting:
            self._flush()

    def reset(self, reset: Reset) -> tuple[Block, ...]:
        """End what *reset* covers and return what was ended, expired blocks included.

        Raises:
            StateStoreError: It could not be written; it holds in this process only.
        """
        known = self.view()
        with self._memory:
            self._brief = self._brief.with_reset(reset)
            self._unwritten = self._unwritten.with_reset(reset)
            self._adopt(self._disk)
        self._flush(patience=self._lock_timeout)
        self.room.forget()
        if self.unwritten:
            raise not_written(f"the file {self.path}")
        return tuple(block for block in known if reset.covers(block))

    def sweep(self, provider: str, now: datetime) -> None:
        """Drop the blocks of *provider* that are of no use any more; write nothing where there are none."""
        known = self.view()
        if known.swept(now, provider) is not known or self._disk.outdated:
            self._flush(swept=provider)

    def flush(self) -> None:
        """Write what is not written yet, if that is possible now."""
        self._flush()
        self._counts.finish()

    def close(self) -> None:
        """Do so; the store stays usable."""
        self.flush()

    def _read(self) -> None:
        """Read what others wrote."""
        now = self._clock.now()
        with self._memory:
            self._brief, self._unwritten = self._brief.believed(now), self._unwritten.believed(now)
            self._adopt(self._load())
        if self._disk.faults:
            self._repair(self._disk.faults)

    def _load(self) -> OnDisk:
        return load(self._file, self._disk, self._clock)

    def _adopt(self, disk: OnDisk) -> None:
        """Take *disk* for what the file holds; _memory is held."""
        self._disk = disk
        self._state = disk.state.merged(self._unwritten).merged(self._brief)

    def _believe(self, now: datetime) -> None:
        """Look at all that is known anew if the clock was set: back, or right again."""
        if self._jumps.seen(now, self._clock.monotonic()):
            self._look_again()

    def _look_again(self) -> None:
        """Let the file be read even if it has not changed."""
        with self._memory:
            self._disk = replace(self._disk, signature=atomic_file.UNREAD)

    def _flush(self, swept: str | None = None, patience: float = PATIENCE) -> None:
        """Write what is not written yet; on failure it stays in memory.

        Args:
            swept: The provider whose blocks of no use are dropped.
            patience: Seconds to wait for a lock; none while something is amiss, so that not every call waits.
        """
        if self._is_late:
            return
        try:
            self._write_within(0 if self._outage else min(patience, self._lock_timeout), swept)
        except TimeoutError as error:
            if self._outage or patience >= self._lock_timeout:
                self._failed(error)
            else:
                self._write_late()
        except _WRITE_ERRORS as error:
            self._failed(error)
        else:
            self._outage.end("written")

    def _write_within(self, seconds: float, swept: str | None = None) -> None:
        with self._turn(seconds):
            if self.unwritten or swept is not None:
                with atomic_file.locked(self.path, seconds):
                    self._write(swept)

    @contextmanager
    def _turn(self, seconds: float) -> Iterator[None]:
        """Hold the writing; it is waited for while the thread before writes, and does not wait itself."""
        until = time.monotonic() + seconds
        while not self._writing.acquire(timeout=min(seconds, TURN)):
            if not self._is_writing or time.monotonic() >= until:
                raise TimeoutError("another thread is still writing it")
        try:
            yield
        finally:
            self._writing.release()

    def _failed(self, error: BaseException) -> None:
        self._retry_at = self._clock.monotonic() + RETRY
        self._outage.begin("written", error)

    def _write_late(self) -> None:
        """Let a thread wait for the lock, unless one does."""
        with self._memory:
            if self._is_late:
                return
            self._is_late = True
        threading.Thread(target=self._write_all, name="jobapp-late-writer", daemon=True).start()

    def _write_all(self) -> None:
        try:
            while not self._is_done():
                with (
                    _held(self._writing, self._lock_timeout),
                    atomic_file.locked(self.path, self._lock_timeout),
                ):
                    self._write()
        except _WRITE_ERRORS as error:
            self._failed(error)
            self._is_late = False

    def _is_done(self) -> bool:
        """Return whether nothing is left to write; the late writer is then no more."""
        with self._memory:
            self._is_late = self.unwritten
            return not self._is_late

    def _repair(self, faults: tuple[str, ...]) -> None:
        """Set a broken file aside, unless another process is writing, which does the same."""
        try:
            with _held(self._writing, 0), atomic_file.locked(self.path, 0):
                self._write()
        except TimeoutError:
            self._look_again()
        except _WRITE_ERRORS as error:
            self._outage.begin("read", f"{faults[0]}, and it can't be set aside: {error}")

    def _write(self, swept: str | None = None) -> None:
        """Merge what is in the file with what is not written yet; the lock is held."""
        self._is_writing = True
        try:
            self._merge(swept)
        finally:
            self._is_writing = False

    def _merge(self, swept: str | None) -> None:
        with self._memory:
            disk, batch = self._load(), self._unwritten
        now = self._clock.now()
        if disk.version > VERSION:
            raise _NewerFormError(f"its form, version {disk.version}, is that of a newer jobapp")
        state = disk.state.merged(batch)
        if swept is not None:
            state = state.swept(now, swept)
        state = state.bounded(now, MAX_BLOCKS)
        if state is not disk.state or disk.outdated or disk.faults:
            disk = self._replace(disk, state, now)
        else:
            atomic_file.sync_folder(self.path.parent)  # its writer may have died before it did
        with self._memory:
            if self._unwritten is batch:
                self._unwritten = NOTHING
            self._adopt(disk)

    def _replace(self, disk: OnDisk, state: QuotaState, now: datetime) -> OnDisk:
        content = encode(state, now)
        if len(content) > MAX_BYTES:
            raise OSError(errno.EFBIG, f"it would be larger than {MAX_BYTES} bytes")
        if self._first_write:
            atomic_file.remove_leftovers(self.path)
            self._first_write = False
        if disk.faults:
            with self._set_aside(disk, now):
                signature = atomic_file.replace(self.path, content, disk.signature)
        else:
            signature = atomic_file.replace(self.path, content, disk.signature)
        return OnDisk(signature, state)

    @contextmanager
    def _set_aside(self, disk: OnDisk, now: datetime) -> Iterator[None]:
        """Rename the broken file for as long as its place is being filled, and for good if it was."""
        aside = atomic_file.move_aside(self.path, f".broken-{now:%Y%m%dT%H%M%SZ}")
        try:
            yield
        except BaseException:
            with suppress(OSError):
                aside.rename(self.path)
            raise
        _logger.warning(
            "The quota state in %s is broken: %s. It was set aside as %s; what could be read holds on.",
            self.path,
            "; ".join(disk.faults[:3]),
            aside.name,
        )


@contextmanager
def _held(lock: threading.Lock, timeout: float) -> Iterator[None]:
    if not lock.acquire(timeout=timeout):
        raise TimeoutError("another thread is still writing it")
    try:
        yield
    finally:
        lock.release()
