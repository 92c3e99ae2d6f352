"""One call under way: its record, and everything in it that is neither a request nor a sleep."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from jobapp.calls.answers import CUT_OFF, is_empty, request_id, timed_out, usage_told
from jobapp.calls.call_policy import Answered, GaveUp, Rejected, Served, Settle, Wait
from jobapp.calls.key_manager import KeyManager
from jobapp.calls.messages import characters
from jobapp.domain.clock import Clock
from jobapp.domain.exceptions import InvalidRequestError, JobAppError, ProviderError, StreamInterruptedError
from jobapp.domain.key_status import KeyStatus
from jobapp.domain.settings import ModelSettings, RetrySettings
from jobapp.domain.types import (
    EMPTY,
    ApiKey,
    Attempt,
    Block,
    ChatRequest,
    Completion,
    Kind,
    Message,
    Reply,
    Usage,
    Verdict,
)
from jobapp.pool.key_pool import NO_USAGE
from jobapp.pool.reservation import NoneFree, Reservation, Take, Taken
from jobapp.providers.adapter import Adapter

if TYPE_CHECKING:
    from jobapp.calls.announcer import Announcer
    from jobapp.domain.events import Event

logger = logging.getLogger(__name__)

_ids = itertools.count(1)

MAX_TOKENS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""The options that say how long an answer may be."""


class Target(NamedTuple):
    """One model with everything that serves it.

    Attributes:
        settings: The model as it was configured.
        manager: Its keys.
        adapter: Its provider's SDK.
        timeout: Seconds one request may take.
    """

    settings: ModelSettings
    manager: KeyManager
    adapter: Adapter
    timeout: float


class Opened(NamedTuple):
    """A stream whose first piece (or whose whole reply, if it had no text) has come."""

    first: str | Reply
    rest: Generator[str | Reply] | AsyncGenerator[str | Reply]


