"""How much one key may still be asked of one model: several limits, of which the tightest governs. No I/O.

It only ever delays a request: where it is wrong, the provider's own answer corrects it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from jobapp.limits.estimated import MANY, EstimatedLimit, SharedRates
from jobapp.limits.headers import TABLE, Reported
from jobapp.limits.limit import Unit
from jobapp.limits.numbers import checked
from jobapp.limits.reported import ReportedLimit


class Cost(NamedTuple):
    """What one request, or several, use of each kind of limit.

    Attributes:
        requests: How many they are.
        input: Tokens of their prompts.
        output: Tokens of their answers.
        dollars: US dollars, where a limit counts them.
    """

    requests: float = 1.0
    input: float = 0.0
    output: float = 0.0
    dollars: float = 0.0

    def of(self, unit: Unit) -> float:
        """Return the units of one kind."""
        match unit:
            case Unit.REQUESTS:
                return self.requests
            case Unit.INPUT:
                return self.input
            case Unit.OUTPUT:
                return self.output
            case Unit.TOKENS:
                return self.input + self.output
            case Unit.DOLLARS:
                return self.dollars

    def plus(self, other: Cost, sign: float = 1.0) -> Cost:
        """Return the sum, or with a *sign* of -1 the difference."""
        return Cost(
            self.requests + sign * other.requests,
            self.input + sign * other.input,
            self.output + sign * other.output,
            self.dollars + sign * other.dollars,
        )


class Tally:
    """A sum of costs, kept without making a new one each time."""

    __slots__ = ("input", "output", "requests")

    def __init__(self) -> None:
        self.requests = self.input = self.output = 0.0

    def add(self, cost: Cost, sign: float = 1.0) -> None:
        """Add a cost, or with a *sign* of -1 take it away."""
        requests, input_, output, _ = cost
        self.requests += sign * requests
        self.input += sign * input_
        self.output += sign * output

    def total(self) -> Cost:
        """Return the sum as it is now."""
        return Cost(self.requests, self.input, self.output)

    def numbers(self) -> list[float]:
        """Return what is known, for another process."""
        return [self.requests, self.input, self.output]

    def take_over(self, numbers: Iterator[float]) -> None:
        """Take over what another process knows."""
        self.requests, self.input, self.output = next(numbers), next(numbers), next(numbers)


NAMES = tuple(row.limit for row in TABLE)
"""The limits that headers tell, by their number in a record."""

MOST_REPORTED = 8
"""So many of one key travel to other processes."""

ONE = Cost()
NOTHING = Cost(0.0)


class RateMeter:
    """What headers tell of one key's limits for one model and, where they tell nothing, rejections teach.

    Args:
        shared: What the keys of the model have in common.
    """

    __slots__ = ("_estimated", "_reported", "_short")

    def __init__(self, shared: SharedRates) -> None:
        self._reported: dict[str, ReportedLimit] = {}
        self._estimated = EstimatedLimit(shared)
        self._short = False  # whether headers tell a minute's limit of requests

    def numbers(self) -> list[float]:
        """Return what is known, for another process."""
        row = [float(self._short), float(min(len(self._reported), MOST_REPORTED))]
        for name, reported in islice(self._reported.items(), MOST_REPORTED):
            row.append(NAMES.index(name))
            row += reported.numbers()
        return row if self._short else row + self._estimated.numbers()

    def take_over(self, numbers: Iterator[float]) -> None:
        """Take over what another process knows."""
        self._short = bool(next(numbers))
        self._reported = {}
        for _ in range(checked(next(numbers), MOST_REPORTED)):
            name = NAMES[checked(next(numbers), len(NAMES) - 1)]
            self._reported[name] = ReportedLimit.from_numbers(numbers)
        if not self._short:
            self._estimated.take_over(numbers)

    def ready_at(self, now: float, ahead: int = 0, cost: Cost = ONE, tries_left: int = MANY) -> float:
        """Return when a request of that *cost* may be sent, behind *ahead* others like it; 0 for at once."""
        at = 0.0 if self._short else self._estimated.ready_at(now, ahead, tries_left)
        for reported in self._reported.values():
            units = cost.of(reported.unit)
            at = max(at, reported.limit.ready_at(now, ahead * units, units))
        return at

    def room(self, now: float) -> float:
        """Return how many requests may be sent now; infinite where no limit is known."""
        room = math.inf if self._short else self._estimated.room(now)
        for reported in self._reported.values():
            if reported.unit is Unit.REQUESTS:
                room = min(room, reported.limit.room(now))
        return room

    @property
    def limit(self) -> float:
        """How many requests one window holds; infinite where nobody knows."""
        told = [
            reported.limit.limit for reported in self._reported.values() if reported.unit is Unit.REQUESTS
        ]
        return min([*told, math.inf if self._short else self._estimated.limit])

    @property
    def short_is_told(self) -> bool:
        """Whether headers tell a minute's limit of requests, so that nothing need be found out."""
        return self._short

    def reopens_at(self, now: float) -> float | None:
        """Return when a key that was rejected should have room again, where that is known."""
        if self._short:
            return self.ready_at(now)
        return self._estimated.ready_at(now) if self._estimated.known else None

    def count(self, now: float, cost: Cost) -> None:
        """Count a request that is sent."""
        if not self._short:
            self._estimated.count(now)
        for reported in self._reported.values():
            reported.limit.count(now, cost.of(reported.unit))

    def count_late(self, sent_at: float, cost: Cost) -> None:
        """Count a request that was sent before what is known, where it may be of the window that is open."""
        if not self._short:
            self._estimated.count_late(sent_at)
        for reported in self._reported.values():
            if reported.limit.may_hold(sent_at):
                reported.limit.count(sent_at, cost.of(reported.unit))

    def take_back(self, now: float, sent_at: float, cost: Cost) -> None:
        """Take back a request that used nothing."""
        self._estimated.take_back(sent_at)
        self._take_back_reported(now, cost)

    def ended(self, sent_at: float | None = None) -> None:
        """Note that a request is over of which nothing is learnt, or that all of them are."""
        self._estimated.ended(sent_at)

    def _take_back_reported(self, now: float, cost: Cost) -> None:
        for reported in self._reported.values():
            reported.limit.count(now, -cost.of(reported.unit))

    def correct(self, now: float, difference: Cost) -> None:
        """Count what an answer cost beyond its estimate, or less."""
        for reported in self._reported.values():
            if reported.unit is not Unit.REQUESTS:
                reported.limit.count(now, difference.of(reported.unit))

    def answered(self, now: float, sent_at: float, said: Sequence[Reported], others: Cost) -> None:
        """Learn from an answer and its headers, which may not count *others* of ours."""
        if not self._short:
            self._estimated.answered(now, sent_at)
        if said:
            self._obey(said, now, others)

    def rejected(
        self,
        now: float,
        sent_at: float,
        wait: float | None,
        said: Sequence[Reported],
        others: Cost,
        cost: Cost,
    ) -> None:
        """Learn from a busy minute that asks to *wait* so many seconds, if it says so."""
        self._take_back_reported(now, cost)
        self._obey(said, now, others)
        if not self._short:
            rounding = 1.0 if wait is not None and wait == int(wait) else 0.0
            self._estimated.rejected(now, sent_at, wait, rounding)
            return
        self._estimated.take_back(sent_at)
        if not said and self._reported:
            min(self._reported.values(), key=lambda each: each.limit.room(now) / each.limit.limit).full(now)

    def _obey(self, said: Sequence[Reported], now: float, others: Cost) -> None:
        for each in said:
            known = self._reported.get(each.name)
            if known is None:
                self._reported[each.name] = ReportedLimit(each, now, others.of(each.unit))
            else:
                known.obey(each, now, others.of(each.unit))
        if said:
            short = (r.is_short() for r in self._reported.values() if r.unit is Unit.REQUESTS)
            self._short = any(short)
