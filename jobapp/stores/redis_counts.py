"""What was used in days and months, on a Redis or Valkey server.

The room that processes share there lives no longer than they do; these counts last until their day or month
is over. One exchange adds what is new and fetches what others added; a server that has lost its data is told
again what is known (``counts.lua``).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from jobapp.domain.clock import Clock
from jobapp.domain.types import EMPTY
from jobapp.limits.counts import GRACE, WRITER_MEMORY, Batch, Count, CountId, Counts, Written, count_of
from jobapp.stores.kept_counts import KeptCounts
from jobapp.stores.outage import Outage
from jobapp.stores.redis_connection import Connection, ServerError, text_of

LONGEST_DAY, LONGEST_MONTH = timedelta(hours=25), timedelta(days=31, hours=1)

NOBODY = Batch("", 0, EMPTY)


class _Seen(NamedTuple):
    """What the server said last of a day or month.

    Attributes:
        stamp: Which state of it that was.
        totals: What was used.
    """

    stamp: str = ""
    totals: Mapping[CountId, Count] = EMPTY


_NOTHING = _Seen()


class ServerCounts(KeptCounts):
    """The counts on the server.

    Args:
        connection: To it.
        clock: The time.
        outage: What is amiss with it.
        before_the_end: Waits until all is counted that was used.
    """

    faults = (ServerError,)

    def __init__(
        self, connection: Connection, clock: Clock, outage: Outage, before_the_end: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._before_the_end = before_the_end
        self._script = connection.script("counts.lua")
        self._seen: dict[str, _Seen] = {}
        super().__init__(clock, outage)

    def finish(self) -> None:
        """Write what is not written yet, if that is possible now: the process ends."""
        self._before_the_end()
        super().finish()

    def close(self) -> None:
        """Release the connection; the next exchange makes another."""
        self._connection.close()

    def _read_news(self) -> None:
        self._bring()  # a batch that may have arrived is only known to be there when it is brought again

    def _bring(self) -> None:
        batch, now = self.ledger.batch(), self._clock.now()
        self._look_at = self._clock.monotonic()
        brought = batch or NOBODY
        seen = self._exchange(brought, now) or self._exchange(brought, now, again=True)
        if seen is None:
            raise ServerError("it loses what it is told")
        self._seen = seen
        totals = {id_: used for each in seen.values() for id_, used in each.totals.items()}
        writers = {} if batch is None else {batch.writer: Written(batch.number, now)}
        self.ledger.learn(Counts(totals, writers))

    def _exchange(self, batch: Batch, now: datetime, *, again: bool = False) -> dict[str, _Seen] | None:
        """Bring *batch* and fetch what has changed; with *again* tell all that is known, too.

        Returns:
            What is known now; ``None`` if the server has lost something, and has added nothing.

        Raises:
            ServerError: if the server can't be reached, or rejects.
        """
        periods = sorted({*_around(now), *(id_.period for id_ in batch.used)})
        days = [self._day(period, batch, again=again) for period in periods]
        prefix = self._connection.prefix
        keys = [f"{prefix}writer:{batch.writer}", *(f"{prefix}counts:{period}" for period in periods)]
        text = json.dumps(days, ensure_ascii=False).encode(errors="replace")
        arguments = [batch.number, _milliseconds(WRITER_MEMORY), secrets.token_hex(8), text]

        def ask() -> dict[str, _Seen] | None:
            answer = self._script(keys, arguments)
            told = zip(periods, answer, strict=True)
            return {period: self._learnt(period, *each) for period, each in told} if answer else None

        return self._connection.in_time(ask)

    def _day(self, period: str, batch: Batch, *, again: bool) -> dict[str, Any]:
        seen = self._seen.get(period, _NOTHING)
        longest = LONGEST_DAY if len(period) == len("2026-11-27") else LONGEST_MONTH
        day = {"seen": seen.stamp, "keep": _milliseconds(longest + GRACE), "used": _rows(period, batch.used)}
        return {**day, "known": _rows(period, seen.totals)} if again else day

    def _learnt(self, period: str, stamp: bytes, news: Sequence[bytes] | None = None) -> _Seen:
        if news is None:
            return self._seen.get(period, _NOTHING)
        texts = [text_of(text) for text in news]
        totals: dict[CountId, Count] = {}
        for name, values in zip(texts[::2], texts[1::2], strict=True):
            if name:
                with suppress(ValueError, TypeError):  # somebody else wrote there
                    provider, subject, model, zone = json.loads(name)
                    totals[CountId(provider, subject, model, zone, period)] = count_of(values.split())
        return _Seen(text_of(stamp), totals)


def _around(now: datetime) -> set[str]:
    """Return the days and months that it is somewhere on earth."""
    days = [(now + timedelta(days=offset)).date() for offset in (-1, 0, 1)]
    return {name for day in days for name in (f"{day:%Y-%m-%d}", f"{day:%Y-%m}")}


def _rows(period: str, totals: Mapping[CountId, Count]) -> list[list[Any]]:
    return [[json.dumps(id_[:-1]), *used] for id_, used in totals.items() if id_.period == period]


def _milliseconds(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))
