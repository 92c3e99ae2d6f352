"""Faults of the user's own machine, which no key and no prompt is to blame for: proxies and certificates.

The variables are those that httpx reads (its docs, "Environment variables", 2026), and
``REQUESTS_CA_BUNDLE`` and ``CURL_CA_BUNDLE``, which people set for other libraries and expect to hold.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jobapp.domain.exceptions import ConfigError

if TYPE_CHECKING:
    import ssl

PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")
SCHEMES = ("http", "https", "socks5", "socks5h")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
OTHERS_CERTIFICATES = CERTIFICATES[2:]


def check_machine(environ: Mapping[str, str] = os.environ) -> None:
    """See whether the environment's proxies and certificates can be used.

    Raises:
        ConfigError: They can't; the text names the variable, and what to write there.
    """
    for upper in PROXIES:
        for name in (upper, upper.lower()):
            if value := environ.get(name, "").strip():
                _check_proxy(name, value)
    for name in CERTIFICATES:
        value = environ.get(name, "").strip()
        if value and not Path(value).exists():
            raise ConfigError(
                f"the variable {name} names {value}, which is not there, and no server can be trusted "
                "without it; correct the path, or unset the variable"
            )


def trusted(environ: Mapping[str, str] = os.environ) -> ssl.SSLContext | None:
    """Return the certificates that other libraries' variables name, where httpx reads none of its own."""
    if any(environ.get(name) for name in CERTIFICATES[:2]):
        return None
    path = next((environ[name] for name in OTHERS_CERTIFICATES if environ.get(name)), None)
    if path is None:
        return None
    import ssl

    try:
        if Path(path).is_dir():
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise ConfigError(f"REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE: {path} holds no certificates") from error


def _check_proxy(name: str, value: str) -> None:
    """See whether one proxy can be used; its address may hold a password, and is not shown."""
    try:
        address = urlsplit(value if "://" in value else f"http://{value}")
        usable = address.scheme in SCHEMES and bool(address.hostname) and (address.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            f"the variable {name} holds no address of a proxy that can be used: write scheme://host:port, "
            f"the scheme one of {', '.join(SCHEMES)}, or unset it"
        )
    if address.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigError(
            f"the variable {name} names a SOCKS proxy, and the package for it is missing: "
            "pip install 'httpx[socks]', or unset the variable"
        )


def check_headers(headers: object, where: str) -> None:
    """See that no value of *headers* has a line break: a server would take what follows for another header.

    Raises:
        ConfigError: One has; the text names it, and not what it holds.
    """
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        if any(sign in f"{name}{value}" for sign in "\r\n\0"):
            raise ConfigError(f"{where}[{str(name).strip()!r}]: holds a line break; take it out")
