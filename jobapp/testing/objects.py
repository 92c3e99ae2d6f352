"""What belongs to an account and not to whoever asks: files, batches, responses, cached contents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobapp.testing.faults import Fault
from jobapp.testing.prompt_cache import PromptCache


@dataclass(frozen=True, slots=True)
class Stored:
    """One object: what the provider tells of it, and its content where it has one."""

    row: Mapping[str, Any]
    content: bytes = b""


class NoSuchObjectError(Exception):
    """The account has no such object; the text is what the provider says, *fault* how it says it."""

    def __init__(self, text: str, fault: Fault = Fault.UNKNOWN_OBJECT) -> None:
        super().__init__(text)
        self.fault = fault


class Account:
    """The objects of one account; keys that share a :class:`Quota` share it.

    Attributes:
        prompts: Its prompt cache.
    """

    def __init__(self) -> None:
        self.prompts = PromptCache()
        self._objects: dict[str, Stored] = {}

    def keep(self, name: str, row: Mapping[str, Any], content: bytes = b"") -> Mapping[str, Any]:
        """Keep an object under its id, and return what is told of it."""
        self._objects[name] = Stored(row, content)
        return row

    def find(self, name: str, otherwise: str) -> Stored:
        """Return an object.

        Raises:
            NoSuchObjectError: There is none; *otherwise* is its text.
        """
        if name not in self._objects:
            raise NoSuchObjectError(otherwise)
        return self._objects[name]

    def has(self, name: str) -> bool:
        """Return whether there is such an object."""
        return name in self._objects

    def remove(self, name: str, otherwise: str) -> None:
        """Forget an object.

        Raises:
            NoSuchObjectError: There is none.
        """
        self.find(name, otherwise)
        del self._objects[name]

    def rows(self, start: str) -> list[Mapping[str, Any]]:
        """Return what is told of the objects whose ids begin so, the newest first."""
        return [stored.row for name, stored in reversed(self._objects.items()) if name.startswith(start)]