class Call:
    """The record of one call; :mod:`jobapp.calls.drive` performs its requests and sleeps.

    Args:
        messages: What is asked.
        options: Native arguments of the provider.
        rules: The rules of this call.
        clock: The time.
        listener: Takes every event.
        session: The conversation that it is a turn of.
        details: Whether to tell of what goes well, too: the start of each attempt and the end.

    Attributes:
        needs_raw: Whether the SDK's own response object is wanted, too.
    """

    def __init__(
        self,
        messages: tuple[Message, ...],
        options: Mapping[str, Any],
        rules: RetrySettings,
        clock: Clock,
        listener: Callable[[Event], None] | None,
        *,
        details: bool = True,
        session: str | None = None,
    ) -> None:
        self.id = next(_ids)
        self.messages = messages
        self.options = options
        self.rules = rules
        self.clock = clock
        self.attempts: list[Attempt] = []
        self.cause: Exception | None = None
        self.needs_raw = True
        self._headers: Mapping[str, str] = EMPTY  # of the last rejection
        self._listener = listener
        self._details = details
        self._session = session
        self._entered: dict[int, Target] = {}
        self._asked: Target | None = None
        self._key: ApiKey | None = None
        self._reservation: Reservation | None = None
        self._sent = False
        self._ended = False
        self._waited = 0.0
        self._usage = NO_USAGE
        self._ends_at = None if rules.deadline is None else clock.monotonic() + rules.deadline

    @cached_property
    def _announcer(self) -> Announcer:
        from jobapp.calls.announcer import Announcer

        return Announcer(self.id, self._listener)

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Let *listener* hear of everything from now on, too."""
        from jobapp.domain.events import each_of

        self._listener = listener if self._listener is None else each_of((self._listener, listener))
        self._details = True

    def result(self, outcome: Served | GaveUp) -> Completion:
        """End the call with what its policy returned.

        Raises:
            JobAppError: It got no answer.
        """
        if isinstance(outcome, GaveUp):
            raise self.give_up(outcome)
        return self.complete(outcome.key, outcome.reply)

    @property
    def left(self) -> float | None:
        """Seconds until the deadline."""
        return None if self._ends_at is None else self._ends_at - self.clock.monotonic()

    def enter(self, target: Target) -> bool:
        """Go on with *target*; return whether it is better left for last, for there is no such model."""
        options = target.settings.options
        options = {**options, **self.options} if options else self.options
        self.request = ChatRequest(target.settings.model, self.messages, options, self.needs_raw)
        self.target = target
        self._entered[id(target)] = target
        self._asked = self._asked or target
        return target.manager.is_withdrawn(target.settings.model)

    def warm_up(self) -> None:
        """Load what a request needs before room is reserved for the first; faults show when it is sent."""
        if keys := self.target.manager.keys:
            with suppress(Exception):
                self.target.adapter.warm_up(keys[0])

    async def awarm_up(self) -> None:
        """Do so for the running event loop."""
        if keys := self.target.manager.keys:
            with suppress(Exception):
                await self.target.adapter.awarm_up(keys[0])

    @cached_property
    def _size(self) -> int:
        return sum(characters(message) for message in self.messages)

    def _max_tokens(self) -> int | None:
        if not self.request.options:
            return None
        told = (self.request.options.get(name) for name in MAX_TOKENS)
        return next((number for number in told if isinstance(number, int)), None)

    @property
    def store_is_stale(self) -> bool:
        """Whether :meth:`refresh_store` has something to do."""
        return self.target.manager.store.stale

    @property
    def waits(self) -> bool:
        """Whether :meth:`take` and :meth:`settle` may take a round trip to a server."""
        return self.target.manager.waits

    def refresh_store(self) -> None:
        """Fetch what other processes have learnt, write what could not be written; may wait for I/O."""
        self.target.manager.store.refresh()

    def take(self, action: Take) -> Taken | NoneFree:
        """Look for a key; the one that was taken before and not used is shown again."""
        left = self.left
        if left is not None and left <= 0:
            self._release()
            return NoneFree(None, left)
        held, self._reservation = self._reservation, None
        found = self.target.manager.take(self.request.model, self._within(left, action), held)
        self._reservation = found.reservation if isinstance(found, Taken) else None
        return found if left is None else found._replace(left=left)

    def _within(self, left: float | None, action: Take) -> Take:
        """Return *action* with what this call asks for, and the seconds that are *left* for it."""
        return action._replace(
            max_wait=action.max_wait if left is None else min(left, action.max_wait),
            left=math.inf if left is None else left,
            size=self._size,
            max_tokens=self._max_tokens(),
            session=self._session,
        )

    def begin(self, key: ApiKey) -> float:
        """Note that a request with *key* starts; return the seconds it may take."""
        self._tell_changes(key)
        if self._details:
            self._announcer.started(self.target.settings, key, len(self.attempts) + 1)
        self._sent = True
        timeout, left = self.rules.timeout or self.target.timeout, self.left
        return timeout if left is None else max(0.001, min(timeout, left))

    def begin_stream(self, key: ApiKey) -> tuple[float, float | None]:
        """Note that a stream with *key* is asked for.

        Returns:
            The longest silence in seconds, and how many remain until its first piece must be there.
        """
        self.begin(key)
        left = self.left
        return self.rules.timeout or self.target.timeout, None if left is None else max(0.001, left)

    def _tell_changes(self, key: ApiKey) -> None:
        new, previous = self.target.settings, self._key
        if self._asked is not self.target and self._asked is not None:
            self._announcer.fell_back(new, self._asked.settings)
        elif previous is not None and previous is not key:
            self._announcer.rotated(new, key.name, previous.name)
        self._asked, self._key = self.target, key

    def answered(self, key: ApiKey, reply: Reply | Opened) -> Answered:
        """Note that *key* was answered; a stream keeps its key until it is over."""
        whole = reply.first if isinstance(reply, Opened) else reply
        if isinstance(whole, Reply):
            self._settle_answer(whole)
            self._note(key, None, 200, whole.headers)
            return Answered(reply, is_empty=is_empty(whole))
        if self._reservation is not None:
            self.target.manager.opened(self._reservation)
        self._note(key, None, 200, EMPTY)
        return Answered(reply)

    def rejected(self, key: ApiKey, error: Exception) -> Rejected:
        """Judge a rejection of *key*; its reservation stays open until :meth:`settle`.

        Raises:
            InvalidRequestError: The SDK would not even send the request.
            JobAppError: What the adapter says itself.
        """
        target = self.target
        facts = target.adapter.error_facts(error, self.request.model, key)
        if facts is None and isinstance(error, JobAppError):
            raise error
        if facts is None:
            raise self._not_sent(error, key) from error
        self.cause, self._headers = error, facts.headers
        verdict = target.manager.judge(facts)
        attempt = self._note(key, verdict, facts.status, facts.headers)
        self._announcer.failed(attempt, len(self.attempts))
        streak = target.manager.streak(key, self.request.model, verdict)
        was_silent = timed_out(facts)
        if was_silent and self._reservation is not None:
            self._reservation.may_be_paid = True
            logger.warning(
                "%s %s: no answer to a request that was sent with %s; it may be paid for all the same",
                *(target.settings.provider, target.settings.model, key.name),
            )
        return Rejected(verdict, self.left, streak, timed_out=was_silent)

    def _not_sent(self, error: Exception, key: ApiKey) -> InvalidRequestError:
        from jobapp.calls.failures import not_sent

        return not_sent(error, self.target.settings.provider, self.request.model, key)

    def settle(self, action: Settle) -> tuple[Block, ...]:
        """End the reservation of a rejection; the blocks are still to be remembered for other processes."""
        headers, self._headers = self._headers, EMPTY
        return self.target.manager.settle(self._finished(), action.verdict, action.cooldown, headers)

    def remember(self, blocks: Sequence[Block]) -> None:
        """Write *blocks* where other processes find them; may wait for I/O."""
        self.target.manager.remember(blocks)

    def _finished(self) -> Reservation:
        reservation, self._reservation, self._sent = self._reservation, None, False
        assert reservation is not None  # noqa: S101 - the policy sends only with a key that was taken
        return reservation

    def broken(self, key: ApiKey, error: Exception) -> tuple[Block, ...]:
        """Settle a stream of *key* that broke after its first piece; return the blocks to remember."""
        target = self.target
        self.cause = error
        facts = target.adapter.error_facts(error, self.request.model, key)
        verdict = Verdict(Kind.UNAVAILABLE) if facts is None else target.manager.judge(facts)
        self.attempts[-1] = replace(self.attempts[-1], verdict=verdict)
        return self.settle(Settle(verdict))

    def interrupted(self, blocks: Sequence[Block], partial: str) -> StreamInterruptedError:
        """End the call with the exception of a stream that broke, when its *blocks* are remembered."""
        from jobapp.calls.failures import stream_error

        self.blocked(blocks)
        error = stream_error(self.attempts[-1], partial)
        error.usage = usage_told(self.cause)
        self._end(None, usage=error.usage, error=error)
        return error

    def blocked(self, blocks: Sequence[Block]) -> None:
        """Tell that *blocks* are remembered."""
        for block in blocks:
            self._announcer.blocked(block)

    def wait(self, action: Wait) -> float:
        """Note a wait; return its seconds."""
        if action.news:
            name = action.key.name if action.key else None
            seconds = action.seconds if action.whole is None else action.whole
            self._announcer.waiting(self.target.settings, name, seconds)
        self._waited += action.seconds
        return action.seconds

    def complete(self, key: ApiKey, reply: Reply) -> Completion:
        """End the call with its result."""
        if self._reservation is not None:
            self._settle_answer(reply)
            self.attempts[-1] = replace(self.attempts[-1], request_id=request_id(reply.headers))
        settings, attempts = self.target.settings, tuple(self.attempts)
        if reply.finish_reason in CUT_OFF:
            logger.warning(CUT_OFF[reply.finish_reason], settings.provider, settings.model)
        self._end(key.name, usage=self._usage)
        return Completion(
            reply.text,
            settings.provider,
            settings.model,
            key.name,
            self._usage,
            attempts,
            reply.raw,
            reply.finish_reason,
            reply.tool_calls,
        )

    def _settle_answer(self, reply: Reply) -> None:
        """End the reservation of a whole answer with what it used and what that costs."""
        manager = self.target.manager
        self._usage = manager.priced(self.target.settings.model, reply.usage)
        manager.answered(self._finished(), reply.headers, self._usage)

    def give_up(self, end: GaveUp) -> JobAppError:
        """End the call with the exception that tells why, its causes chained to it."""
        from jobapp.calls.failures import call_error, provider_error

        now, single = self.clock.now(), not self.rules.retry
        error = call_error(end, self.attempts, self._key_lines(), now, single=single)
        if isinstance(error, ProviderError):
            error.__cause__ = self.cause
        elif self.attempts:
            error.__cause__ = provider_error(self.attempts[-1])
            error.__cause__.__cause__ = self.cause
        self._end(None, error=error)
        return error

    def abandon(self, error: BaseException) -> None:
        """End the call because of *error*, its caller's doing perhaps: a reservation is released."""
        self._release()
        self._end(None, usage=usage_told(error), error=error)

    def _release(self) -> None:
        reservation, self._reservation = self._reservation, None
        if reservation is not None:
            self.target.manager.release(reservation, sent=self._sent)

    def _end(
        self, key: str | None, *, usage: Usage | None = None, error: BaseException | None = None
    ) -> None:
        if self._ended:
            return
        self._ended = True
        if self._details:
            self._announcer.done(self.target.settings, key, self.attempts, usage, error)

    def _key_lines(self) -> Sequence[KeyStatus]:
        entered = self._entered.values()
        return [line for t in entered for line in t.manager.statuses(t.settings.model)]

    def _note(
        self, key: ApiKey, verdict: Verdict | None, status: int | None, headers: Mapping[str, str]
    ) -> Attempt:
        settings = self.target.settings
        about = (settings.provider, settings.model, key.name)
        attempt = Attempt(*about, verdict, round(self._waited, 3), status, request_id(headers), key.tier)
        self.attempts.append(attempt)
        self._waited = 0.0
        return attempt
