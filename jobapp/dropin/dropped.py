"""Answers that nobody read to their end, nor closed: their room is given back when they are let go.

Python's collector lets them go in the middle of anything, where no lock may be waited for. So a thread gives
the room back, soon, for calls of this process and of others may be waiting for it.
"""

from __future__ import annotations

import logging
import threading
import weakref
from queue import SimpleQueue
from typing import Any

from jobapp.domain.forking import survive_fork
from jobapp.dropin.bodies import Watch

logger = logging.getLogger(__name__)


class Dropped:
    """Gives back the room of answers that were let go; its thread starts with the first answer."""

    def __init__(self) -> None:
        survive_fork(self)

    def make_locks(self) -> None:
        """Start anew in a forked child: what the parent is answered is none of its business."""
        self._lock = threading.Lock()
        self._gone: SimpleQueue[Watch] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def follow(self, stream: Any, watch: Watch) -> None:
        """Let *watch* hear when *stream* is let go before its end."""
        if self._thread is None:
            self._start()
        weakref.finalize(stream, _tell, watch, self._gone).atexit = False

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(
                    target=_give_back, args=(self._gone,), name="jobapp-dropped", daemon=True
                )
                thread.start()
                self._thread = thread


def _tell(watch: Watch, gone: SimpleQueue[Watch]) -> None:
    if not watch.is_over:
        gone.put(watch)


def _give_back(gone: SimpleQueue[Watch]) -> None:
    while True:
        try:
            gone.get().drop()
        except Exception:
            logger.exception("what hears of events failed")


dropped = Dropped()
"""The one of this process."""
