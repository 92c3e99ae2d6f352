"""As much of HTTP/1.1 as loopback needs: requests out of bytes, bytes out of responses. No I/O.

Written by hand because benchmarks compare jobapp with the bare SDKs on this server: a request costs a few
hundredths of a millisecond here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

from jobapp.testing.http_values import Response

HEAD_END = b"\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
FRAMING = frozenset({"content-length", "transfer-encoding", "content-encoding", "connection"})
_to_json = json.JSONEncoder(ensure_ascii=False).encode
REASONS = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded"}


@dataclass(frozen=True, slots=True)
class RawRequest:
    """One HTTP request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open after the response."""
        return self.headers.get("connection", "").lower() != "close"


class Reader:
    """Bytes in, requests out, whatever way the bytes are cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what has come."""
        self._buffer += data

    def next(self) -> RawRequest | None:
        """Return the next whole request, ``None`` while it has not come."""
        head_end = self._buffer.find(HEAD_END)
        if head_end < 0:
            return None
        start, *lines = self._buffer[:head_end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = self._body(head_end + len(HEAD_END), headers)
        if body is None:
            return None
        content, end = body
        del self._buffer[:end]
        method, target, _ = start.split(" ", 2)
        path, _, query = target.partition("?")
        return RawRequest(method, unquote(path), dict(parse_qsl(query)) if query else {}, headers, content)

    def _body(self, start: int, headers: Mapping[str, str]) -> tuple[bytes, int] | None:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks(start)
        end = start + int(headers.get("content-length", 0))
        return (bytes(self._buffer[start:end]), end) if len(self._buffer) >= end else None

    def _chunks(self, start: int) -> tuple[bytes, int] | None:
        parts: list[bytes] = []
        while (line_end := self._buffer.find(b"\r\n", start)) >= 0:
            size = int(self._buffer[start:line_end].split(b";")[0], 16)
            start = line_end + 2 + size + 2
            if len(self._buffer) < start:
                return None
            if size == 0:
                return b"".join(parts), start
            parts.append(bytes(self._buffer[start - size - 2 : start - 2]))
        return None


def dump(value: Any) -> bytes:
    """Return *value* as the bytes that are sent: JSON, but for text and bytes, which stay as they are.

    Half a surrogate pair, which UTF-8 has no form for, is sent as JSON's escape.
    """
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else _to_json(value)).encode(errors="backslashreplace")


def whole(response: Response) -> bytes:
    """Return a response with a body; a cut one lacks the second half of it."""
    body = dump(response.body)
    kind = "application/json" if not isinstance(response.body, str | bytes) else guess_type(body)
    sent = body[: len(body) // 2] if response.cut else body
    return head(response, kind, f"content-length: {len(body)}") + sent


def stream_head(response: Response, kind: str) -> bytes:
    """Return the head of a response whose body comes in chunks."""
    return head(response, kind, "transfer-encoding: chunked")


def chunk(data: bytes) -> bytes:
    """Return one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def head(response: Response, kind: str, framing: str) -> bytes:
    """Return status line and headers; *kind* is the content type where the headers name none."""
    lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}", framing]
    named = {name.lower(): value for name, value in response.headers.items()}
    named.setdefault("content-type", kind)
    lines += [f"{name}: {value}" for name, value in named.items() if name not in FRAMING]
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1")


def guess_type(body: bytes) -> str:
    """Return the content type of a body that is text: JSON, events, HTML or plain."""
    start = body.lstrip()[:1]
    if start in (b"{", b"["):
        return "application/json"
    if body.startswith((b"data:", b"event:", b":")):
        return "text/event-stream"
    return "text/html" if start == b"<" else "text/plain"
