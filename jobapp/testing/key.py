"""One key of the simulator: what was set for it, and what it was asked."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable

from jobapp.testing.exchange import Request, Response
from jobapp.testing.faults import Fault, Refusal, Trouble
from jobapp.testing.quota import Quota, Room

ScriptItem = Response | Fault | Trouble | str
"""One step of a script: a response as it is, a fault, or the text of a normal answer."""

Reaction = Response | Trouble | Refusal | Room | str | None
"""What a request meets; ``None`` and a room are a normal answer, a string is its text."""


class Troubles:
    """Faults that wait for a request, each for a number of times or for ever; the first that fits strikes."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Trouble, int | None]] = []

    def add(self, trouble: Trouble, times: int | None) -> None:
        """Let *trouble* strike *times* requests, ``None`` for every one."""
        self._waiting = [*self._waiting, (trouble, times)]

    def clear(self) -> None:
        """Let nothing strike any more."""
        self._waiting = []

    def next(self, model: str) -> Trouble | None:
        """Return what strikes a request to *model*, and count it."""
        for index, (trouble, times) in enumerate(self._waiting):
            if trouble.model in (None, model):
                if times is not None:
                    rest = [(trouble, times - 1)] if times > 1 else []
                    self._waiting = [*self._waiting[:index], *rest, *self._waiting[index + 1 :]]
                return trouble
        return None

    def lasting(self, faults: Collection[Fault]) -> Trouble | None:
        """Return the first that strikes every request and is one of *faults*."""
        lasting = (trouble for trouble, times in self._waiting if times is None and trouble.model is None)
        return next((trouble for trouble in lasting if trouble.fault in faults), None)


SHUT_OUT = frozenset({Fault.BAD_KEY, Fault.SUSPENDED, Fault.REGION})
"""Faults that strike requests without a model too."""


class SimulatedKey:
    """A key; made by :meth:`Simulator.add_key`.

    Attributes:
        provider: Whose key it is.
        name: The environment variable that holds it, as :meth:`Simulator.environ` has it.
        secret: The key itself.
        quota: What it may ask.
        slow: Seconds before each answer, by the simulator's clock.
        closed_models: Models it may not ask.
        asked: Requests by model, refused ones among them.
        refused: Requests by model that were not answered as they should be.
    """

    def __init__(
        self,
        provider: str,
        name: str,
        secret: str,
        *,
        quota: Quota,
        slow: float = 0.0,
        closed_models: Collection[str] = (),
    ) -> None:
        self.provider, self.name, self.secret = provider, name, secret
        self.quota, self.slow, self.closed_models = quota, slow, closed_models
        self.asked: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._troubles = Troubles()
        self._script: deque[ScriptItem] = deque()

    def __repr__(self) -> str:
        return f"SimulatedKey({self.provider!r}, {self.name!r})"

    @property
    def requests(self) -> int:
        """How many requests it was asked, refused ones among them."""
        return self.asked.total()

    @property
    def refusals(self) -> int:
        """How many of them were not answered as they should be."""
        return self.refused.total()

    def fail(self, fault: Fault | Trouble, *, times: int | None = None) -> None:
        """Let a fault strike the next *times* requests, or every one until :meth:`heal`."""
        self._troubles.add(as_trouble(fault), times)

    def heal(self) -> None:
        """Take every fault and the rest of the script away; quotas stay."""
        self._troubles.clear()
        self._script.clear()

    def script(self, items: Iterable[ScriptItem]) -> None:
        """Answer the next requests with *items*, one each, then as usual again."""
        self._script.extend(items)

    def reset_counts(self) -> None:
        """Start counting from 0; what was used of the quota stays used."""
        self.asked, self.refused = Counter(), Counter()

    def check(self) -> Trouble | None:
        """Return why the key can't even list models; nothing is used up or counted."""
        return self._troubles.lasting(SHUT_OUT)

    def react(self, request: Request) -> Reaction:
        """Decide what a request meets: the script, then faults, closed models, the quota."""
        if self._script:
            item = self._script.popleft()
            return as_trouble(item) if isinstance(item, Fault) else item
        if trouble := self._troubles.next(request.model):
            return trouble
        if request.model in self.closed_models:
            return Trouble(Fault.NO_ACCESS)
        return self.quota.take(self.provider, request.model, request.at)


def as_trouble(fault: Fault | Trouble) -> Trouble:
    """Return a fault with its usual particulars."""
    return fault if isinstance(fault, Trouble) else Trouble(Fault(fault))
