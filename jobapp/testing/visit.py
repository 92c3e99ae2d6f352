"""A request that asks no model: what it finds, and what answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from jobapp.testing.http_values import Request, Response
from jobapp.testing.objects import Account
from jobapp.testing.wire import KeyFacts, fields


@dataclass(frozen=True, slots=True)
class Visit:
    """A request that asks no model and costs no quota.

    Attributes:
        request: What came.
        content: Its body as it came.
        names: What the path names, in order: ids, models.
        account: The objects of the key's account.
        facts: What is known of the key.
        number: One of its own, for ids.
        root: The simulator's address.
        ask: Asks a model for one row of a batch: path and body → status and body.
    """

    request: Request
    content: bytes
    names: tuple[str, ...]
    account: Account
    facts: KeyFacts
    number: str
    root: str
    ask: Callable[[str, Mapping[str, Any]], tuple[int, Any]]

    @property
    def body(self) -> Mapping[str, Any]:
        """The parsed JSON, empty where it is no object."""
        return fields(self.request.body)

    @property
    def seconds(self) -> int:
        """When it came, in seconds since 1970."""
        return int(self.request.at.timestamp())

    def form(self) -> dict[str, tuple[str, bytes]]:
        """Return the fields of a form with files: the file's name and its content, or text."""
        head = f"content-type: {self.request.headers.get('content-type', '')}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + self.content)
        parts = message.iter_parts() if message.is_multipart() else ()
        return {
            str(part.get_param("name", header="content-disposition")): (
                part.get_filename() or "",
                bytes(part.get_payload(decode=True) or b""),
            )
            for part in parts
        }


Serve = Callable[[Visit], Response]


def told(body: Any) -> Response:
    """Return *body* as a response."""
    return Response(body=body)
