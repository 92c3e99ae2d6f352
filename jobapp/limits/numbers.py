"""What is known of a limit as a row of numbers, so that another process can go on from it. No I/O.

Each object that is part of a record says its numbers in a fixed order and takes them back in the same one;
"nobody knows" travels as the number that equals nothing, not even itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any, Protocol

UNKNOWN = math.nan


class Numbered(Protocol):
    """Something that travels as numbers."""

    def numbers(self) -> list[float]:
        """Return all that is known."""
        ...

    def take_over(self, numbers: Iterator[float]) -> None:
        """Take what is known from the first of *numbers*, and leave the others."""
        ...


class Fields:
    """The attributes of an object that travel as they are.

    Args:
        names: Their names, two at least.
    """

    __slots__ = ("_get", "_names")

    def __init__(self, *names: str) -> None:
        self._names = names
        self._get = attrgetter(*names)

    def of(self, owner: Any) -> list[float]:
        """Return their values."""
        return [UNKNOWN if value is None else value for value in self._get(owner)]

    def put(self, owner: Any, numbers: Iterator[float]) -> None:
        """Set them to the first of *numbers*."""
        for name, value in zip(self._names, numbers, strict=False):
            setattr(owner, name, value if value == value else None)  # noqa: PLR0124 - only nan differs


def checked(count: float, most: int) -> int:
    """Return how many there are, as a record tells it.

    Raises:
        ValueError: if it can't be true.
    """
    if not 0 <= count <= most:
        raise ValueError(f"{count} where {most} is the most")
    return int(count)


def pairs(numbers: Iterable[float], size: int) -> Iterator[tuple[float, ...]]:
    """Return *numbers* in tuples of *size*."""
    return zip(*[iter(numbers)] * size, strict=True)
