"""How much one key may still be asked of one model, by all that is known. No I/O.

It only ever delays a request: where it is wrong, the provider's own answer corrects it. Instants are seconds
since the epoch, lengths are seconds.
"""

from __future__ import annotations

import math

from jobapp.limits.estimated import EstimatedLimit
from jobapp.limits.reported import ReportedLimit, RequestHeadroom
from jobapp.limits.window import FixedWindow, TokenBucket
from jobapp.limits.window_length import WindowLengthEstimate


class RateMeter:
    """What headers tell of one key's limits for one model and, where they tell nothing, rejections teach.

    Args:
        length: The length of the windows, which the keys of a model share.
    """

    __slots__ = ("_learnt", "_told", "token_limit_until")

    def __init__(self, length: WindowLengthEstimate) -> None:
        self._told = ReportedLimit()
        self._learnt = EstimatedLimit(length)
        self.token_limit_until = 0.0
        """Before this instant another limit, of tokens say, leaves no room."""

    @property
    def limit(self) -> FixedWindow | TokenBucket | None:
        """The limit to go by, where one is known."""
        return self._told.limit or self._learnt.window

    def ready_at(self, now: float) -> float:
        """Return when the next request may be sent."""
        limit = self.limit
        return self.token_limit_until if limit is None else max(self.token_limit_until, limit.ready_at(now))

    def room(self, now: float) -> float:
        """Return how many requests may be sent now; infinite where no limit is known."""
        limit = self.limit
        return math.inf if limit is None else limit.room(now)

    def unsure(self) -> bool:
        """Return whether only an answer that is on its way will show that there is room."""
        return self._told.limit is None and self._learnt.unsure()

    def reopens_at(self, now: float) -> float | None:
        """Return when a key that was rejected should have room again, where that is known."""
        return self._learnt.reopens_at() if self._told.limit is None else self._told.reopens_at(now)

    def use(self, now: float) -> None:
        """Count a request that is sent, or booked for when there is room."""
        if limit := self.limit:
            limit.use(now)

    def release(self) -> None:
        """Take back a request that was booked and is not sent."""
        if limit := self.limit:
            limit.release()

    def begin(self, now: float) -> None:
        """Note that a request is sent."""
        if self._told.limit is None:
            self._learnt.begin(now)
        if limit := self.limit:
            limit.begin(now)

    def admits(self, now: float) -> bool:
        """Return whether there still is the room that was foreseen when a request was booked."""
        limit = self.limit
        return limit is None or limit.admits(now)

    def answered(
        self, now: float, sent_at: float, said: RequestHeadroom | None, under_way: int, reserved: int
    ) -> None:
        """Learn from an answer and its headers, while other requests are *under_way* and *reserved*."""
        if said is not None:
            self._told.obey(now, said, under_way, reserved)
        elif self._told.limit is None:
            self._learnt.answered(sent_at, under_way, reserved)

    def rejected(self, now: float, sent_at: float, retry_after: float | None, under_way: int) -> None:
        """Learn from a busy minute, while other requests are *under_way*."""
        if self._told.limit is None:
            self._learnt.rejected(now, sent_at, retry_after, under_way)
        else:
            self._told.rejected()
