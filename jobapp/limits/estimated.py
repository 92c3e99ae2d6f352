"""The limit that rejections teach, where no header tells it. No I/O.

A key keeps a sliding log of what it was answered (:mod:`jobapp.limits.limit` says why that is the safe
model). What moves its two sizes:

============================================  =============================================================
seen                                          learnt
============================================  =============================================================
a rejection after *n* answers in one length   the limit is *n* at most
the same, and when the window ends            the limit is what came since it began
a rejection although none was served          the length was taken for too short
an answer after a rejection                   the window was over: the length is what passed at most
the server's "wait so long"                   the length is what passed and that long
some full windows and no rejection            perhaps there is more: one unit, then two, four …; after each
                                              rejection, later
============================================  =============================================================

While only an answer can tell that there is room again, the limit is *closed*: nothing is known of when it
opens, and backoff decides. The keys of a model share the length, and what one of them held is where the
others go on with care.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from jobapp.limits.limit import TICK
from jobapp.limits.numbers import Fields
from jobapp.limits.sliding_log import SLOW_TRAVEL, Entry, SlidingLog
from jobapp.limits.window_length import WindowLength

HORIZON = 60.0
"""Seconds for which a key's log is kept whose length nobody knows, and for which an answer is waited for."""

LOOK = 0.05
"""Seconds between two looks while another key's request is under way that tells of the length."""

LATE = 0.1
"""The share of a length by which a check of it may be late; later it would tell nothing."""

MANY = 99
"""Tries of a call that need not be counted."""


class SharedRates:
    """What the keys of one model have in common.

    Attributes:
        length: How long their windows are.
        limit: What one of them held; infinite while nobody knows.
        patience: After how many full windows more is tried.
    """

    __slots__ = ("length", "limit", "patience")

    def __init__(self) -> None:
        self.length = WindowLength()
        self.limit = math.inf
        self.patience = 2

    def numbers(self) -> list[float]:
        """Return what is known, for another process."""
        return [*self.length.numbers(), self.limit, self.patience]

    def take_over(self, numbers: Iterator[float]) -> None:
        """Take over what another process knows."""
        self.length.take_over(numbers)
        self.limit, self.patience = next(numbers), int(next(numbers))


_FIELDS = Fields(
    "_closed_at",
    "_held",
    "_learnt_at",
    "_pace",
    "_pace_before",
    "_came_back_since",
    "_open_for",
    "_tested_at",
    "_beyond_at",
    "_full",
    "_full_at",
    "_step",
)


