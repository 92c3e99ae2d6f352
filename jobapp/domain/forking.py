"""Objects with locks that must work in a child process too.

A fork copies the memory as it is in that instant, other threads' half-done work included, and their locks,
which nobody will ever release. So a child makes all locks anew, and one that guards what must be whole, held
for moments only, is taken before a fork and released after it: no thread is then in the middle of anything.

An import has a lock too, Python's own, and leaves a module half made: an SDK is imported at the first call,
for a second perhaps. So a fork waits until no other thread imports what this library asked for.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from types import FrameType
from typing import Any, Protocol
from weakref import WeakSet

PATIENCE = 10.0
"""Seconds that a fork waits for locks, and for other threads' imports, at most."""

POLL = 0.002
"""Seconds between two looks at them."""


class Forkable(Protocol):
    """Something that holds locks."""

    def make_locks(self) -> None:
        """Replace the locks: a thread that held one does not exist in the child."""
        ...


class Guarded(Forkable, Protocol):
    """Something that one lock, held for moments only, keeps whole."""

    _lock: Any


_PACKAGE = f"{__name__.partition('.')[0]}."

_forkables: WeakSet[Forkable] = WeakSet()
_guarded: WeakSet[Guarded] = WeakSet()


def survive_fork(forkable: Forkable) -> None:
    """Make the locks of *forkable*, now and anew in every child."""
    forkable.make_locks()
    _forkables.add(forkable)


def stay_whole_in_forks(guarded: Guarded) -> None:
    """Do so, and let no fork come while its lock is held."""
    survive_fork(guarded)
    _guarded.add(guarded)


def is_importing() -> bool:
    """Return whether another thread is in the middle of an import of ours.

    A program may run within an import of its own for as long as it lives; that is not waited for.
    """
    me = threading.get_ident()
    return any(map(_imports, (frame for thread, frame in sys._current_frames().items() if thread != me)))  # noqa: SLF001 - documented


def _imports(frame: FrameType | None) -> bool:
    imports = False
    while frame is not None:
        imports = imports or frame.f_code.co_filename == "<frozen importlib._bootstrap>"
        if imports and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
            return True
        frame = frame.f_back
    return False


class _Forks:
    """What one fork at a time remembers of the time before it."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.taken: list[Any] = []
        self.switch_interval = sys.getswitchinterval()


_forks = _Forks()


def _before() -> None:
    """Take the locks when nobody imports; from the last look to the fork no other thread is to run."""
    _forks.turn.acquire()
    _forks.switch_interval = sys.getswitchinterval()
    until = time.monotonic() + PATIENCE
    while not (_take() and not is_importing()) and time.monotonic() < until:
        _let_go()
        time.sleep(POLL)


def _take() -> bool:
    """Take all locks; return whether they could be had."""
    locks = [guarded._lock for guarded in list(_guarded)]  # noqa: SLF001 (the protocol's)
    _forks.taken.extend(lock for lock in locks if lock.acquire(timeout=POLL))
    sys.setswitchinterval(1.0)
    return len(_forks.taken) == len(locks)


def _let_go() -> None:
    sys.setswitchinterval(_forks.switch_interval)
    while _forks.taken:
        _forks.taken.pop().release()


def _in_parent() -> None:
    _let_go()
    _forks.turn.release()


def _in_child() -> None:
    sys.setswitchinterval(_forks.switch_interval)
    _forks.__init__()  # type: ignore[misc]  # its lock is held, and by a thread that is not here
    for forkable in list(_forkables):
        forkable.make_locks()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
