"""The room of keys on a Redis or Valkey server, for the processes of many machines.

A record is one value on the server: its stamp, then its numbers. Who decides on a key takes its lock and
reads its records in one round trip, decides, and sends what has changed together with the end of the lock;
nobody waits for the answer to that. The lock ends by itself, should its process die::

    lock    SET lock NX PX, TIME, GET records            a round trip
    unlock  if the lock is mine: SET records, DEL lock    sent, and read before the next command

The keys of a model have one lock, for they have a record in common; those that count in budgets, all of a
provider's. A holder that is slower than its lock writes nothing.

While the server is away or slow, each process goes on by itself. So does one whose clock is not the server's,
for a record is made of instants.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any
from weakref import ReferenceType

from jobapp.domain.clock import Clock
from jobapp.domain.forking import survive_fork
from jobapp.limits.under_way import Me, Members, Owner
from jobapp.pool.shared_room import Part
from jobapp.stores.redis_connection import FIRST_PAUSE, LONGEST_PAUSE, open_client

TIMEOUT = 0.5
"""Seconds to wait for an answer."""

PATIENCE = 1.2
"""Seconds to wait for a lock: one whose process has died lasts no longer, and no event loop waits for it."""

PATIENCE_AT_THE_END = 1.0
"""Seconds to wait for what a thread has still to note."""

POLL, LONGEST_POLL = 0.0005, 0.005
"""Seconds between the first two tries, and between later ones at most."""

HOLD = 1000
"""Milliseconds after which the lock of one who does not give it back ends."""

KEEP = 86_400_000
"""Milliseconds for which a record is kept that nobody writes."""

LEASE = 10.0
"""Seconds after which a process counts as dead that was not heard of."""

HEARD = 3.0
"""Seconds between two times that a process makes itself heard, for as long as it lives."""

SKEW = 2.0
"""Seconds by which a clock may differ from the server's."""

STAMP = struct.Struct("<Q")

