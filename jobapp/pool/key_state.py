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

When may it be asked? Every instant is in seconds since the epoch, and each line waits for what is above it:

===================  =====================================================================================
``blocked_until``    the end of the block that ends last
``backoff_until``    the end of our own backoff; what the meter knows better ends it earlier
``open_at``          when nothing that was said forbids it: both, one probe at a time, concurrency
``allowed_at``       when the user's budgets allow it, too
``free_at``          when the meter (what headers reported, what rejections taught) expects an answer, too
===================  =====================================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from jobapp.limits.budgets import BudgetLimits
from jobapp.limits.meter import RateMeter
from jobapp.limits.window_length import WindowLengthEstimate

MOST_UNPROVEN = 4
"""With this many unanswered requests in flight on a key, prefer another: if it is spent, all of them fail."""

PROBE_POLL = 0.05
"""Seconds between two looks at a key that one call is probing alone."""


class SharedEstimates:
    """What the keys of one model have in common: the length of their windows, and perhaps their quota."""

    __slots__ = ("length", "spent_after")

    def __init__(self) -> None:
        self.length = WindowLengthEstimate()
        self.spent_after = math.inf
        """So many requests one of them was answered before its quota was spent."""


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
    asked: int = 0
    """Requests under way."""
    reserved: int = 0
    """Requests that wait for their turn."""
    sent: int = 0
    """Requests that were ever sent, and not rejected because of a limit."""
    unanswered: int = 0
    """Requests that were sent since its last answer."""
    turn: int = 0
    """When it was last taken, counted in turns of its model."""

    def open_at(self, now: float) -> float:
        """Return when nothing that was said forbids to ask the key."""
        until = self.blocked_until
        if self.backoff_until > now:
            reopens_at = self.meter.reopens_at(now)
            until = max(until, self.backoff_until if reopens_at is None else reopens_at)
        if self.asked and self._is_probed():
            until = max(until, now + PROBE_POLL)
        for limit in self.budget.concurrency:
            until = max(until, limit.ready_at(now))
        return until

    def _is_probed(self) -> bool:
        """Return whether only the answer to a request under way will show that there is more."""
        return self.half_open or self.sent >= self.shared.spent_after or self.meter.unsure()

    def allowed_at(self, now: float) -> float:
        """Return when the key may be asked, by what was said and what is budgeted."""
        until = self.open_at(now)
        return max(until, self.budget.ready_at(now)) if self.budget.windows else until

    def free_at(self, now: float) -> float:
        """Return when the key may be asked and is expected to answer."""
        return max(self.allowed_at(now), self.meter.ready_at(now))

    def foresees(self, now: float) -> bool:
        """Return whether it is known how much room there will be when the key is free."""
        return self.meter.limit is not None or self.open_at(now) <= now

    def admits(self, now: float) -> bool:
        """Return whether a request that has its reservation may be sent now."""
        return self.open_at(now) <= now and self.meter.admits(now)

    def is_unproven(self) -> bool:
        """Return whether many ask the key already, and nobody knows whether it answers."""
        return min(self.asked, self.unanswered) >= MOST_UNPROVEN

    def reserve(self, now: float) -> None:
        """Count a request, for now or for when the key is free."""
        self.reserved += 1
        self.meter.use(now)
        for window in self.budget.windows:
            window.use(now)

    def release(self) -> None:
        """Take back a request that was counted and is not sent."""
        self.reserved -= 1
        self.meter.release()
        for window in self.budget.windows:
            window.release()

    def begin(self, now: float) -> int:
        """Note that a request is sent which was counted; return its number."""
        self.reserved -= 1
        self.asked += 1
        self.sent += 1
        self.unanswered += 1
        self.meter.begin(now)
        for limit in self.budget.concurrency:
            limit.under_way += 1
        return self.sent

    def end(self, tokens: int = 0) -> None:
        """Note that a request is over, which cost *tokens*."""
        self.asked -= 1
        for window in self.budget.windows:
            window.done(tokens)
        for limit in self.budget.concurrency:
            limit.under_way -= 1

    def block(self, since: float, until: float, *, half_open: bool, backoff: bool) -> None:
        """Open the breaker until *until*; it ends *half_open*, and a *backoff* gives way to what is known."""
        self.blocked_at = max(self.blocked_at, since)
        if until >= self.blocked_until:
            self.half_open = half_open
        if backoff:
            self.backoff_until = max(self.backoff_until, until)
        else:
            self.blocked_until = max(self.blocked_until, until)

    def close(self) -> None:
        """Close the breaker: the key has answered since it was blocked."""
        self.blocked_at = self.backoff_until = 0.0
        self.half_open = False

    def unblock(self) -> None:
        """Forget every block; what is known of the limits stays."""
        self.close()
        self.blocked_until = 0.0
