"""The body of an SDK's request: whether it can be sent again, and what is looked at of it. Pure.

httpx and httpx2 keep bodies in classes of the same names, some of them private.
"""

from __future__ import annotations

from typing import Any


def can_be_sent_again(request: Any) -> bool:
    """Return whether the body of *request* is the same when it is read a second time."""
    match type(request.stream).__name__:
        case "ByteStream":
            return True
        case "MultipartStream":
            return all(_can_be_read_again(field) for field in request.stream.fields)
        case _:
            return False


def looked_at(request: Any) -> bytes | None:
    """Return the body of *request*, of a form its plain fields; ``None`` where reading it would use it up."""
    match type(request.stream).__name__:
        case "ByteStream":
            return b"".join(request.stream)  # a redirected request has no content
        case "MultipartStream":
            plain = (b"".join(field.render()) for field in request.stream.fields if not _is_file(field))
            return b"\r\n".join(plain)
        case _:
            return None


def _is_file(field: Any) -> bool:
    return hasattr(field, "file")


def _can_be_read_again(field: Any) -> bool:
    """Return whether *field* is plain, or a file that begins anew: the libraries wind back what they can."""
    file = getattr(field, "file", b"")
    return isinstance(file, str | bytes) or (hasattr(file, "seekable") and file.seekable())
