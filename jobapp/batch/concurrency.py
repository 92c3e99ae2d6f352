"""How many rows are under way at once: slow start, then additive increase, multiplicative decrease. Pure.

The keys' limits need no such number: calls wait for their room. It finds what the server bears. Each answer
makes it one more, up to half of where it was when the server was last overloaded, and from there on one more
a round; an overload halves it, once for all that were under way then (TCP's congestion control, RFC 5681).
"""

from __future__ import annotations

FIRST = 4
MOST = 64


class Concurrency:
    """The number of rows that may be under way.

    Args:
        fixed: The number where a person has set it.
    """

    def __init__(self, fixed: int | None = None) -> None:
        self._fixed = fixed
        self._limit = float(fixed or FIRST)
        self._threshold = float(MOST)
        self._until_halved_again = 0

    @property
    def limit(self) -> int:
        """How many may be under way now."""
        return int(self._limit)

    def answered(self) -> None:
        """Note an answer that came without an overload."""
        self._until_halved_again -= 1
        if self._fixed is None:
            step = 1.0 if self._limit < self._threshold else 1 / self._limit
            self._limit = min(float(MOST), self._limit + step)

    def overloaded(self, under_way: int) -> None:
        """Note that the server was overloaded, while *under_way* rows were with it."""
        self._until_halved_again -= 1
        if self._fixed is None and self._until_halved_again < 0:
            self._limit = self._threshold = max(1.0, self._limit / 2)
            self._until_halved_again = under_way
