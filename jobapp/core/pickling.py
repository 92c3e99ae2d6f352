"""How a facade travels to another process: as its configuration, never with connections, locks or keys.

A cluster pickles a bound method, such as ``llm.send_prompt``, with the object that it belongs to, for every
task. What arrives is an object of the same configuration, the same one for all tasks of a process, so that
they share its connections and what it has learnt. It looks its keys up in the environment there, and meets
other processes where the state is kept. Randomness stays behind: two processes must not wait alike.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from jobapp.domain.clock import Clock
from jobapp.domain.exceptions import ConfigError

if TYPE_CHECKING:
    from jobapp.core.config_manager import ConfigManager
    from jobapp.domain.events import Event


class Picklable:
    """The part of the facade that copies it, here or into another process."""

    config: ConfigManager
    _clock: Clock
    _rng: random.Random
    _on_event: Callable[[Event], None] | None
    _travels_as: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes such an object elsewhere.

        Raises:
            ConfigError: An argument of this object can't be pickled; the text names it.
        """
        given = {"on_event": self._on_event, "clock": self._clock}
        for name, value in given.items():
            _check(name, value)
        self._travels_as = self._travels_as or uuid4().hex
        return _arrived, (self._travels_as, type(self), pickle.dumps(self.config), given)

    def __copy__(self) -> Self:
        """Return an object of its own with the same configuration, listener, clock and random source."""
        return type(self)(self.config, on_event=self._on_event, clock=self._clock, rng=self._rng)  # type: ignore[call-arg]

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()


_here: dict[str, Any] = {}
"""What arrived in this process, by the name that it travels under."""

MOST = 16
"""So many of them are kept."""


def _arrived(name: str, kind: type[Any], config: bytes, given: dict[str, Any]) -> Any:
    found = _here.get(name)
    if found is None:
        found = _here.setdefault(name, kind(pickle.loads(config), **given))  # noqa: S301 - within a pickle
        found._travels_as = name  # noqa: SLF001 - its own
        for oldest in list(_here)[:-MOST]:
            _here.pop(oldest, None)
    return found


def _check(name: str, value: Any) -> None:
    try:
        pickle.dumps(value)
    except Exception as error:
        raise ConfigError(
            f"LLMInterface: {name} can't be pickled ({error}): pass what a module defines under a name, "
            "or make the LLMInterface in the process that uses it"
        ) from error
