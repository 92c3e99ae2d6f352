"""What is known of one key for one model: a circuit breaker with room behind it. No I/O.

The breaker, in its usual words (M. Nygard, *Release It!*, 2007):

==========  =================================  ===========================================================
state       the key                            what ends it
==========  =================================  ===========================================================
closed      is asked as far as there is room   a rejection that leaves a block: open
open        is not asked                       ``blocked_until`` or ``backoff_until``: closed or half-open
half-open   one request probes it              its answer: closed; its rejection: open again, for longer
==========  =================================  ===========================================================

A block whose end is the provider's word (a hint of seconds) goes from open to closed. All others, a spent
day, a bad key, a busy minute of unknown length, end half-open, for nobody knows whether the key answers.

A closed key of which no header tells what it allows begins slowly, as TCP does (slow start, RFC 5681):
``window`` requests may be under way, one more after each answer, half as many after a rejection. Beyond what
another key of the model held, one at a time.

When may it be asked? Every instant is in seconds since the epoch, and each line waits for what is above it:

===================  =====================================================================================
``blocked_until``    the end of the block that ends last
``backoff_until``    the end of our own backoff; what the meter knows better ends it earlier
``open_at``          when nothing that was said forbids it: both, one probe at a time, slow start, concurrency
``allowed_at``       when the user's budgets allow it, too
``free_at``          when the meter (what headers reported, what rejections taught) expects an answer, too
===================  =====================================================================================

Those who wait for a key stand in the order of their tickets: each is told when there is room behind those
before it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from jobapp.limits.budgets import BudgetLimits
from jobapp.limits.estimated import MANY, SharedRates
from jobapp.limits.meter import NOTHING, ONE, Cost, RateMeter, Tally
from jobapp.limits.tokens import TokenEstimate
from jobapp.limits.under_way import Me, Owner, UnderWay
from jobapp.pool.shared_room import Part
from jobapp.pool.unshared import Unshared

FIRST_WINDOW = 4
"""Requests under way at once to a key of which nothing is known."""

LEAST_CROWD = 4
"""So many calls stay with a rejected key of which nobody knows how much room it will have."""

PROBE_POLL = 0.05
"""Seconds between two looks at a key that one call is probing alone."""

TURN = 0.02
"""Seconds between two looks at a key that has begun slowly: an answer makes room at any moment."""


BRIEF = 5.0
"""Seconds of a block that other processes learn here; of a longer one they learn from the store by then."""


class News(NamedTuple):
    """The last block of a key, for other processes. Instants are seconds since the epoch."""

    since: float = 0.0
    until: float = 0.0
    half_open: float = 0.0
    backoff: float = 0.0


NO_NEWS = News()


class SharedEstimates:
    """What the keys of one model have in common.

    Attributes:
        rates: Their windows.
        tokens: What requests cost.
        spent_after: So many requests one of them was answered before its quota was spent.
    """

    __slots__ = ("rates", "spent_after", "tokens")

    def __init__(self, *, reserves_max_tokens: bool = False) -> None:
        self.rates = SharedRates()
        self.tokens = TokenEstimate(reserves_max_tokens=reserves_max_tokens)
        self.spent_after = math.inf

    def numbers(self) -> list[float]:
        """Return what is known, for another process."""
        return [*self.rates.numbers(), *self.tokens.numbers(), self.spent_after]

    def take_over(self, numbers: Iterator[float]) -> None:
        """Take over what another process knows."""
        self.rates.take_over(numbers)
        self.tokens.take_over(numbers)
        self.spent_after = next(numbers)


@dataclass(slots=True)
class KeyState:
    """One key for one model."""

    index: int
    meter: RateMeter
    budget: BudgetLimits
    shared: SharedEstimates
    blocked_at: float = 0.0
    """When it was last blocked; 0 once it has answered since."""
    blocked_until: float = 0.0
    backoff_until: float = 0.0
    half_open: bool = False
    """When the last block ends, one request probes the key before the others come."""
    under_way: UnderWay = field(default_factory=lambda: UnderWay(Me()))
    closed_at: float = 0.0
    """When the last request was sent that was answered after a block."""
    news: News = NO_NEWS
    window: int = FIRST_WINDOW
    """How many may be, of slow start."""
    waiting: list[int] = field(default_factory=list)
    """The tickets of those who wait for it, the oldest first."""
    sent: Tally = field(default_factory=Tally)
    """What was ever sent, and not rejected because of a limit."""
    ended: Tally = field(default_factory=Tally)
    """What of it is over."""
    turn: int = 0
    """When it was last taken, counted in turns of its model."""
    parts: tuple[Part, ...] = ()
    """The records that other processes share."""
    looked_at: float = -math.inf
    """When one who waits for it looked at its records."""
    alone: Unshared | None = None
    """Where what happens is noted for others, while the record can't be had."""
    unshared: Unshared | None = None
    """What was noted so, and they do not know yet."""

    def numbers(self) -> list[float]:
        """Return what is known, for another process."""
        return [
            self.window,
            self.closed_at,
            *self.news,
            *self.sent.numbers(),
            *self.ended.numbers(),
            *self.under_way.numbers(),
            *self.meter.numbers(),
        ]

    def take_over(self, numbers: Iterator[float]) -> None:
        """Take over what another process knows."""
        known = self.news
        self.window, self.closed_at = int(next(numbers)), next(numbers)
        self.news = news = News(*islice(numbers, len(known)))
        self.sent.take_over(numbers)
        self.ended.take_over(numbers)
        self.under_way.take_over(numbers)
        lost = self.under_way.lost
        if self.unshared is not None:
            lost = self.unshared.add_to(self.sent, self.ended, lost)
        self._correct_tallies(lost)
        self.meter.take_over(numbers)
        if self.unshared is not None:
            self.unshared.count_again(self.meter)
        if news.since > known.since and news.since > self.blocked_at:
            until = min(news.until, news.since + BRIEF)
            self.block(news.since, until, half_open=bool(news.half_open), backoff=bool(news.backoff))
        if self.blocked_at and self.closed_at >= self.blocked_at:
            self._close()

    def _correct_tallies(self, lost: Cost) -> None:
        """Count what began or ended here of which the record was lost."""
        if lost.requests > 0:
            self.ended.add(lost)
        elif lost.requests < 0:
            self.sent.add(lost, -1.0)

    def write_off(self, owner: Owner) -> None:
        """Forget what a dead process has under way, which nobody will end."""
        self.ended.add(self.under_way.write_off(owner))
        self.meter.ended()
        self.budget.write_off(owner)

    def owners(self) -> list[Owner]:
        """Return the other processes that have something under way; one may be there several times."""
        found = self.under_way.others()
        for under_way in self.budget.under_way():
            found += under_way.others()
        return found

    @property
    def asked(self) -> int:
        """Requests under way, of all processes."""
        return self.under_way.requests

    def open_at(self, now: float) -> float:
        """Return when nothing that was said forbids to ask the key."""
        until = self.blocked_until
        if self.backoff_until > now:
            reopens_at = self.meter.reopens_at(now)
            until = max(until, self.backoff_until if reopens_at is None else reopens_at)
        if self.asked:
            if self.half_open or self.sent.requests >= self.shared.spent_after:
                until = max(until, now + PROBE_POLL)
            elif self._begins_slowly():
                until = max(until, now + TURN)
        for limit in self.budget.concurrency:
            until = max(until, limit.ready_at(now))
        return until

    @property
    def is_well_known(self) -> bool:
        """Whether an answer without headers teaches nothing: the breaker is closed, the limits are told."""
        return self.meter.short_is_told and not self.blocked_at and self.shared.spent_after == math.inf

    def _begins_slowly(self) -> bool:
        return self.asked >= self.window and not self.meter.short_is_told

    def allowed_at(self, now: float, ahead: int = 0, cost: Cost = ONE) -> float:
        """Return when the key may be asked, by what was said and what is budgeted."""
        until = self.open_at(now)
        if self.budget.windows or self.budget.days:
            return max(until, self.budget.ready_at(now, ahead, cost))
        return until

    def free_at(
        self, now: float, ahead: int | None = None, cost: Cost = ONE, tries_left: int = MANY
    ) -> float:
        """Return when the key may be asked and is expected to answer.

        Args:
            now: Seconds since the epoch.
            ahead: How many others come before; all who wait, where left out.
            cost: What the request uses.
            tries_left: How often the call may still try the key.
        """
        if ahead is None:
            ahead = len(self.waiting)
        return max(self.allowed_at(now, ahead, cost), self.meter.ready_at(now, ahead, cost, tries_left))

    def ahead_of(self, ticket: int) -> int:
        """Return how many wait who came before the one with that ticket."""
        return bisect_left(self.waiting, ticket)

    def is_crowded(self) -> bool:
        """Return whether more wait for it already than it will have room for."""
        limit = self.meter.limit
        return len(self.waiting) >= (LEAST_CROWD if limit == math.inf else limit)

    def wait(self, ticket: int) -> None:
        """Let the one with that ticket stand in line."""
        insort(self.waiting, ticket)

    def leave(self, ticket: int) -> None:
        """Let the one with that ticket go out of the line."""
        place = bisect_left(self.waiting, ticket)
        if place < len(self.waiting) and self.waiting[place] == ticket:
            del self.waiting[place]

    def at_least_usual(self, now: float, cost: Cost) -> Cost:
        """Return *cost*, or what a request with the key cost on average today where that is more."""
        return self.budget.at_least_usual(now, cost, self.asked)

    def begin(self, now: float, cost: Cost) -> None:
        """Count a request that is sent."""
        self.under_way.begin(cost)
        self.sent.add(cost)
        self.meter.count(now, cost)
        self.budget.begin(now, cost)
        if self.alone is not None:
            self.alone.begin(now, cost)

    def end(self, cost: Cost) -> None:
        """Note that a request is over."""
        if self.under_way.end(cost):
            self.ended.add(cost)
            if self.alone is not None:
                self.alone.end(cost)
        self.budget.end(cost)

    def correct(self, now: float, difference: Cost) -> None:
        """Count the tokens that an answer cost beyond its estimate, or less."""
        self.meter.correct(now, difference)
        self.budget.use(now, difference._replace(requests=0.0))

    def not_counted(self, sent_at: float, cost: Cost) -> None:
        """Note that a request that is over was rejected because of a limit."""
        self.sent.add(cost, -1.0)
        self.ended.add(cost, -1.0)
        if self.alone is not None:
            self.alone.not_counted(sent_at, cost)

    def take_back(self, now: float, sent_at: float, cost: Cost) -> None:
        """Note that a request that is over was not even sent."""
        self.not_counted(sent_at, cost)
        self.meter.take_back(now, sent_at, cost)
        self.budget.use(now, NOTHING.plus(cost, -1.0))

    def go_alone(self) -> None:
        """Note what happens for others: they do not see it now."""
        if self.unshared is None:
            self.unshared = Unshared()
        self.alone = self.unshared

    def grow(self) -> None:
        """Let one request more be under way: one was answered."""
        self.window += 1

    def shrink(self) -> None:
        """Let half as many requests be under way: one was rejected."""
        self.window = max(1, min(self.window, self.asked + 1) // 2)

    def block(self, since: float, until: float, *, half_open: bool, backoff: bool) -> None:
        """Open the breaker until *until*; it ends *half_open*, and a *backoff* gives way to what is known."""
        is_closed = since <= self.closed_at  # another process has probed the key since
        if not is_closed:
            self.blocked_at = max(self.blocked_at, since)
        if until >= self.blocked_until:
            self.half_open = half_open and not is_closed
        if backoff and is_closed:
            return
        if backoff:
            self.backoff_until = max(self.backoff_until, until)
        else:
            self.blocked_until = max(self.blocked_until, until)

    def tell(self, since: float, until: float, *, half_open: bool, backoff: bool) -> None:
        """Let other processes learn of a block."""
        if since >= self.news.since:
            self.news = News(since, until, float(half_open), float(backoff))

    def close(self, sent_at: float) -> None:
        """Close the breaker: the key has answered a request of *sent_at*, after it was blocked."""
        self.closed_at = sent_at
        self._close()

    def _close(self) -> None:
        self.blocked_at = self.backoff_until = 0.0
        self.half_open = False

    def unblock(self) -> None:
        """Forget every block, and what was thought to be used of the key's limits."""
        self._close()
        self.blocked_until = 0.0
        self.news = self.news._replace(until=0.0, half_open=0.0)
        self.meter = RateMeter(self.shared.rates)
