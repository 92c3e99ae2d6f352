"""What services that speak OpenAI's protocol call their limits in headers. Data.

Sources: console.groq.com/docs/rate-limits, inference-docs.cerebras.ai/support/rate-limits, Mistral's
platform-docs-public 222f4ba, docs.sambanova.ai, docs.digitalocean.com (2026-07-13), learn.microsoft.com
(Azure): all read in 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from jobapp.testing.meters import Room
from jobapp.testing.wire import decimal_seconds, go_duration, whole_seconds

Told = Callable[[datetime, timedelta], str]
"""An instant, and the time until it → the text of the header."""


def _duration(_at: datetime, left: timedelta) -> str:
    return go_duration(left.total_seconds())


def _seconds(_at: datetime, left: timedelta) -> str:
    return decimal_seconds(left.total_seconds())


def _whole(_at: datetime, left: timedelta) -> str:
    return whole_seconds(left.total_seconds())


def _epoch(at: datetime, _left: timedelta) -> str:
    return whole_seconds(at.timestamp())


SERVICE_METERS: Mapping[str, Mapping[str, tuple[str, Told | None]]] = {
    "groq": {"day": ("requests", _duration), "tokens": ("tokens", _duration)},
    "cerebras": {
        "requests": ("requests-minute", _seconds),
        "day": ("requests-day", _seconds),
        "tokens": ("tokens-minute", _seconds),
    },
    "mistral": {"requests": ("req-minute", None), "tokens": ("tokens-minute", None)},
    "sambanova": {"requests": ("requests", _epoch), "day": ("requests-day", _epoch)},
    "digitalocean": {"requests": ("requests", _epoch), "tokens": ("tokens-per-minute", _epoch)},
    "azure": {"requests": ("requests", _whole), "tokens": ("tokens", _whole)},
}
"""Service → which limit → what stands behind ``x-ratelimit-limit-``, and how the reset is told, if it is."""


def service_headers(service: str, meter: str, room: Room, now: datetime) -> dict[str, str]:
    """Return the headers by which *service* tells the room of *meter*; none where it keeps that to itself."""
    if meter not in SERVICE_METERS[service]:
        return {}
    name, reset = SERVICE_METERS[service][meter]
    headers = {
        f"x-ratelimit-limit-{name}": str(room.limit),
        f"x-ratelimit-remaining-{name}": str(room.remaining),
    }
    if reset is not None:
        headers[f"x-ratelimit-reset-{name}"] = reset(room.full_at, room.full_at - now)
    return headers
