"""What happened to a key while its record could not be had, so that others learn of it when it can. No I/O.

A process that can't have the record goes on with its copy, which is lost as soon as it takes over what others
wrote. What it sent meanwhile is counted again then, into what they know.
"""

from __future__ import annotations

from collections import deque

from jobapp.limits.meter import Cost, RateMeter, Tally

MOST = 200
"""So many requests are counted again; a record that is away for longer than they take counts anew anyway."""


class Unshared:
    """What one process sent and what was over of it, as changes to the record."""

    __slots__ = ("_ended", "_sent", "_uses")

    def __init__(self) -> None:
        self._sent, self._ended = Tally(), Tally()
        self._uses: deque[tuple[float, Cost]] = deque(maxlen=MOST)

    def begin(self, now: float, cost: Cost) -> None:
        """Count a request that is sent."""
        self._sent.add(cost)
        self._uses.append((now, cost))

    def end(self, cost: Cost) -> None:
        """Note that a request is over, sent alone or not."""
        self._ended.add(cost)

    def not_counted(self, sent_at: float, cost: Cost) -> None:
        """Note that a request that is over was rejected because of a limit, or was not even sent."""
        self._sent.add(cost, -1.0)
        self._ended.add(cost, -1.0)
        self._uses = deque((use for use in self._uses if use[0] != sent_at), MOST)

    def add_to(self, sent: Tally, ended: Tally, lost: Cost) -> Cost:
        """Add it to the tallies of a record; return what else that *lost* of what is under way here."""
        sent.add(self._sent.total())
        ended.add(self._ended.total())
        return lost.plus(self._sent.total()).plus(self._ended.total(), -1.0)

    def count_again(self, meter: RateMeter) -> None:
        """Count what was used into what others know of the limits."""
        for now, cost in self._uses:
            meter.count_late(now, cost)
