"""The prompt cache of an account: what a prompt has in common with an earlier one costs less.

A provider keeps the beginnings of prompts for a few minutes, for each account and model, so that a
conversation that moves to another account's key finds nothing. Here a beginning is a number of messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

KEPT = timedelta(minutes=5)
"""From the last use: Anthropic's default; OpenAI keeps five to ten minutes (prompt caching guides, 2026)."""
MOST = 10_000
"""Beginnings that are remembered."""


class Cached(NamedTuple):
    """Tokens of a prompt.

    Attributes:
        read: Those that were in the cache.
        written: Those that are in it from now on.
    """

    read: int = 0
    written: int = 0


NOTHING_CACHED = Cached()


class PromptCache:
    """What one account has in its cache."""

    def __init__(self) -> None:
        self._until: dict[int, datetime] = {}

    def look(self, model: str, parts: Sequence[str], at: datetime, least: int) -> Cached:
        """Return what of a prompt is in the cache; nothing is kept.

        Args:
            model: Whose cache.
            parts: The texts of the prompt that may be cached, in order.
            at: Now.
            least: Fewer tokens than this are not cached.
        """
        counts = [len(part.split()) for part in parts]
        total = sum(counts)
        if total < least:
            return NOTHING_CACHED
        read = found = 0
        for count, beginning in zip(counts, _beginnings(model, parts), strict=True):
            read += count
            if read >= least and self._until.get(beginning, at) > at:
                found = read
        return Cached(found, total - found)

    def keep(self, model: str, parts: Sequence[str], at: datetime) -> None:
        """Keep every beginning of a prompt that was answered."""
        if len(self._until) > MOST:
            self._until = {beginning: until for beginning, until in self._until.items() if until > at}
        self._until.update(dict.fromkeys(_beginnings(model, parts), at + KEPT))


def _beginnings(model: str, parts: Sequence[str]) -> Iterator[int]:
    known = hash(model)
    for part in parts:
        known = hash((known, part))
        yield known
