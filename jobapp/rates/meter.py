"""How much one key may still be asked of one model, learnt from what its provider says and does. No I/O.

A limit is refilled in one of two ways. A :class:`Window` is refilled at one instant; a :class:`Bucket` is
refilled all the time. A :class:`RateMeter` joins what the headers of answers tell and, where they tell
nothing, what refusals teach. It only ever delays a request: where it is wrong, the
provider's own answer corrects it. Instants are seconds since the epoch, lengths are seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

MINUTE = 60.0
"""The usual window: what is assumed until something shorter or longer is seen."""

USUAL_LENGTHS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
"""Windows that people choose."""

MARGIN = 0.01
"""The share by which a guessed window is taken for longer: requests do not all travel equally fast."""

DOUBTS = 3
"""How many refusals in a row put in doubt what is known of a window's length."""

SAME = 0.25
"""Two times per request that differ by less than this share are taken for the same."""


class Allowance(NamedTuple):
    """What the headers of an answer say of one limit.

    Attributes:
        limit: How many one window allows.
        remaining: How many of them are left.
        resets_in: Seconds until all of them are back.
    """

    limit: int
    remaining: int
    resets_in: float


@dataclass(slots=True)
class Window:
    """So many requests in so many seconds, all back at once; the first request opens it.

    Attributes:
        limit: Requests in one window.
        length: Its seconds.
        start: When it was opened; ``None`` while nothing was sent.
        used: Requests since then, those that are booked for later windows included.
        over: How many windows are over.
        full: How many of them were full.
    """

    limit: int
    length: float
    start: float | None = None
    used: int = 0
    over: int = 0
    full: int = 0

    def ready_at(self, now: float) -> float:
        """Return when the next request may be sent."""
        self.roll(now)
        if self.start is None or self.used < self.limit:
            return 0.0
        return self.start + self.used // self.limit * self.length

    def room(self, now: float) -> int:
        """Return how many requests may be sent now."""
        self.roll(now)
        return max(0, self.limit - self.used)

    def use(self, now: float) -> None:
        """Count a request that is sent, or booked for when there is room."""
        self.roll(now)
        if self.start is None:
            self.start = now
        self.used += 1

    def give_back(self) -> None:
        """Take back a request that was booked and is not sent."""
        self.used = max(0, self.used - 1)

    def roll(self, now: float) -> None:
        """Leave the windows that are over."""
        if self.start is None or now < self.start + self.length:
            return
        over = max(1, int((now - self.start) / self.length)) if self.length else 1 + self.used
        self.over += 1
        self.full += self.used >= self.limit
        self.used = max(0, self.used - over * self.limit)
        self.start = self.start + over * self.length if self.used else None


@dataclass(slots=True)
class Bucket:
    """So many requests at once, and one more each ``interval`` seconds.

    Attributes:
        limit: Requests that a full bucket holds.
        interval: Seconds in which one comes back.
        full_at: When it is full again.
    """

    limit: int
    interval: float
    full_at: float = 0.0

    def ready_at(self, now: float) -> float:  # noqa: ARG002 - as Window has it
        """Return when the next request may be sent."""
        return self.full_at - (self.limit - 1) * self.interval

    def room(self, now: float) -> int:
        """Return how many requests may be sent now."""
        return max(0, self.limit - math.ceil(max(0.0, self.full_at - now) / self.interval - SAME))

    def use(self, now: float) -> None:
        """Count a request that is sent, or booked for when there is room."""
        self.full_at = max(self.full_at, now) + self.interval

    def give_back(self) -> None:
        """Take back a request that was booked and is not sent."""
        self.full_at -= self.interval


