"""What the four protocols have in common, and what each of them must offer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from jobapp.testing.asked import tokens
from jobapp.testing.faults import Rejection
from jobapp.testing.http1 import RawRequest, dump
from jobapp.testing.http_values import Request, Response, Stream
from jobapp.testing.meters import Room
from jobapp.testing.objects import Account
from jobapp.testing.steps import Answer

HTML_PAGE = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>502 Bad Gateway</body>\r\n</html>"
SECOND = 1000
"""Milliseconds."""

EVENT_STREAM = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What a provider tells of a key without asking a model.

    Attributes:
        models: The models that are listed.
        only_these: Whether there are no others.
        day: What is left of the day, ``None`` without a limit.
        free_day: The same for free models (OpenRouter).
    """

    models: Sequence[str]
    only_these: bool = False
    day: Room | None = None
    free_day: Room | None = None

    def has_model(self, name: str) -> bool:
        """Return whether there is a model of that name."""
        return name in self.models or not self.only_these


class Wire(Protocol):
    """One provider's protocol: requests read, answers and rejections written. No state, no I/O."""

    provider: str
    usual_limits: Mapping[str, int]
    """What headers tell of a key without limits: the provider always tells some."""

    def stream_type(self, request: Request) -> str:
        """Return the content type of a stream."""
        ...

    def read(self, call: RawRequest, at: datetime) -> Request:
        """Return what *call* asks."""
        ...

    def flaw(self, request: Request) -> str:
        """Return what is wrong with a request, ``""`` where nothing is."""
        ...

    def answer(self, request: Request, answer: Answer, request_id: str) -> dict[str, Any]:
        """Return the body of the whole answer."""
        ...

    def stream(self, request: Request, answer: Answer, request_id: str) -> Stream:
        """Return the answer as events."""
        ...

    def encode(self, request: Request, events: Sequence[Any], *, ended: bool) -> list[bytes]:
        """Return the bytes of each event; ``ended`` closes the stream as the provider does."""
        ...

    def reject(self, request: Request, rejection: Rejection, request_id: str) -> Response:
        """Return a rejection with its HTTP status."""
        ...

    def error_in_200(self, request: Request, rejection: Rejection, *, in_choice: bool) -> Any:
        """Return the body, or the event of a stream, of an HTTP 200 that holds an error."""
        ...

    def id_headers(self, request_id: str) -> Mapping[str, str]:
        """Return the header that tells the request's id."""
        ...

    def room_headers(self, meter: str, room: Room, now: datetime) -> Mapping[str, str]:
        """Return the headers of an answer that tell what is left of *meter*, ``requests`` or ``tokens``."""
        ...

    def heartbeat(self, request: Request) -> Any:
        """Return the event that says only that the provider is still there."""
        ...

    def empty(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return *body*, a whole answer, without what it says."""
        ...

    def events_of(self, request: Request, body: Mapping[str, Any]) -> Sequence[Any] | None:
        """Return a whole answer as a stream's events, ``None`` where it is none."""
        ...

    def body_of(self, request: Request, events: Sequence[Any]) -> Mapping[str, Any] | None:
        """Return a stream's events as one whole answer, ``None`` where they make none."""
        ...

    def missing(self, request: Request, account: Account) -> str:
        """Return what the request names that its account does not have, ``""`` where nothing is missing."""
        ...

    def record(
        self, request: Request, answer: Answer, request_id: str
    ) -> tuple[str, Mapping[str, Any]] | None:
        """Return the id and the row of what the account keeps of an answer."""
        ...


class KeepsNothing:
    """A wire whose requests name nothing of an account, and whose answers leave nothing there."""

    def missing(self, request: Request, account: Account) -> str:
        """Return ``""``: it names nothing of an account."""
        return ""

    def record(
        self, request: Request, answer: Answer, request_id: str
    ) -> tuple[str, Mapping[str, Any]] | None:
        """Return ``None``: nothing is kept."""
        return None


def parse(content: bytes) -> Any:
    """Return the JSON of a body, its text where it does not parse, ``None`` where there is none."""
    if not content:
        return None
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")


def text_of(content: Any) -> str:
    """Return the text of a message's content: a string, or a list of parts with ``text``."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (
        part if isinstance(part, str) else part.get("text") for part in parts if isinstance(part, str | dict)
    )
    return "".join(text for text in texts if isinstance(text, str))


def dicts(rows: Any) -> list[Mapping[str, Any]]:
    """Return those of *rows* that are objects; none where it is no list."""
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def whole_number(value: Any) -> int | None:
    """Return *value* where it is a whole number above 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def fields(body: Any) -> Mapping[str, Any]:
    """Return *body* where it is an object, else an empty one."""
    return body if isinstance(body, dict) else {}


def bearer(headers: Mapping[str, str]) -> str:
    """Return the token of the ``Authorization`` header."""
    return headers.get("authorization", "").removeprefix("Bearer ").strip()


def said_tokens(answer: Answer) -> int:
    """Return how many tokens an answer has without its thoughts: its words, and those of its calls."""
    calls = " ".join(f"{call.name} {json.dumps(call.arguments)}" for call in answer.tool_calls)
    return tokens(f"{answer.text or ''} {answer.refusal} {calls}")


def masked(key: str) -> str:
    """Return a key as providers echo it."""
    return f"{key[:3]}{'*' * 8}{key[-4:]}"


def sse(event: Any) -> bytes:
    """Return one server-sent event without a name; text gets the blank line that it may lack."""
    if isinstance(event, tuple):
        return b"".join(map(sse, event))
    if isinstance(event, bytes):
        return event
    if isinstance(event, str):
        return dump(f"{event.rstrip()}\n\n")
    return b"data: %b\n\n" % dump(event)


def named_sse(event: Any) -> bytes:
    """Return one server-sent event under the name of its type."""
    if isinstance(event, tuple):
        return b"".join(map(named_sse, event))
    if not isinstance(event, dict):
        return sse(event)
    return b"event: %b\n%b" % (dump(str(event.get("type", "error"))), sse(event))


def as_stream(events: Sequence[Any], is_piece: Callable[[Any], bool]) -> Stream:
    """Return events as a stream; what stands between two pieces is sent with the second."""
    places = [place for place, event in enumerate(events) if is_piece(event)]
    if not places:
        return Stream([], [], events)
    starts = [places[0], *(place + 1 for place in places)]
    groups = [tuple(events[start : place + 1]) for start, place in zip(starts, places, strict=False)]
    pieces = [group[0] if len(group) == 1 else group for group in groups]
    return Stream(events[: places[0]], pieces, events[places[-1] + 1 :])


def whole_seconds(seconds: float) -> str:
    """Return *seconds* rounded up, for headers that know no fractions."""
    return str(math.ceil(seconds))


def milliseconds(seconds: float) -> int:
    """Return *seconds* in milliseconds, rounded up; what the floating point added is not counted."""
    return math.ceil(round(seconds * 1000, 3))


def decimal_seconds(seconds: float) -> str:
    """Return *seconds* with as many decimals as milliseconds need, rounded up: ``22``, ``1.5``."""
    return f"{milliseconds(seconds) / 1000:.3f}".rstrip("0").rstrip(".")


def go_duration(seconds: float) -> str:
    """Return *seconds* as Go prints a duration, rounded up to the millisecond: ``1h12m0s``, ``120ms``."""
    millis = milliseconds(seconds)
    if 0 < millis < SECOND:
        return f"{millis}ms"
    minutes, rest = divmod(millis, 60 * SECOND)
    hours, minutes = divmod(minutes, 60)
    text = f"{decimal_seconds(rest / SECOND)}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
