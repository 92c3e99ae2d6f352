"""Objects with locks that must work in a child process too.

A fork copies the memory as it is in that instant, other threads' half-done work included, and their locks,
which nobody will ever release. So a child makes all locks anew, and one that guards what must be whole, held
for moments only, is taken before a fork and released after it: no thread is then in the middle of anything.
"""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakSet

PATIENCE = 1.0
"""Seconds that a fork waits for one lock at most."""


class Forkable(Protocol):
    """Something that holds locks."""

    def make_locks(self) -> None:
        """Replace the locks: a thread that held one does not exist in the child."""
        ...


class Guarded(Forkable, Protocol):
    """Something that one lock, held for moments only, keeps whole."""

    _lock: threading.RLock


_forkables: WeakSet[Forkable] = WeakSet()
_guarded: WeakSet[Guarded] = WeakSet()
_taken: list[threading.RLock] = []


def survive_fork(forkable: Forkable) -> None:
    """Make the locks of *forkable*, now and anew in every child."""
    forkable.make_locks()
    _forkables.add(forkable)


def stay_whole_in_forks(guarded: Guarded) -> None:
    """Do so, and let no fork come while its lock is held."""
    survive_fork(guarded)
    _guarded.add(guarded)


def _take() -> None:
    locks = [guarded._lock for guarded in list(_guarded)]  # noqa: SLF001 (the protocol's)
    _taken.extend(lock for lock in locks if lock.acquire(timeout=PATIENCE))


def _release() -> None:
    while _taken:
        _taken.pop().release()


def _renew() -> None:
    _taken.clear()
    for forkable in list(_forkables):
        forkable.make_locks()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_take, after_in_parent=_release, after_in_child=_renew)
