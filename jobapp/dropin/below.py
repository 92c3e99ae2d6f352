"""What stands below a client of one provider: its keys, and the rules by which they are used."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from jobapp.calls.key_manager import KeyManager
from jobapp.domain.clock import Clock
from jobapp.domain.settings import ProviderSettings, RetrySettings
from jobapp.domain.types import ApiKey, Kind, Verdict
from jobapp.dropin.routes import Route

if TYPE_CHECKING:
    from jobapp.domain.events import Event
    from jobapp.stores.object_owners import ObjectOwners


class OwnKeys(KeyManager, Protocol):
    """One provider's keys, as a transport uses them."""

    @property
    def keys(self) -> tuple[ApiKey, ...]:
        """Return them, in order."""
        ...

    def set_aside(self, key: ApiKey, model: str, verdict: Verdict) -> None:
        """Remember what *verdict* says of *key*; may wait for I/O."""
        ...


@dataclass(frozen=True)
class Below:
    """What stands below a client of one provider.

    Attributes:
        provider: Its name and address.
        key_header: The header in which it wants its key.
        manager: Its keys.
        rules: The rules of a call.
        owners: Whose an object is.
        clock: The time.
        rng: The random source of jitter.
        listener: Takes every event.
        session: The conversation that the requests are turns of.
    """

    provider: ProviderSettings
    key_header: str
    manager: OwnKeys
    rules: RetrySettings
    owners: ObjectOwners
    clock: Clock
    rng: random.Random
    listener: Callable[[Event], None] | None = None
    session: str | None = None

    def owner(self, route: Route) -> ApiKey | None:
        """Return the key that made what *route* names; ``None`` where that is not known."""
        named = (*route.ids, *route.items)
        found = self.owners.of(named) if named else None
        return next((key for key in self.manager.keys if key.fingerprint == found), None)

    def home_keys(self, route: Route) -> Iterator[ApiKey]:
        """Yield the key of what *route* names alone, else those not known to be bad, spent or not."""
        if owner := self.owner(route):
            yield owner
            return
        lines = self.manager.statuses()
        bad = {line.key for line in lines if line.state == Kind.AUTH and line.model is None}
        yield from (key for key in self.manager.keys if key.name not in bad)
