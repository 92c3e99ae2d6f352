"""Requests that go to one account whatever its quota: lists, files, batches, what an id names.

They are sent once, with the key that made what they name, else with the first that the provider accepts; a
key that it does not accept is remembered as bad, and the next one asked, for nothing has happened yet.
"""

from __future__ import annotations

from typing import Any

from jobapp.calls.drive import in_thread
from jobapp.calls.failures import no_keys_error
from jobapp.domain.types import ApiKey, Kind, Scope, Verdict
from jobapp.dropin import endings
from jobapp.dropin.below import Below
from jobapp.dropin.bodies import Watch
from jobapp.dropin.credentials import unnamed
from jobapp.dropin.forwarder import Forwarder, Peeked, RejectedResponseError
from jobapp.dropin.routes import Route, ids_made
from jobapp.dropin.tail import Tail
from jobapp.dropin.upward import made, watched

LONGEST = 86_400.0
"""Seconds; the SDK's own time-outs are shorter."""

_MAY_BE_BAD_KEY = frozenset({400, 401, 403})


def send_home(below: Below, request: Any, route: Route, forwarder: Forwarder, send: Any) -> Any:
    """Send *request* to its account, and return the response that goes up."""
    for key in below.home_keys(route):
        response = send(forwarder.keyed(key, LONGEST))
        if response.status_code in _MAY_BE_BAD_KEY:
            response.read()
            if verdict := _not_accepted(below, forwarder, response, key):
                below.manager.set_aside(key, "", verdict)
                continue
        return _remembering(below, request, key, response)
    return _nobody(below, request, route)


async def asend_home(below: Below, request: Any, route: Route, forwarder: Forwarder, send: Any) -> Any:
    """Do so in the running event loop."""
    for key in below.home_keys(route):
        response = await send(forwarder.keyed(key, LONGEST))
        if response.status_code in _MAY_BE_BAD_KEY:
            await response.aread()
            if verdict := _not_accepted(below, forwarder, response, key):
                await in_thread(below.manager.set_aside, key, "", verdict)
                continue
        return _remembering(below, request, key, response)
    return _nobody(below, request, route)


def _not_accepted(below: Below, forwarder: Forwarder, response: Any, key: ApiKey) -> Verdict | None:
    """Return the verdict of a response that says that the key itself is bad."""
    facts = forwarder.error_facts(RejectedResponseError(response, response.text), "", key)
    verdict = below.manager.judge(facts) if facts else None
    return verdict if verdict and (verdict.kind, verdict.scope) == (Kind.AUTH, Scope.KEY) else None


def _remembering(below: Below, request: Any, key: ApiKey, response: Any) -> Any:
    """Return *response* so that the ids it tells are remembered as the key's."""
    if response.is_closed:
        told, content = unnamed(response.headers.multi_items(), response.content, key.secret)
        headers = endings.last_word(told, [], is_decoded=True)
        return made(request, response.status_code, headers, content)
    peeked = Peeked(response)

    def done(tail: Tail) -> None:
        below.owners.add(ids_made(tail.text()), key.fingerprint)

    return watched(request, peeked, Watch(Tail(peeked.encoding), done, lambda _: None))


def _nobody(below: Below, request: Any, route: Route) -> Any:
    """Return the answer where the provider accepts no key."""
    now = below.clock.now()
    error = no_keys_error(below.manager.statuses(route.model or None), (), now)
    told = endings.told_headers(str(error), error.available_at, now)
    body = endings.own_body(below.provider.name, 401, str(error))
    return made(request, 401, [("content-type", "application/json"), *told], body)
