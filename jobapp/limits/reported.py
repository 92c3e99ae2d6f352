"""The limit that the headers of answers describe. No I/O."""

from __future__ import annotations

from typing import NamedTuple

from jobapp.limits.window import FixedWindow, TokenBucket

SAME = 0.25
"""Two times per request that differ by less than this share are taken for the same."""


class RequestHeadroom(NamedTuple):
    """What the headers of an answer say of one limit.

    Attributes:
        limit: How many one window allows.
        remaining: How many of them are left.
        resets_in: Seconds until all of them are back.
    """

    limit: int
    remaining: int
    resets_in: float


class ReportedLimit:
    """A limit as headers describe it; there is none before the first answer that has them."""

    __slots__ = ("_first", "limit")

    def __init__(self) -> None:
        self.limit: FixedWindow | TokenBucket | None = None
        self._first: tuple[int, float] | None = None

    def obey(self, now: float, said: RequestHeadroom, under_way: int, reserved: int) -> None:
        """Take over what an answer says, in which what is *under_way* and *reserved* is not counted yet."""
        used = said.limit - said.remaining
        if self._refills_all_the_time(used, said.resets_in):
            interval = said.resets_in / max(1, used)
            ends = now + said.resets_in + (under_way + reserved) * interval
            self.limit = TokenBucket(said.limit, interval, ends)
            return
        known = self.limit
        if not isinstance(known, FixedWindow):
            known = self.limit = FixedWindow(said.limit, said.resets_in)
        known.roll(now)
        known.limit = said.limit
        known.length = max(known.length, said.resets_in)
        start = now + said.resets_in - known.length
        opened_since = known.start is None or start > known.start + known.length / 2
        # in a window that we saw open, our own count is exact: what overtook the request is in it already
        known.used = used + under_way + reserved if opened_since else max(known.used, used)
        known.sent = used + under_way if opened_since else max(known.sent, used)
        known.start = start

    def rejected(self) -> None:
        """Take the window for full, without the request that was rejected: another may have used it."""
        if isinstance(self.limit, FixedWindow):
            self.limit.used = max(self.limit.used - 1, self.limit.limit)
            self.limit.sent = max(self.limit.sent - 1, self.limit.limit)

    def reopens_at(self, now: float) -> float | None:
        """Return when there is room after a rejection, where that is known."""
        return self.limit.ready_at(now) if isinstance(self.limit, FixedWindow) else None

    def _refills_all_the_time(self, used: int, resets_in: float) -> bool:
        """Tell a bucket, whose time to full is in proportion to what was used, from a window."""
        if isinstance(self.limit, TokenBucket):
            return True
        if used < 1 or resets_in <= 0:
            return False
        first, self._first = self._first, self._first or (used, resets_in / used)
        if first is None or used < 2 * first[0]:
            return False
        self._first = (used, resets_in / used)
        return abs(resets_in / used - first[1]) < SAME * first[1]
