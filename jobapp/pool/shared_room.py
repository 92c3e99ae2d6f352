"""What the processes of a fleet know of a key together. No I/O: the table does it.

A *record* is all that is known of one key for one model (its limits, what is used and reserved, who probes),
of what the keys of a model have in common, or of a budget, as a row of numbers. The objects of this process
are working copies. A process that looks at a key takes over what others wrote since; one that reserves room
or settles *holds* the key: under the lock of its provider it takes over, decides, and writes back. So two
processes never take the same room, whatever each of them believed before::

    hold:  lock -> take over what is newer -> (the caller decides) -> write what has changed -> unlock

Where there is no table, or its lock can't be had in a moment, this process goes on with its copies.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from jobapp.limits.numbers import Numbered
from jobapp.limits.under_way import Me, Owner
from jobapp.pool.key_state import KeyState


class Table(Protocol):
    """Records that several processes read and write."""

    def join(self) -> Me:
        """Return what one who counts by itself in this process is called."""
        ...

    def is_alive(self, owner: Owner) -> bool:
        """Return whether a process lives; where that can't be told, it does."""
        ...

    def lock(self, name: str) -> bool:
        """Take the lock of that name; return whether it could be had in a moment."""
        ...

    def unlock(self, name: str) -> None:
        """Give it back."""
        ...

    def stamp(self, name: str) -> int:
        """Return a number that is another one after each write; needs no lock."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return what a record holds; ``None`` where it holds nothing, or nothing whole."""
        ...

    def write(self, name: str, numbers: bytes, stamp: int) -> None:
        """Replace what a record holds, and its stamp."""
        ...


UNSEEN = -1


ALONE: AbstractContextManager[None] = nullcontext()
"""What is held where nothing is shared: it costs next to nothing."""


class Part:
    """One record, and the working copy of it.

    Args:
        name: What it is called in the table.
        copy: The object that goes by it.
    """

    __slots__ = ("copy", "known", "name", "seen")

    def __init__(self, name: str, copy: Numbered) -> None:
        self.name = name
        self.copy = copy
        self.seen = UNSEEN
        self.known = b""


class SharedRoom:
    """The records of one provider's keys.

    Args:
        provider: Its name.
        table: Where they are; ``None`` where nothing is shared.
    """

    def __init__(self, provider: str, table: Table | None) -> None:
        self._provider = provider
        self._table = table
        self.me = Me() if table is None else table.join()

    def hold(self, state: KeyState) -> AbstractContextManager[None]:
        """Decide on a key while no other process does."""
        return ALONE if self._table is None else self._held(self._table, state)

    @contextmanager
    def _held(self, table: Table, state: KeyState) -> Iterator[None]:
        if not table.lock(self._provider):
            yield
            return
        try:
            self._take_over(table, state)
            yield
            for part in state.parts:
                _write(table, part)
        finally:
            table.unlock(self._provider)

    def look(self, state: KeyState) -> None:
        """Take over what other processes wrote of a key, if they wrote anything."""
        table = self._table
        if table is None or not any(_is_news(table, part) for part in state.parts):
            return
        if table.lock(self._provider):
            try:
                self._take_over(table, state)
            finally:
                table.unlock(self._provider)

    def _take_over(self, table: Table, state: KeyState) -> None:
        news = [_read(table, part) for part in state.parts]
        if not any(news):
            return
        dead = [owner for owner in state.owners() if not table.is_alive(owner)]
        for owner in dead:
            state.write_off(owner)


def _is_news(table: Table, part: Part) -> bool:
    return table.stamp(part.name) != part.seen


def _read(table: Table, part: Part) -> bool:
    """Take over what is newer; return whether there was anything."""
    stamp = table.stamp(part.name)
    if stamp == part.seen:
        return False
    part.seen = stamp
    found = table.read(part.name)
    if found is None or found == part.known:
        return False
    numbers: Sequence[float] = array("d", found)
    try:
        part.copy.take_over(iter(numbers))
    except (ValueError, StopIteration):
        return False  # of another form: it is written over
    part.known = found
    return True


def _write(table: Table, part: Part) -> None:
    numbers = array("d", part.copy.numbers()).tobytes()
    if numbers != part.known:
        part.seen += 1
        table.write(part.name, numbers, part.seen)
        part.known = numbers
