"""From what a request meets to what is sent: the one place where wires and faults come together. No I/O."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from jobapp.domain.quota_reset import first_of_next_month
from jobapp.testing.faults import Fault, Rejection, Trouble
from jobapp.testing.http1 import LAST_CHUNK, chunk, stream_head, whole
from jobapp.testing.http_values import Request, Response
from jobapp.testing.key import Reaction
from jobapp.testing.meters import Room, day_end
from jobapp.testing.model import completed
from jobapp.testing.prompt_cache import NOTHING_CACHED, Cached
from jobapp.testing.service_headers import service_headers
from jobapp.testing.steps import Answer, as_answer
from jobapp.testing.wire import HTML_PAGE, Wire

FAILED = Response(
    500, body={"error": {"message": "The simulator failed; its log has the traceback.", "code": 500}}
)
logger = logging.getLogger(__name__)

BEAT = 1.0
"""Seconds between two signs of life."""
SOON = timedelta(milliseconds=2)
DETAILS = {
    Fault.BAD_REQUEST: "The request has an invalid value.",
    Fault.UNKNOWN_PATH: "(simulated)",
}
"""What a fault says that was told without particulars."""

Usual = Callable[[], Answer]
"""Makes the normal answer."""


@dataclass(frozen=True, slots=True)
class RawResponse:
    """Bytes to send.

    Attributes:
        parts: What is written, one after the other.
        lead: How many parts of a stream come before the first piece of text; 0 where it is no stream.
        close: Close the connection afterwards.
        hang: Never send anything.
        answered: Whether this is a whole answer without an error.
        kept: What the account keeps of it, under its id.
        waits: Seconds that pass before the part of that index.
        wait: Seconds that a rejection asks to wait.
    """

    parts: Sequence[bytes] = ()
    lead: int = 0
    close: bool = False
    hang: bool = False
    answered: bool = False
    kept: tuple[str, Mapping[str, Any]] | None = None
    waits: Mapping[int, float] = field(default_factory=dict)
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Replier:
    """Writes the reply to one request.

    Attributes:
        wire: The provider's protocol.
        request: What was asked.
        request_id: The id the provider gives it.
        hints: Whether anything tells how much is left and how long to wait.
        service: Whose names the headers of limits have; ``""`` for the provider's own.
        cached: What of the prompt is in the account's cache.
    """

    wire: Wire
    request: Request
    request_id: str
    hints: bool
    service: str = ""
    cached: Cached = NOTHING_CACHED

    def to(self, reaction: Reaction, usual: Usual) -> RawResponse:
        """Return the reply to what the request met; *usual* returns the normal answer."""
        match reaction:
            case Response():
                answered = reaction.status == HTTPStatus.OK and not reaction.cut
                return self._send(self._as_asked(reaction) if answered else reaction, answered=answered)
            case Rejection():
                return self._refused(reaction)
            case Trouble():
                return self._strike(reaction, usual)
            case Mapping():
                return self._say(usual(), reaction)
            case _:
                said = as_answer(reaction)
                return self._say(completed(self.request, said, Answer("") if said.is_whole else usual()), {})

    def free(self, response: Response) -> RawResponse:
        """Return the reply to a request that asked no model."""
        headers = {**self.wire.id_headers(self.request_id), **response.headers}
        return self._send(replace(response, headers=headers), answered=True)

    def _say(self, answer: Answer, rooms: Mapping[str, Room]) -> RawResponse:
        reply = self._send(self._answer(answer, rooms), answered=True)
        kept = self.wire.record(self.request, replace(answer, cached=self.cached), self.request_id)
        return replace(reply, kept=kept) if kept else reply

    def _send(self, response: Response, *, answered: bool = False) -> RawResponse:
        if response.events is None:
            return RawResponse([whole(response)], close=response.cut, answered=answered)
        events = self.wire.encode(self.request, response.events, ended=not response.cut)
        parts = [stream_head(response, self.wire.stream_type(self.request)), *map(chunk, events)]
        if not response.cut:
            parts.append(LAST_CHUNK)
        return RawResponse(parts, 1 + response.lead, close=response.cut, answered=answered)

    def _as_asked(self, response: Response) -> Response:
        """Return a scripted answer as a stream where one is asked for, and whole where not."""
        body, events = response.body, response.events
        if self.request.stream and events is None and isinstance(body, dict) and not body.get("error"):
            turned = self.wire.events_of(self.request, body)
            if turned is not None:
                return replace(response, events=turned, body="")
            logger.warning(
                "A script's body is no answer of %s: the stream gets it as it is", self.wire.provider
            )
        elif not self.request.stream and events is not None and not any(isinstance(e, bytes) for e in events):
            whole = self.wire.body_of(self.request, events)
            if whole is not None:
                return replace(response, events=None, body=whole, lead=0)
            logger.warning(
                "A script's events make no answer of %s: they are sent as they are", self.wire.provider
            )
        return response

    def _answer(self, answer: Answer, rooms: Mapping[str, Room]) -> Response:
        answer = replace(answer, cached=self.cached)
        headers = {**self.wire.id_headers(self.request_id), **self._room_headers(rooms)}
        if not self.request.stream:
            return Response(headers=headers, body=self.wire.answer(self.request, answer, self.request_id))
        stream = self.wire.stream(self.request, answer, self.request_id)
        events = [*stream.lead_in, *stream.pieces, *stream.lead_out]
        return Response(headers=headers, events=events, lead=len(stream.lead_in))

    def _room_headers(self, rooms: Mapping[str, Room]) -> Mapping[str, str]:
        headers: dict[str, str] = {}
        for meter, room in {**self._usual_rooms(), **rooms}.items() if self.hints else ():
            if self.service:
                headers.update(service_headers(self.service, meter, room, self.request.at))
            elif meter != "day":
                headers.update(self.wire.room_headers(meter, room, self.request.at))
        return headers

    def _usual_rooms(self) -> dict[str, Room]:
        """Return the room of a key without limits: all but this request."""
        used, at = {"requests": 1, "tokens": self.request.tokens}, self.request.at
        return {
            meter: Room(limit, limit - used.get(meter, 0), at + SOON)
            for meter, limit in self.wire.usual_limits.items()
        }

    def _refuse(self, rejection: Rejection) -> Response:
        if rejection.fault is Fault.BAD_GATEWAY:
            return Response(HTTPStatus.BAD_GATEWAY, {"content-type": "text/html"}, HTML_PAGE)
        return self.wire.reject(self.request, self._hinted(rejection), self.request_id)

    def _strike(self, trouble: Trouble, usual: Usual) -> RawResponse:
        match trouble.fault:
            case Fault.HANG:
                return RawResponse(hang=True)
            case Fault.CUT:
                return RawResponse(close=True)
            case Fault.HEARTBEATS | Fault.SLOW_THINKING:
                return self._slowly(trouble, usual())
            case Fault.BUSY_MINUTE | Fault.BUSY_TOKENS:
                return self._refused(self._rejection(trouble))
            case _:
                return self._send(self._broken(trouble, usual))

    def _refused(self, rejection: Rejection) -> RawResponse:
        return replace(self._send(self._refuse(rejection)), wait=rejection.wait if self.hints else None)

    def _broken(self, trouble: Trouble, usual: Usual) -> Response:
        match trouble.fault:
            case Fault.CUT_SHORT:
                return self._cut_short(trouble.after, usual)
            case Fault.GARBAGE:
                return self._garbage()
            case Fault.EMPTY:
                return self._empty(usual)
            case Fault.ERROR_IN_200 | Fault.ERROR_IN_CHOICE:
                return self._error_in_200(trouble, usual)
            case _:
                return self._refuse(self._rejection(trouble))

    def _cut_short(self, after: int, usual: Usual) -> Response:
        return (
            self._first(after, usual) if self.request.stream else replace(self._answer(usual(), {}), cut=True)
        )

    def _garbage(self) -> Response:
        if self.request.stream:
            return Response(events=[f"data: {HTML_PAGE}\n\n"])
        return Response(headers={"content-type": "application/json"}, body=HTML_PAGE)

    def _empty(self, usual: Usual) -> Response:
        if self.request.stream:
            return Response(headers=self.wire.id_headers(self.request_id), events=[])
        body = self.wire.answer(self.request, usual(), self.request_id)
        return Response(headers=self.wire.id_headers(self.request_id), body=self.wire.empty(body))

    def _slowly(self, trouble: Trouble, answer: Answer) -> RawResponse:
        """Return the answer after signs of life or thoughts, one a second; a whole one comes late."""
        beats = max(1, math.ceil(trouble.wait / BEAT))
        if not self.request.stream:
            return replace(self._say(answer, {}), waits={0: trouble.wait})
        if trouble.fault is Fault.SLOW_THINKING:
            answer = replace(answer, thinking="Hm, " * beats + answer.thinking)
        stream = self.wire.stream(self.request, answer, self.request_id)
        life = self.wire.heartbeat(self.request) if trouble.fault is Fault.HEARTBEATS else None
        events = [
            *stream.lead_in,
            *([] if life is None else [life] * beats),
            *stream.pieces,
            *stream.lead_out,
        ]
        start = 1 + len(stream.lead_in)
        waits = {start + beat: trouble.wait / beats for beat in range(beats)}
        response = Response(
            headers=self.wire.id_headers(self.request_id), events=events, lead=len(stream.lead_in)
        )
        return replace(self._send(response, answered=True), waits=waits)

    def _error_in_200(self, trouble: Trouble, usual: Usual) -> Response:
        rejection = self._hinted(self._rejection(replace(trouble, fault=trouble.says)))
        in_choice = trouble.fault is Fault.ERROR_IN_CHOICE
        error = self.wire.error_in_200(self.request, rejection, in_choice=in_choice)
        if not self.request.stream:
            return Response(headers=self.wire.id_headers(self.request_id), body=error)
        before = self._first(trouble.after, usual)
        return replace(before, events=[*(before.events or ()), error], cut=False)

    def _first(self, after: int, usual: Usual) -> Response:
        """Return a stream that breaks after *after* pieces; without any piece it has no lead-in either."""
        stream = self.wire.stream(self.request, usual(), self.request_id)
        lead_in = stream.lead_in if after else ()
        events = [*lead_in, *stream.pieces[:after]]
        headers = self.wire.id_headers(self.request_id)
        return Response(headers=headers, events=events, cut=True, lead=len(lead_in))

    def _rejection(self, trouble: Trouble) -> Rejection:
        now = self.request.at
        match trouble.fault:
            case Fault.BUSY_MINUTE | Fault.BUSY_TOKENS:
                free_at = now + timedelta(seconds=trouble.wait)
            case Fault.SPENT_DAY:
                free_at = day_end(self.request.provider, trouble.limit, now)
            case Fault.SPENT_MONTH:
                free_at = first_of_next_month(now)
            case Fault.TOO_LARGE | Fault.CONTEXT_OVERFLOW:
                sent = str(trouble.limit + self.request.tokens)
                return Rejection(trouble.fault, now, limit=trouble.limit, detail=sent)
            case _:
                return Rejection(trouble.fault, now, limit=0, detail=DETAILS.get(trouble.fault, ""))
        return Rejection(trouble.fault, now, free_at, trouble.limit)

    def _hinted(self, rejection: Rejection) -> Rejection:
        return rejection if self.hints else replace(rejection, free_at=None)