class Told:
    """The limit that the headers of answers describe, once one has come."""

    def __init__(self) -> None:
        self.limit: Window | Bucket | None = None
        self._first: tuple[int, float] | None = None

    def obey(self, now: float, said: Allowance, sent_after: int) -> None:
        """Take over what an answer says, in which *sent_after* later requests are not counted yet."""
        used = said.limit - said.remaining
        if self._refills_all_the_time(used, said.resets_in):
            interval = said.resets_in / max(1, used)
            ends = now + said.resets_in + sent_after * interval
            self.limit = Bucket(said.limit, interval, ends)
            return
        known = self.limit
        if not isinstance(known, Window):
            known = self.limit = Window(said.limit, said.resets_in)
        known.roll(now)
        known.limit = said.limit
        known.length = max(known.length, said.resets_in)
        start = now + said.resets_in - known.length
        opened_since = known.start is None or start > known.start + known.length / 2
        # in a window that we saw open, our own count is exact: what overtook the request is in it already
        known.used = used + sent_after if opened_since else max(known.used, used)
        known.start = start

    def _refills_all_the_time(self, used: int, resets_in: float) -> bool:
        """Tell a bucket, whose time to full is in proportion to what was used, from a window."""
        if isinstance(self.limit, Bucket):
            return True
        if used < 1 or resets_in <= 0:
            return False
        first, self._first = self._first, self._first or (used, resets_in / used)
        if first is None or used < 2 * first[0]:
            return False
        self._first = (used, resets_in / used)
        return abs(resets_in / used - first[1]) < SAME * first[1]


@dataclass(slots=True)
class SharedLength:
    """How long the window of a model is, as its keys learn it together from refusals.

    Attributes:
        at_most: A window of this length was over.
        more_than: A window of this length was not over.
        confirmed: A length that was gone by, and answered.

    One refusal against what was seen is taken for another's doing; several in a row begin it all anew.
    """

    at_most: float = math.inf
    more_than: float = 0.0
    confirmed: float = 0.0
    _doubts: int = 0

    @property
    def known(self) -> bool:
        """Tell whether a window was seen to be over."""
        return self.at_most < math.inf

    @property
    def seconds(self) -> float:
        """The length to go by: the first usual one that can be it, else the longest that was seen."""
        more, most = 1 + MARGIN, self.at_most * (1 + MARGIN)
        fitting = (length for length in USUAL_LENGTHS if self.more_than < length * more and length <= most)
        return next(fitting, self.at_most) * more

    def over(self, seconds: float) -> None:
        """Learn that a window was over after *seconds*."""
        if self.more_than < seconds < self.at_most:
            self.at_most = seconds
        self._doubts = 0

    def not_over(self, seconds: float) -> None:
        """Learn that a window was not over after *seconds*."""
        self.confirmed = 0.0
        if seconds < self.at_most:
            self.more_than = max(self.more_than, seconds)
            return
        self._doubts += 1
        if self._doubts >= DOUBTS:
            self.at_most, self.more_than, self._doubts = math.inf, 0.0, 0


