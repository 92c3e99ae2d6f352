"""What goes up to the SDK: responses of its own library, and exceptions without the key that was sent."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from jobapp.domain.exceptions import ConfigError
from jobapp.dropin.bodies import Watch, streams_of
from jobapp.dropin.endings import Headers
from jobapp.dropin.forwarder import Peeked
from jobapp.dropin.senders import library_of

SDK_ERRORS = {"openai": "OpenAIError", "anthropic": "AnthropicError"}
"""The base of all errors of each SDK that wraps others."""


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
    """Return a response with *content*, unread as one that came, for the library of *request*."""
    library, length = library_of(request), ("content-length", str(len(content)))
    return library.Response(status, headers=[*headers, length], stream=library.ByteStream(content))


def untouched(error: ConfigError) -> ConfigError:
    """Return *error* so that it reaches the caller as it is, at once.

    SDKs wrap what is not of their own family in a connection's error, and repeat the request (openai 3.3,
    anthropic 2.14).
    """
    loaded = [(sys.modules.get(sdk), name) for sdk, name in SDK_ERRORS.items()]
    kind = _of_family(*(getattr(sdk, name) for sdk, name in loaded if sdk))
    return kind(str(error))


@cache
def _of_family(*theirs: type[Exception]) -> type[ConfigError]:
    told = {"__module__": ConfigError.__module__, "__doc__": ConfigError.__doc__}
    return type("ConfigError", (ConfigError, *theirs), told)


def of_library(request: Any, error: Exception) -> Exception:
    """Return *error* as the library of *request* has it, where it is that a deadline passed."""
    if isinstance(error, TimeoutError):
        return library_of(request).ReadTimeout(str(error) or "the deadline passed")  # type: ignore[no-any-return]
    return error


def bare(error: Exception) -> Exception:
    """Return *error* without the frames below it, which hold the request that was sent, with its key."""
    seen: BaseException | None = error
    while seen is not None:
        seen.__traceback__ = None
        if hasattr(seen, "_request"):
            seen._request = None  # noqa: SLF001 - the client above sets the SDK's own
        seen = seen.__cause__ or seen.__context__
    return error
