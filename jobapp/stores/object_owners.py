"""Which key made which object of a provider: a file of lines beside the quota state.

A line is ``<epoch seconds> <fingerprint> <id>``. It is only ever appended to, so that processes need no lock
for what they learn; it is rewritten, without what is too old or too much, once it has grown to twice its
length. A lost line costs one request that the provider does not find.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from jobapp.domain.clock import Clock
from jobapp.domain.forking import survive_fork
from jobapp.stores import atomic_file

FILE_NAME = "api_objects.txt"
MOST = 10_000
"""Objects that are remembered, the newest."""
MONTH = 30 * 86_400.0
"""Seconds for which an object is remembered."""
LINE = 160
"""Bytes of a line at most, about."""

logger = logging.getLogger(__name__)


class ObjectOwners:
    """Remembers whose an object is. Safe in threads and between processes; a disk that fails costs no call.

    Args:
        path: The file; ``None`` to remember in this process alone.
        clock: The time.
    """

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._owners: dict[str, tuple[float, str]] = {}
        self._read_up_to = 0
        self._warned = False
        survive_fork(self)

    def make_locks(self) -> None:
        """Make the lock; called again in a forked child."""
        self._lock = threading.Lock()

    def of(self, ids: Iterable[str]) -> str | None:
        """Return the fingerprint of the key that made the first of *ids* that is known."""
        with self._lock:
            for each in ids:
                if each not in self._owners:
                    self._read_news()
                if each in self._owners:
                    return self._owners[each][1]
        return None

    def add(self, ids: Iterable[str], fingerprint: str) -> None:
        """Remember that the key of *fingerprint* made *ids*."""
        now = self._clock.now().timestamp()
        with self._lock:
            new = [each for each in ids if each not in self._owners and len(each) < LINE - 40]
            self._owners.update((each, (now, fingerprint)) for each in new)
            if new:
                self._append("".join(f"{now:.0f} {fingerprint} {each}\n" for each in new))

    def _append(self, lines: str) -> None:
        if self._path is None:
            self._forget_old()
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, lines.encode())
                is_long = os.fstat(descriptor).st_size > 2 * MOST * LINE
            finally:
                os.close(descriptor)
            if is_long:
                self._rewrite()
        except OSError as error:
            self._warn(error)

    def _read_news(self) -> None:
        """Take over what other processes appended."""
        if self._path is None:
            return
        try:
            with self._path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(self._read_up_to if size >= self._read_up_to else 0)
                news = file.read()
                self._read_up_to = file.tell() - len(news) + news.rfind(b"\n") + 1
        except FileNotFoundError:
            return
        except OSError as error:
            self._warn(error)
            return
        for line in news.decode(errors="replace").splitlines():
            self._take(line)
        self._forget_old()

    def _take(self, line: str) -> None:
        at, _, rest = line.partition(" ")
        fingerprint, _, id_ = rest.partition(" ")
        if at.isdecimal() and id_:
            self._owners.setdefault(id_, (float(at), fingerprint))

    def _forget_old(self) -> None:
        oldest = self._clock.now().timestamp() - MONTH
        if len(self._owners) > MOST:
            newest = sorted(self._owners.items(), key=lambda item: item[1][0])[-MOST:]
            self._owners = {id_: owner for id_, owner in newest if owner[0] >= oldest}

    def _rewrite(self) -> None:
        assert self._path is not None  # noqa: S101 - only a file is rewritten
        self._read_news()
        self._forget_old()
        lines = "".join(f"{at:.0f} {fingerprint} {id_}\n" for id_, (at, fingerprint) in self._owners.items())
        atomic_file.replace(self._path, lines.encode(), None)
        self._read_up_to = 0

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("which key made which object can't be kept in %s: %s", self._path, error)