class EstimatedLimit:
    """One key's limit of requests, as its rejections and answers show it.

    Args:
        shared: What it has in common with the other keys of the model.
    """

    __slots__ = (
        "_beyond_at",
        "_came_back_since",
        "_closed_at",
        "_full",
        "_full_at",
        "_held",
        "_learnt_at",
        "_log",
        "_open_for",
        "_pace",
        "_pace_before",
        "_shared",
        "_step",
        "_tested_at",
    )

    def __init__(self, shared: SharedRates) -> None:
        self._shared = shared
        self._log = SlidingLog(HORIZON)
        self._closed_at: float | None = None
        self._held = 0.0  # what a window was seen to hold
        self._learnt_at = -math.inf  # when that was learnt, or the pace
        self._pace = 1.0  # so many lengths bring back what a window held
        self._pace_before = 1.0  # the pace before the burst that taught it
        self._came_back_since: float | None = None  # from when on its answers were of room that came back
        self._open_for = 0.0  # how long its window was open
        self._tested_at: float | None = None  # when the request was sent that tells of the length
        self._beyond_at: float | None = None  # when one was sent that is more than other keys held
        self._full, self._full_at, self._step = 0, -math.inf, 1

    def numbers(self) -> list[float]:
        """Return what is known, for another process."""
        return [*_FIELDS.of(self), *self._log.numbers()]

    def take_over(self, numbers: Iterator[float]) -> None:
        """Take over what another process knows."""
        _FIELDS.put(self, numbers)
        self._log.take_over(numbers)

    @property
    def limit(self) -> float:
        """The units that a window holds; infinite while nobody knows."""
        return self._log.limit

    @property
    def _is_free(self) -> bool:
        """Whether nothing is known that limits the key, nor any other one of its model."""
        return self._log.limit == self._shared.limit == math.inf and self._closed_at is None

    @property
    def known(self) -> bool:
        """Whether it is known when there is room."""
        return self._log.limit < math.inf and self._closed_at is None and self._shared.length.known

    def ready_at(self, now: float, ahead: float = 0.0, tries_left: int = MANY) -> float:
        """Return when the next request may be sent, behind *ahead* others; 0 for at once."""
        if self._is_free:
            return 0.0
        self._go_by_length()
        if self._closed_at is not None:
            return self._guess(now, self._closed_at, tries_left)
        if self._log.limit == math.inf:
            return self._beyond_others(now, ahead)
        if not self.known:
            return 0.0
        at = self._log.ready_at(now, ahead)
        return at if at <= now or ahead else min(at, self._try_at(now))

    def room(self, now: float) -> float:
        """Return how many requests may be sent now; infinite where nobody knows."""
        self._go_by_length()
        return self._log.room(now) if self.known else math.inf

    def count(self, now: float) -> None:
        """Count a request that is sent."""
        if self._is_free:
            self._log.count(now)
            return
        self._go_by_length()
        if self._log.limit == math.inf and self._log.used(now) >= self._shared.limit:
            self._beyond_at = now
        elif self._closed_at is not None or (self.known and self._log.room(now) < 1.0 - TICK):
            self._tested_at = now
            self._shared.length.begin_test(now)
        self._log.count(now)
        self._try_more(now)

    def count_late(self, sent_at: float) -> None:
        """Count a request that was sent before what is known, and taught nothing."""
        self._log.count(sent_at)

    def take_back(self, sent_at: float) -> None:
        """Take back a request that was not counted."""
        self._log.take_back(sent_at)
        self.ended(sent_at)

    def ended(self, sent_at: float | None = None) -> None:
        """Note that a request is over, or all of them: no answer is waited for that would tell something."""
        if self._beyond_at is not None and sent_at in (None, self._beyond_at):
            self._beyond_at = None
        if self._tested_at is not None and sent_at in (None, self._tested_at):
            self._tested_at = None
            self._shared.length.end_test()

    def answered(self, now: float, sent_at: float) -> None:
        """Learn from an answer of *now* to a request of *sent_at*."""
        self._log.answered(now, sent_at)
        if self._closed_at is not None and sent_at >= self._closed_at:
            self._window_was_over(now, sent_at)
            self._closed_at = None
        elif self._tested_at == sent_at:
            self._window_was_over(now, sent_at)
        self.ended(sent_at)

    def rejected(self, now: float, sent_at: float, wait: float | None, rounding: float) -> None:
        """Learn from a busy minute.

        Args:
            now: When it was rejected.
            sent_at: When it was sent.
            wait: Seconds to wait, where the provider says so.
            rounding: By how many seconds that may be too long.
        """
        self._go_by_length()
        length, tested = self._shared.length, self._tested_at == sent_at
        self.take_back(sent_at)
        served = self._log.used(now)
        opened = self._opened(sent_at + TICK)
        if opened is not None:
            open_for = sent_at - opened.arrived
            if wait and self._pace == 1.0:
                length.told(wait - rounding, wait + now - opened.first)
            shown = self._log.used_since(now + wait - length.seconds) if wait and not rounding else 0.0
            self._learn(now, sent_at, open_for, served, shown, tested=tested)
        if not self._shared.length.known or opened is None:
            self._closed_at = now if self._closed_at is None else self._closed_at

    def _learn(
        self, now: float, sent_at: float, open_for: float, served: float, shown: float, *, tested: bool
    ) -> None:
        """Decide what a rejection after *served*, those under way included, means: longer windows or less?

        Where the provider says when the open window ends, what it has *shown* is what it holds: a burst may
        have got a part of each of two.
        """
        length, of_one_burst = self._shared.length, sent_at <= self._learnt_at
        if tested:
            length.not_over(open_for)
            length.checked(now)
        elif of_one_burst and self._came_back_since is not None:
            self._slow_down()
        elif of_one_burst or self._held <= served <= self._log.limit:
            self._hold(min(served, shown or served), now)
        elif served > self._held:
            return  # more was on its way than is allowed by now
        elif 0 < shown < self._held:
            self._pace = self._pace_before = 1.0
            self._hold(shown, now)
        elif self._pace == 1.0 and length.may_last(open_for):
            length.not_over(open_for)
        else:
            self._pace_before, self._learnt_at, self._open_for = self._pace, now, open_for
            self._came_back_since = sent_at - open_for + self._log.length / 2
            self._slow_down()

    def _hold(self, served: float, now: float) -> None:
        """Go by a window that holds what was *served*, those under way included until they are rejected."""
        if not served:
            return
        if self._held and served <= self._held:
            self._shared.patience = min(64, 2 * self._shared.patience)
        self._held = self._log.limit = self._shared.limit = served
        self._learnt_at, self._came_back_since = now, None
        self._full, self._step = 0, 1

    def _slow_down(self) -> None:
        """Go by longer windows: a part came back, as in a bucket or where others use the key, or nothing."""
        served = self._log.used_since(self._came_back_since or 0.0)
        self._pace = self._pace_before
        if served or self._pace > 1.0:
            self._pace *= max(1.0, self._held / (served + 0.5))
        else:
            self._shared.length.outlasts(self._open_for)
        self._log.limit = self._held

    def _window_was_over(self, now: float, sent_at: float) -> None:
        opened = self._opened(sent_at)
        if opened is not None and self._pace == 1.0:
            self._shared.length.over(min(now, sent_at + SLOW_TRAVEL) - opened.first)

    def _opened(self, before: float) -> Entry | None:
        """Return what opened the window that was full *before* an instant, as far as its limit is known."""
        return self._log.first_of_last(self._held or self._shared.limit, before)

    def _go_by_length(self) -> None:
        length = self._shared.length
        self._log.length = length.seconds * self._pace if length.known else HORIZON

    def _beyond_others(self, now: float, ahead: float) -> float:
        """Return when a key without a limit of its own may be asked more than another one of its model held.

        That is after a moment in which a call takes another key, and by one request at a time.
        """
        if self._log.used(now) + ahead < self._shared.limit:
            return 0.0
        if self._beyond_at is not None and now < self._beyond_at + HORIZON:
            return now + LOOK
        return self._log.last() + LOOK * (1 + ahead)

    def _guess(self, now: float, closed_at: float, tries_left: int) -> float:
        """Return when a closed window is tried: one of the keys at a time, by one request."""
        if self._tested_at is None and self._shared.length.is_tried(now):
            return now + LOOK
        opened = self._opened(now)
        at = closed_at if opened is None else opened.arrived
        return at + self._shared.length.guess(tries_left)

    def _try_at(self, now: float) -> float:
        """Return when a request is worth sending that shows whether the windows are shorter."""
        length, opened = self._shared.length, self._opened(now)
        if self._pace != 1.0 or opened is None:
            return math.inf
        if shorter := length.shorter(now):
            return opened.arrived + shorter
        if below := length.to_check(now):
            at = opened.arrived + below
            return at if now <= at + below * LATE else math.inf
        return math.inf

    def _try_more(self, now: float) -> None:
        """Let the window hold more when those before were full often enough."""
        if not self.known or self._log.room(now) or now - self._full_at < self._log.length:
            return
        self._full, self._full_at = self._full + 1, now
        if self._full > self._shared.patience:
            self._full = 0
            self._held = self._log.limit
            self._log.limit += self._step
            self._step *= 2
