"""Serves what asks no model: hands a path's function what it needs, and asks the model for a batch's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from itertools import count
from typing import Any

from jobapp.testing.faults import Fault, Rejection
from jobapp.testing.http1 import RawRequest, dump
from jobapp.testing.http_values import Request
from jobapp.testing.objects import Account, NoSuchObjectError
from jobapp.testing.replies import RawResponse, Replier
from jobapp.testing.routing import UNAMBIGUOUS, Names, Route
from jobapp.testing.steps import Answer
from jobapp.testing.visit import Visit
from jobapp.testing.wire import KeyFacts


@dataclass(frozen=True, slots=True)
class Desk:
    """Serves one request.

    Attributes:
        call: The request as it came.
        replier: Writes the reply.
        account: The objects of the key's account.
        facts: What is known of the key.
        root: The simulator's address.
        model: What a model says to a request.
        rows: Counts the rows of a batch.
    """

    call: RawRequest
    replier: Replier
    account: Account
    facts: KeyFacts
    root: str
    model: Callable[[Request], Answer]
    rows: Iterator[int] = field(default_factory=count)

    def serve(self, route: Route, names: Names) -> RawResponse:
        """Return the reply; an object that the account does not have is a rejection."""
        assert route.serve is not None  # noqa: S101 - the caller looked
        request, number = self.replier.request, self.replier.request_id.removeprefix("req_")
        visit = Visit(
            request, self.call.content, names, self.account, self.facts, number, self.root, self._answered
        )
        try:
            return self.replier.free(route.serve(visit))
        except NoSuchObjectError as error:
            return self.replier.to(Rejection(error.fault, request.at, detail=str(error)), Answer)

    def _answered(self, path: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        """Return what a row of a batch is answered; it costs no quota and is not counted."""
        wire, at = UNAMBIGUOUS["POST", path].wire, self.replier.request.at
        request = wire.read(replace(self.call, path=path, content=dump(body)), at)
        if flaw := wire.flaw(request):
            told = wire.reject(
                request, Rejection(Fault.BAD_REQUEST, at, detail=flaw), self.replier.request_id
            )
            return told.status, told.body
        return HTTPStatus.OK.value, wire.answer(request, self.model(request), self.replier.request_id)
