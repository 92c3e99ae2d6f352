"""What a model may be told to say, the same for every provider; each wire writes it in its form. Values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jobapp.testing.prompt_cache import NOTHING_CACHED, Cached


@dataclass(frozen=True, slots=True, init=False)
class ToolCall:
    """The model asks for a tool: ``ToolCall("weather", city="Paris")``. The wire gives it an id.

    Attributes:
        name: The tool.
        arguments: What it is called with.
    """

    name: str
    arguments: Mapping[str, Any]

    def __init__(self, name: str, /, **arguments: Any) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "arguments", arguments)


@dataclass(frozen=True, slots=True)
class Thinking:
    """The model thinks aloud, and then says what it would have said anyway.

    OpenAI's chat completions show no thoughts; there they stand in ``reasoning_content``, where DeepSeek and
    others have them.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model will not do it: OpenAI's ``refusal``, Anthropic's ``stop_reason``, Gemini's ``SAFETY``."""

    text: str = "I can't help with that."


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything that one answer may hold.

    Attributes:
        text: What it says; ``None`` for what it would say unscripted, where it calls no tool and refuses
            nothing.
        finish_reason: Why it ends, in OpenAI's words: ``stop``, ``length``, ``tool_calls``,
            ``content_filter``, which each wire translates; any other is sent as it is. ``None``: as follows
            from the rest.
        tool_calls: The tools that it asks for.
        thinking: What it thinks before.
        refusal: Why it will not.
        stop_sequence: The ``stop`` of the request that ended it.
        cached: What of the prompt was in the account's cache.
    """

    text: str | None = None
    finish_reason: str | None = None
    tool_calls: Sequence[ToolCall] = ()
    thinking: str = ""
    refusal: str = ""
    stop_sequence: str | None = field(default=None, kw_only=True)
    cached: Cached = field(default=NOTHING_CACHED, kw_only=True)

    @property
    def is_whole(self) -> bool:
        """Whether it says all by itself, and not what would be said anyway."""
        return self.text is not None or bool(self.tool_calls or self.refusal)

    @property
    def said(self) -> str:
        """What is seen of it as text: the text, or the refusal."""
        return self.text or self.refusal

    @property
    def finish(self) -> str:
        """Why it ends, in OpenAI's words."""
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")


Part = str | ToolCall | Thinking | Refusal
Said = Part | Answer | Sequence[Part]
"""What a script may let the model say: one thing, or several in one answer."""

SAID = (str, ToolCall, Thinking, Refusal, Answer, list, tuple)


def as_answer(said: Said) -> Answer:
    """Return *said* as one answer.

    Raises:
        TypeError: It holds something else than texts, tool calls, thoughts and refusals.
    """
    if isinstance(said, Answer):
        return said
    answer = Answer()
    for part in said if isinstance(said, list | tuple) else (said,):
        match part:
            case str():
                answer = replace(answer, text=(answer.text or "") + part)
            case ToolCall():
                answer = replace(answer, tool_calls=(*answer.tool_calls, part))
            case Thinking():
                answer = replace(answer, thinking=answer.thinking + part.text)
            case Refusal():
                answer = replace(answer, refusal=answer.refusal + part.text)
            case _:
                raise TypeError(
                    f"a model can't say {part!r}: use a text, ToolCall, Thinking, Refusal or Answer"
                )
    return answer
