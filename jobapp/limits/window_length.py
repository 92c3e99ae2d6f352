"""How long the windows of a model are, as its keys learn it together from rejections. No I/O."""

from __future__ import annotations

import math

USUAL_LENGTHS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
"""Seconds of the windows that people choose."""

MARGIN = 0.01
"""The share by which a window is taken for longer: requests do not all travel equally fast."""

SLACK = 0.1
"""A window that is not over within this share of its length beyond it was measured badly, no more."""

DOUBTS = 3
"""How many observations that can't be true put in doubt all that is known."""


class WindowLengthEstimate:
    """What was seen of the length of a model's windows.

    One observation that contradicts the others is taken for another's doing; several begin it all anew.

    Attributes:
        seconds: The length to go by: the first usual one that can be it, else the longest that was seen.
        known: Whether a window was seen to be over.
        confirmed: A length that was gone by, and answered; 0 while there is none.
    """

    __slots__ = ("_at_most", "_doubts", "_more_than", "confirmed", "known", "seconds")

    def __init__(self) -> None:
        self._at_most = math.inf
        self._more_than = 0.0
        self._doubts = 0
        self.confirmed = 0.0
        self._choose()

    def over(self, seconds: float) -> None:
        """Learn that a window was over after *seconds*."""
        if seconds > self._more_than:
            self._at_most = min(self._at_most, seconds)
        else:
            self._doubt()
        self._choose()

    def not_over(self, seconds: float) -> None:
        """Learn that a window was not over after *seconds*."""
        self.confirmed = 0.0
        if seconds < self._at_most:
            self._more_than = max(self._more_than, seconds)
        elif seconds < self._at_most * (1 + SLACK):
            self._at_most = seconds * (1 + MARGIN)
        else:
            self._doubt()
        self._choose()

    def exactly(self, seconds: float) -> None:
        """Learn from the provider's own word that a window lasts *seconds*."""
        self._at_most, self._more_than = seconds, seconds * (1 - SLACK)
        self._choose()

    def confirm(self, seconds: float) -> None:
        """Learn that a length which was gone by is right."""
        self.confirmed = seconds
        self._doubts = 0

    def _doubt(self) -> None:
        self._doubts += 1
        if self._doubts >= DOUBTS:
            self._at_most, self._more_than, self._doubts = math.inf, 0.0, 0

    def _choose(self) -> None:
        more, most = 1 + MARGIN, self._at_most * (1 + MARGIN)
        fitting = (length for length in USUAL_LENGTHS if self._more_than < length * more and length <= most)
        self.seconds = next(fitting, self._at_most) * more
        self.known = self._at_most < math.inf
