"""The transport below an SDK: every request goes out with a key that is free, by the rules of a call.

It is one more way to make a call, beside the facade's: the same policy, keys, room, blocks and events. The
SDK above it sees one request and one response; rejections stay below until no key is left. See
:mod:`jobapp.dropin.routes` for what is not rotated.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast
from urllib.parse import urlsplit

from jobapp.calls.call import Call, Opened, Target
from jobapp.calls.call_policy import Flow, GaveUp, Served, StopReason, call_policy
from jobapp.calls.drive import aask_stream, adrive, ask_stream, drive
from jobapp.domain.exceptions import ConfigError, JobAppError
from jobapp.domain.settings import ModelSettings, RetrySettings
from jobapp.domain.types import EMPTY, ApiKey, Completion, Reply
from jobapp.dropin import endings
from jobapp.dropin.below import Below
from jobapp.dropin.bodies import Watch
from jobapp.dropin.credentials import credentials_in, is_callers_own
from jobapp.dropin.dropped import dropped
from jobapp.dropin.forwarder import Forwarder, RejectedResponseError
from jobapp.dropin.home import LONGEST, asend_home, send_home
from jobapp.dropin.request_bodies import can_be_sent_again, looked_at
from jobapp.dropin.routes import Kind, Route, ids_made, makes_objects, route_of
from jobapp.dropin.senders import Senders
from jobapp.dropin.tail import Tail, usage_in
from jobapp.dropin.upward import bare, made, of_library, untouched, watched
from jobapp.providers.responses import headers_of, whole_body

if TYPE_CHECKING:
    from jobapp.providers.adapter import Adapter

logger = logging.getLogger(__name__)


class _Started(NamedTuple):
    """A request under way: its call, the rules that decide it, and what sends it."""

    call: Call
    flow: Flow
    forwarder: Forwarder
    route: Route


class _Home(NamedTuple):
    """An address that a client may use: scheme, host and port; the path beneath; and as it is written."""

    site: tuple[str, str, int | None]
    path: str
    address: str


class KeyTransport:
    """A transport for clients of httpx and httpx2, sync and async in one object.

    Args:
        below: The provider, its keys and the rules.
    """

    def __init__(self, below: Below) -> None:
        self._below = below
        self._senders = Senders()
        self._secrets = frozenset(key.secret for key in below.manager.keys)
        self._told_of_own = False
        weakref.finalize(self, self._senders.let_go).atexit = False

    def __repr__(self) -> str:
        names = ", ".join(key.name for key in self._below.manager.keys)
        return f"KeyTransport({self._below.provider.name!r}, keys: {names})"

    def handle_request(self, request: Any) -> Any:
        """Send *request* with a key that is free, and return the response that goes up.

        Raises:
            ConfigError: The request goes to another host than the provider's.
        """
        send, headers = self._senders.sync(request), headers_of(request)
        home = self._home_of(request)
        if self._goes_as_it_is(request, headers):
            return send(request)
        route = _route(request, headers)
        forwarder = self._forwarder(request, route, send, home)
        if route.kind is Kind.HOME:
            return send_home(self._below, request, route, forwarder, send)
        started = self._start(forwarder, route, self._rules(request, headers))
        return self._up(request, started, drive(started.call, started.flow, ask_stream))

    async def handle_async_request(self, request: Any) -> Any:
        """Send *request* in the running event loop, and return the response that goes up."""
        send, headers = self._senders.asynchronous(request), headers_of(request)
        home = self._home_of(request)
        if self._goes_as_it_is(request, headers):
            return await send(request)
        route = _route(request, headers)
        forwarder = self._forwarder(request, route, send, home)
        if route.kind is Kind.HOME:
            return await asend_home(self._below, request, route, forwarder, send)
        started = self._start(forwarder, route, self._rules(request, headers))
        return self._up(request, started, await adrive(started.call, started.flow, aask_stream))

    async def acomplete(
        self, path: str, body: Any, headers: Mapping[str, str], *, deadline: float | None = None
    ) -> Completion:
        """Send *body* as JSON to *path* in the running event loop, and return the answer, read whole.

        Its ``raw`` is the answer's own JSON; its text is left empty.

        Args:
            path: Below the provider's address.
            body: What is asked, in the provider's own form.
            headers: What the provider wants besides its key.
            deadline: Seconds until the answer must have begun.

        Raises:
            JobAppError: As a call of the facade.
        """
        import httpx

        provider = self._below.provider
        silence = dict.fromkeys(("connect", "read", "write", "pool"), provider.timeout)
        request = httpx.Request(
            "POST",
            f"{(provider.base_url or '').rstrip('/')}{path}",
            json=body,
            headers=dict(headers),
            extensions={"timeout": silence},
        )
        route, send = _route(request, headers_of(request)), self._senders.asynchronous(request)
        rules = self._below.rules if deadline is None else replace(self._below.rules, deadline=deadline)
        forwarder = self._forwarder(request, route, send, self._home_of(request))
        started = self._start(forwarder, route, rules)
        outcome = await adrive(started.call, started.flow, aask_stream)
        if isinstance(outcome, GaveUp):
            raise started.call.give_up(outcome)
        response = watched(request, outcome.reply.first, Watch(Tail(), _ignore, _ignore))
        try:
            await response.aread()
        except Exception as error:
            raise started.call.interrupted(started.call.broken(outcome.key, error), "") from error
        except BaseException as error:
            started.call.abandon(error)
            raise
        usage = usage_in(response.text)
        reply = Reply("", usage, whole_body(response), headers_of(response), started.route.model)
        return started.call.complete(outcome.key, reply)

    def close(self) -> None:
        """Close the connections of threads; a later request opens new ones."""
        self._senders.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._senders.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _goes_as_it_is(self, request: Any, headers: Mapping[str, str]) -> bool:
        """Return whether the caller brings a credential of its own, which is respected: one attempt."""
        brought = credentials_in(headers, request.url.query.decode("ascii"))
        if not is_callers_own(brought, self._secrets):
            return False
        if not self._told_of_own:
            self._told_of_own = True
            logger.warning(
                "%s: a request brings a credential of its own, which is none of jobapp's keys; it is sent as "
                "it is, once, without rotation",
                self._below.provider.name,
            )
        return True

    @cached_property
    def _homes(self) -> list[_Home]:
        """The addresses that a client may use: the provider's, and those that keys have of their own."""
        own = (key.base_url for key in self._below.manager.keys if key.base_url)
        return [_read(address) for address in dict.fromkeys((self._below.provider.base_url or "", *own))]

    def _home_of(self, request: Any) -> str:
        """Return the address beneath which *request* is; of several on one host the one with its path."""
        there = request.url
        site = (there.scheme, there.host, there.port)
        near = [home for home in self._homes if home.site == site]
        if len(near) > 1:
            near.sort(key=lambda home: _depth(home.path, there.path), reverse=True)
        if near:
            return near[0].address
        name, home = self._below.provider.name, urlsplit(self._homes[0].address)
        why = (
            f"{name}: no key is sent to {there.scheme}://{there.netloc.decode()}, for its keys are "
            f"{home.scheme}://{home.netloc}'s; set providers.{name}.base_url, or that of one of its keys, to "
            "the address that the client uses"
        )
        raise untouched(ConfigError(why))

    def _rules(self, request: Any, headers: Mapping[str, str]) -> RetrySettings:
        """Return the rules for one request: what can't be sent twice is sent once, an SDK's repeat is one."""
        if not can_be_sent_again(request):
            return replace(self._below.rules, retry=False)
        if headers.get("x-stainless-retry-count", "0") != "0":
            return replace(self._below.rules, max_retries=0)
        return self._below.rules

    def _start(self, forwarder: Forwarder, route: Route, rules: RetrySettings) -> _Started:
        below = self._below
        details = self._wants_details()
        call = Call((), EMPTY, rules, below.clock, below.listener, details=details, session=below.session)
        settings = ModelSettings(below.provider.name, route.model)
        target = Target(settings, below.manager, cast("Adapter", forwarder), LONGEST)
        flow = call_policy([target], rules, below.rng, only=self._only(route))
        return _Started(call, flow, forwarder, route)

    def _forwarder(self, request: Any, route: Route, send: Any, home: str) -> Forwarder:
        below = self._below
        return Forwarder(
            below.provider.name,
            below.key_header,
            request,
            send,
            home=home,
            address=below.provider.base_url or "",
            model=route.model,
            first=below.manager.keys[0].fingerprint,
            wants_stream=request.url.path.endswith(":streamGenerateContent"),
        )

    def _wants_details(self) -> bool:
        return self._below.listener is not None or logger.isEnabledFor(logging.DEBUG)

    def _only(self, route: Route) -> str | None:
        """Return the fingerprint of the one key that may serve: that of the account it names something of."""
        if owner := self._below.owner(route):
            return owner.fingerprint
        if route.kind is Kind.ROTATE:
            return None
        first = self._below.manager.keys[0]
        logger.warning(
            "%s: nobody knows which key made %s; it is asked for with %s",
            self._below.provider.name,
            ", ".join(route.ids),
            first.name,
        )
        return first.fingerprint

    def _up(self, request: Any, started: _Started, outcome: Served | GaveUp) -> Any:
        """Return the response that goes up to the SDK, or raise what its HTTP library would have."""
        if isinstance(outcome, Served):
            opened: Opened = outcome.reply
            return self._answer(request, started, outcome.key, opened.first)
        error = started.call.give_up(outcome)
        cause = started.call.cause
        if cause is not None and not isinstance(cause, RejectedResponseError):
            raise bare(of_library(request, cause))
        return self._ending(request, started, outcome, error)

    def _answer(self, request: Any, started: _Started, key: ApiKey, peeked: Any) -> Any:
        """Return the provider's answer, unread; its usage and ids are read when it ends."""
        call, headers = started.call, headers_of(peeked.response)
        is_object = makes_objects(request.url.path)

        def done(tail: Tail) -> None:
            text = tail.text()
            call.complete(key, Reply("", usage_in(text), None, headers, started.route.model))
            if is_object:
                self._below.owners.add(ids_made(text), key.fingerprint)

        def broken(error: BaseException | None) -> None:
            if isinstance(error, Exception):
                call.interrupted(call.broken(key, error), "")
            else:
                call.abandon(GeneratorExit())

        watch = Watch(Tail(peeked.encoding), done, broken)
        response = watched(request, peeked, watch)
        dropped.follow(response.stream, watch)
        return response

    def _ending(self, request: Any, started: _Started, outcome: GaveUp, error: JobAppError) -> Any:
        """Return the provider's last word, else an answer in its form, for a request that no key served."""
        below = self._below
        available_at = getattr(error, "available_at", None)
        told = endings.told_headers(below.provider.name, str(error), available_at, below.clock.now())
        states = [line.state for line in below.manager.statuses(started.route.model)]
        status = endings.own_status(states, deadline=outcome.reason is StopReason.DEADLINE)
        hides = outcome.reason is StopReason.NO_KEY and endings.hides_a_return(outcome.verdict, status)
        if (last := started.forwarder.last) and not hides:
            headers = endings.last_word(last.headers, told)
            return made(request, last.status, headers, last.content)
        body = endings.own_body(below.provider.name, status, str(error))
        return made(request, status, [("content-type", "application/json"), *told], body)


def _read(address: str) -> _Home:
    """Read an address; httpx and httpx2 read one alike."""
    import httpx

    url = httpx.URL(address)
    return _Home((url.scheme, url.host, url.port), url.path, address)


def _depth(home: str, path: str) -> int:
    """Return how much of *path* is that of *home*; -1 where it is another."""
    home = home.rstrip("/")
    return len(home) if path.startswith(f"{home}/") else -1


def _ignore(_: object) -> None:
    """Nobody need hear how an answer ends that is read here."""


def _route(request: Any, headers: Mapping[str, str]) -> Route:
    content_type = headers.get("content-type", "")
    return route_of(request.method, request.url.path, content_type, looked_at(request))
