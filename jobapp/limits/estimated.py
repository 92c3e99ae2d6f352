"""The limit that rejections teach, where no header tells it. No I/O."""

from __future__ import annotations

import math

from jobapp.limits.window import MINUTE, FixedWindow
from jobapp.limits.window_length import WindowLengthEstimate

LONG_AGO = -math.inf
"""When a window was opened of which that was not seen."""


class EstimatedLimit:
    """One key's window, as its rejections and answers show it.

    What a window's requests were answered before it was full is its limit; the time from its first request to
    the first one that is answered after a rejection is its length, at most. After some full windows without
    a rejection more is tried, in case the limit was taken for too low: one request more, then two, four …;
    after each rejection, later.

    Args:
        length: The length of the windows, which the keys of a model share.
    """

    __slots__ = (
        "_alive",
        "_closed_since",
        "_full",
        "_length",
        "_opened",
        "_patience",
        "_previous",
        "_refused_at",
        "_rejected",
        "_sent",
        "_step",
        "_usual",
        "_window",
    )

    def __init__(self, length: WindowLengthEstimate) -> None:
        self._length = length
        self._window: FixedWindow | None = None
        self._opened: float | None = None  # when the window's first request was sent
        self._previous = LONG_AGO  # the same of the window before
        self._sent = self._rejected = 0  # requests of this window
        self._alive = False  # whether one of them was answered
        self._closed_since: float | None = None  # since when only an answer tells that there is room again
        self._refused_at = LONG_AGO  # when that was last tried in vain
        self._usual = 0  # the limit before this window
        self._full, self._patience, self._step = 0, 2, 1

    @property
    def window(self) -> FixedWindow | None:
        """The limit, where both its sizes are known and no rejection puts it in doubt."""
        return self._window if self._closed_since is None and self._length.known else None

    def unsure(self) -> bool:
        """Return whether the window that is open now was opened on a guess, and nothing was answered yet."""
        window = self.window
        return window is not None and not self._alive and window.length != self._length.confirmed

    def reopens_at(self) -> float | None:
        """Return when a key that was rejected should have room again, where that is known."""
        if self._opened is None or not self._length.known:
            return None
        at = self._opened + self._length.seconds
        return at if self._closed_since is None or at > self._refused_at else None

    def begin(self, now: float) -> None:
        """Note that a request is sent."""
        if self._closed_since is not None:
            return
        if self._window is not None:
            self._window.roll(now)
            if not self._window.sent:
                self._enter(self._window, now)
        elif self._opened is None:
            self._opened = now
        elif now - self._opened > MINUTE:
            self._opened = LONG_AGO
        self._sent += 1

    def answered(self, sent_at: float, under_way: int, reserved: int) -> None:
        """Learn from an answer to a request of *sent_at*, while others are *under_way* and *reserved*."""
        if self._closed_since is not None:
            if sent_at >= self._closed_since:
                self._reopen(sent_at, 1 + under_way, reserved)
        elif self._opened is not None and sent_at >= self._opened and not self._alive:
            self._alive = True
            if self._window is not None:
                self._length.confirm(self._window.length)

    def rejected(self, now: float, sent_at: float, retry_after: float | None, under_way: int) -> None:
        """Learn from a busy minute that asks to wait *retry_after* seconds, if it says so.

        Where other requests are *under_way*, they may have taken the room, and the window may well be over.
        """
        opened = sent_at if self._opened is None else self._opened
        if retry_after and opened > LONG_AGO:
            self._length.exactly(now - opened + retry_after)
        if self._closed_since is not None and sent_at >= self._closed_since:
            self._go_on(now, sent_at, guess=bool(retry_after or under_way))
        elif sent_at >= opened:
            self._rejected += 1
            served = self._sent - self._rejected
            if served > 0:
                self._fill(served, opened, now)
            else:
                self._stay(now, sent_at, guess=bool(retry_after or under_way))

    def _fill(self, served: int, opened: float, now: float) -> None:
        """Take the window for full; its limit is what was *served*, or is still on its way to be."""
        if not self._length.known or opened == LONG_AGO:
            self._close(now)
        if opened == LONG_AGO:
            return
        if self._window is None:
            self._window = FixedWindow(served, self._length.seconds, opened, served, served)
        else:
            self._window.release()
            self._window.limit = min(self._window.limit, served)
            if self._rejected == 1:
                self._patience, self._step = self._patience * 2, 1

    def _stay(self, now: float, sent_at: float, *, guess: bool) -> None:
        """Go back to the window before, which is not over: nothing of this one was served."""
        if self._window is not None:
            self._window.limit = self._usual or self._window.limit
        if self._closed_since is None:
            self._opened = self._previous
        self._go_on(now, sent_at, guess=guess)

    def _go_on(self, now: float, sent_at: float, *, guess: bool) -> None:
        """Go on with a window that was not over when a request was sent."""
        if not guess and self._opened is not None and self._opened > LONG_AGO:
            self._length.not_over(sent_at - self._opened)
        self._close(now)

    def _close(self, now: float) -> None:
        """Wait for an answer, which will tell that the window is over."""
        self._closed_since, self._refused_at = self._closed_since or now, now

    def _reopen(self, now: float, sent: int, reserved: int) -> None:
        """Begin a window: the one before is over, since a request was answered again."""
        if self._opened is not None and self._opened > LONG_AGO:
            self._length.over(now - self._opened)
        self._closed_since = None
        if self._window is not None:
            self._window = FixedWindow(self._window.limit, self._length.seconds, now, sent + reserved, sent)
        self._begin_counting(now, sent)
        self._alive = True

    def _enter(self, window: FixedWindow, now: float) -> None:
        """Begin the next window; let it hold more when those before were full often enough."""
        if self._length.known:
            window.length = self._length.seconds
        if self._sent >= window.limit and not self._rejected:
            self._full += 1
        if self._full >= self._patience:
            self._full = 0
            window.limit += self._step
            self._step *= 2
        self._begin_counting(now, 0)

    def _begin_counting(self, now: float, sent: int) -> None:
        self._previous = LONG_AGO if self._opened is None else self._opened
        self._opened = now
        self._sent, self._rejected, self._alive = sent, 0, False
        self._usual = 0 if self._window is None else self._window.limit