HEAR = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
if ARGV[1] ~= '' then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2] / 1000)
  redis.call('ZADD', KEYS[1], now, ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
"""

LOCK = (
    HEAR
    + """
if not redis.call('SET', KEYS[2], ARGV[3], 'NX', 'PX', ARGV[4]) then
  return {}
end
local found = {string.format('%.6f', now)}
for i = 3, #KEYS do
  found[i - 1] = redis.call('GET', KEYS[i]) or ''
end
return found
"""
)

UNLOCK = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
for i = 2, #KEYS do
  local old = redis.call('GET', KEYS[i])
  if not old or string.sub(old, 1, 8) == ARGV[2 * i - 1] then
    redis.call('SET', KEYS[i], ARGV[2 * i], 'PX', ARGV[2])
  end
end
return redis.call('DEL', KEYS[1])
"""


_logger = logging.getLogger(__name__)


class RedisRoom:
    """The records on the server. Safe in threads and after a fork.

    Args:
        url: Of the server.
        prefix: What all names on it begin with.
        clock: The time.
    """

    waits = True
    """Whether a look takes a round trip, so that it is nothing for an event loop's thread."""

    def __init__(self, url: str, prefix: str, clock: Clock) -> None:
        self._client, self._prefix, self._clock = open_client(url, TIMEOUT), prefix, clock
        self._retry_at, self._pause = 0.0, FIRST_PAUSE
        self._is_told = False
        self._members = Members()
        survive_fork(self)

    def make_locks(self) -> None:
        """Make what a process has of its own; called again in a forked child."""
        self._threads = threading.Lock()
        self._connection: Any = None
        self._is_owed = False  # whether the answer to an unlock is still to be read
        self._me = Owner(float(secrets.randbits(48)), 0.0)
        self._heard_at = -LEASE
        self._alive_at: dict[Owner, float] = {}
        self._held, self._token = "", b""
        self._records: dict[str, bytes] = {}
        self._stamps: dict[str, int] = {}
        self._written: list[tuple[str, bytes, bytes]] = []
        self._work: SimpleQueue[Callable[[], None]] | None = None
        self._members.belong_to(self._me)

    def join(self) -> Me:
        """Return what one who counts by itself in this process is called."""
        return self._members.join()

    def later(self, work: Callable[[], None]) -> None:
        """Do *work* in a thread, after what came before."""
        self._start().put(work)

    def _start(self) -> SimpleQueue[Callable[[], None]]:
        """Return what the thread is to do, which is started where there is none."""
        queue = self._work
        if queue is None:
            queue = self._work = SimpleQueue()
            arguments = (queue, ReferenceType(self))
            threading.Thread(target=_do, args=arguments, name="jobapp-room", daemon=True).start()
        return queue

    def finish(self) -> None:
        """Wait a moment until what was left to the thread is done."""
        if self._work is not None:
            done = threading.Event()
            self._work.put(done.set)
            done.wait(PATIENCE_AT_THE_END)

    def is_alive(self, owner: Owner) -> bool:
        """Return whether a process was heard of; the lock is held."""
        now = time.monotonic()
        if owner.pid == self._me.pid or now < self._alive_at.get(owner, 0.0):
            return True
        try:
            heard_at = self._ask("ZSCORE", self._name("alive"), _text(owner))
        except _errors() as error:
            self._fail(error)
            return True
        if heard_at is None or float(heard_at) < self._server_time - LEASE:
            return False
        self._alive_at[owner] = now + HEARD
        return True

    def lock(self, name: str, parts: Sequence[Part]) -> bool:
        """Take the lock of that name, and read the records; return whether it could be had in a moment."""
        if time.monotonic() < self._retry_at or not self._threads.acquire(timeout=PATIENCE):
            return False
        try:
            is_worth_it = time.monotonic() >= self._retry_at  # the thread before may have met silence
            if is_worth_it and self._lock(name, [part.name for part in parts]):
                return True
        except _errors() as error:
            self._fail(error)
        except BaseException:
            self._threads.release()
            raise
        self._threads.release()
        return False

    def _lock(self, name: str, records: Sequence[str]) -> bool:
        """Do so; what keys of several models may have in common is budgets."""
        held = self._name("lock", records[0] if len(records) == OWN else name)
        self._token = secrets.token_bytes(8)
        until, poll = time.monotonic() + PATIENCE, POLL
        names = [self._name("alive"), held, *(self._name("record", record) for record in records)]
        while not (found := self._ask("EVAL", LOCK, len(names), *names, *self._heard(), self._token, HOLD)):
            if time.monotonic() >= until:
                return False
            time.sleep(poll)
            poll = min(2 * poll, LONGEST_POLL)
        self._pause = FIRST_PAUSE
        self._held, self._written = held, []
        self._server_time = float(found[0])
        for record, value in zip(records, found[1:], strict=True):
            self._records[record] = value
            self._stamps[record] = STAMP.unpack_from(value)[0] if len(value) >= STAMP.size else 0
        return self._agrees()

    def _agrees(self) -> bool:
        """Return whether this clock is the server's; else the lock is given back."""
        if abs(self._server_time - self._clock.now().timestamp()) <= SKEW:
            return True
        self._retry_at = time.monotonic() + LONGEST_PAUSE
        self._send_unlock()
        self._tell("this clock and the server's differ by more than 2 s")
        return False

    def _heard(self) -> tuple[bytes | str, int]:
        """Return the name by which this process makes itself heard, where it is time for that."""
        now = time.monotonic()
        if now < self._heard_at + HEARD:
            return "", 0
        self._heard_at = now
        self._start()
        return _text(self._me), KEEP

    def _beat(self) -> None:
        """Make this process heard, which may have requests under way, and call nobody else meanwhile."""
        if time.monotonic() >= self._retry_at:
            with suppress(*_errors()):
                self._client.eval(HEAR, 1, self._name("alive"), _text(self._me), KEEP)

    def unlock(self, name: str) -> None:  # noqa: ARG002 - one is held at a time
        """Send what was written, and give the lock back."""
        try:
            self._send_unlock()
        except _errors() as error:
            self._fail(error)
        finally:
            self._threads.release()

    def _send_unlock(self) -> None:
        names = [self._held, *(name for name, _, _ in self._written)]
        values = (part for _, before, value in self._written for part in (before, value))
        if self._connection is not None:
            self._connection.send_command("EVAL", UNLOCK, len(names), *names, self._token, KEEP, *values)
            self._is_owed = True

    def stamp(self, name: str) -> int:
        """Return the stamp that was read last."""
        return self._stamps.get(name, 0)

    def read(self, name: str) -> bytes | None:
        """Return what a record held when the lock was taken."""
        numbers = self._records.get(name, b"")[STAMP.size :]
        return numbers if numbers and len(numbers) % 8 == 0 else None

    def write(self, name: str, numbers: bytes, stamp: int) -> int:
        """Replace what a record holds, if its *stamp* is still that, when the lock is given back."""
        before, new = max(0, stamp), secrets.randbits(63)
        self._written.append((self._name("record", name), STAMP.pack(before), STAMP.pack(new) + numbers))
        self._stamps[name] = new
        return new

    def full_until(self, name: str) -> float:  # noqa: ARG002 - a round trip would be no cheaper than a look
        """Return 0: nobody tells."""
        return 0.0

    def tell_full(self, name: str, until: float) -> None:
        """Tell nobody."""

    def forget(self) -> None:
        """Empty all records."""
        with suppress(*_errors()):
            for name in self._client.scan_iter(match=f"{self._prefix}record:*", count=1000):
                self._client.delete(name)

    def _ask(self, *command: Any) -> Any:
        """Send a command and return its answer."""
        connection = self._connection
        if connection is None:
            connection = self._connection = self._client.connection_pool.make_connection()
            self._is_owed = False
        if self._is_owed:
            self._is_owed = False
            connection.read_response(disable_decoding=True)
        connection.send_command(*command)
        return connection.read_response(disable_decoding=True)

    def _fail(self, error: Exception) -> None:
        """Go on alone for a while."""
        self._retry_at = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*_errors()):
                connection.disconnect()
        self._tell(str(error))

    def _tell(self, why: str) -> None:
        if not self._is_told:
            self._is_told = True
            _logger.info("The room of keys on the Redis server is not shared: %s.", why)

    def _name(self, kind: str, name: str = "") -> str:
        digest = hashlib.blake2b(name.encode(), digest_size=16).hexdigest() if name else ""
        return f"{self._prefix}{kind}:{digest}" if name else f"{self._prefix}{kind}"


OWN = 2
"""A key that counts in no budget has so many records: that of its model, and its own."""


def _errors() -> tuple[type[Exception], ...]:
    import redis

    return (redis.RedisError, OSError, ValueError, struct.error)


def _text(owner: Owner) -> str:
    return f"{owner.pid:.0f}"


def _do(queue: SimpleQueue[Callable[[], None]], whose: ReferenceType[RedisRoom]) -> None:
    """Do what comes, and let the process be heard, as long as its room is there."""
    heard_at = time.monotonic()
    while True:
        try:
            queue.get(timeout=HEARD)()
        except Empty:
            pass
        except Exception:
            _logger.exception("The end of a request could not be noted.")
        if time.monotonic() < heard_at + HEARD:
            continue
        heard_at = time.monotonic()
        if (room := whose()) is None:
            return
        room._beat()  # noqa: SLF001 - its own thread
        del room
