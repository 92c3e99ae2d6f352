"""Objects with locks that must work in a child process too."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something that holds locks."""

    def make_locks(self) -> None:
        """Replace the locks: a thread that held one does not exist in the child."""
        ...


_forkables: WeakSet[Forkable] = WeakSet()


def survive_fork(forkable: Forkable) -> None:
    """Make the locks of *forkable*, now and anew in every child."""
    forkable.make_locks()
    _forkables.add(forkable)


def _renew() -> None:
    for forkable in list(_forkables):
        forkable.make_locks()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
