"""Writers that are killed at random, readers that look all the while: is anything lost, or seen broken?

    python -m tests.torture.kill_writers FOLDER_OR_URL --kills 10000

Each writer is a process that adds blocks to the store and, once an ``add`` has returned, notes the block in
a log of its own. Each is killed with SIGKILL after a random time and replaced. Readers compare what the
store says with what had been noted before they looked. Prints the counts as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import filelock  # noqa: F401 - loaded before the writers are forked, so that they live to write
import redis  # noqa: F401 - as above

from jobapp.domain.clock import SystemClock
from jobapp.domain.types import Block, Kind
from jobapp.stores.codec import VERSION, decode
from jobapp.stores.json_file import JSONFileStore
from jobapp.stores.redis import RedisStore
from jobapp.stores.store import QuotaStore

WRITERS = 16
READERS = 2
KEYS_PER_WRITER = 8
LONGEST_LIFE = 0.3
"""Seconds after which a writer is dead."""

Noted = dict[str, float]
"""Fingerprint to the latest end that was noted, as a timestamp."""


def open_anew(place: str) -> QuotaStore:
    if "://" in place:
        return RedisStore(place, SystemClock(), max_age=0, timeout=10)
    return JSONFileStore(Path(place) / "api_key_state.json", SystemClock())


def write(place: str, writer: int, log: Path, seed: int) -> None:
    """Add blocks until killed; note each one that was acknowledged."""
    store, chance = open_anew(place), random.Random(seed)
    noted = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while True:
        now = datetime.now(UTC)
        fingerprint = f"{writer:02x}{chance.randrange(KEYS_PER_WRITER):010x}"
        until = now + timedelta(hours=1)
        block = Block("openai", fingerprint, None, Kind.QUOTA, until, now, "torture", f"KEY_{writer}")
        store.add([block])
        if not store.unwritten:
            os.write(noted, f"{fingerprint} {until.timestamp()!r}\n".encode())


def read(place: str, logs: Path, report: Path) -> None:
    """Compare store and logs until the file ``stop`` appears; write what was seen to *report*."""
    store, news = open_anew(place), follow(logs)
    seen = {"looks": 0, "lost": 0, "broken": 0}
    while not (logs / "stop").exists():
        time.sleep(0.002)
        seen["looks"] += 1
        seen["lost"] += len(lost(store, next(news)))
        seen["broken"] += is_broken(place)
    report.write_text(json.dumps(seen))


def follow(logs: Path) -> Iterator[Noted]:
    """Yield all that has been noted so far, again and again."""
    noted: Noted = {}
    ends: dict[Path, int] = {}
    while True:
        for log in logs.glob("*.log"):
            with log.open("rb") as file:
                file.seek(ends.get(log, 0))
                text = file.read()
            whole = text.rpartition(b"\n")[0]
            ends[log] = ends.get(log, 0) + len(whole) + (1 if whole else 0)
            for line in whole.decode().splitlines():
                fingerprint, until = line.split()
                noted[fingerprint] = max(noted.get(fingerprint, 0.0), float(until))
        yield noted


def lost(store: QuotaStore, noted: Noted) -> list[str]:
    """Return the noted fingerprints of which the store knows no block that ends as late."""
    if store.stale:
        store.refresh()
    blocks = store.view().blocks
    ends = {
        fp: blocks[("openai", fp, None)].until.timestamp() for fp in noted if ("openai", fp, None) in blocks
    }
    return [fingerprint for fingerprint, until in noted.items() if ends.get(fingerprint, 0.0) < until]


def is_broken(place: str) -> bool:
    """Return whether the file, as any reader finds it now, can't be read in full."""
    file = Path(place) / "api_key_state.json"
    if "://" in place or not file.exists():
        return False
    document = decode(file.read_bytes())
    return bool(document.faults) or document.version != VERSION


def holds_a_lock(process: int) -> bool:
    """Return whether the lock is held by *process*; never, where the system does not say."""
    locks = Path("/proc/locks")
    return locks.exists() and f" WRITE {process} " in locks.read_text()


def in_child(work: Callable[[], object]) -> int:
    """Fork a process that does *work* and ends; return its id."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def torture(place: str, kills: int, seconds: float, seed: int) -> dict[str, object]:
    """Kill *kills* writers, or as many as there is time for; return the counts."""
    chance = random.Random(seed)
    work = Path(tempfile.mkdtemp(prefix="torture-"))
    killed = holding = 0
    started = time.monotonic()

    def begin(writer: int) -> tuple[float, int]:
        log, child_seed = work / f"{writer}.log", chance.randrange(2**32)
        child = in_child(partial(write, place, writer, log, child_seed))
        return time.monotonic() + chance.uniform(0.001, LONGEST_LIFE), child

    reports = [work / f"{number}.report" for number in range(READERS)]
    readers = [in_child(partial(read, place, work, report)) for report in reports]
    writers = {writer: begin(writer) for writer in range(WRITERS)}
    while killed < kills and time.monotonic() - started < seconds:
        writer, (death, child) = min(writers.items(), key=lambda item: item[1])
        time.sleep(max(0.0, death - time.monotonic()))
        os.kill(child, signal.SIGSTOP)
        holding += holds_a_lock(child)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        killed += 1
        writers[writer] = begin(writer)
    for _, child in writers.values():
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    (work / "stop").touch()
    seen = {"looks": 0, "lost": 0, "broken": 0}
    for reader, report in zip(readers, reports, strict=True):
        os.waitpid(reader, 0)
        for what, count in json.loads(report.read_text()).items():
            seen[what] += count
    noted = next(follow(work))
    acknowledged = sum(log.read_bytes().count(b"\n") for log in work.glob("*.log"))
    return {
        "writers": WRITERS,
        "killed": killed,
        "killed_holding_the_lock": holding,
        "acknowledged": acknowledged,
        "keys": len(noted),
        "lost_at_the_end": len(lost(open_anew(place), noted)),
        "readers": READERS,
        **seen,
        "seconds": round(time.monotonic() - started, 1),
        **what_stayed(place),
    }


def what_stayed(place: str) -> dict[str, object]:
    """Return whether a lock stayed, and which files did once another writer has come."""
    if "://" in place:
        return {}
    store = JSONFileStore(Path(place) / "api_key_state.json", SystemClock(), lock_timeout=0)
    now = datetime.now(UTC)
    store.add([Block("openai", "f" * 12, None, Kind.QUOTA, now + timedelta(hours=1), now)])
    return {"lock_stayed": store.unwritten, "files": sorted(file.name for file in Path(place).iterdir())}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("place")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    given = parser.parse_args()
    print(
        json.dumps(
            {"seed": given.seed, **torture(given.place, given.kills, given.seconds, given.seed)}, indent=2
        )
    )


if __name__ == "__main__":
    main()
