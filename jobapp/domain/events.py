"""What happens in a call, as frozen values for ``on_event``. None holds a prompt or a key's text.

Every event begins with ``call``, a number that no other call of this process has, so that a listener can
tell calls apart that run at the same time. The last event of a call is :class:`CallDone`, always.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from jobapp.domain.types import Attempt, Block, Usage, Verdict


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """A request is about to be sent; ``number`` counts the call's requests from 1.

    ``tier`` is the key's: above the lowest where no key below is free for the call within ``tier_wait``.
    """

    call: int
    provider: str
    model: str
    key: str
    number: int
    tier: int = 1


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """A request was rejected, and this is what the rejection means."""

    call: int
    provider: str
    model: str
    key: str
    number: int
    verdict: Verdict
    status: int | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The call sleeps for ``seconds``; ``key`` is what it waits for, ``None`` for whichever is free first.

    With ``on_exhausted="wait"`` it goes on earlier where a key is freed before that.
    """

    call: int
    provider: str
    model: str
    key: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class KeyBlocked:
    """A key is set aside until ``block.until``."""

    call: int
    block: Block


@dataclass(frozen=True, slots=True)
class KeyRotated:
    """The call goes on with another key of the same model."""

    call: int
    provider: str
    model: str
    key: str
    previous: str


@dataclass(frozen=True, slots=True)
class FellBack:
    """The call goes on with another model."""

    call: int
    provider: str
    model: str
    previous_provider: str
    previous_model: str


@dataclass(frozen=True, slots=True)
class CallDone:
    """The call ended: answered when ``error`` is ``None``, else with an error of that class name.

    A call that its caller cancelled, or a stream that was closed early, ends with the name of what ended it.
    ``available_at`` is the aware UTC time at which a key is free again, where the call ran out of keys.
    """

    call: int
    provider: str
    model: str
    key: str | None
    attempts: tuple[Attempt, ...]
    usage: Usage | None = None
    error: str | None = None
    available_at: datetime | None = None


Event = AttemptStarted | AttemptFailed | Waiting | KeyBlocked | KeyRotated | FellBack | CallDone

Listener = Callable[[Event], None]


def each_of(listeners: Sequence[Listener]) -> Listener:
    """Return what hands each event to all of *listeners*, in order."""
    if len(listeners) == 1:
        return listeners[0]

    def listen(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return listen
