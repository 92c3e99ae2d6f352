"""What the tests of the stores share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from jobapp.core.types import Block, Kind

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is told to move."""

    def __init__(self, now: datetime = NOON) -> None:
        self.at = now
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.seconds += seconds

    def jump(self, step: timedelta) -> None:
        """Move the wall time only, as a clock that is set does."""
        self.at += step


def block(
    fingerprint="0123456789ab",
    *,
    provider="openai",
    model=None,
    kind=Kind.QUOTA,
    since=NOON,
    seconds=3600.0,
    reason="test-rule: why",
    key_name="OPENAI_API_KEY",
    strikes=1,
):
    until = since + timedelta(seconds=seconds)
    return Block(provider, fingerprint, model, kind, until, since, reason, key_name, strikes)
