"""Requests that go to one account whatever its quota: lists, files, batches, what an id names.

They go with the key that made what they name, else with the first that the provider accepts; a key that it
does not accept is remembered as bad, and the next one asked, for nothing has happened yet. What only reads is
repeated, by the rules of a call, when the server is not well or busy; what acts is sent once.
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import count
from typing import Any, NamedTuple

from jobapp.calls.call_policy import Wait, backoff
from jobapp.calls.drive import in_thread
from jobapp.calls.failures import no_keys_error
from jobapp.domain.types import ApiKey, Kind, Scope, Verdict
from jobapp.dropin import endings
from jobapp.dropin.below import Below
from jobapp.dropin.bodies import Watch
from jobapp.dropin.credentials import unnamed
from jobapp.dropin.forwarder import FIRST_ERROR, Forwarder, Peeked, RejectedResponseError
from jobapp.dropin.routes import Route, ids_made
from jobapp.dropin.tail import Tail
from jobapp.dropin.upward import bare, made, watched

LONGEST = 86_400.0
"""Seconds; the SDK's own time-outs are shorter."""

_MAY_BE_BAD_KEY = frozenset({400, 401, 403})
_READING = frozenset({"GET", "HEAD"})


class _SetAside(NamedTuple):
    """Remember that the provider does not accept this key; may wait for I/O."""

    key: ApiKey
    verdict: Verdict


_Flow = Generator[ApiKey | Wait | _SetAside, Any, Any]


def send_home(below: Below, request: Any, route: Route, forwarder: Forwarder, send: Any) -> Any:
    """Send *request* to its account, and return the response that goes up."""
    flow, told = _at_home(below, request, route, forwarder), None
    while True:
        try:
            action = flow.send(told)
        except StopIteration as end:
            return end.value
        told = None
        match action:
            case ApiKey():
                told = _sent(send, forwarder.keyed(action, LONGEST))
            case Wait():
                below.clock.sleep(action.seconds)
            case _SetAside():
                below.manager.set_aside(action.key, "", action.verdict)


async def asend_home(below: Below, request: Any, route: Route, forwarder: Forwarder, send: Any) -> Any:
    """Do so in the running event loop."""
    flow, told = _at_home(below, request, route, forwarder), None
    while True:
        try:
            action = flow.send(told)
        except StopIteration as end:
            return end.value
        told = None
        match action:
            case ApiKey():
                told = await _asent(send, forwarder.keyed(action, LONGEST))
            case Wait():
                await below.clock.asleep(action.seconds)
            case _SetAside():
                await in_thread(below.manager.set_aside, action.key, "", action.verdict)


def _sent(send: Any, request: Any) -> Any:
    """Return the response to *request*, an error read, or the exception of its connection."""
    try:
        response = send(request)
        if response.status_code >= FIRST_ERROR:
            response.read()
    except Exception as error:  # noqa: BLE001 - what is no connection's goes up as it is
        return error
    return response


async def _asent(send: Any, request: Any) -> Any:
    try:
        response = await send(request)
        if response.status_code >= FIRST_ERROR:
            await response.aread()
    except Exception as error:  # noqa: BLE001 - what is no connection's goes up as it is
        return error
    return response


def _at_home(below: Below, request: Any, route: Route, forwarder: Forwarder) -> _Flow:
    """Decide a request: yield the key to send it with, waits and bad keys; return what goes up."""
    began = below.clock.monotonic()
    for key in below.home_keys(route):
        for retry in count():
            came = yield key
            verdict = _judged(below, forwarder, came, key)
            spent = below.clock.monotonic() - began
            seconds = _pause(below, verdict, retry, spent) if request.method in _READING else None
            if seconds is None:
                break
            yield Wait(seconds, key)
        if isinstance(came, Exception):
            raise bare(came)
        if verdict is None or not _says_bad_key(came, verdict):
            return _remembering(below, request, key, came)
        yield _SetAside(key, verdict)
    return _nobody(below, request, route)


def _judged(below: Below, forwarder: Forwarder, came: Any, key: ApiKey) -> Verdict | None:
    """Return what an error means; ``None`` for what is none, or none of the provider's."""
    if isinstance(came, Exception):
        facts = forwarder.error_facts(came, "", key)
    elif came.status_code >= FIRST_ERROR:
        facts = forwarder.error_facts(RejectedResponseError(came, came.text), "", key)
    else:
        return None
    return below.manager.judge(facts) if facts else None


def _says_bad_key(response: Any, verdict: Verdict) -> bool:
    about = (verdict.kind, verdict.scope)
    return response.status_code in _MAY_BE_BAD_KEY and about == (Kind.AUTH, Scope.KEY)


def _pause(below: Below, verdict: Verdict | None, retry: int, spent: float) -> float | None:
    """Return the seconds before retry number *retry*; ``None`` where there is none."""
    rules = below.rules
    if verdict is None or verdict.kind not in {Kind.UNAVAILABLE, Kind.RATE_LIMIT}:
        return None
    seconds = verdict.retry_after or backoff(retry, rules, below.rng)
    is_late = rules.deadline is not None and spent + seconds > rules.deadline
    is_over = not rules.retry or retry >= rules.max_retries or seconds > rules.max_wait
    return None if is_late or is_over else seconds


def _remembering(below: Below, request: Any, key: ApiKey, response: Any) -> Any:
    """Return *response*: the ids it tells are remembered as the key's; an error does not name the key."""
    if response.is_closed:
        told, content = unnamed(response.headers.multi_items(), response.content, key.secret)
        headers = endings.last_word(told, [endings.NO_REPEAT])
        return made(request, response.status_code, headers, content)
    peeked = Peeked(response)

    def done(tail: Tail) -> None:
        below.owners.add(ids_made(tail.text()), key.fingerprint)

    return watched(request, peeked, Watch(Tail(peeked.encoding), done, lambda _: None))


def _nobody(below: Below, request: Any, route: Route) -> Any:
    """Return the answer where the provider accepts no key."""
    now = below.clock.now()
    error = no_keys_error(below.manager.statuses(route.model or None), (), now)
    told = endings.told_headers(below.provider.name, str(error), error.available_at, now)
    body = endings.own_body(below.provider.name, 401, str(error))
    return made(request, 401, [("content-type", "application/json"), *told], body)
