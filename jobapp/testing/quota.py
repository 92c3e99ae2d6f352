"""What a key may ask: windows and days of one key, or of several that share them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from jobapp.domain.types import FREE_MODELS
from jobapp.testing.faults import Fault, Rejection
from jobapp.testing.meters import Bucket, FixedWindow, Meter, Room, SlidingWindow, new_day
from jobapp.testing.objects import Account

Rooms = Mapping[str, Room]
"""What is left, of ``requests``, ``tokens`` and the ``day``, where there is a limit."""


class Quota:
    """What a key may ask; give one to several keys and they share it, as keys of one project do.

    Limits hold for each model apart, as the providers have it, but for OpenRouter's free models, which are
    one pool, and for spend limits, which hold for all models: Anthropic's, and OpenRouter's for paid models.

    Args:
        limit: Requests per window; ``None`` for no limit.
        window: Seconds of the window.
        per_day: Requests per day of the provider; ``None`` for no limit. OpenAI's day rolls, the others
            end at the provider's midnight.
        tokens: Tokens of prompts per window; a token is a word.
        sliding: The window of requests slides; else (the default) it opens with its first request.
        bucket: The window of requests is a token bucket: one request comes back each ``window / limit``.
        per_model: ``False`` makes one pool of all models.
        count_refused: A rejected request uses up quota too, as is reported of Gemini.

    Attributes:
        account: What the keys that share it own in common: files, batches, responses.

    Raises:
        ValueError: A limit is below 1, the window not above 0, or both ``sliding`` and ``bucket`` are set.
    """

    def __init__(
        self,
        limit: int | None = None,
        *,
        window: float = 60.0,
        per_day: int | None = None,
        tokens: int | None = None,
        sliding: bool = False,
        bucket: bool = False,
        per_model: bool = True,
        count_refused: bool = False,
    ) -> None:
        if window <= 0 or any(number is not None and number < 1 for number in (limit, per_day, tokens)):
            raise ValueError("A limit is a whole number from 1 up, and a window lasts more than 0 seconds.")
        self.limit, self.per_day, self.tokens = limit, per_day, tokens
        self.window = timedelta(seconds=window)
        if sliding and bucket:
            raise ValueError("A window slides or is a bucket, not both.")
        self._kind: Callable[[int, timedelta], Meter]
        self._kind = SlidingWindow if sliding else Bucket if bucket else FixedWindow
        self._per_model, self._count_refused = per_model, count_refused
        self.account = Account()
        self._days: dict[str, Meter] = {}
        self._windows: dict[str, Meter] = {}
        self._token_windows: dict[str, FixedWindow] = {}

    def take(self, provider: str, model: str, now: datetime, tokens: int = 1) -> Rejection | Rooms:
        """Count a request of *tokens*, and return what is left, or the rejection."""
        day, window, token_window = self._meters(provider, model)
        rejection = self._rejection(day, window, token_window, now, tokens)
        if rejection is None or self._count_refused:
            for meter in (day, window):
                if meter is not None:
                    meter.take(now)
            if token_window is not None:
                token_window.take(now, tokens)
        if rejection is not None:
            return rejection
        told = {"requests": window or day, "tokens": token_window, "day": day}
        return {name: meter.room(now) for name, meter in told.items() if meter is not None}

    def day_room(self, provider: str, model: str, now: datetime) -> Room | None:
        """Return what is left of the day, ``None`` without a limit."""
        day = self._day(provider, model)
        return None if day is None else day.room(now)

    def refill(self) -> None:
        """Forget everything that was used."""
        for meters in (self._days, self._windows, self._token_windows):
            meters.clear()

    def _meters(self, provider: str, model: str) -> tuple[Meter | None, Meter | None, FixedWindow | None]:
        pool = self._pool(window_pool(provider, model))
        window = tokens = None
        if self.limit is not None and (window := self._windows.get(pool)) is None:
            window = self._windows[pool] = self._kind(self.limit, self.window)
        if self.tokens is not None and (tokens := self._token_windows.get(pool)) is None:
            tokens = self._token_windows[pool] = FixedWindow(self.tokens, self.window)
        return self._day(provider, model), window, tokens

    def _day(self, provider: str, model: str) -> Meter | None:
        if self.per_day is None:
            return None
        pool = self._pool(day_pool(provider, model))
        if pool not in self._days:
            self._days[pool] = new_day(provider, self.per_day)
        return self._days[pool]

    def _pool(self, name: str) -> str:
        return name if self._per_model else ""

    def _rejection(
        self,
        day: Meter | None,
        window: Meter | None,
        token_window: FixedWindow | None,
        now: datetime,
        tokens: int,
    ) -> Rejection | None:
        if day is not None and (free_at := day.free_at(now)):
            return Rejection(Fault.SPENT_DAY, now, free_at, self.per_day or 0)
        if window is not None and (free_at := window.free_at(now)):
            return Rejection(Fault.BUSY_MINUTE, now, free_at, self.limit or 0)
        if self.tokens is not None and tokens > self.tokens:
            return Rejection(Fault.TOO_LARGE, now, None, self.tokens, detail=str(tokens))
        if token_window is not None and (free_at := token_window.free_at(now, tokens)):
            return Rejection(Fault.BUSY_TOKENS, now, free_at, self.tokens or 0)
        return None


def window_pool(provider: str, model: str) -> str:
    """Return the name of what shares one window."""
    return FREE_MODELS if _is_free(provider, model) else model


def day_pool(provider: str, model: str) -> str:
    """Return the name of what shares one day; ``""`` is the whole key."""
    if _is_free(provider, model):
        return FREE_MODELS
    return "" if provider in ("anthropic", "openrouter") else model


def _is_free(provider: str, model: str) -> bool:
    return provider == "openrouter" and model.endswith(":free")
