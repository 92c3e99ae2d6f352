"""What a caller holds of a key that was found for it. No I/O."""

from __future__ import annotations

from jobapp.domain.types import ApiKey
from jobapp.pool.model_keys import KeyState


class Reservation:
    """A key that was found for a caller: it must be finished or given back. Instants are since the epoch.

    Args:
        key: The key.
        slot: Where its requests are counted.
        model: The model it was found for.
        free_at: When the key is free, as far as can be foreseen.
        due: When the caller may ask: a little later where others wait for the same instant.
        booked: Whether the request is counted already, for room that is known to come.
    """

    __slots__ = (
        "due",
        "free_at",
        "key",
        "model",
        "number",
        "opened_at",
        "pending_verdict",
        "reserved",
        "sent_at",
        "state",
        "wait",
    )

    def __init__(
        self, key: ApiKey, state: KeyState, model: str, free_at: float, due: float, *, reserved: bool
    ) -> None:
        self.key = key
        self.state = state
        self.model = model
        self.free_at = free_at
        self.due = due
        self.reserved = reserved
        self.wait = 0.0
        """Seconds until it may be asked."""
        self.number = 0
        """Its place among the requests of the key to the model."""
        self.sent_at = 0.0
        """When it was handed over for asking."""
        self.opened_at: float | None = None
        """When the stream began that it was sent for."""
        self.pending_verdict = False
        """Whether it was rejected, and nobody knows yet what that means."""

    def release(self) -> None:
        """Note that its request is not sent."""
        if self.reserved:
            self.state.release()

    def begin(self, now: float) -> None:
        """Note that its request is sent."""
        self.wait, self.sent_at, self.number = 0.0, now, self.state.begin(now)

    def question(self) -> None:
        """Let nobody else ask the key while it is judged what its rejection means."""
        self.pending_verdict = True
        self.state.pending_verdict += 1

    def end(self, tokens: int = 0) -> None:
        """Note that its request is over, which cost *tokens*."""
        self.state.end(tokens)
        if self.pending_verdict:
            self.pending_verdict = False
            self.state.pending_verdict -= 1
