"""What goes over the wire, as values: the request that came, the response that goes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobapp.testing.asked import NOTHING_SPECIAL, Tool, ToolResult, Wanted, tokens


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the simulator received it.

    Attributes:
        provider: Whose protocol it speaks: ``openai``, ``anthropic``, ``google`` or ``openrouter``.
        key: The key's text; in no repr.
        model: The model that was asked, ``""`` where the request names none.
        prompt: The text of the last message; of a turn that hands in what tools returned, their texts.
        stream: Whether the answer is wanted in pieces.
        method: ``GET`` or ``POST``.
        path: The path without the query.
        query: The query, the last value of each name.
        headers: Names in lower case; in no repr, for the key is among them.
        body: The parsed JSON, the text where it does not parse, ``None`` where there is none.
        at: Aware UTC at which it came, by the simulator's clock.
        tools: The tools that it offers.
        tool_results: What tools returned, where the last turn hands that in.
        wanted: What else it wants of its answer: length, schema, how many.
        parts: All texts of the prompt in order: instructions, then each message.
    """

    provider: str
    key: str = field(repr=False)
    model: str
    prompt: str
    stream: bool
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: Any
    at: datetime
    tools: Sequence[Tool] = ()
    tool_results: Sequence[ToolResult] = ()
    wanted: Wanted = NOTHING_SPECIAL
    parts: Sequence[str] = ()

    @property
    def tokens(self) -> int:
        """How many tokens the prompt has: its words, at least one."""
        return tokens(" ".join(self.parts) or self.prompt)


@dataclass(frozen=True, slots=True)
class Response:
    """A response to send exactly so: for scripts, and to replay what was recorded from a real provider.

    Attributes:
        status: The HTTP status.
        headers: Sent as they are; those that frame the body are left out and written anew.
        body: A dict or a list is sent as JSON, text and bytes as they are.
        events: A stream in place of a body. A dict is sent as one event in the provider's form, text as an
            event that is written out (``data: …``), bytes as they are.
        cut: Close the connection before the end: with ``body`` in its middle, with ``events`` after the last.
        lead: How many events come before the first piece of text.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = ""
    events: Sequence[Any] | None = None
    cut: bool = False
    lead: int = 0


@dataclass(frozen=True, slots=True)
class Stream:
    """A streamed answer as events: what leads in, one event for each piece of it, what leads out.

    Events that belong together stand in a tuple, and are sent as one.
    """

    lead_in: Sequence[Any]
    pieces: Sequence[Any]
    lead_out: Sequence[Any]
