"""What this process used and what all used before, until a store has brought the two together. No I/O."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

from jobapp.limits.counts import NO_COUNT, NO_COUNTS, Batch, Count, CountId, Counts


def _nothing() -> None:
    pass


class Ledger:
    """Counts of days and months, the same for all users of one store in a process. Safe in threads.

    Args:
        wake: Is called when there is something to write after there was nothing.

    Attributes:
        version: Another number after each change.
    """

    def __init__(self, wake: Callable[[], None] = _nothing) -> None:
        self._wake = wake
        self._counts = NO_COUNTS
        self.version = 0
        self.begin_anew()

    def begin_anew(self) -> None:
        """Go on as another writer, in a forked child: what the parent used, the parent writes."""
        self._lock = threading.RLock()
        self._writer, self._number = uuid.uuid4().hex[:16], 0
        self._batch: Batch | None = None
        self._unwritten: dict[CountId, Count] = {}

    def add(self, id_: CountId, used: Count) -> None:
        """Count what was used."""
        with self._lock:
            known = self._unwritten.get(id_)
            self._unwritten[id_] = used if known is None else known.plus(used)
            self.version += 1
        if known is None:
            self._wake()

    def total(self, id_: CountId) -> Count:
        """Return what all processes used, as far as this one knows."""
        with self._lock:
            total = self._counts.totals.get(id_, NO_COUNT)
            if self._batch is not None and id_ in self._batch.used:
                total = total.plus(self._batch.used[id_])
            return total.plus(self._unwritten.get(id_, NO_COUNT))

    @property
    def is_unwritten(self) -> bool:
        """Return whether something was counted that no other process can find yet."""
        return self._batch is not None or bool(self._unwritten)

    def batch(self) -> Batch | None:
        """Return what is to be written next; the same until :meth:`learn` has seen it written."""
        with self._lock:
            if self._batch is None and self._unwritten:
                self._number += 1
                self._batch = Batch(self._writer, self._number, self._unwritten)
                self._unwritten = {}
            return self._batch

    def learn(self, counts: Counts) -> None:
        """Take *counts* for what all processes have written."""
        with self._lock:
            self._counts = counts
            if self._batch is not None and counts.has(self._batch):
                self._batch = None
            self.version += 1