class Learnt:
    """The limit that refusals teach, where no header tells it.

    What was answered before a refusal is the limit; the time from the window's first request to the first
    answer after the refusal is its length, at most. After some full windows without a refusal more is tried,
    in case the limit was taken for too low: one request more, then two, four …; after each refusal, later.

    Args:
        length: The length of the window, which the keys of a model share.
    """

    def __init__(self, length: SharedLength) -> None:
        self.window: Window | None = None
        self._length = length
        self._start: float | None = None
        self._previous: float | None = None
        self._answered = 0
        self._refused_at: float | None = None
        self._left = 0
        self._patience = 2
        self._step = 1

    def in_force(self) -> Window | None:
        """Return the limit where both its sizes are known and no refusal puts it in doubt."""
        return self.window if self._refused_at is None and self._length.known else None

    def unsure(self) -> bool:
        """Tell whether the window that is open now was opened on a guess, and nothing was answered yet."""
        window = self.in_force()
        return window is not None and not self._answered and window.length != self._length.confirmed

    def reopens_at(self) -> float | None:
        """Return when a key that was refused should have room again, where that is known."""
        if self._refused_at is None or self._start is None or not self._length.known:
            return None
        at = self._start + self._length.seconds
        return at if at > self._refused_at else None

    def use(self, now: float) -> None:
        """Count a request that is sent or booked."""
        if self.window is not None:
            self._leave(self.window, now)
            self.window.use(now)
        elif self._start is None or now - self._start > MINUTE:
            self._start, self._answered = now, 0

    def answered(self, sent_at: float, sent_after: int) -> None:
        """Learn from an answer to a request of *sent_at*, after which *sent_after* more were sent."""
        if self._refused_at is not None:
            if sent_at < self._refused_at:
                if self.window is not None:
                    self.window.limit += 1
                return
            self._refused_at = None
            self._open(sent_at, 1 + sent_after)
        elif self.window is not None and not self._answered:
            self._length.confirmed = self.window.length
        self._answered += 1

    def refused(self, now: float, sent_at: float, retry_after: float | None, under_way: int) -> None:
        """Learn from a busy minute that asks to wait *retry_after* seconds, if it says so.

        Where other requests are *under_way*, they may have taken the room, and the window may well be over.
        """
        if not self._answered and self._refused_at is None:
            self._start = self._previous or self._start
        start = sent_at if self._start is None else self._start
        if self._answered:
            if self.window is not None:
                self._patience, self._step = self._patience * 2, 1
            self.window = Window(self._answered, self._length.seconds, start, self._answered)
            self._answered = self._left = 0
        elif not retry_after and not under_way and (self._refused_at is None or sent_at >= self._refused_at):
            self._length.not_over(sent_at - start)
        if retry_after:
            self._length.over(now - start + retry_after)
        self._refused_at = now

    def _open(self, now: float, used: int) -> None:
        """Begin a window: the one before is over, since a request was answered again."""
        if self._start is not None:
            self._length.over(now - self._start)
        self._start, self._answered = now, 0
        if self.window is not None:
            self.window = Window(self.window.limit, self._length.seconds, now, used)
            self._left = 0

    def _leave(self, window: Window, now: float) -> None:
        """Leave a window that is over; grow it when it was full often enough."""
        if self._refused_at is not None:
            return
        window.roll(now)
        if window.over != self._left:
            self._left = window.over
            self._previous, self._start, self._answered = self._start, now, 0
            if self._length.known:
                window.length = self._length.seconds
            if window.full >= self._patience:
                window.full = 0
                window.limit += self._step
                self._step *= 2


@dataclass(slots=True)
class RateMeter:
    """What is known of one key's limits for one model.

    Attributes:
        learnt: The limit that refusals teach.
        told: The limit that headers describe, which is believed before that.
        held_until: Before this instant another limit, of tokens say, leaves no room.
    """

    learnt: Learnt
    told: Told = field(default_factory=Told)
    held_until: float = 0.0

    @property
    def limit(self) -> Window | Bucket | None:
        """The limit to go by, where one is known."""
        return self.told.limit or self.learnt.in_force()

    def ready_at(self, now: float) -> float:
        """Return when the next request may be sent, by all that is known."""
        limit = self.limit
        return self.held_until if limit is None else max(self.held_until, limit.ready_at(now))

    def room(self, now: float) -> float:
        """Return how many requests may be sent now; infinite where no limit is known."""
        limit = self.limit
        return math.inf if limit is None else limit.room(now)

    def use(self, now: float) -> None:
        """Count a request that is sent, or booked for when there is room."""
        if self.told.limit:
            self.told.limit.use(now)
        else:
            self.learnt.use(now)

    def give_back(self) -> None:
        """Take back a request that was booked and is not sent."""
        if limit := self.limit:
            limit.give_back()

    def answered(self, now: float, sent_at: float, said: Allowance | None, sent_after: int) -> None:
        """Learn from an answer and its headers, while *sent_after* requests were sent later."""
        if said is not None:
            self.told.obey(now, said, sent_after)
        elif self.told.limit is None:
            self.learnt.answered(sent_at, sent_after)

    def refused(self, now: float, sent_at: float, retry_after: float | None, under_way: int) -> None:
        """Learn from a busy minute, while *under_way* other requests are."""
        told = self.told.limit
        if told is None:
            self.learnt.refused(now, sent_at, retry_after, under_way)
        elif isinstance(told, Window):
            told.used = max(told.used, told.limit)

    def reopens_at(self, now: float) -> float | None:
        """Return when a key that was refused should have room again, where that is known."""
        if self.told.limit is None:
            return self.learnt.reopens_at()
        return self.told.limit.ready_at(now) if isinstance(self.told.limit, Window) else None
