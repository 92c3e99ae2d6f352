"""What the processes of a simulated fleet share: blocks and room, in virtual time, with latency and outages."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from jobapp.domain.types import Block
from jobapp.limits.ledger import Ledger
from jobapp.limits.under_way import Me, Owner
from jobapp.pool.shared_room import Part
from jobapp.stores.state import QuotaState, Reset

START = datetime(2026, 1, 5, tzinfo=UTC)


class VirtualClock:
    """Time that the simulation sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError("the simulation waits by its own schedule")

    async def asleep(self, seconds: float) -> None:
        raise NotImplementedError("the simulation waits by its own schedule")


class Shared:
    """What lies where all processes of the fleet look.

    Args:
        clock: The time.
        latency: Seconds after which others see a block.
        outages: When it is away: from when to when, in seconds.
    """

    def __init__(self, clock: VirtualClock, latency: float, outages: Sequence[tuple[float, float]]) -> None:
        self.clock, self.latency, self._outages = clock, latency, outages
        self.states = [(0.0, QuotaState())]
        self.records: dict[str, tuple[int, bytes]] = {}
        self.full: dict[str, float] = {}
        self.numbers = itertools.count(1)
        self.dead: set[float] = set()

    def is_away(self) -> bool:
        return any(begin <= self.clock.seconds < end for begin, end in self._outages)


class Room:
    """The records, as one process reads and writes them.

    Args:
        shared: Where they lie.
        number: Of the process.
    """

    def __init__(self, shared: Shared, number: int) -> None:
        self._shared = shared
        self.number = float(number)

    waits = False

    def join(self) -> Me:
        me = Me()
        me.owner = Owner(self.number, 0.0)
        return me

    def is_alive(self, owner: Owner) -> bool:
        return owner.pid not in self._shared.dead

    def later(self, work: Callable[[], None]) -> None:
        work()

    def lock(self, name: str, parts: Sequence[Part]) -> bool:
        return not self._shared.is_away()

    def unlock(self, name: str) -> None: ...

    def stamp(self, name: str) -> int:
        return self._shared.records.get(name, (0, b""))[0]

    def read(self, name: str) -> bytes | None:
        return self._shared.records.get(name, (0, b""))[1] or None

    def write(self, name: str, numbers: bytes, stamp: int) -> int:
        stamp = self.stamp(name) + 1
        self._shared.records[name] = (stamp, numbers)
        return stamp

    def full_until(self, name: str) -> float:
        return self._shared.full.get(name, 0.0)

    def tell_full(self, name: str, until: float) -> None:
        self._shared.full[name] = until


class Store:
    """The blocks, as one process sees them.

    Args:
        shared: Where they lie.
        alone: Whether there is no other process, and so nothing to share.
    """

    stale = unwritten = False

    def __init__(self, shared: Shared, *, alone: bool) -> None:
        self._shared = shared
        self._alone = alone
        self._seen = 0
        self._state = QuotaState()
        self.room = None if alone else Room(shared, next(shared.numbers))
        self.ledger = Ledger()

    def view(self) -> QuotaState:
        states, known = self._shared.states, self._seen
        while self._seen + 1 < len(states) and states[self._seen + 1][0] <= self._shared.clock.seconds:
            self._seen += 1
        if self._seen != known:
            self._state = states[self._seen][1].with_blocks(self._state)
        return self._state

    def add(self, blocks: Iterable[Block]) -> None:
        if self._alone:
            return
        blocks = tuple(blocks)
        self._state = self._state.with_blocks(blocks)
        if not self._shared.is_away():
            states = self._shared.states
            states.append(
                (self._shared.clock.seconds + self._shared.latency, states[-1][1].with_blocks(blocks))
            )

    def die(self) -> None:
        """Let others find that this process is no more."""
        if self.room is not None:
            self._shared.dead.add(self.room.number)

    def refresh(self) -> None: ...
    def sweep(self, provider: str, now: datetime) -> None: ...
    def flush(self) -> None: ...

    def close(self) -> None: ...
    def reset(self, reset: Reset) -> tuple[Block, ...]:
        return ()


def alone() -> Store:
    """Return the store of a process that shares nothing."""
    return Store(Shared(VirtualClock(), 0.0, ()), alone=True)
