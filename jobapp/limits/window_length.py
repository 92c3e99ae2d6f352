"""How long the windows of a model are, as its keys learn it together from rejections. No I/O.

The length is known as an interval that observations narrow::

    a request was answered x seconds after the window opened      length <= x
    a request was rejected x seconds after it opened              length >  x
    the server asks to wait h more seconds, rounded up by r       h - r   <= length <= x + h

Gone by is the smallest of the lengths that people choose above the lower end. While the interval is
wide, a shorter length is tried with one request at a time; what is too long costs a part of each window, what
is too short one request.

Neither end is sure. Where windows begin by the clock, one that is met half-way looks short: as soon as a
lower end contradicts an upper one, upper ends count no more. And a request that left late, for its machine
was busy, makes a window look long, by seconds. So a length that lies so little below is tried now and then,
at once and after 2, 4, 8 … windows, and what contradicts the lower end is believed when it was seen twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from jobapp.limits.numbers import Fields

USUAL_LENGTHS = (
    1.0,
    2.0,
    3.0,
    5.0,
    6.0,
    10.0,
    15.0,
    20.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    900.0,
    1800.0,
    3600.0,
    86_400.0,
)
"""Seconds of the windows that people choose."""

GUESSES = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 86_400.0)
"""Seconds after which a window of unknown length is tried, one request at a time."""

FEW_GUESSES = (1.0, 10.0, 60.0, 3600.0, 86_400.0)
"""The same for one that may be tried two times more only; with one try left it is the minute."""

MARGIN = 0.01
"""The share by which a window is taken for longer: requests do not all travel equally fast."""

TINY = 1e-9

SHORTEST = 0.1
"""Seconds; shorter lengths are not looked for."""

EXACT = 0.05
"""An interval that is narrower than this share of its length is not narrowed any more."""

SLACK = 0.05
"""What an upper end may be wrong by because requests do not all travel equally fast."""

ERROR = 2.0
"""Seconds by which a lower end may be wrong because a request left late."""

DOUBTS = 2
"""How many observations that can't be true put in doubt all that is known."""


TESTING = 5.0
"""Seconds for which an answer is waited for that will tell of the length; then another request is sent."""

_FIELDS = Fields(
    "_least", "_most", "_doubts", "_by_clock", "_testing_until", "_check_at", "_check_after", "seconds"
)


class WindowLength:
    """What was seen of the length of a model's windows.

    Attributes:
        seconds: The length to go by; infinite while nothing is known.
    """

    __slots__ = (
        "_by_clock",
        "_check_after",
        "_check_at",
        "_doubts",
        "_least",
        "_most",
        "_testing_until",
        "seconds",
    )

    def __init__(self) -> None:
        self._least, self._most = 0.0, math.inf
        self._doubts = 0
        self._by_clock = False
        self._testing_until = self._check_at = -math.inf  # when the lower end is checked next
        self._check_after = 2.0  # and after how many windows again
        self.seconds = math.inf

    @property
    def known(self) -> bool:
        """Whether a window was seen to be over."""
        return self._most < math.inf

    def over(self, seconds: float) -> None:
        """Learn that a window was over *seconds* after it opened."""
        self._observe(0.0, seconds)

    def not_over(self, seconds: float) -> None:
        """Learn that a window was not over *seconds* after it opened."""
        self._observe(seconds, math.inf)

    def checked(self, now: float) -> None:
        """Note that a test was rejected: the lower end stands, and is checked again later."""
        if self.known:
            self._check_at, self._check_after = now + self._check_after * self.seconds, 2 * self._check_after

    def told(self, least: float, most: float) -> None:
        """Learn from the provider's word that a window lasts between two lengths."""
        if most > self._least:  # else it was told of a window of the clock that was met half-way
            self._observe(least * (1 - MARGIN), most)

    def guess(self, tries_left: int) -> float:
        """Return after how many seconds a window of unknown length is tried by a call with so many tries."""
        least = self._least
        if tries_left <= 1:
            least = max(least, FEW_GUESSES[1])
        guesses = GUESSES if tries_left > len(FEW_GUESSES[:2]) else FEW_GUESSES
        return next((guess for guess in guesses if guess > least * (1 + EXACT)), guesses[-1]) * (1 + MARGIN)

    def is_tried(self, now: float) -> bool:
        """Return whether a request is under way that will tell more of the length."""
        return now < self._testing_until

    def shorter(self, now: float) -> float | None:
        """Return a length in the interval that is worth a try by one request; ``None`` while one is tried."""
        if not self.known or self.is_tried(now) or self._most - self._least <= EXACT * self._most:
            return None
        below = self._below()
        if below is not None and below > self._least * (1 + MARGIN):
            return below
        is_usual = any(abs(self.seconds - length * (1 + MARGIN)) < TINY for length in USUAL_LENGTHS)
        return None if is_usual or self._most <= SHORTEST else (self._least + self._most) / 2

    def to_check(self, now: float) -> float | None:
        """Return a length below the interval, where it is time to check that."""
        if not self.known or now < self._check_at or self.is_tried(now):
            return None
        below = self._below()
        return below if below and below >= self._least - ERROR else None

    def _below(self) -> float | None:
        """Return the usual length below the one that is gone by."""
        below = [length for length in USUAL_LENGTHS if length < self.seconds * (1 - EXACT)]
        return below[-1] * (1 + MARGIN) if below else None

    def may_last(self, seconds: float) -> bool:
        """Return whether it is thinkable that a window is not over after *seconds*."""
        return seconds < self._most

    def begin_test(self, now: float) -> None:
        """Note that a request is sent that will tell more of the length."""
        self._testing_until = now + TESTING

    def end_test(self) -> None:
        """Note that it is over."""
        self._testing_until = -math.inf

    def outlasts(self, seconds: float) -> None:
        """Learn that windows are longer than was thought: they begin by the clock, one was met half-way."""
        self._least, self._by_clock = seconds, True
        self._most = next((usual for usual in USUAL_LENGTHS if usual > seconds), 2 * seconds)
        self._choose()

    def _observe(self, least: float, most: float) -> None:
        if most <= self._least:
            self._doubt(least, most)
        elif least >= self._most * (1 + SLACK):
            self.outlasts(least)
        else:
            most = math.inf if self._by_clock else most
            self._most = max(min(most, self._most), least * (1 + MARGIN))
            self._least = max(least, self._least)
        self._choose()

    def _doubt(self, least: float, most: float) -> None:
        """Note that the lower end was contradicted; it is checked again with the next window."""
        self._doubts, self._check_at = self._doubts + 1, -math.inf
        if self._doubts >= DOUBTS:
            self._least, self._most, self._doubts, self._by_clock = least, most, 0, False

    def _choose(self) -> None:
        if not self.known:
            self.seconds = math.inf
            return
        usual = next((usual for usual in USUAL_LENGTHS if usual > self._least), self._most)
        self.seconds = usual * (1 + MARGIN)

    def numbers(self) -> list[float]:
        """Return what is known, for another process."""
        return _FIELDS.of(self)

    def take_over(self, numbers: Iterator[float]) -> None:
        """Take over what another process knows."""
        _FIELDS.put(self, numbers)
