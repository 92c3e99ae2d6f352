"""The state on a Redis or Valkey server, shared by machines. Needs the extra ``redis``.

Every block is shared, short ones too. One exchange writes and reads at once, and reads only what has
changed. While the server can't be reached, calls go on from memory; what was learnt meanwhile is written
when it is back, and a server that came back without its data is told again what is known.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime

from jobapp.domain.clock import Clock
from jobapp.domain.forking import survive_fork
from jobapp.domain.types import Block
from jobapp.stores.outage import Outage, not_written
from jobapp.stores.redis_client import PAGE, Cursor, News, Server
from jobapp.stores.redis_connection import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    Connection,
    ServerError,
    prefix_of,
    without_secrets,
)
from jobapp.stores.redis_counts import ServerCounts
from jobapp.stores.redis_room import RedisRoom
from jobapp.stores.state import NOTHING, ClockJumps, QuotaState, Reset, believable

NAMESPACE = "jobapp"

MAX_AGE = 0.25
"""Seconds for which what was read last is fresh enough."""

TIMEOUT = 0.5
"""Seconds that an exchange may take."""

SWEEP_PERIOD = 3600.0
"""Seconds between two looks for expired blocks in memory; on the server each expires by itself."""

RETELL_PERIOD = 60.0
"""Seconds after which a server that may drop what it holds is told again what is known."""

ADVICE = "Start the server, or correct state.url (JOBAPP_STATE_URL)."

_logger = logging.getLogger(__name__)
_LONG_AGO = float("-inf")


class RedisStore:
    """The store for many machines.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``, as redis-py reads it.
        clock: The time.
        namespace: Keeps projects apart that share a server.
        max_age: Seconds for which no call asks the server again.
        timeout: Seconds that an exchange may take.

    Raises:
        StateStoreError: if redis-py is not installed.
        ConfigError: if *url* can't be read.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        namespace: str = NAMESPACE,
        max_age: float = MAX_AGE,
        timeout: float = TIMEOUT,
    ) -> None:
        self._clock = clock
        self._max_age = max_age
        self._server = Server(url, namespace, timeout)
        self.room = RedisRoom(url, prefix_of(namespace), clock)
        """What is used of each key."""
        self._outage = Outage(_logger, without_secrets(url), ADVICE)
        connection = Connection(url, namespace, timeout)
        self._counts = ServerCounts(connection, clock, self._outage, self.room.finish)
        self.ledger = self._counts.ledger
        """What was used in days and months."""
        self._cursor = Cursor()
        self._seen = NOTHING
        self._unwritten = NOTHING
        self._state = NOTHING
        self._jumps = ClockJumps(clock.now(), clock.monotonic())
        self._fresh_at = self._retry_at = _LONG_AGO
        self._swept_at = self._told_at = clock.monotonic()
        self._evicts = ""
        self._pause = FIRST_PAUSE
        survive_fork(self)

    def make_locks(self) -> None:
        """Make the locks; called again in a forked child."""
        self._memory = threading.RLock()
        self._talking = threading.Lock()  # held during a round trip, and taken before _memory

    @property
    def unwritten(self) -> bool:
        """Return whether something was learnt that the server does not know yet."""
        return not self._unwritten.is_empty

    @property
    def stale(self) -> bool:
        """Return whether others' news may be missing, and the server is worth a try."""
        now = self._clock.monotonic()
        return now - self._fresh_at >= self._max_age and now >= self._retry_at

    def refresh(self) -> None:
        """Fetch others' news and bring what is not written yet: one round trip, none while it is fresh."""
        self._talk(lambda: self.stale)

    def view(self) -> QuotaState:
        """Return what is known, without asking the server; the same object while nothing changed."""
        return self._state

    def add(self, blocks: Iterable[Block]) -> None:
        """Remember *blocks*; when this returns, they are on the server, if it can be reached.

        If another thread is talking to it, that one brings them.
        """
        self._believe()
        now = self._clock.now()
        with self._memory:
            self._unwritten = self._unwritten.with_blocks(believable(block, now) for block in blocks)
            self._adopt(self._seen)
        self._write()

    def reset(self, reset: Reset) -> tuple[Block, ...]:
        """End what *reset* covers, on the server too, and return what was ended, expired blocks included.

        Raises:
            StateStoreError: The server could not be told; it holds in this process only.
        """
        with self._memory:
            covered = [block for block in self._state if reset.covers(block)]
            self._unwritten = self._unwritten.with_reset(reset)
            self._adopt(self._seen)
        told = self._write()
        self.room.forget()
        if self.unwritten:
            raise not_written("the Redis server")
        return tuple(dict.fromkeys([*covered, *told]))

    def sweep(self, provider: str, now: datetime) -> None:
        """Drop from memory the blocks of *provider* that are of no use; the server does so by itself."""
        with self._memory:
            self._adopt(self._seen.swept(now, provider))

    def flush(self) -> None:
        """Write what is not written yet, if that is possible now."""
        self._write()
        self._counts.finish()

    def close(self) -> None:
        """Write what is not written yet, if that is possible now, and release the connection."""
        self.flush()
        self._counts.close()
        self._server.close()

    def _adopt(self, seen: QuotaState) -> None:
        """Take *seen* for what the server knows; _memory is held."""
        self._seen = seen
        self._state = seen.merged(self._unwritten)

    def _write(self) -> list[Block]:
        """Bring what is not written yet, unless the server failed a moment ago; return what resets ended."""
        return self._talk(self._can_write)

    def _is_new(self) -> bool:
        return self._fresh_at == self._retry_at == _LONG_AGO

    def _can_write(self) -> bool:
        return self.unwritten and self._clock.monotonic() >= self._retry_at

    def _talk(self, has_reason: Callable[[], bool]) -> list[Block]:
        """Talk to the server if there is a reason, unless another thread does: one waits for it.

        Before the server was ever asked all wait, for then nothing is known. Who gives the turn back looks
        once more, for another may have come and left something meanwhile.
        """
        ended: list[Block] = []
        while has_reason() and self._talking.acquire(blocking=self._is_new()):
            try:
                self._believe()
                if has_reason():
                    ended += self._exchange()
            finally:
                self._talking.release()
            has_reason = self._can_write
        return ended

    def _exchange(self) -> list[Block]:
        """Bring and fetch; on failure leave the server alone for a while. _talking is held."""
        try:
            self._retell()
            ended = self._bring_and_fetch()
            if self.unwritten:  # the server had lost it, and is told again
                self._bring_and_fetch()
            if self._counts.is_due:
                self._counts.look()
        except ServerError as error:
            self._outage.begin("reached", error)
            self._retry_at = self._clock.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            return []
        self._outage.end("reached")
        self._pause, self._retry_at = FIRST_PAUSE, _LONG_AGO
        self._fresh_at = self._clock.monotonic()
        return ended

    def _bring_and_fetch(self) -> list[Block]:
        now = self._clock.now()
        before, cursor, batch = self._seen, self._cursor, self._unwritten
        resets, blocks = tuple(batch.resets.values()), tuple(batch)
        told: list[News] = []
        while not told or told[-1].more or blocks:
            told.append(self._server.exchange(resets, blocks[:PAGE], cursor, now))
            cursor, resets, blocks = told[-1].cursor, (), blocks[PAGE:]
        anew = any(news.anew for news in told)
        if anew:
            self._look_at_policy()
        seen = (NOTHING if anew else before).merged(_learnt(told).believed(self._clock.now()))
        with self._memory:
            lost = before.swept(now).beyond(seen) if anew else NOTHING
            self._unwritten = lost if self._unwritten is batch else self._unwritten.merged(lost)
            self._adopt(self._swept(seen, now))
            self._cursor = cursor
        return [block for news in told for block in news.ended]

    def _look_at_policy(self) -> None:
        before, self._told_at = self._evicts, self._clock.monotonic()
        try:
            self._evicts = self._server.evicts()
        except ServerError:  # it need not say, by its own rights for users
            return
        if self._evicts and not before:
            _logger.warning(
                "The Redis server drops what it holds when its memory is full (maxmemory-policy %s): what "
                "was learnt may be missing until it is told again, each minute. Set it to noeviction, "
                "or give jobapp a server of its own.",
                self._evicts,
            )

    def _retell(self) -> None:
        """Bring all that is known once more where the server may have dropped it."""
        if not self._evicts or self._clock.monotonic() - self._told_at < RETELL_PERIOD:
            return
        self._told_at = self._clock.monotonic()
        with self._memory:
            self._unwritten = self._unwritten.merged(self._seen.swept(self._clock.now()))

    def _believe(self) -> None:
        """Look at all that is known anew if the clock was set: back, or right again."""
        now = self._clock.now()
        if self._jumps.seen(now, self._clock.monotonic()):
            with self._memory:
                self._unwritten = self._unwritten.believed(now)
                self._adopt(self._seen.believed(now))
                self._cursor = Cursor()

    def _swept(self, seen: QuotaState, now: datetime) -> QuotaState:
        if self._clock.monotonic() - self._swept_at < SWEEP_PERIOD:
            return seen
        self._swept_at = self._clock.monotonic()
        return seen.swept(now)


def _learnt(told: list[News]) -> QuotaState:
    resets = (reset for news in told for reset in news.resets)
    return NOTHING.with_resets(resets).with_blocks(block for news in told for block in news.blocks)
