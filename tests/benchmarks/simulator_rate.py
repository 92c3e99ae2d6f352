"""Plain requests that the simulator answers in a second, in a process of its own: our ratios stand on it."""

from __future__ import annotations

import asyncio
import json
import time
from urllib.parse import urlsplit

from jobapp.providers import PROVIDERS
from tests.benchmarks.raw_calls import PROMPT, SECRET
from tests.benchmarks.served import serving

CONNECTIONS = 8
SECONDS = 3.0

BODIES = {
    "openai": ("/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": PROMPT}]}),
    "anthropic": (
        "/v1/messages",
        {"model": "m", "max_tokens": 4096, "messages": [{"role": "user", "content": PROMPT}]},
    ),
    "google": ("/v1beta/models/m:generateContent", {"contents": [{"parts": [{"text": PROMPT}]}]}),
    "openrouter": (
        "/api/v1/chat/completions",
        {"model": "m", "messages": [{"role": "user", "content": PROMPT}]},
    ),
}


def request_bytes(provider: str) -> bytes:
    path, body = BODIES[provider]
    content = json.dumps(body).encode()
    keys = f"Authorization: Bearer {SECRET}\r\nX-Api-Key: {SECRET}\r\n"
    keys += f"X-Goog-Api-Key: {SECRET}\r\n" if provider == "google" else ""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n{keys}\r\n"
    return head.encode() + content


async def _ask(port: int, request: bytes, end: float) -> int:
    """Ask over one connection until *end*; return how many answers came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.perf_counter() < end:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        count += 1
    writer.close()
    await writer.wait_closed()
    return count


async def rate(port: int, provider: str, seconds: float = SECONDS) -> float:
    """Return answers a second over a few connections."""
    end = time.perf_counter() + seconds
    counts = await asyncio.gather(*(_ask(port, request_bytes(provider), end) for _ in range(CONNECTIONS)))
    return sum(counts) / seconds


def main() -> None:
    """Print a line for each provider."""
    with serving([(provider, SECRET, {}) for provider in BODIES]) as served:
        port = urlsplit(served.environ["OPENAI_BASE_URL"]).port
        assert port is not None
        for provider in PROVIDERS:
            print(f"{provider}: {asyncio.run(rate(port, provider)):,.0f} answers a second", flush=True)
