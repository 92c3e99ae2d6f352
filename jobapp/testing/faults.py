"""Everything that can go wrong, by name; each provider's wire says it in its own form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Fault(StrEnum):
    """One way in which a request is not answered as it should be."""

    BUSY_MINUTE = "busy_minute"
    """The window of requests is full."""
    BUSY_TOKENS = "busy_tokens"
    """The window of tokens is full."""
    SPENT_DAY = "spent_day"
    """The quota is spent until the provider's reset. Anthropic has no day: its spend limit stands in."""
    SPENT_MONTH = "spent_month"
    """The month's spend limit is reached."""
    NO_CREDIT = "no_credit"
    """The prepaid balance is gone."""
    BAD_KEY = "bad_key"
    """The key is not known."""
    SUSPENDED = "suspended"
    """The key's account is closed; Google's text holds the key."""
    NO_ACCESS = "no_access"
    """The key may not ask this model."""
    REGION = "region"
    """The service is not offered where the request comes from."""
    OVERLOADED = "overloaded"
    """The provider has no capacity."""
    SERVER_ERROR = "server_error"
    """The provider failed."""
    BAD_GATEWAY = "bad_gateway"
    """A proxy in front of the provider answers with an HTML page."""
    UNKNOWN_MODEL = "unknown_model"
    """There is no such model."""
    TOO_LARGE = "too_large"
    """One request has more tokens than a window; waiting does not help."""
    BAD_REQUEST = "bad_request"
    """The request itself is at fault."""

    CONTEXT_OVERFLOW = "context_overflow"
    """The conversation is longer than the model reads; no key helps."""
    UPSTREAM_LIMIT = "upstream_limit"
    """The provider behind OpenRouter is out of capacity; elsewhere the same as ``OVERLOADED``."""
    WITHDRAWN = "withdrawn"
    """The model is no longer offered."""
    NO_CAPACITY = "no_capacity"
    """The cheap tier (flex) has no capacity now."""
    UNKNOWN_PATH = "unknown_path"
    """There is no such path."""
    UNKNOWN_OBJECT = "unknown_object"
    """The account has no such file, batch, response …; another account's is not told from none."""

    ERROR_IN_200 = "error_in_200"
    """HTTP 200, and an error where the answer should be; in a stream an event after ``after`` pieces."""
    ERROR_IN_CHOICE = "error_in_choice"
    """HTTP 200, and an error in the first choice (OpenRouter); elsewhere the same as ``ERROR_IN_200``."""
    GARBAGE = "garbage"
    """HTTP 200, and a body that is not JSON."""
    CUT = "cut"
    """The connection is closed before the answer."""
    CUT_SHORT = "cut_short"
    """The connection is closed in the middle of the body, or after ``after`` pieces of a stream."""
    EMPTY = "empty"
    """HTTP 200 and nothing in it: no choice, no content, no candidate; a stream that ends at once."""
    HEARTBEATS = "heartbeats"
    """Signs of life without content for ``wait`` seconds, and then the answer; a whole one comes late."""
    SLOW_THINKING = "slow_thinking"
    """Thoughts, one a second, for ``wait`` seconds, and then the answer; a whole one comes late."""
    HANG = "hang"
    """No answer ever comes; the client must give up."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault with its particulars.

    Attributes:
        fault: What goes wrong.
        after: Pieces of text that a stream sends before it.
        says: What an error inside an HTTP 200 says.
        wait: Seconds that a busy minute asks to wait, that heartbeats and thoughts last (by the clock of the
            simulator: on a ``FakeClock`` they pass at once).
        limit: The limit that it names.
        model: The one model it strikes; ``None`` for all.
    """

    fault: Fault
    after: int = 0
    says: Fault = Fault.OVERLOADED
    wait: float = 20.0
    limit: int = 200
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A fault as a provider tells it.

    Attributes:
        fault: What went wrong.
        now: Aware UTC of the rejection.
        free_at: Aware UTC from which a request may pass; ``None`` where the provider does not say.
        limit: Requests or tokens per window or day.
        detail: What is wrong with the request, for a faulty one.
    """

    fault: Fault
    now: datetime
    free_at: datetime | None = None
    limit: int = 0
    detail: str = ""

    @property
    def wait(self) -> float | None:
        """Seconds until ``free_at``."""
        return None if self.free_at is None else (self.free_at - self.now).total_seconds()
