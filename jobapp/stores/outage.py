"""One warning when a place where the state is kept fails, one line when it works again."""

from __future__ import annotations

import logging

from jobapp.domain.exceptions import StateStoreError


class Outage:
    """What is amiss with one place; several faults at a time are one outage.

    Args:
        logger: Where it is told.
        place: What fails, for people: a path, or a URL without its password.
        advice: What a person can do.
    """

    def __init__(self, logger: logging.Logger, place: str, advice: str) -> None:
        self._logger = logger
        self._place = place
        self._advice = advice
        self._faults: dict[str, object] = {}
        self._told: dict[str, object] = {}

    def __bool__(self) -> bool:
        """Return whether anything is amiss."""
        return bool(self._faults)

    def begin(self, fault: str, error: object) -> None:
        """Note that *fault* is there; the first one of an outage is told with its *error*."""
        self._faults[fault] = error
        this = object()
        if self._told.setdefault("told", this) is not this:  # one step, so that one of many threads tells it
            return
        self._logger.warning(
            "The quota state in %s can't be %s: %s. Calls go on from memory, and what is learnt is "
            "written when that is possible again. %s",
            self._place,
            fault,
            error,
            self._advice,
        )

    def end(self, fault: str) -> None:
        """Note that *fault* is gone; that of the last one is told."""
        if self._faults.pop(fault, None) is not None and not self._faults:
            self._told.clear()
            self._logger.info("The quota state in %s works again.", self._place)


def not_written(where: str) -> StateStoreError:
    """Return the error of a reset that reached nobody but this process."""
    return StateStoreError(
        f"could not clear the keys in {where}, which can't be written now: they are free in this process, "
        "and for others as soon as it can be"
    )
