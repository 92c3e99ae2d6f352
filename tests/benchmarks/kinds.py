"""Each kind of limit in real time: a server on loopback that keeps it, in a process of its own, and 8 threads.

python -m tests.benchmarks kinds            (windows of 2 s; the 25 lines by hand beside it)
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from jobapp.core.llm_interface import LLMInterface
from tests.benchmarks.mixes import KeyLimits, Mix, optimum
from tests.limit_servers import KINDS, Enforced

MODEL = "gpt-4o-mini"
TOKENS = 1000
"""What each answer costs, where tokens are counted: 900 of the prompt, 100 of the answer."""


class LimitServer:
    """Speaks OpenAI's chat protocol, and rejects what a limit has no room for."""

    def __init__(self, kind: str, limit: int, window: float) -> None:
        make, self._tell = KINDS[kind]
        self._cost = TOKENS if "tokens" in kind else 1
        self._make: Callable[[], Enforced] = lambda: make(limit * self._cost, window)
        self._keys: dict[str, Enforced] = {}
        self._epoch = time.time() - time.monotonic()
        self.served = self.rejected = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        while head := await reader.readline():
            headers: dict[bytes, bytes] = {}
            while (line := await reader.readline()).strip():
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip()
            await reader.readexactly(int(headers.get(b"content-length", 0)))
            key = headers.get(b"authorization", b"").decode().removeprefix("Bearer ")
            status, told, body = (200, {}, self._counts()) if b"/counts" in head else self._ask(key)
            told = {"content-type": "application/json", "content-length": str(len(body)), **told}
            lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
            writer.write(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body)

    def _counts(self) -> bytes:
        return json.dumps([self.served, self.rejected]).encode()

    def _ask(self, key: str) -> tuple[int, dict[str, str], bytes]:
        now = time.monotonic()
        limit = self._keys.setdefault(key, self._make())
        wait = limit.admit(now, self._cost)
        headers, seconds, text = self._tell(limit, now, wait, self._epoch)
        if not wait:
            self.served += 1
            return 200, headers, json.dumps(_ANSWER).encode()
        self.rejected += 1
        message = f"Rate limit reached on requests per min (RPM). {text}"
        error: dict[str, object] = {"message": message, "code": "rate_limit_exceeded"}
        if seconds is not None:
            kind = "type.googleapis.com/google.rpc.RetryInfo"
            error["details"] = [{"@type": kind, "retryDelay": f"{seconds:.9f}s"}]
        return 429, headers, json.dumps({"error": error}).encode()


_ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": MODEL,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": TOKENS},
}


async def _main(kind: str, limit: int, window: float) -> None:
    server = await asyncio.start_server(LimitServer(kind, limit, window).serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def serving(kind: str, limit: int, window: float) -> Iterator[str]:
    """Run a server in another process; give its address."""
    command = [sys.executable, "-m", __name__, kind, str(limit), str(window)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        finally:
            process.kill()


def run(
    kind: str, strategy: str, *, keys: int, limit: int, window: float, prompts: int
) -> tuple[float, float]:
    """Return the makespan over the optimum and the rejected requests per success of one run."""
    import httpx

    with serving(kind, limit, window) as address, tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yaml")
        config.write_text(f"retry: {{strategy: {strategy}}}\n")
        os.environ |= {
            "OPENAI_API_KEYS": ",".join(f"sk-{number}" for number in range(keys)),
            "OPENAI_BASE_URL": address,
            "JOBAPP_CACHE_DIR": folder,
        }
        with LLMInterface(config) as llm:
            seconds = _work(
                lambda: llm.send_prompt("x" * 3600, provider="openai", model=MODEL, max_tokens=100), prompts
            )
        served, rejected = httpx.get(f"{address}/counts").json()
    assert served == prompts
    best = optimum(Mix(kind, (KeyLimits(limit, window),) * keys, prompts, 8, latency=0.0, kind=kind))
    return seconds / best, rejected / served


def _work(ask: Callable[[], object], prompts: int, threads: int = 8) -> float:
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(prompts):
        todo.put(number)

    def worker() -> None:
        while not todo.empty():
            try:
                todo.get_nowait()
            except queue.Empty:
                return
            ask()

    workers = [threading.Thread(target=worker) for _ in range(threads)]
    began = time.perf_counter()
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    return time.perf_counter() - began


def main(count: int = 3, window: float = 2.0) -> None:
    """Print a line for each kind and strategy: the medians of some runs, the worst in brackets."""
    import openai  # noqa: F401 - loaded beforehand, as a program that runs for long has it

    for kind in KINDS:
        for strategy in ("spread", "sticky"):
            runs = [run(kind, strategy, keys=5, limit=10, window=window, prompts=350) for _ in range(count)]
            makespans, wasted = zip(*runs, strict=True)
            print(
                f"{kind:<38} {strategy:<7} {median(makespans):.2f} [{max(makespans):.2f}] x optimum  "
                f"{median(wasted):.3f} [{max(wasted):.3f}] rejected/success",
                flush=True,
            )


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
