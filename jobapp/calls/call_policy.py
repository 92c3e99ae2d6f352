"""The rules of a call, as a generator that decides every step and performs none.

It yields an action and is sent the answer, as httpx drives its ``auth_flow``:

==============  ===================================  =====================================================
action          is answered with                     means
==============  ===================================  =====================================================
``Enter``       whether it is withdrawn              go on with this model; a withdrawn one comes last
``Take``        ``Taken`` or ``NoneFree``            find a key and reserve room with it
``Wait``        ``None``                             sleep
``Send``        ``Answered`` or ``Rejected``         ask with the key that was taken
``Settle``      whether it is true of every key      end the reservation of a rejection: count, block, store
==============  ===================================  =====================================================

It returns ``Served`` or ``GaveUp``. Each ``Rejected`` is followed by one ``Settle``, whatever its kind::

    Enter -> Take -> (Wait -> Take)* -> Send -> Answered -> Served
               ^                          |
               +---- (Wait) <- Settle <- Rejected

Sync, async and streamed calls drive this one generator; a test can drive it without a network or a clock.
Every time is in seconds from now, so the policy needs no clock. Where the server says how long to wait, that
is the wait; where it does not, the wait before retry *n* (from 0) is::

    base = min(max_delay, retry_delay * 2**n)
    full jitter:   uniform(0, base)                     none: base
    equal jitter:  base / 2 + uniform(0, base / 2)

(M. Brooker, "Exponential backoff and jitter", AWS Architecture Blog, 2015-03-04.)
"""

from __future__ import annotations

import math
import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import chain
from typing import Any, NamedTuple

from jobapp.domain.settings import Jitter, OnExhausted, RetrySettings, Strategy
from jobapp.domain.types import ApiKey, Kind, Verdict
from jobapp.pool.reservation import NoneFree, Take, Taken
from jobapp.pool.withdrawn import MAY_BE_THE_KEY

POLL = 1.0
"""Seconds between two looks while a call waits for any key: another process may free one early."""

MOMENT = 0.1
"""Waits up to this many seconds are always accepted: another call's probe ends within it, or is polled."""

LOOK = 0.05
"""Seconds between two looks at least."""

LOOKS = 0.05
"""The fraction of a wait after which a call looks again: a key may be free earlier than was foreseen."""

JITTER = 0.02
"""Extra jitter at most, as a fraction of the wait, where several callers wait for the same reset."""


MOST_TIMED_OUT = 1
"""How often a request is repeated that was sent and met silence: each may be paid for."""


MOST_DENIED = 10
"""So many keys are asked for a model that may not be there."""


class Enter(NamedTuple):
    """Go on with this model: one of the targets that the policy was given, whatever they are."""

    target: Any


class Send(NamedTuple):
    """Ask with this key."""

    key: ApiKey


class Answered(NamedTuple):
    """The provider answered; for a stream, its first piece is here.

    Attributes:
        reply: The answer.
        is_empty: The model said nothing, although it says that it was done.
    """

    reply: Any
    is_empty: bool = False


class Rejected(NamedTuple):
    """The provider said no; the reservation stays open until the policy settles it.

    Attributes:
        verdict: What that means.
        left: What remains of the deadline.
        streak: How many times in a row the key was rejected before, whoever asked.
        timed_out: The request was sent, and silence followed: it may be paid for.
    """

    verdict: Verdict
    left: float | None = None
    streak: int = 0
    timed_out: bool = False


class Settle(NamedTuple):
    """End the reservation of a rejection.

    Attributes:
        verdict: What the rejection means; the key is set aside where it says something of the key.
        cooldown: Seconds for which a busy minute sets the key aside.
    """

    verdict: Verdict
    cooldown: float | None = None


class Wait(NamedTuple):
    """Sleep.

    Attributes:
        seconds: How long, until the next look where a long wait is cut into slices.
        key: The key that is waited for.
        news: Whether it is told: the first slice is, and one of a wait that grew.
        whole: How long all slices are together; ``None`` where there is only this one.
    """

    seconds: float
    key: ApiKey | None = None
    news: bool = True
    whole: float | None = None


class Served(NamedTuple):
    """The call is answered."""

    key: ApiKey
    reply: Any


class StopReason(Enum):
    """Why a model was given up."""

    REQUEST = auto()
    """The request is at fault."""
    NO_KEY = auto()
    """No key may be asked now."""
    TRIES = auto()
    """Every try that the rules allow was rejected."""
    DEADLINE = auto()
    """The next step would pass the deadline."""


class GaveUp(NamedTuple):
    """A model was given up.

    Attributes:
        reason: Why.
        verdict: What its last rejection meant.
        wait: The seconds until its first key is free, where that is known.
        all_bad: Every key was rejected as bad, so that no wait helps.
    """

    reason: StopReason
    verdict: Verdict | None = None
    wait: float | None = None
    all_bad: bool = False


Action = Enter | Take | Send | Settle | Wait
Flow = Generator[Action, Any, Served | GaveUp]


