"""A limit that headers describe, corrected by each answer in both directions. No I/O.

An answer says how many units the server had counted when it admitted the request, ``used``. Of our other
requests it surely counted those that had ended before this one was sent; the ``others`` may be in it or not,
whatever order the answers come in. So the truth lies between, and our own count is taken as far as it lies
there, too::

    used <= truth <= min(limit, used + others)

Whether it is a window or a bucket, two answers tell where the header's name does not: as long as nothing
comes back, the time to the end of a window shrinks by what passed, and the time to a full bucket grows with
what is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from jobapp.limits.fixed_window import FixedWindow
from jobapp.limits.headers import Reported
from jobapp.limits.limit import Unit
from jobapp.limits.numbers import checked
from jobapp.limits.token_bucket import TokenBucket

SHORT = 120.0
"""A limit that is back within these seconds is a busy minute's; beyond, an hour's or a day's."""

CLEAR = 0.5
"""One model is taken rather than the other when it errs by less than this share of what the other does."""


UNITS = tuple(Unit)
"""What a limit counts, by its number in a record."""


class _Sample(NamedTuple):
    at: float
    used: float
    resets_in: float


class ReportedLimit:
    """One limit as headers describe it.

    Args:
        said: What the first answer says.
        now: When it says so, in seconds since the epoch.
        others: Units of our requests that may not be counted in it.

    Attributes:
        limit: The model that goes by it.
        unit: What it counts.
    """

    __slots__ = ("_sample", "limit", "unit")

    def __init__(self, said: Reported, now: float, others: float) -> None:
        most = _most_used(said, others)
        self.unit = said.unit
        self.limit: FixedWindow | TokenBucket
        self._sample = _Sample(now, said.limit - said.remaining, said.resets_in)
        if said.bucket:
            self.limit = _bucket(said, now, most)
        else:
            self.limit = FixedWindow(said.limit, said.resets_in, now + said.resets_in, most)

    def numbers(self) -> list[float]:
        """Return what is known, for another process."""
        kind = float(isinstance(self.limit, TokenBucket))
        return [kind, UNITS.index(self.unit), *self._sample, *self.limit.numbers()]

    @classmethod
    def from_numbers(cls, numbers: Iterator[float]) -> ReportedLimit:
        """Return what another process knows."""
        self = cls.__new__(cls)
        bucket, self.unit = next(numbers), UNITS[checked(next(numbers), len(UNITS) - 1)]
        self._sample = _Sample(next(numbers), next(numbers), next(numbers))
        self.limit = TokenBucket(1.0, 1.0, 0.0) if bucket else FixedWindow(1.0, 1.0)
        self.limit.take_over(numbers)
        return self

    def is_short(self) -> bool:
        """Return whether it is a busy minute's limit, and no day's."""
        known = self.limit
        return (known.length if isinstance(known, FixedWindow) else known.limit * known.interval) <= SHORT

    def obey(self, said: Reported, now: float, others: float) -> None:
        """Take over what an answer says, in which *others* units of ours may not be counted."""
        self._decide(said, now)
        if isinstance(self.limit, TokenBucket):
            self._obey_bucket(self.limit, said, now, others)
        else:
            self._obey_window(self.limit, said, now, others)

    def full(self, now: float) -> None:
        """Take it for full, since a request was rejected: another program may have used it."""
        room = self.limit.room(now)
        if room:
            self.limit.count(now, room)

    def _decide(self, said: Reported, now: float) -> None:
        """Go over to the model that foresaw this answer better from an earlier one."""
        before, self._sample = self._sample, _Sample(now, said.limit - said.remaining, said.resets_in)
        passed = now - before.at
        if said.bucket is not None or passed >= before.resets_in or not before.used or not self._sample.used:
            return
        as_window = abs(before.resets_in - passed - said.resets_in)
        as_bucket = abs(before.resets_in * self._sample.used / before.used - said.resets_in)
        slack = said.rounding + TICKS
        if as_bucket + slack < as_window * CLEAR and isinstance(self.limit, FixedWindow):
            self.limit = _bucket(said, now, self.limit.used)
        elif as_window + slack < as_bucket * CLEAR and isinstance(self.limit, TokenBucket):
            self.limit = FixedWindow(said.limit, said.resets_in, now + said.resets_in, self.limit.used(now))

    def _obey_bucket(self, known: TokenBucket, said: Reported, now: float, others: float) -> None:
        used, known.limit = said.limit - said.remaining, said.limit
        counted = min(max(known.used(now), used), _most_used(said, others))
        if used:
            told = said.resets_in / used
            sure = (said.resets_in - said.rounding) / used
            known.interval = max(sure, min(told, known.interval)) if said.rounding else told
        known.interval = max(known.interval, LEAST_INTERVAL)
        known.set_used(now, counted)

    def _obey_window(self, known: FixedWindow, said: Reported, now: float, others: float) -> None:
        used, known.limit = said.limit - said.remaining, said.limit
        known.roll(now)
        known.length = max(known.length, said.resets_in)
        ends_at = now + said.resets_in
        same = known.ends_at is not None and abs(ends_at - known.ends_at) < known.length / 2
        most = _most_used(said, others)
        known.used = min(max(known.used, used), most) if same else most
        known.ends_at = min(ends_at, known.ends_at or ends_at) if same and said.rounding else ends_at


TICKS = 0.002
"""Seconds by which two instants of one window may differ, told in milliseconds."""

LEAST_INTERVAL = 1e-6


def _most_used(said: Reported, others: float) -> float:
    return min(said.limit, said.limit - said.remaining + others)


def _bucket(said: Reported, now: float, used: float) -> TokenBucket:
    interval = max(LEAST_INTERVAL, said.resets_in / max(1, said.limit - said.remaining))
    return TokenBucket(said.limit, interval, now + used * interval)
