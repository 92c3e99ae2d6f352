"""What a batch is asked, row by row. No I/O.

A row is a text, a list of messages, or a mapping: ``prompt`` or ``messages``, an ``id`` or ``custom_id`` if
it has one, and arguments of the call (``model``, ``system``, ``temperature`` …). Forms may be mixed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobapp.domain.exceptions import ConfigError, JobAppError
from jobapp.domain.types import Completion

_IDS = ("custom_id", "id")
_SAID = ("prompt", "messages")
_OF_PROVIDERS = frozenset({"body", "params", "request"})
_OF_THE_RUN = frozenset({"on_exhausted", "deadline"})


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        index: Where it stands in the input, from 0.
        id: Its own, else ``sha256:`` and 16 hex digits of its content.
        prompt: What is asked.
        arguments: Those of the call, over the batch's.
    """

    index: int
    id: str
    prompt: Any = field(repr=False)
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one row.

    Attributes:
        id: The row's own, else ``sha256:`` and 16 hex digits of its content.
        index: Where it stood in the input, from 0.
        completion: The answer; ``None`` where there is none.
        error: Why there is none.
    """

    id: str
    index: int
    completion: Completion | None = None
    error: JobAppError | None = None

    @property
    def text(self) -> str:
        """The answer's text.

        Raises:
            JobAppError: What the row failed with.
        """
        if self.completion is None:
            raise self.error or JobAppError("there is no answer")
        return self.completion.text


def read_row(index: int, written: Any) -> Row:
    """Return the row that *written* is.

    Raises:
        ConfigError: It has none of the forms; the text names its place, counted from 1.
    """
    place = f"row {index + 1}"
    if isinstance(written, str | list | tuple):
        return Row(index, identity(written), written)
    if not isinstance(written, Mapping):
        raise ConfigError(
            f"{place}: is {type(written).__name__}; write a text, messages, or a mapping of them"
        )
    arguments = dict(written)
    said = [name for name in _SAID if name in arguments]
    if len(said) != 1:
        raise ConfigError(f"{place}: {_why_not(written, said)}")
    if refused := sorted(_OF_THE_RUN & arguments.keys()):
        raise ConfigError(f"{place}: {refused[0]} is the whole batch's; give it to the batch")
    prompt = arguments.pop(said[0])
    named = [arguments.pop(name) for name in _IDS if name in arguments]
    if any(not isinstance(name, str | int) for name in named):
        raise ConfigError(f"{place}: its id must be a text or a number")
    return Row(index, str(named[0]) if named else identity(written), prompt, arguments)


def identity(written: Any) -> str:
    """Return what names a row without an id: the hash of its content, whatever the order of its fields."""
    content = json.dumps(written, sort_keys=True, ensure_ascii=False, default=repr)
    return f"sha256:{hashlib.sha256(content.encode(errors='surrogatepass')).hexdigest()[:16]}"


def _why_not(written: Mapping[str, Any], said: list[str]) -> str:
    if said:
        return "has a prompt and messages; take one of the two out"
    if _OF_PROVIDERS & written.keys():
        return "is a provider's own batch row, which is not read here; give its messages and options"
    return "has neither prompt nor messages; write one of the two"
