"""The file that a batch writes its answers to: appended to, synced within a second, rewritten as a whole.

A line is written with one system call; one that the disk took only in part is cut off again. What a kill or
a power cut left of a last line is cut off by the next run, where the run's manifest shows that the file is
one of ours.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from jobapp.batch.output_rows import StoredRow, read_output
from jobapp.domain.exceptions import ConfigError, OutputError
from jobapp.stores import atomic_file

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


class Stored(NamedTuple):
    """A row of the file, and the byte that it begins at."""

    place: int
    row: StoredRow


class OutputFile:
    """The output of one run; the run has its lock.

    Args:
        path: The file; it is made where it is missing.

    Raises:
        OutputError: It can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        atomic_file.remove_leftovers(path)
        self._fd = _opened(path)
        self._end = os.fstat(self._fd).st_size
        self._fault: OSError | None = None
        self._is_dirty = False

    def append(self, line: bytes) -> int:
        """Write *line* at the end, and return the byte that it begins at.

        Raises:
            OutputError: The disk did not take it, or could not sync an earlier one.
        """
        if self._fault is not None:
            raise self._error(self._fault)
        place = self._end
        try:
            self._write(line)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._fd, place)
            raise self._error(error) from error
        self._end += len(line)
        self._is_dirty = True
        return place

    def sync(self) -> None:
        """Bring to disk what was written, from any thread; a disk that can't is told by what follows."""
        if self._is_dirty:
            self._is_dirty = False
            try:
                os.fsync(self._fd)
            except OSError as error:
                self._fault = error

    def mend(self, torn: int | None) -> None:
        """Cut off a line that begins at *torn*, and end the last one where it is not ended."""
        if torn is not None:
            os.ftruncate(self._fd, torn)
            self._end = torn
        if self._end and os.pread(self._fd, 1, self._end - 1) != b"\n":
            self.append(b"\n")

    def rewrite(self, places: Iterable[int]) -> None:
        """Put the rows that begin at *places*, in this order, in place of the file: all of it, or nothing.

        Raises:
            OutputError: The disk did not take it; the file is as it was.
        """
        try:
            self._rewrite(places)
        except OSError as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Sync and close it.

        Raises:
            OutputError: The disk did not take all of it.
        """
        fd, self._fd = self._fd, -1
        try:
            if fd >= 0:
                os.fsync(fd)
                os.close(fd)
        except OSError as error:
            raise self._error(error) from error
        if self._fault is not None:
            raise self._error(self._fault)

    def _write(self, line: bytes) -> None:
        written = os.write(self._fd, line)
        while written < len(line):  # a full disk, or a line of more than 2 GiB
            written += os.write(self._fd, line[written:])

    def _rewrite(self, places: Iterable[int]) -> None:
        with self.path.open("rb") as old:
            mode = stat.S_IMODE(os.fstat(old.fileno()).st_mode)
            atomic_file.replace(self.path, (_line_at(old, place) for place in places), None, mode=mode)
        os.close(self._fd)
        self._fd = _opened(self.path)
        self._end = os.fstat(self._fd).st_size

    def _error(self, error: OSError) -> OutputError:
        return OutputError(f"{self.path}: can't be written: {error.strerror or error}")


def read_rows(path: Path, *, is_ours: bool) -> Iterator[Stored | int]:
    """Yield the rows of an output, and at its end the place of a torn last line where there is one.

    Args:
        path: The file; where there is none, there are no rows.
        is_ours: Whether a run of ours has begun it, which alone lets a torn line be cut off.

    Raises:
        ConfigError: It is no output of a batch; the text names the line.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        place = 0
        for number, line in enumerate(file, 1):
            row = read_output(line) if line.strip() else None
            if row is not None:
                yield Stored(place, row)
            elif line.strip() and is_ours and not line.endswith(b"\n"):
                yield place
                return
            elif line.strip():
                raise ConfigError(f"{path}:{number}: is no output of a batch; give the run another one")
            place += len(line)


def _line_at(file: IO[bytes], place: int) -> bytes:
    file.seek(place)
    return file.readline()


def _opened(path: Path) -> int:
    try:
        return os.open(path, _FLAGS, 0o666)
    except OSError as error:
        raise OutputError(f"{path}: can't be written: {error.strerror or error}") from error
