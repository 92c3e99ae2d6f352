"""How fast a batch from a file into a file is, beside a plain asyncio loop on the SDK with as many at once.

Both ask the same server, which has no limit, in turns; the loop keeps its answers in memory, the batch reads
its rows from a file, writes and syncs the answers, and can be killed.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path

from tests.benchmarks.pairs import Pairs
from tests.benchmarks.served import serving

AT_ONCE = 32
TURNS = 10
MODEL = "gpt-4o-mini"


def main(rows: int) -> None:
    """Ask *rows* rows both ways and print the throughput of the batch as a share of the loop's."""
    count = max(1, rows // TURNS)
    with serving([("openai", "sk-benchmark", {})]) as served, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "in.jsonl"
        source.write_text(
            "".join(json.dumps({"id": f"r{n}", "prompt": text}) + "\n" for n, text in _rows(count))
        )
        by_loop(served.environ, count // 10 + 1)
        theirs, ours = [], []
        for turn in range(TURNS):
            theirs.append(by_loop(served.environ, count))
            ours.append(by_batch(served.environ, source, folder / f"out{turn}.jsonl"))
    pairs = Pairs(ours, theirs)
    print(f"{rows:,} rows, {AT_ONCE} at once: {1 / pairs.ratio:.3f} x the throughput of the SDK in a loop")
    print(pairs.line("seconds of a turn", "the loop's"))


def by_loop(environ: dict[str, str], count: int) -> float:
    """Return the seconds of a plain loop."""
    began = time.perf_counter()
    asyncio.run(_ask_all(environ, count))
    return time.perf_counter() - began


async def _ask_all(environ: dict[str, str], count: int) -> None:
    from openai import AsyncOpenAI

    rows, answers = iter(_rows(count)), {}
    async with AsyncOpenAI(api_key="sk-benchmark", base_url=environ["OPENAI_BASE_URL"]) as client:

        async def work() -> None:
            for number, text in rows:
                done = await client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": text}]
                )
                answers[number] = done.choices[0].message.content

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    assert len(answers) == count


def by_batch(environ: dict[str, str], source: Path, output: Path) -> float:
    """Return the seconds of a batch."""
    from jobapp.core.config_manager import ConfigManager
    from jobapp.core.llm_interface import LLMInterface

    settings = environ | {"JOBAPP_CONFIG_DIR": str(output.parent), "JOBAPP_CACHE_DIR": str(output.parent)}
    with LLMInterface(ConfigManager(environ=settings)) as llm:
        began = time.perf_counter()
        report = llm.run_batch(source, output, provider="openai", model=MODEL, concurrency=AT_ONCE)
        took = time.perf_counter() - began
    assert report.left == report.failed == 0, report
    return took


def _rows(count: int) -> list[tuple[int, str]]:
    return [(number, f"Question {number}") for number in range(count)]
