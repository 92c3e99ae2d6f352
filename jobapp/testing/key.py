"""One key of the simulator: what was set for it, and what it was asked."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping

from jobapp.testing.faults import Fault, Rejection, Trouble
from jobapp.testing.http_values import Request, Response
from jobapp.testing.meters import Room
from jobapp.testing.objects import Account
from jobapp.testing.quota import Quota
from jobapp.testing.steps import Said

ScriptItem = Response | Fault | Trouble | Said
"""One step of a script: a response as it is, a fault, or what the model says: a text, a tool call …"""

Reaction = Response | Trouble | Rejection | Said | Mapping[str, Room]
"""What a request meets; what is left of the limits means the normal answer."""

SHUT_OUT = frozenset(
    {
        Fault.BAD_KEY,
        Fault.SUSPENDED,
        Fault.REGION,
        Fault.OVERLOADED,
        Fault.SERVER_ERROR,
        Fault.BAD_GATEWAY,
        Fault.GARBAGE,
        Fault.CUT,
        Fault.CUT_SHORT,
        Fault.HANG,
    }
)
"""Faults that strike requests that cost no quota too, where they strike every request."""


class Troubles:
    """Faults that wait for requests, each for a number of times or for ever; the first that fits strikes."""

    def __init__(self) -> None:
        self._waiting: tuple[tuple[Trouble, int | None], ...] = ()

    def add(self, trouble: Trouble, times: int | None) -> None:
        """Let *trouble* strike *times* requests, ``None`` for every one."""
        if times is None or times > 0:
            self._waiting = (*self._waiting, (trouble, times))

    def clear(self) -> None:
        """Let nothing strike any more."""
        self._waiting = ()

    def next(self, model: str) -> Trouble | None:
        """Return what strikes a request to *model*, and count it."""
        for index, (trouble, times) in enumerate(self._waiting):
            if trouble.model in (None, model):
                if times is not None:
                    left = ((trouble, times - 1),) if times > 1 else ()
                    self._waiting = (*self._waiting[:index], *left, *self._waiting[index + 1 :])
                return trouble
        return None

    def shut_out(self) -> Trouble | None:
        """Return the first that strikes every request, those that cost no quota too."""
        lasting = (trouble for trouble, times in self._waiting if times is None and trouble.model is None)
        return next((trouble for trouble in lasting if trouble.fault in SHUT_OUT), None)


class SimulatedKey:
    """A key; made by :meth:`Simulator.add_key`.

    Attributes:
        provider: Whose key it is.
        name: The environment variable that holds it, as :meth:`Simulator.environ` has it; ``""`` for a key
            that was never added.
        secret: The key itself.
        quota: What it may ask.
        slow: Seconds before each answer, by the simulator's clock.
        closed_models: Models it may not ask.
        service: Whose names the headers of its limits have; ``""`` for the provider's own.
        asked: Requests by model, rejected ones among them.
        rejected: Requests by model that were not answered as they should be.
        at_once: Requests being served now.
        most_at_once: The most that were ever served at once.
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
        service: str = "",
    ) -> None:
        self.provider, self.name, self.secret = provider, name, secret
        self.quota, self.slow, self.closed_models, self.service = quota, slow, closed_models, service
        self.asked: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0
        self._troubles = Troubles()
        self._script: deque[ScriptItem] = deque()

    def __repr__(self) -> str:
        return f"SimulatedKey({self.provider!r}, {self.name!r})"

    @property
    def account(self) -> Account:
        """What belongs to its account: files, batches, responses; shared with keys of the same quota."""
        return self.quota.account

    @property
    def requests(self) -> int:
        """How many requests it was asked, rejected ones among them."""
        return self.asked.total()

    @property
    def rejections(self) -> int:
        """How many of them were not answered as they should be."""
        return self.rejected.total()

    def fail(self, fault: Fault | Trouble, *, times: int | None = None) -> None:
        """Let a fault strike the next *times* requests, or every one until :meth:`heal`."""
        self._troubles.add(as_trouble(fault), times)

    def heal(self) -> None:
        """Take every fault and the rest of the script away; quotas stay."""
        self._troubles.clear()
        self._script.clear()

    def script(self, items: Iterable[ScriptItem]) -> None:
        """Answer the next requests with *items*, one each, then as usual again.

        An item is a :class:`Response` that is sent as it is, a :class:`Fault` or :class:`Trouble`, or what
        the model says: a text, a :class:`ToolCall`, a :class:`Thinking`, a :class:`Refusal`, several of them
        in a list, or an :class:`Answer`.
        """
        self._script.extend(items)

    def reset_counts(self) -> None:
        """Start counting from 0; what was used of the quota stays used."""
        self.asked, self.rejected = Counter(), Counter()
        self.most_at_once = self.at_once

    def shut_out(self) -> Trouble | None:
        """Return why it may not even list models; nothing is counted or used up."""
        return self._troubles.shut_out()

    def told(self, model: str) -> Reaction | None:
        """Return what a request meets by the script, or else by a fault."""
        if self._script:
            return as_reaction(self._script.popleft())
        return self._troubles.next(model)

    def admit(self, request: Request) -> Reaction:
        """Decide what a request meets by closed models and the quota, and count it there."""
        if request.model in self.closed_models:
            return Trouble(Fault.NO_ACCESS)
        return self.quota.take(self.provider, request.model, request.at, request.tokens)


def as_trouble(fault: Fault | Trouble) -> Trouble:
    """Return a fault with its usual particulars."""
    return fault if isinstance(fault, Trouble) else Trouble(Fault(fault))


def as_reaction(item: ScriptItem) -> Reaction:
    """Return what a step of a script lets a request meet."""
    return Trouble(item) if isinstance(item, Fault) else item
