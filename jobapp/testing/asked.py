"""What a request wants of its answer, read alike for every provider. Values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ANY_TOOL = "*"
"""``Wanted.tool_choice``: one of the tools must be called, whichever."""


def tokens(text: str) -> int:
    """Return how many tokens the simulator counts for *text*: its words, at least one."""
    return max(1, len(text.split()))


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the request offers.

    Attributes:
        name: Its name.
        description: What it does, as the model is told.
        schema: The JSON schema of its arguments.
    """

    name: str
    description: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool returned, as the last turn hands it in.

    Attributes:
        id: The id of its call.
        name: The tool; ``""`` where the request does not tell.
        text: What it returned, as text.
    """

    id: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """The particulars of an answer.

    Attributes:
        tool_choice: The tool that must be called, ``ANY_TOOL`` for one of them, ``""`` for no must.
        called: The tools that were called earlier in the conversation.
        schema: The JSON schema that the text must fit.
        json: Whether the text must be JSON.
        max_tokens: The most that may be said; a token is a word.
        stop: Texts that end the answer.
        choices: How many answers are wanted.
        cacheable: How many parts of the prompt its provider may cache; ``None`` for all of them.
    """

    tool_choice: str = ""
    called: Sequence[str] = ()
    schema: Mapping[str, Any] | None = None
    json: bool = False
    max_tokens: int | None = None
    stop: Sequence[str] = ()
    choices: int = 1
    cacheable: int | None = None


NOTHING_SPECIAL = Wanted()
