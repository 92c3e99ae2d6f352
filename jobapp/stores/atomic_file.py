"""Reading and replacing a file that other processes read and replace too."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

Signature = tuple[int, int, int]
"""What tells one content of a file from the next: time of change in nanoseconds, size, inode."""

UNREAD: Signature = (-1, -1, -1)
"""The signature of no content: whoever knows it has to read."""

POLL = 0.01
"""Seconds between two looks at a lock that another process holds."""


def signature_of(path: str) -> Signature | None:
    """Return the signature of the file at *path*, ``None`` where there is none: one system call."""
    try:
        return _signature(os.stat(path))  # noqa: PTH116 - a Path would double the cost, once for each call
    except FileNotFoundError:
        return None


def read(path: str, limit: int) -> tuple[Signature, bytes | None]:
    """Return the file's signature and content; ``None`` where that is larger than *limit* bytes.

    Raises:
        OSError: if it can't be read, or is no regular file.
    """
    # O_NONBLOCK: opening a pipe must not wait for its other end
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor, no path
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        content = file.read(limit + 1) if status.st_size <= limit else None
        return _signature(status), None if content is None or len(content) > limit else content


@contextmanager
def locked(path: Path, timeout: float) -> Iterator[None]:
    """Hold the lock beside *path*, making its folder where it is missing.

    The lock is the operating system's, on the sidecar ``<path>.lock``: it ends with the process that
    holds it, and the sidecar that stays behind means nothing.

    Raises:
        OSError: if it can't be had within *timeout* seconds.
    """
    from filelock import FileLock

    _make_folder(path.parent)
    sidecar = f"{path}.lock"
    if _is_root():
        _make_for_owner(sidecar, path.parent)
    lock = FileLock(sidecar, timeout=timeout, mode=0o600)
    with lock.acquire(poll_interval=POLL):
        yield


def replace(
    path: Path, content: bytes | Iterable[bytes], before: Signature | None, *, mode: int | None = None
) -> Signature:
    """Put *content* in the place of *path*, all of it or nothing; when this returns, it is on disk.

    Args:
        path: The file.
        content: What it shall hold, whole or in parts.
        before: The signature of what it held; the new one differs from it even within one clock tick.
        mode: Who may do what with it; its owner alone where that is left out.

    Returns:
        The new signature.

    Raises:
        OSError: if it could not be written.
    """
    fd, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)  # mode 0600
    try:
        with open(fd, "wb") as file:  # noqa: PTH123 - a descriptor, no path
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            if mode is not None:
                os.chmod(temporary, mode)  # noqa: PTH101 - the pair of mkstemp
            _keep_owner(fd, path)
            _be_newer(temporary, before)
            os.fsync(fd)
            signature = _signature(os.fstat(fd))
        os.replace(temporary, path)  # noqa: PTH105 - the pair of mkstemp
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108 - the pair of mkstemp
        raise
    sync_folder(path.parent)
    return signature


def move_aside(path: Path, suffix: str) -> Path:
    """Rename *path*, by adding *suffix* and where that is taken a number, and return the new path."""
    aside, number = path.with_name(path.name + suffix), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}{suffix}-{number}")
    path.rename(aside)
    sync_folder(path.parent)
    return aside


def remove_leftovers(path: Path) -> None:
    """Remove what writers of *path* that were killed left half-written; the lock must be held."""
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        with suppress(OSError):
            leftover.unlink()


def sync_folder(folder: Path) -> None:
    """Bring the names in *folder* to disk."""
    if os.name == "nt":  # a folder can't be opened there
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _signature(status: os.stat_result) -> Signature:
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _be_newer(path: str, before: Signature | None) -> None:
    """Give *path* a later time of change than *before*: a tick is some ms, and inodes are used again."""
    status = os.stat(path)  # noqa: PTH116 - the pair of mkstemp
    if before is not None and status.st_mtime_ns <= before[0]:
        os.utime(path, ns=(status.st_atime_ns, before[0] + 1))


def _keep_owner(fd: int, path: Path) -> None:
    """Let the file stay its owner's when root replaces it, or be the folder's owner's when root makes it."""
    if _is_root():
        status = path.stat() if path.exists() else path.parent.stat()
        os.fchown(fd, status.st_uid, status.st_gid)


def _make_folder(folder: Path) -> None:
    """Make *folder*, and those above it that are missing, for their owner only."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def _make_for_owner(path: str, folder: Path) -> None:
    """Make the file at *path*, if there is none, for the owner of *folder*."""
    with suppress(FileExistsError):
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.fchown(fd, folder.stat().st_uid, folder.stat().st_gid)
        finally:
            os.close(fd)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
