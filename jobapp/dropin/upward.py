"""What goes up to the SDK: responses of its own library, and exceptions without the key that was sent."""

from __future__ import annotations

from typing import Any

from jobapp.dropin.bodies import Watch, streams_of
from jobapp.dropin.endings import Headers
from jobapp.dropin.forwarder import Peeked
from jobapp.dropin.senders import library_of


def watched(request: Any, peeked: Peeked, watch: Watch) -> Any:
    """Return the response of *peeked*, unread, with a body that *watch* hears of."""
    library, response = library_of(request), peeked.response
    sync_stream, async_stream = streams_of(library)
    is_async = isinstance(response.stream, library.AsyncByteStream)
    response.stream = (async_stream if is_async else sync_stream)(
        peeked.held_back, peeked.rest, response.stream, watch
    )
    return response


def made(request: Any, status: int, headers: Headers, content: bytes) -> Any:
    """Return a response with *content*, for the library of *request*."""
    return library_of(request).Response(status, headers=headers, content=content)


def bare(error: Exception) -> Exception:
    """Return *error* without the frames below it, which hold the request that was sent, with its key."""
    seen: BaseException | None = error
    while seen is not None:
        seen.__traceback__ = None
        if hasattr(seen, "_request"):
            seen._request = None  # noqa: SLF001 - the client above sets the SDK's own
        seen = seen.__cause__ or seen.__context__
    return error