def call_policy(
    targets: Sequence[Any], rules: RetrySettings, rng: random.Random, *, only: str | None = None
) -> Flow:
    """Decide a call: the first of *targets* with all its keys, then the others, then wait or give up.

    Args:
        targets: The models, in order.
        rules: The rules.
        rng: The random source of jitter.
        only: The fingerprint of the one key that may serve, where the request needs its account.
    """
    told = 0.0
    while True:
        ends: list[GaveUp] = []
        order: list[Any] = []
        withdrawn: list[Any] = []
        for place, target in enumerate(chain(targets, withdrawn)):
            is_withdrawn = yield Enter(target)
            if is_withdrawn and place < len(targets) > 1:
                withdrawn.append(target)
                continue
            order.append(target)
            tries = _Tries(rules, rng, told=told, only=only, stay=only, is_withdrawn=is_withdrawn)
            end = yield from _ask_model(tries)
            if isinstance(end, Served):
                return end
            ends.append(end)
            told = tries.told
        wait = _wait_for_any(ends, rules)
        if wait is None:
            return _summary(ends)
        # what was rejected for another reason is not asked again with each look
        targets = [t for t, end in zip(order, ends, strict=True) if end.wait is not None]
        yield Wait(min(wait, POLL), news=_is_news(wait, told), whole=wait)
        told = wait


def _wait_for_any(ends: Sequence[GaveUp], rules: RetrySettings) -> float | None:
    """Return the seconds until a key of any model is free, or ``None`` where the call may not wait for it."""
    waits = [
        end.wait
        for end in ends
        if end.reason is StopReason.NO_KEY and end.wait is not None and not end.all_bad
    ]
    return min(waits) if waits and rules.on_exhausted is OnExhausted.WAIT and rules.retry else None


def _summary(ends: Sequence[GaveUp]) -> GaveUp:
    """Return the one reason that stands for all models: out of keys only when every model is."""
    reasons = {end.reason for end in ends}
    waits = [end.wait for end in ends if end.wait is not None]
    mixed = StopReason.DEADLINE if StopReason.DEADLINE in reasons else StopReason.TRIES
    return GaveUp(ends[-1].reason if len(reasons) == 1 else mixed, ends[-1].verdict, min(waits, default=None))


@dataclass(slots=True)
class _Tries:
    """What one call has spent on one model.

    Attributes:
        told: The seconds of the wait that goes on, 0 for none.
        is_withdrawn: Whether the model is known not to be there.
        denied: The last rejection that another key may not meet.
    """

    rules: RetrySettings
    rng: random.Random
    told: float = 0.0
    limited: dict[str, int] = field(default_factory=dict)
    unavailable: int = 0
    timed_out: int = 0
    empty: int = 0
    given_up: set[str] = field(default_factory=set)
    only: str | None = None
    stay: str | None = None
    last: Verdict | None = None
    is_withdrawn: bool = False
    denied: Verdict | None = None

    @property
    def max_wait(self) -> float:
        """The longest wait for a key that these rules allow; a moment always, for others may be trying it."""
        return max(MOMENT, self.rules.max_wait if self.rules.retry else 0.0)

    @property
    def left(self) -> int:
        """How often the key may still be tried that was tried most."""
        return 1 + self.rules.max_retries - max(self.limited.values(), default=0)

    def may_repeat_empty(self) -> bool:
        """Return whether an empty answer is asked for once more, and count it."""
        self.empty += 1
        return self.rules.retry and self.rules.retry_empty and self.empty == 1

    def cooldown(self, verdict: Verdict, retry: int) -> float:
        """The seconds before retry number *retry*: the server's hint, or our backoff where it gives none."""
        return verdict.retry_after or backoff(retry, self.rules, self.rng)


def _ask_model(tries: _Tries) -> Flow:
    """Decide the tries of one model."""
    while True:
        found = yield from _take(tries)
        if isinstance(found, GaveUp):
            return found
        answer: Answered | Rejected = yield Send(found)
        if isinstance(answer, Answered):
            if answer.is_empty and tries.may_repeat_empty():
                tries.stay = found.fingerprint
                continue
            return Served(found, answer.reply)
        end = yield from _react(tries, found, answer)
        if end is not None:
            return end


def _take(tries: _Tries) -> Generator[Action, Any, ApiKey | GaveUp]:
    """Find a key, waiting for it where that is worth it."""
    skip = frozenset(tries.given_up)
    jitter = 0.0 if tries.rules.jitter is Jitter.NONE else tries.rng.uniform(0.0, JITTER)
    while True:
        found: Taken | NoneFree = yield Take(
            tries.stay,
            skip,
            tries.max_wait,
            jitter,
            tries.only,
            tries_left=tries.left,
            tier_wait=tries.rules.tier_wait,
        )
        if isinstance(found, NoneFree):
            return _nothing_free(tries, found)
        if found.wait <= 0:
            tries.told = 0.0
            return found.key
        news = _is_news(found.wait, tries.told)
        yield Wait(_nap(tries, found.wait), found.key, news=news, whole=found.wait)
        tries.told = found.wait


def _is_news(wait: float, told: float) -> bool:
    """Return whether *wait* is no part of the wait of *told* seconds that was told last."""
    return told <= 0.0 or wait > told + POLL


