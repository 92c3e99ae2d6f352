"""What a provider's adapter does: translate, and nothing else. No loop, no policy, no state of keys."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Protocol

from jobapp.domain.types import ApiKey, ChatRequest, ErrorFacts, Reply


class ErrorInReplyError(Exception):
    """An answer with HTTP status 200 that holds an error; an adapter raises it where an SDK would not."""

    def __init__(self, facts: ErrorFacts) -> None:
        super().__init__(facts.message or "the answer holds an error")
        self.facts = facts


class Adapter(Protocol):
    """One provider's SDK behind four verbs.

    The verbs raise what the SDK raises, or :class:`ErrorInReplyError`; ``error_facts`` reads either.
    A stream yields pieces of text, never empty, and the :class:`Reply` last; closing it early closes
    its connection. Every ``timeout`` is in seconds: of a whole answer, or the longest silence of a stream;
    ``left`` is how many remain until its first piece must be there.
    """

    provider: str

    def warm_up(self, key: ApiKey) -> None:
        """Load the SDK and make the client of *key*, if there is none yet; sends nothing."""
        ...

    async def awarm_up(self, key: ApiKey) -> None:
        """Do so for the running event loop."""
        ...

    def send(self, request: ChatRequest, key: ApiKey, timeout: float) -> Reply:
        """Ask and return the answer."""
        ...

    async def asend(self, request: ChatRequest, key: ApiKey, timeout: float) -> Reply:
        """Ask and return the answer, in the running event loop."""
        ...

    def stream(
        self, request: ChatRequest, key: ApiKey, timeout: float, left: float | None = None
    ) -> Generator[str | Reply]:
        """Ask and yield the answer's text as it comes, then the whole reply."""
        ...

    def astream(
        self, request: ChatRequest, key: ApiKey, timeout: float, left: float | None = None
    ) -> AsyncGenerator[str | Reply]:
        """Ask and yield the answer's text as it comes, in the running event loop, then the whole reply."""
        ...

    def error_facts(self, error: Exception, model: str, key: ApiKey | None = None) -> ErrorFacts | None:
        """Return what *error* tells, without the text of *key*; ``None`` for what could not even be sent.

        Some providers repeat a rejected key in their answer.
        """
        ...

    def close(self) -> None:
        """Close the synchronous clients."""
        ...

    async def aclose(self) -> None:
        """Close the clients of the running event loop, and the synchronous ones."""
        ...
