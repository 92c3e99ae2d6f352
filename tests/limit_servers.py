"""What providers do to enforce a limit, and how they tell of it: written from their pages, not from the library.

Pure: instants come in as seconds. A loopback server and the simulation in virtual time use the same limits.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

Told = tuple[dict[str, str], float | None, str]
"""Headers, seconds to wait as the body says, and the text."""


class Enforced(Protocol):
    """A limit as a server keeps it."""

    size: float

    def admit(self, now: float, cost: float = 1.0) -> float:
        """Count a request and return 0, or return the seconds until it would be admitted."""
        ...

    def used(self, now: float) -> float:
        """Return what is used."""
        ...

    def full_in(self, now: float) -> float:
        """Return the seconds until all of it is back."""
        ...


class Window:
    """A window that its first request opens, or the provider's clock.

    Args:
        size: Units in it.
        length: Its seconds.
        by_clock: Whether windows begin at the multiples of their length.
    """

    def __init__(self, size: float, length: float, *, by_clock: bool = False) -> None:
        self.size, self._length, self._by_clock = size, length, by_clock
        self._start, self._used = -math.inf, 0.0

    def admit(self, now: float, cost: float = 1.0) -> float:
        if now >= self._start + self._length:
            self._start = now // self._length * self._length if self._by_clock else now
            self._used = 0.0
        if self._used + cost > self.size:
            return self._start + self._length - now
        self._used += cost
        return 0.0

    def used(self, now: float) -> float:
        return self._used if now < self._start + self._length else 0.0

    def full_in(self, now: float) -> float:
        return max(0.0, self._start + self._length - now)


class Bucket:
    """A bucket that is refilled all the time (OpenAI; Anthropic: "the token bucket algorithm")."""

    def __init__(self, size: float, length: float) -> None:
        self.size, self._rate = size, size / length
        self._level, self._at = size, 0.0

    def admit(self, now: float, cost: float = 1.0) -> float:
        self._refill(now)
        if self._level + 1e-9 < cost:
            return (cost - self._level) / self._rate
        self._level -= cost
        return 0.0

    def used(self, now: float) -> float:
        self._refill(now)
        return self.size - self._level

    def full_in(self, now: float) -> float:
        return self.used(now) / self._rate

    def _refill(self, now: float) -> None:
        self._level = min(self.size, self._level + max(0.0, now - self._at) * self._rate)
        self._at = max(now, self._at)


class Log:
    """So many in any stretch of its length."""

    def __init__(self, size: float, length: float) -> None:
        self.size, self._length = size, length
        self._log: deque[float] = deque()

    def admit(self, now: float, cost: float = 1.0) -> float:
        self._drop(now)
        if len(self._log) + cost > self.size:
            return self._log[0] + self._length - now
        self._log.append(now)
        return 0.0

    def used(self, now: float) -> float:
        self._drop(now)
        return len(self._log)

    def full_in(self, now: float) -> float:
        return self._log[-1] + self._length - now if self._log else 0.0

    def _drop(self, now: float) -> None:
        while self._log and now >= self._log[0] + self._length:
            self._log.popleft()


Tell = Callable[[Enforced, float, float, float], Told]
"""How a server tells of a limit: (limit, now, wait or 0 for an answer, the clock's time at 0)."""


def duration(seconds: float) -> str:
    """Return seconds as OpenAI and Groq write them: ``120ms``, ``1.2s``, ``6m0s``."""
    if seconds < 1:
        return f"{max(0, math.ceil(seconds * 1000))}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{rest:.3f}s" if minutes else f"{rest:.3f}s"


def _left(limit: Enforced, now: float) -> str:
    return str(max(0, math.floor(limit.size - limit.used(now) + 1e-6)))


def openai(unit: str) -> Tell:
    """OpenAI, rate limits guide: headers on every answer; ``reset`` is the time to full."""

    def tell(limit: Enforced, now: float, wait: float, _epoch: float) -> Told:
        headers = {
            f"x-ratelimit-limit-{unit}": f"{limit.size:.0f}",
            f"x-ratelimit-remaining-{unit}": _left(limit, now),
            f"x-ratelimit-reset-{unit}": duration(limit.full_in(now)),
        }
        if wait:
            headers |= {"retry-after-ms": str(math.ceil(wait * 1000)), "retry-after": str(math.ceil(wait))}
        return headers, None, f"Please try again in {duration(wait)}." if wait else ""

    return tell


def anthropic(limit: Enforced, now: float, wait: float, epoch: float) -> Told:
    """Anthropic, rate limits: instants in whole seconds, ``retry-after`` in whole seconds."""
    full = datetime.fromtimestamp(math.ceil(epoch + now + limit.full_in(now)), UTC)
    headers = {
        "anthropic-ratelimit-requests-limit": f"{limit.size:.0f}",
        "anthropic-ratelimit-requests-remaining": _left(limit, now),
        "anthropic-ratelimit-requests-reset": full.isoformat().replace("+00:00", "Z"),
    }
    return (headers | {"retry-after": str(math.ceil(wait))} if wait else headers), None, ""


def gemini(_limit: Enforced, _now: float, wait: float, _epoch: float) -> Told:
    """Gemini: no headers; RetryInfo in the rejection."""
    return {}, wait or None, ""


def openrouter(limit: Enforced, now: float, wait: float, epoch: float) -> Told:
    """OpenRouter: headers in the rejection only; ``reset`` is an epoch in milliseconds."""
    if not wait:
        return {}, None, ""
    reset = str(math.ceil((epoch + now + wait) * 1000))
    limits = {
        "x-ratelimit-limit": f"{limit.size:.0f}",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": reset,
    }
    return limits, None, ""


def whole_seconds(_limit: Enforced, _now: float, wait: float, _epoch: float) -> Told:
    """Many gateways: ``retry-after`` in whole seconds, in the rejection."""
    return ({"retry-after": str(math.ceil(wait))} if wait else {}), None, ""


def silent(_limit: Enforced, _now: float, _wait: float, _epoch: float) -> Told:
    """Nothing but 429."""
    return {}, None, ""


Kinds = Mapping[str, tuple[Callable[[float, float], Enforced], Tell]]

KINDS: Kinds = {
    "bucket, OpenAI's headers": (Bucket, openai("requests")),
    "bucket of tokens, OpenAI's headers": (Bucket, openai("tokens")),
    "bucket, nothing said": (Bucket, silent),
    "bucket, Anthropic's headers": (Bucket, anthropic),
    "window, OpenAI's headers": (Window, openai("requests")),
    "window by the clock, OpenAI's headers": (lambda n, w: Window(n, w, by_clock=True), openai("requests")),
    "window, Gemini's RetryInfo": (lambda n, w: Window(n, w, by_clock=True), gemini),
    "window, nothing said": (Window, silent),
    "window by the clock, nothing said": (lambda n, w: Window(n, w, by_clock=True), silent),
    "window, OpenRouter's epoch": (Window, openrouter),
    "log, whole seconds": (Log, whole_seconds),
    "log, nothing said": (Log, silent),
}
