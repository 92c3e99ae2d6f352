"""The rival: what a careful person writes by hand on the openai SDK. Nothing of jobapp is in it."""

from __future__ import annotations

import random
import threading
import time

import openai

LONG = 60.0


class Rotating:
    """Keys that are rotated on 429: a busy one rests as long as it says, a spent one for an hour."""

    def __init__(self, keys: list[str], base_url: str) -> None:
        self._clients = [openai.OpenAI(api_key=key, base_url=base_url, max_retries=0) for key in keys]
        self._rests_until = [0.0] * len(keys)
        self._lock = threading.Lock()
        self._next = 0

    def ask(self, prompt: str, model: str) -> str:
        tries = 0
        while True:
            with self._lock:
                now, order = time.monotonic(), range(self._next, self._next + len(self._clients))
                free = [
                    i % len(self._clients) for i in order if self._rests_until[i % len(self._clients)] <= now
                ]
                chosen = free[0] if free else None
                self._next = self._next if chosen is None else chosen + 1
                rest = min(self._rests_until) - now
            if chosen is None:
                time.sleep(max(rest, 0.0))
                continue
            try:
                answer = self._clients[chosen].chat.completions.create(
                    model=model, messages=[{"role": "user", "content": prompt}]
                )
                return answer.choices[0].message.content or ""
            except openai.RateLimitError as error:
                tries += 1
                told = float(error.response.headers.get("retry-after-ms") or 0) / 1000
                rest = told or random.uniform(0.5, 1.0) * min(8.0, 0.25 * 2.0**tries)
                if "per day" in str(error):
                    rest = max(rest, LONG * LONG)
                with self._lock:
                    self._rests_until[chosen] = max(self._rests_until[chosen], time.monotonic() + rest)
