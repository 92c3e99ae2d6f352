"""One provider of the simulator: its keys, its models, and what ails all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, count

from jobapp.providers import PROVIDERS
from jobapp.testing.faults import Fault, Rejection, Trouble
from jobapp.testing.http_values import Request
from jobapp.testing.key import Reaction, SimulatedKey, Troubles
from jobapp.testing.quota import Quota
from jobapp.testing.wire import KeyFacts, Wire


class SimulatedProvider:
    """One provider.

    Args:
        wire: Its protocol.
        models: What its list of models shows.

    Attributes:
        name: Its name.
        models: As above.
        only_these: Whether it has no other models.
        troubles: Faults that strike whatever the key.
    """

    def __init__(self, wire: Wire, models: Sequence[str]) -> None:
        self.name = wire.provider
        self.models = models
        self.only_these = False
        self.troubles = Troubles()
        self._keys: dict[str, SimulatedKey] = {}

    def add(self, key: SimulatedKey) -> None:
        """Know a key; one with the same text is forgotten."""
        self._keys[key.secret] = key

    def key(self, secret: str) -> SimulatedKey:
        """Return a key; one that was never added is a bad key."""
        key = self._keys.get(secret)
        if key is None:
            key = self._keys[secret] = SimulatedKey(self.name, "", secret, quota=Quota())
            key.fail(Fault.BAD_KEY)
        return key

    @property
    def keys(self) -> list[SimulatedKey]:
        """Every key that was added or came with a request."""
        return list(self._keys.values())

    def next_name(self) -> str:
        """Return the first environment variable for a key that no key has yet."""
        taken = {key.name for key in self.keys}
        return next(name for name in self._names() if name not in taken)

    def react(self, request: Request, wire: Wire) -> Reaction:
        """Decide what a request meets.

        First what ails the provider, then the key's script and faults, the request's own flaws, the models
        there are, and last what the key may ask.
        """
        key = self.key(request.key)
        trouble = self.troubles.next(request.model)
        told = key.told(request.model) if trouble is None else trouble
        if told is not None:
            return told
        if flaw := wire.flaw(request):
            return Rejection(Fault.BAD_REQUEST, request.at, detail=flaw)
        if self.only_these and request.model not in self.models:
            return Trouble(Fault.UNKNOWN_MODEL)
        if missing := wire.missing(request, key.account):
            return Rejection(Fault.UNKNOWN_OBJECT, request.at, detail=missing)
        return key.admit(request)

    def shuts_out(self, key: SimulatedKey) -> Trouble | None:
        """Return why *key* may not even list models."""
        return self.troubles.shut_out() or key.shut_out()

    def facts(self, request: Request) -> KeyFacts:
        """Return what it tells of the request's key free of charge."""
        quota = self.key(request.key).quota
        day, free_day = (quota.day_room(self.name, model, request.at) for model in ("", ":free"))
        return KeyFacts(self.models, self.only_these, day, free_day)

    def _names(self) -> Iterator[str]:
        first = f"{PROVIDERS[self.name].key_prefixes[0]}_API_KEY"
        return chain([first], (f"{first}_BACKUP_{number}" for number in count(1)))


def total(counters: Sequence[Counter[str]], model: str | None) -> int:
    """Return what *counters* count for a model, ``None`` for all."""
    return sum(counter.total() if model is None else counter[model] for counter in counters)
