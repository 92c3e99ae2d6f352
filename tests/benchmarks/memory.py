"""The memory that an interface adds, by the number of its keys. Linux only: it reads ``/proc``.

python -m tests.benchmarks.memory 1000     (in a new interpreter: prints the bytes)
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles

SIZES = (1, 1_000, 100_000)


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def added(count: int) -> int:
    """Return the bytes that an interface with *count* keys adds, its imports left out."""
    from jobapp.core.config_manager import ConfigManager
    from jobapp.core.llm_interface import LLMInterface

    with tempfile.TemporaryDirectory() as folder:
        keys = ",".join(f"sk-benchmark-{number:012}" for number in range(count))
        environ = {"JOBAPP_CONFIG_DIR": folder, "JOBAPP_CACHE_DIR": folder, "OPENAI_API_KEYS": keys}
        before = resident()
        llm = LLMInterface(ConfigManager(environ=environ))
        found = {key.fingerprint for manager, _ in llm.managers() for key in manager.keys}
        assert len(found) == count
        del found
        return resident() - before


def main(count: int) -> None:
    """Print the memory for each number of keys, each measured in *count* new interpreters."""
    for size in SIZES:
        command = [sys.executable, "-m", __name__, str(size)]
        told = [
            int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            for _ in range(count)
        ]
        low, _, high = (value / 1024 for value in quantiles(told, n=4))
        middle = median(told) / 1024
        print(
            f"an interface with {size:>7,} keys {middle:>10,.0f} KiB [IQR {low:,.0f} to {high:,.0f}]  "
            f"{middle / size:8.2f} KiB a key, {count} interpreters",
            flush=True,
        )


if __name__ == "__main__":
    print(added(int(sys.argv[1])))
