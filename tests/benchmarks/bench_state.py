"""What a call pays to know whether a key is free, against a bare dictionary look-up.

    python -m tests.benchmarks.bench_state

For 10, 1,000 and 100,000 blocked keys: the look at the file store (one ``stat``), and the look at the Redis
store within its 250 ms (no round trip) and beyond (one round trip, nothing new). Prints ratios, and the
time of one dictionary look-up on this machine.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import timeit
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jobapp.domain.clock import SystemClock
from jobapp.domain.types import Block, Kind
from jobapp.stores.json_file import JSONFileStore
from jobapp.stores.redis import RedisStore
from jobapp.stores.store import QuotaStore
from tests.store_support import SERVER, RedisServer

SIZES = (10, 1_000, 100_000)


def blocks(count: int) -> list[Block]:
    now = datetime.now(UTC)
    until = now + timedelta(hours=8)
    return [
        Block(
            "openai",
            f"{number:012x}",
            None,
            Kind.QUOTA,
            until,
            now,
            "openai-rpd: spent",
            f"OPENAI_API_KEY_{number}",
        )
        for number in range(count)
    ]


def seconds(work: Callable[[], object]) -> float:
    """Return how long *work* takes, the best of several rounds."""
    timer = timeit.Timer(work)
    number = max(1, timer.autorange()[0] // 10)
    return min(timer.repeat(5, number)) / number


def look(store: QuotaStore, id_: tuple[str, str, None]) -> Callable[[], object]:
    def check() -> object:
        if store.stale:
            store.refresh()
        return store.view().blocks.get(id_)

    return check


def measure(count: int, folder: Path, server: RedisServer | None) -> dict[str, float]:
    known = blocks(count)
    table = {block.id: block for block in known}
    id_ = ("openai", known[count // 2].fingerprint, None)
    file = JSONFileStore(folder / f"{count}.json", SystemClock())
    file.add(known)
    times = {"dict": seconds(lambda: table.get(id_)), "file": seconds(look(file, id_))}
    times["file, one write"] = once(lambda: file.add([_again(known[0])]))
    times["file, first read"] = once(JSONFileStore(file.path, SystemClock()).view)
    if server is not None:
        store = RedisStore(server.url, SystemClock(), namespace=str(count), timeout=60)
        asking = RedisStore(server.url, SystemClock(), namespace=str(count), timeout=60, max_age=0)
        store.add(known)
        asking.refresh()
        times["redis, fresh"] = seconds(look(store, id_))
        times["redis, round trip"] = seconds(look(asking, id_))
        times["redis, one write"] = once(lambda: store.add([_again(known[0])]))
        times["redis, first read"] = once(
            RedisStore(server.url, SystemClock(), namespace=str(count), timeout=60).refresh
        )
    return times


def once(work: Callable[[], object]) -> float:
    return timeit.timeit(work, number=1)


def _again(block: Block) -> Block:
    later = timedelta(seconds=1)
    return Block(
        block.provider, block.fingerprint, None, block.kind, block.until + later, block.since + later
    )


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    server = RedisServer("--save", "") if SERVER else None
    if server is None:
        sys.stderr.write("neither redis-server nor valkey-server is installed: the file only\n")
    try:
        if server is not None:
            server.start()
        results = {count: measure(count, folder, server) for count in SIZES}
    finally:
        shutil.rmtree(folder)
        if server is not None:
            server.stop()
            shutil.rmtree(server.folder)
    print(f"{'blocked keys':20}" + "".join(f"{count:>14,}" for count in SIZES))
    print(f"{'dict look-up':20}" + "".join(f"{times['dict'] * 1e9:>11.0f} ns" for times in results.values()))
    for what in list(results[SIZES[0]])[1:]:
        ratios = (times[what] / times["dict"] for times in results.values())
        print(f"{what:20}" + "".join(f"{ratio:>13,.1f}x" for ratio in ratios))


if __name__ == "__main__":
    main()
