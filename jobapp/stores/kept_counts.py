"""What was used in days and months, kept where other processes and the next run find it.

A call only counts in memory, in the ledger. A thread of its own brings what is new to the place within
:data:`PERIOD`, so that a killed process loses no more than that, and ends when there is nothing to bring.
What it was not sure to have written it brings again under the same number (:mod:`jobapp.limits.counts`), so
nothing is lost and nothing counted twice.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
from abc import ABC, abstractmethod
from typing import ClassVar
from weakref import WeakSet

from jobapp.domain.clock import Clock
from jobapp.domain.forking import survive_fork
from jobapp.limits.ledger import Ledger
from jobapp.stores.outage import Outage

PERIOD = 1.0
"""Seconds after which what was counted is written, and what others wrote is read."""

LONGEST_PERIOD = 30.0
"""Seconds between two tries to write while the place can't be written."""

SHARE = 20
"""A write that takes longer than this part of the period makes the period longer."""


class KeptCounts(ABC):
    """A place for counts, and the ledger that it keeps.

    Args:
        clock: The time.
        outage: What is amiss with the place.

    Attributes:
        ledger: What is counted.
    """

    faults: ClassVar[tuple[type[Exception], ...]]
    """What is raised where the place can't be read or written now."""

    def __init__(self, clock: Clock, outage: Outage) -> None:
        self._clock = clock
        self._outage = outage
        self._look_at = -PERIOD
        self._period = PERIOD
        self.ledger = Ledger(self._write_soon)
        _kept.add(self)
        survive_fork(self)

    def make_locks(self) -> None:
        """Make the locks; called again in a forked child, which counts as another writer."""
        self._busy = threading.Lock()  # held while the place is read or written
        self._waking = threading.Lock()
        self._is_awake = False  # whether the writing thread is at work
        self.ledger.begin_anew()
        _write_at_the_end()

    @abstractmethod
    def _read_news(self) -> None:
        """Let the ledger learn what others counted, if anything changed."""

    @abstractmethod
    def _bring(self) -> None:
        """Add what is new, and let the ledger learn what is there now."""

    @property
    def is_due(self) -> bool:
        """Return whether others may have counted since the place was looked at."""
        return self._clock.monotonic() - self._look_at >= PERIOD

    def look(self) -> None:
        """Read what others counted."""
        self._look_at = self._clock.monotonic()
        if not self._busy.acquire(blocking=False):
            return
        try:
            self._read_news()
            self._outage.end("read")
        except self.faults as error:
            self._outage.begin("read", error)
        finally:
            self._busy.release()

    def write(self) -> None:
        """Write what was counted, if anything was; on failure it stays in memory, and is tried again."""
        if not self.ledger.is_unwritten:
            return
        began = time.monotonic()
        try:
            with self._busy:
                self._bring()
                if self.ledger.is_unwritten:  # what was counted since a batch that had failed
                    self._bring()
            self._outage.end("written")
            self._period = max(PERIOD, SHARE * (time.monotonic() - began))
        except self.faults as error:
            self._outage.begin("written", error)
            self._period = min(2 * self._period, LONGEST_PERIOD)

    def finish(self) -> None:
        """Write what is not written yet, if that is possible now: the process ends."""
        self.write()

    def _write_soon(self) -> None:
        """Let a thread write within the period, unless one does."""
        with self._waking:
            if self._is_awake:
                return
            self._is_awake = True
        threading.Thread(target=self._write_on, name="jobapp-counts", daemon=True).start()

    def _write_on(self) -> None:
        while not self._may_end():
            time.sleep(self._period)
            self.write()

    def _may_end(self) -> bool:
        with self._waking:
            self._is_awake = self.ledger.is_unwritten
            return not self._is_awake


_kept: WeakSet[KeptCounts] = WeakSet()


def finish_all() -> None:
    """Write what is not written yet: the process ends."""
    for counts in list(_kept):
        counts.finish()


def _write_at_the_end() -> None:
    """Let nothing be lost at the end of this process, which may be one of multiprocessing's children."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, finish_all, exitpriority=0)


atexit.register(finish_all)
