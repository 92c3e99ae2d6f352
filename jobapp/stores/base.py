"""What every store promises."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from jobapp.core.types import Block
from jobapp.stores.state import QuotaState, Reset


class QuotaStore(Protocol):
    """The shared memory of blocks.

    Every method is safe in threads, and none raises because a disk or a server failed: that costs one
    warning, and the store goes on from memory and writes later what it could not.
    """

    def view(self) -> QuotaState:
        """Return what is known, another process's news included; the same object while nothing changed."""
        ...

    def add(self, blocks: Iterable[Block]) -> None:
        """Remember *blocks*; when this returns, they are where another process finds them."""
        ...

    def reset(self, reset: Reset) -> tuple[Block, ...]:
        """End what *reset* covers and return what was ended."""
        ...

    def sweep(self, provider: str, now: datetime) -> None:
        """Drop the blocks of *provider* that expired so long ago that they are of no use."""
        ...

    def close(self) -> None:
        """Release files and connections."""
        ...
