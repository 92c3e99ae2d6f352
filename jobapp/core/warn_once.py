"""What a person should look at, told once in the life of the process."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)

_told: set[str] = set()


def warn_once(words: str) -> None:
    """Log a warning that was not logged before."""
    if words not in _told:
        _told.add(words)
        logger.warning("%s", words)