def _nap(tries: _Tries, wait: float) -> float:
    """Return the seconds until the next look: the key, or another, may be free sooner than foreseen."""
    longest = POLL if tries.rules.on_exhausted is OnExhausted.WAIT else math.inf
    if tries.stay is None:
        longest = min(longest, max(LOOK, wait * LOOKS))
    return min(wait, longest)


def _nothing_free(tries: _Tries, found: NoneFree) -> GaveUp:
    if tries.denied is not None:
        return GaveUp(StopReason.REQUEST, tries.denied)
    reason = StopReason.NO_KEY
    if _too_late(tries.rules, found):
        reason = StopReason.DEADLINE
    elif tries.given_up and tries.rules.on_exhausted is OnExhausted.RAISE:
        reason = StopReason.TRIES
    return GaveUp(reason, tries.last, found.wait, found.all_bad)


def _too_late(rules: RetrySettings, found: NoneFree) -> bool:
    """Return whether it is the deadline, and not the rules, that forbids the wait."""
    if found.left is None:
        return False
    if found.left <= 0:
        return True
    allowed = math.inf if rules.on_exhausted is OnExhausted.WAIT else rules.max_wait
    return found.wait is not None and found.left < found.wait <= allowed


def _react(tries: _Tries, key: ApiKey, rejected: Rejected) -> Generator[Action, Any, GaveUp | None]:
    """Decide what follows from a rejection: ``None`` to try on."""
    verdict = tries.last = rejected.verdict
    cooldown = _cooldown(tries, key, rejected) if verdict.kind is Kind.RATE_LIMIT else None
    is_every_keys = yield Settle(verdict, cooldown)
    match verdict.kind:
        case Kind.REQUEST:
            return GaveUp(StopReason.REQUEST, verdict) if is_every_keys else _ask_another(tries, key, verdict)
        case Kind.UNAVAILABLE:
            return (yield from _back_off(tries, key, rejected))
        case Kind.RATE_LIMIT:
            _choose_next(tries, key)
        case Kind.QUOTA | Kind.AUTH:
            tries.stay = None
    return None if tries.rules.retry else GaveUp(StopReason.TRIES, verdict)


def _ask_another(tries: _Tries, key: ApiKey, verdict: Verdict) -> GaveUp | None:
    """Give the model up, but for words that may be true of this key alone: some others are asked, too."""
    tries.given_up.add(key.fingerprint)
    tries.stay, tries.denied = None, verdict
    may_help = verdict.rule in MAY_BE_THE_KEY and not tries.is_withdrawn and tries.rules.retry
    return None if may_help and len(tries.given_up) < MOST_DENIED else GaveUp(StopReason.REQUEST, verdict)


def _cooldown(tries: _Tries, key: ApiKey, rejected: Rejected) -> float:
    """Return the seconds for which a busy minute sets the key aside."""
    retry = tries.limited.get(key.fingerprint, 0)
    return tries.cooldown(rejected.verdict, max(retry, rejected.streak))


def _choose_next(tries: _Tries, key: ApiKey) -> None:
    """Stay with a key whose minute is busy while it has retries left."""
    retry = tries.limited.get(key.fingerprint, 0)
    tries.limited[key.fingerprint] = retry + 1
    tries.stay = key.fingerprint if tries.rules.strategy is Strategy.STICKY else None
    if retry >= tries.rules.max_retries:
        tries.given_up.add(key.fingerprint)
        tries.stay = None


def _back_off(tries: _Tries, key: ApiKey, rejected: Rejected) -> Generator[Action, Any, GaveUp | None]:
    """Wait for a provider that is not well; another key would not help, so all keys share these retries."""
    retry, rules = tries.unavailable, tries.rules
    tries.unavailable += 1
    tries.timed_out += rejected.timed_out
    wait = tries.cooldown(rejected.verdict, retry)
    if rejected.verdict.retry_after and rules.jitter is not Jitter.NONE:
        wait *= 1 + tries.rng.uniform(0.0, JITTER)
    paid_twice = tries.timed_out > MOST_TIMED_OUT
    if not rules.retry or retry >= rules.max_retries or wait > rules.max_wait or paid_twice:
        return GaveUp(StopReason.TRIES, rejected.verdict)
    if rejected.left is not None and wait > rejected.left:
        return GaveUp(StopReason.DEADLINE, rejected.verdict)
    tries.stay = key.fingerprint
    yield Wait(wait, key)
    return None


def backoff(retry: int, rules: RetrySettings, rng: random.Random) -> float:
    """Return the seconds before retry number *retry* (from 0), spread as the rules' jitter says.

    The base is ``min(max_delay, retry_delay * 2**retry)``; ``full`` draws from 0 to the base, ``equal``
    from half of it to the whole, ``none`` takes it as it is.
    """
    base = min(rules.max_delay, rules.retry_delay * 2.0 ** min(retry, 60))
    match rules.jitter:
        case Jitter.FULL:
            return rng.uniform(0.0, base)
        case Jitter.EQUAL:
            return base / 2 + rng.uniform(0.0, base / 2)
        case Jitter.NONE:
            return base
