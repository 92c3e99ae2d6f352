"""What is under way, by the process that sent it, so that what a dead one sent can be written off. No I/O."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import reduce
from itertools import islice
from typing import NamedTuple
from weakref import WeakSet

from jobapp.limits.meter import NOTHING, Cost
from jobapp.limits.numbers import checked, pairs

MOST_OWNERS = 20
"""So many processes are told apart, those with the most under way; more are counted no longer."""


class Owner(NamedTuple):
    """A process, or one of several in it that count by themselves.

    Attributes:
        pid: Its number.
        started: When it started, by whatever clock; a number is used again, and this tells them apart.
        member: Which one in the process.
    """

    pid: float
    started: float
    member: float = 0.0


ROW = len(Owner._fields) + len(Cost._fields)
"""Numbers of one process in a record."""


class Me:
    """This process, which may be another one after a fork.

    Attributes:
        owner: What it is called.
    """

    __slots__ = ("__weakref__", "owner")

    def __init__(self) -> None:
        self.owner = Owner(0.0, 0.0)


class Members:
    """Those in this process who count by themselves; after a fork they are of another process."""

    def __init__(self) -> None:
        self._members: WeakSet[Me] = WeakSet()

    def belong_to(self, process: Owner) -> None:
        """Give all of them, and those to come, the name of *process*."""
        self._process = process
        for member in self._members:
            member.owner = process._replace(member=member.owner.member)

    def join(self) -> Me:
        """Return one more."""
        me = Me()
        me.owner = self._process._replace(member=next(_numbers))
        self._members.add(me)
        return me


_numbers = itertools.count(1)


class UnderWay:
    """The requests that are under way.

    Args:
        me: Whose requests are counted here.

    Attributes:
        requests: How many they are, whoever sent them.
        lost: What the record that was last taken over says more of this process than is true.
    """

    __slots__ = ("_by_owner", "_me", "lost", "requests")

    def __init__(self, me: Me) -> None:
        self._me = me
        self._by_owner: dict[Owner, Cost] = {}
        self.requests = 0
        self.lost = NOTHING

    def begin(self, cost: Cost) -> None:
        """Count a request that is sent."""
        me = self._me.owner
        self._by_owner[me] = self._by_owner.get(me, NOTHING).plus(cost)
        self.requests += 1

    def end(self, cost: Cost) -> bool:
        """Count one that is over; return whether it was counted when it was sent."""
        me = self._me.owner
        known = self._by_owner.get(me)
        if known is None:
            return False
        rest = known.plus(cost, -1.0)
        self.requests -= 1
        if rest.requests > 0:
            self._by_owner[me] = rest
        else:
            del self._by_owner[me]
        return True

    def total(self) -> Cost:
        """Return what is under way, whoever sent it."""
        return reduce(Cost.plus, self._by_owner.values(), NOTHING)

    def others(self) -> list[Owner]:
        """Return the other processes that have something under way."""
        return [owner for owner in self._by_owner if owner != self._me.owner]

    def write_off(self, owner: Owner) -> Cost:
        """Forget what a dead process sent; return what that was."""
        cost = self._by_owner.pop(owner, NOTHING)
        self.requests -= int(cost.requests)
        return cost

    def numbers(self) -> list[float]:
        """Return what is known, for another process."""
        rows = list(self._by_owner.items())[-MOST_OWNERS:]
        return [float(len(rows)), *(number for owner, cost in rows for number in (*owner, *cost))]

    def take_over(self, numbers: Iterator[float]) -> None:
        """Take over what another process knows; of its own requests each process knows best."""
        me = self._me.owner
        mine = self._by_owner.get(me, NOTHING)
        count = checked(next(numbers), MOST_OWNERS)
        rows = pairs(islice(numbers, ROW * count), ROW)
        self._by_owner = {Owner(*row[:3]): Cost(*row[3:]) for row in rows}
        self.lost = self._by_owner.pop(me, NOTHING).plus(mine, -1.0)
        if mine.requests:
            self._by_owner[me] = mine
        self.requests = int(sum(cost.requests for cost in self._by_owner.values()))
