"""What a batch is asked, row by row. No I/O.

A row is a text, a list of messages, or a mapping: ``prompt`` or ``messages``, an ``id`` or ``custom_id`` if
it has one, and arguments of the call (``model``, ``system``, ``temperature`` …); or a row of a provider's own
batch form (:mod:`jobapp.batch.native`). Forms may be mixed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobapp.batch.native import MARKS, NativeRequest, form_of, read_native
from jobapp.domain.exceptions import ConfigError, JobAppError
from jobapp.domain.types import Completion

_IDS = ("custom_id", "id")
_SAID = ("prompt", "messages")
_OF_THE_RUN = frozenset({"on_exhausted", "deadline"})


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        index: Where it stands in the input, from 0.
        id: Its own, else ``sha256:`` and 16 hex digits of its content.
        prompt: What is asked.
        arguments: Those of the call, over the batch's.
        native: The request in a provider's own form, in place of the two.
    """

    index: int
    id: str
    prompt: Any = field(repr=False)
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    native: NativeRequest | None = None


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


def read_row(index: int, written: Any, place: str = "") -> Row:
    """Return the row that *written* is.

    Args:
        index: Where it stands, from 0.
        written: What stands there.
        place: What its place is called; ``row 1`` and so on where that is left out.

    Raises:
        ConfigError: It has none of the forms; the text names its place.
    """
    place = place or f"row {index + 1}"
    if isinstance(written, str | list | tuple):
        return Row(index, identity(written), written)
    if not isinstance(written, Mapping):
        raise ConfigError(
            f"{place}: is {type(written).__name__}; write a text, messages, or a mapping of them"
        )
    said = [name for name in _SAID if name in written]
    form = form_of(written)
    if len(said) + (form is not None) != 1:
        raise ConfigError(f"{place}: {_why_not(written, [*said, *([form] if form else [])])}")
    if form:
        return Row(index, id_of(written, place), None, native=read_native(written, form, place))
    if refused := sorted(_OF_THE_RUN & written.keys()):
        raise ConfigError(f"{place}: {refused[0]} is the whole batch's; give it to the batch")
    arguments = {name: value for name, value in written.items() if name not in (*said, *_IDS, "stream")}
    return Row(index, id_of(written, place), written[said[0]], arguments)


def own_id(written: Any) -> str | int | None:
    """Return the id that a row names itself by, of whatever type; ``None`` where it has none."""
    if not isinstance(written, Mapping):
        return None
    names = ("key", *_IDS) if form_of(written) == "google" else _IDS
    return next((written[name] for name in names if name in written), None)


def id_of(written: Any, place: str) -> str:
    """Return what names a row: its own id, else the hash of its content."""
    own = own_id(written)
    if own is None:
        return identity(written)
    if not isinstance(own, str | int) or isinstance(own, bool) or own == "":
        raise ConfigError(f"{place}: its id must be a text or a number")
    return str(own)


def identity(written: Any) -> str:
    """Return what names a row without an id: the hash of its content, whatever the order of its fields."""
    return f"sha256:{content_hash(written)}"


def content_hash(content: Any) -> str:
    """Return 16 hex digits of the SHA-256 of *content* as JSON, whatever the order of its fields."""
    return hashlib.sha256(_JSON.encode(content).encode(errors="surrogatepass")).hexdigest()[:16]


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else repr(value)


_JSON = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=_plain)


def _why_not(written: Mapping[str, Any], forms: list[str]) -> str:
    if len(forms) > 1:
        return f"has {' and '.join(forms)}; take one of the two out".replace("openai", "a body")
    if mark := next((mark for mark in MARKS if mark in written), None):
        return f"{mark} must be a mapping: a provider's request"
    return "has neither prompt nor messages; write one of the two"
