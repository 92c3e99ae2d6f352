"""How a facade travels to another process: as its configuration, never with connections, locks or keys.

A cluster pickles a bound method, such as ``llm.send_prompt``, with the object that it belongs to. What
arrives is a new object of the same configuration: it looks its keys up in the environment there, opens its
own connections, and meets the others where the state is kept. Randomness stays behind, for two processes
must not wait alike.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

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

    def __getstate__(self) -> dict[str, Any]:
        """Return the arguments that make such an object elsewhere.

        Raises:
            ConfigError: One of them can't be pickled; the text names it.
        """
        given = {"on_event": self._on_event, "clock": self._clock}
        for name, value in given.items():
            _check(name, value)
        return {"config": self.config, **given}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # a subclass that takes other arguments has its own

    def __copy__(self) -> Self:
        """Return an object of its own with the same configuration, listener, clock and random source."""
        return type(self)(self.config, on_event=self._on_event, clock=self._clock, rng=self._rng)  # type: ignore[call-arg]

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()


def _check(name: str, value: Any) -> None:
    try:
        pickle.dumps(value)
    except Exception as error:
        raise ConfigError(
            f"LLMInterface: {name} can't be pickled ({error}): pass what a module defines under a name, "
            "or make the LLMInterface in the process that uses it"
        ) from error
