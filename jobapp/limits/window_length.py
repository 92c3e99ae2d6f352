"""How long the windows of a model are, as its keys learn it together from rejections. No I/O.

The length is known as an interval that observations narrow::

    a request was answered x seconds after the window opened      length <= x
    a request was rejected x seconds after it opened              length >  x
    the server asks to wait h more seconds, rounded up by r       h - r   <= length <= x + h

Gone by is the smallest of the lengths that people choose above the lower end. While the interval is
wide, a shorter length is tried with one request at a time; what is too long costs a part of each window, what
is too short one request.

A lower end always holds. An upper end does not where windows begin by the clock, for one that is met
half-way looks short: as soon as a lower end contradicts it, upper ends count no more. An upper end that
contradicts the lower one is believed after some of them, for others may use the key.
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

DOUBTS = 3
"""How many observations that can't be true put in doubt all that is known."""


_FIELDS = Fields("_least", "_most", "_doubts", "_by_clock", "_testing_until", "seconds")


class WindowLength:
    """What was seen of the length of a model's windows.

    Attributes:
        seconds: The length to go by; infinite while nothing is known.
    """

    __slots__ = ("_by_clock", "_doubts", "_least", "_most", "_testing_until", "seconds")

    def __init__(self) -> None:
        self._least, self._most = 0.0, math.inf
        self._doubts = 0
        self._by_clock = False
        self._testing_until = -math.inf
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
        """Return a shorter length that is worth a try by one request; ``None`` while one is tried."""
        if not self.known or now < self._testing_until or self._most - self._least <= EXACT * self._most:
            return None
        usual = [length for length in USUAL_LENGTHS if self._least < length < self.seconds * (1 - EXACT)]
        if usual:
            return usual[-1] * (1 + MARGIN)
        is_usual = any(abs(self.seconds - length * (1 + MARGIN)) < TINY for length in USUAL_LENGTHS)
        return None if is_usual or self._most <= SHORTEST else (self._least + self._most) / 2

    def may_last(self, seconds: float) -> bool:
        """Return whether it is thinkable that a window is not over after *seconds*."""
        return seconds < self._most

    def testing(self, until: float) -> None:
        """Note that a shorter length is tried, and that this is known by *until*."""
        self._testing_until = until

    def outlasts(self, seconds: float) -> None:
        """Learn that windows are longer than was thought: they begin by the clock, one was met half-way."""
        self._least, self._by_clock = seconds, True
        self._most = next((usual for usual in USUAL_LENGTHS if usual > seconds), 2 * seconds)
        self._choose()

    def _observe(self, least: float, most: float) -> None:
        if self._by_clock:
            most = math.inf
        if least >= self._most * (1 + SLACK):
            self.outlasts(least)
        elif most > self._least:
            self._most = max(min(most, self._most), least * (1 + MARGIN))
            self._least = max(least, self._least)
        else:
            self._doubts += 1
            if self._doubts >= DOUBTS:
                self._least, self._most, self._doubts = least, most, 0
        self._choose()

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
