"""The rejections that no rule knew: a file of JSON lines beside the quota state, one for each form.

It is only ever appended to, so that processes need no lock; once it has grown to twice its length the older
half goes. It holds no key and nothing that a provider quotes of a prompt.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobapp.domain.clock import Clock
from jobapp.domain.forking import survive_fork
from jobapp.stores import atomic_file

FILE_NAME = "unknown_rejections.jsonl"
MOST = 200
"""Forms that are kept, the newest."""
MOST_BYTES = 4 * 1024 * 1024
"""A larger file is none of ours."""

logger = logging.getLogger(__name__)


class UnknownRejections:
    """Keeps each form once. Safe in threads and between processes; a disk that fails costs no call.

    Args:
        path: The file; also its attribute.
        clock: The time.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._known: set[str] | None = None
        survive_fork(self)

    def make_locks(self) -> None:
        """Make the lock; called again in a forked child."""
        self._lock = threading.RLock()

    def note(self, identity: str, row: Mapping[str, Any]) -> bool:
        """Keep *row*, the fields of a rejection, and return whether its form is new here.

        Two processes may both find it new, and both keep it.
        """
        with self._lock:
            if self._known is None:
                self._known = {str(each.get("form")) for each in self._read_or_warn()}
            if identity in self._known:
                return False
            self._known.add(identity)
            self._append({"at": f"{self._clock.now():%Y-%m-%dT%H:%M:%SZ}", "form": identity, **row})
            return True

    def rows(self) -> list[dict[str, Any]]:
        """Return what is kept, the oldest first, each form once; what is no row of ours is left out.

        Raises:
            OSError: The file can't be read.
        """
        try:
            _, content = atomic_file.read(str(self.path), MOST_BYTES)
        except FileNotFoundError:
            return []
        rows = map(_row, (content or b"").decode(errors="replace").splitlines())
        forms = {row["form"]: row for row in rows if row is not None}
        return list(forms.values())[-MOST:]

    def _read_or_warn(self) -> list[dict[str, Any]]:
        try:
            return self.rows()
        except OSError as error:
            self._warn(error)
            return []

    def _append(self, row: Mapping[str, Any]) -> None:
        line = json.dumps(row).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)
            if self._known is not None and len(self._known) > 2 * MOST:
                self._forget_the_older()
        except OSError as error:
            self._warn(error)

    def _forget_the_older(self) -> None:
        rows = self.rows()
        atomic_file.replace(self.path, b"".join(json.dumps(row).encode() + b"\n" for row in rows), None)
        self._known = {row["form"] for row in rows}

    def _warn(self, error: OSError) -> None:
        logger.warning("rejections that no rule knows can't be kept in %s: %s", self.path, error)


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("form"), str) else None
