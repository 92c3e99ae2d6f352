"""What the processes of a fleet know of a key together. No I/O: the table does it.

A *record* is all that is known of one key for one model (its limits, what is used and reserved, who probes),
of what the keys of a model have in common, or of a budget, as a row of numbers. The objects of this process
are working copies. A process that looks at a key takes over what others wrote since; one that reserves room
or settles *holds* the key: under the lock of its provider it takes over, decides, and writes back. So two
processes never take the same room, whatever each of them believed before::

    hold:  lock -> take over what is newer -> (the caller decides) -> write what has changed -> unlock
    look:  take over what is newer

Where there is no table this process goes on with its copies. Where the lock can't be had in a moment it
decides by a look, and what it sent meanwhile is counted at the next hold (:mod:`jobapp.pool.unshared`).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Protocol

from jobapp.limits.numbers import Numbered
from jobapp.limits.under_way import Me, Owner
from jobapp.pool.unshared import Unshared


class Table(Protocol):
    """Records that several processes read and write."""

    def join(self) -> Me:
        """Return what one who counts by itself in this process is called."""
        ...

    def is_alive(self, owner: Owner) -> bool:
        """Return whether a process lives; where that can't be told, it does."""
        ...

    waits: bool
    """Whether a look takes a round trip, so that it is nothing for an event loop's thread."""

    def later(self, work: Callable[[], None]) -> None:
        """Do what nobody waits for: at once, or in a thread where it takes a round trip."""
        ...

    def lock(self, name: str, parts: Sequence[Part]) -> bool:
        """Take the lock of that name, for these records; return whether it could be had in a moment."""
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

    def write(self, name: str, numbers: bytes, stamp: int) -> int:
        """Replace what a record of that *stamp* holds; return its new one, which it never had."""
        ...

    def full_until(self, name: str) -> float:
        """Return what was told last of the key of a record, 0 where nothing was; needs no lock."""
        ...

    def tell_full(self, name: str, until: float) -> None:
        """Tell until when it is full; needs no lock, for it is a hint that costs a look where it is wrong."""
        ...


UNSEEN = -1


EVERY = 0.25
"""Seconds between two looks at a key that calls wait for, where a look takes the lock of all."""

OWN = 1
"""The place among a state's parts of the record that is its own."""

ALONE: AbstractContextManager[bool] = nullcontext(False)
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


class Recorded(Protocol):
    """What goes by several records together: one key for one model.

    Attributes:
        parts: The records; its own is the second.
        unshared: What happened while they could not be had.
        alone: The same, while it happens.
        looked_at: When one who waits looked at them.
    """

    parts: tuple[Part, ...]
    unshared: Unshared | None
    alone: Unshared | None
    looked_at: float

    def go_alone(self) -> None:
        """Note from now on what happens without the records."""
        ...

    def owners(self) -> list[Owner]:
        """Return the other processes that have something under way."""
        ...

    def write_off(self, owner: Owner) -> None:
        """Forget what a dead process has under way."""
        ...


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

    def hold(self, state: Recorded) -> AbstractContextManager[bool]:
        """Decide on a key while no other process does; the context tells whether others had news of it."""
        return ALONE if self._table is None else _Hold(self._table, self._provider, state)

    def look(self, state: Recorded) -> None:
        """Take over what other processes wrote of a key; needs the lock only where one of them has died."""
        table = self._table
        if table is None or table.waits:
            return
        _look(table, state)
        if _dead(table, state):
            with self.hold(state):
                pass

    def look_again(self, state: Recorded, now: float) -> None:
        """Do so for one who waits; where it takes a round trip and the lock, not each time."""
        table = self._table
        if table is None or not table.waits:
            self.look(state)
        elif not state.looked_at <= now < state.looked_at + EVERY:
            state.looked_at = now
            with self.hold(state):
                pass

    def full_until(self, record: str) -> float:
        """Return until when another process found the key of a *record* full; 0 for free."""
        return 0.0 if self._table is None else self._table.full_until(record)

    def tell_full(self, state: Recorded, until: float) -> None:
        """Let other processes know until when a key is full."""
        if self._table is not None:
            self._table.tell_full(state.parts[OWN].name, until)


class _Hold:
    """A key that no other process decides on; no generator, which would take twice as long."""

    __slots__ = ("_is_held", "_name", "_state", "_table")

    def __init__(self, table: Table, name: str, state: Recorded) -> None:
        self._table, self._name, self._state = table, name, state
        self._is_held = False

    def __enter__(self) -> bool:
        table = self._table
        self._is_held = table.lock(self._name, self._state.parts)
        if not self._is_held:
            self._state.go_alone()
            return not table.waits and _look(table, self._state)
        try:
            return _take_over(table, self._state)
        except BaseException:
            table.unlock(self._name)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_held:
            self._state.alone = None
            return
        try:
            if error is None:
                for part in self._state.parts:
                    _write(self._table, part)
                if self._state.unshared:
                    self._state.unshared = None
        finally:
            self._table.unlock(self._name)


def _take_over(table: Table, state: Recorded) -> bool:
    """Take over what is newer, without what dead processes had under way; return whether there was any."""
    has_news = False
    for part in state.parts:
        stamp = table.stamp(part.name)
        if stamp != part.seen:
            part.seen = stamp
            _read(table, part)
            has_news = True
    dead = _dead(table, state)
    for owner in dead:
        state.write_off(owner)
    return has_news or bool(dead)


def _look(table: Table, state: Recorded) -> bool:
    """Take over what is newer and whole, without the lock; return whether there was any."""
    has_news = False
    for part in state.parts:
        stamp = table.stamp(part.name)
        if stamp != part.seen and _read(table, part):
            part.seen = stamp
            has_news = True
    return has_news


def _dead(table: Table, state: Recorded) -> list[Owner]:
    return [owner for owner in state.owners() if not table.is_alive(owner)]


def _read(table: Table, part: Part) -> bool:
    """Take over what a record holds; return whether it holds anything whole."""
    found = table.read(part.name)
    if found is None:
        return False
    if found != part.known:
        try:
            part.copy.take_over(iter(array("d", found)))
        except (ValueError, StopIteration):
            return True  # of another form: it is written over
        part.known = found
    return True


def _write(table: Table, part: Part) -> None:
    numbers = array("d", part.copy.numbers()).tobytes()
    if numbers != part.known:
        part.seen = table.write(part.name, numbers, part.seen)
        part.known = numbers
