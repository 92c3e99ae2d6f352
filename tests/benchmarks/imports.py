"""What the import costs beside that of httpx, each in fresh interpreters, and whether it loads an SDK.

Both are compiled beforehand, as an installed package is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.benchmarks.pairs import Clocked, Pairs, in_turns

OURS = "from jobapp.core.llm_interface import LLMInterface"
THEIRS = "import httpx"
SDKS = ("openai", "anthropic", "google.genai", "google.generativeai", "httpx", "httpx2", "redis")

_CHILD = """
import sys, time
began = time.perf_counter()
{statement}
seconds = time.perf_counter() - began
import json
print(json.dumps([seconds, [name for name in {sdks} if name in sys.modules]]))
"""


def importing(statement: str) -> tuple[float, list[str]]:
    """Return the seconds of an import in a new interpreter, and the SDKs that it loads."""
    code = _CHILD.format(statement=statement, sdks=SDKS)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    told = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environ
    ).stdout
    seconds, loaded = json.loads(told)
    return seconds, loaded


def run(count: int) -> Pairs:
    def seconds(statement: str) -> Clocked:
        return lambda: importing(statement)[0]

    return in_turns(seconds(OURS), seconds(THEIRS), count)


def main(count: int) -> None:
    """Print how long the import takes, and what it loads."""
    run(1)  # compiles both
    print(run(count).line("import LLMInterface", "import httpx"), flush=True)
    print(f"SDKs and HTTP libraries it loads: {', '.join(importing(OURS)[1]) or 'none'}", flush=True)
