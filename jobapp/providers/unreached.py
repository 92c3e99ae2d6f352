"""Why a server was not reached, in words: the SDKs say "Connection error." to all of it.

Loaded when it happens.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})


def why_unreached(error: BaseException | None, address: str) -> str:
    """Return why nothing listens at *address*, in words; empty where *error* tells of something else.

    The cause is in what the SDKs raise their exceptions from.
    """
    host = urlsplit(address).netloc.rpartition("@")[2] + _by_way_of(address)
    for cause in _causes(error):
        code = getattr(cause, "errno", None)
        words = os.strerror(code) if isinstance(code, int) and code > 0 else str(cause)
        match cause:
            case socket.gaierror():
                return (
                    f"{host}: no such host is known here ({cause.strerror}); see the address, and the network"
                )
            case ssl.SSLCertVerificationError():
                return (
                    f"{host}: its certificate is not trusted here ({cause.verify_message}); see SSL_CERT_FILE"
                )
            case ssl.SSLError():
                return f"{host}: no TLS ({cause.reason or words}); is it a server of http:// addresses?"
            case ConnectionRefusedError():
                return f"{host}: nothing listens there ({words})"
            case OSError() if cause.errno in UNREACHABLE:
                return f"{host}: no way leads there ({words})"
    return ""


def _by_way_of(address: str) -> str:
    """Return the variable of the proxy by which *address* is reached, in words; empty for none."""
    parts = urlsplit(address)
    if proxy_bypass(parts.hostname or ""):
        return ""
    names = [f"{scheme}_proxy" for scheme in (parts.scheme, "all")]
    found = [each for name in names for each in (name, name.upper()) if os.environ.get(each)]
    return f" (by the proxy in {found[0]})" if found else ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield *error* and what it was raised from, exceptions of groups among them."""
    while error is not None:
        yield error
        for inner in getattr(error, "exceptions", ()):
            yield from _causes(inner)
        reason = getattr(error, "reason", None)  # urllib3 keeps it there
        if isinstance(reason, BaseException):
            yield from _causes(reason)
        error = error.__cause__ or error.__context__
