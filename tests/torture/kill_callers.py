"""Callers that are killed at random between reserve and settle: is any room lost, or any count?

    python -m tests.torture.kill_callers FOLDER --kills 10000

Each caller is a forked process that takes keys from the shared room and ends what it took, and notes each step
before and after. Each is killed with SIGKILL after a random time and replaced. When all are dead, one who is
left looks at the keys. Prints the counts as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

from jobapp.domain.types import ApiKey
from jobapp.pool.key_pool import KeyPool
from jobapp.pool.reservation import Take, Taken
from jobapp.stores import room_table
from jobapp.stores.room_table import RoomTable

CALLERS = 4
LONGEST_LIFE = 0.01
"""Seconds after which a caller is dead."""

KEYS = [ApiKey(f"KEY_{number}", f"secret {number}") for number in range(3)]
MODEL = "m"


def pool_of(place: str) -> KeyPool:
    return KeyPool("p", KEYS, table=RoomTable(Path(place) / "room"))


def call(place: str, log: int) -> None:
    """Take and answer until killed; a busy machine is no reason to go on without the lock."""
    room_table.PATIENCE = room_table.BRIEF = 10.0
    pool = pool_of(place)
    while True:
        os.write(log, b"t")
        now = time.time()
        found = pool.take(MODEL, now, Take())
        if not isinstance(found, Taken) or found.reservation is None:
            os.write(log, b"n")
            continue
        os.write(log, b"T")
        pool.answered(found.reservation, time.time())
        os.write(log, b"E")


def torture(place: str, kills: int, seed: int = 1) -> dict[str, float]:
    """Kill *kills* callers; return what was noted, and what the room says of it."""
    chance = random.Random(seed)
    path = Path(place) / f"steps-{os.getpid()}"
    log = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    living: list[int] = []
    for _ in range(kills):
        while len(living) < CALLERS:
            living.append(_fork(place, log))
        time.sleep(chance.uniform(0.0, LONGEST_LIFE))
        _kill(living.pop(chance.randrange(len(living))))
    for pid in living:
        _kill(pid)
    steps = Counter(path.read_bytes().decode())
    path.unlink()
    os.close(log)
    pool = pool_of(place)
    pool.take(MODEL, time.time(), Take())
    states = [pool._model(MODEL).state(index) for index in range(len(KEYS))]
    return {
        "kills": kills,
        "taken": steps["T"],
        "answered": steps["E"],
        "most_taken": steps["t"] - steps["n"],
        "counted": sum(state.sent.requests for state in states) - 1,
        "under_way": sum(state.asked for state in states) - 1,
    }


def _fork(place: str, log: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            call(place, log)
        finally:
            os._exit(1)
    return pid


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place")
    parser.add_argument("--kills", type=int, default=10_000)
    arguments = parser.parse_args()
    print(json.dumps(torture(arguments.place, arguments.kills)))


if __name__ == "__main__":
    main()
