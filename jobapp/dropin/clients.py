"""The SDKs' own clients, and the HTTP libraries', on a transport that has the keys."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from jobapp.domain.exceptions import ConfigError
from jobapp.domain.settings import ProviderSettings
from jobapp.dropin.credentials import PLACEHOLDER
from jobapp.dropin.transport import KeyTransport
from jobapp.providers.http_client import NoCookies

KEY_HEADERS = {"anthropic": "x-api-key", "google": "x-goog-api-key"}
"""The header in which a provider wants its key; all others: ``authorization``."""

OURS = frozenset(
    {
        "http_client",
        "httpx_client",
        "httpx_async_client",
        "aiohttp_client",
        "client_args",
        "async_client_args",
    }
)
"""What an SDK's constructor, or google-genai's ``http_options``, takes to send requests without the keys."""

_SDKS = {"anthropic": "anthropic", "google": "google.genai"}
_CLASSES = {"anthropic": "Anthropic", "openai": "OpenAI"}


def sdk_of(provider: str) -> str:
    """Return the module of the SDK that speaks to *provider*; OpenAI's speaks to all that are compatible."""
    return _SDKS.get(provider, "openai")


def sdk_client(transport: KeyTransport, settings: ProviderSettings, arguments: dict[str, Any]) -> Any:
    """Return the SDK's synchronous client on *transport*.

    Args:
        transport: Has the keys.
        settings: The provider.
        arguments: For the SDK's constructor.

    Raises:
        ConfigError: They would go round the keys.
    """
    if sdk_of(settings.name) == "google.genai":
        return _google_client(transport, settings, arguments)
    return _stainless_client(transport, settings, arguments, kind="")


def async_sdk_client(transport: KeyTransport, settings: ProviderSettings, arguments: dict[str, Any]) -> Any:
    """Return the SDK's asynchronous client on *transport*; Google's has both in one, below ``aio``."""
    if sdk_of(settings.name) == "google.genai":
        return _google_client(transport, settings, arguments)
    return _stainless_client(transport, settings, arguments, kind="Async")


def http_client(transport: KeyTransport, provider: str, *, asynchronous: bool = False) -> Any:
    """Return a client of the HTTP library that the installed SDK of *provider* uses, on *transport*."""
    sdk = sdk_of(provider)
    if sdk == "google.genai":
        _module(sdk)
        from jobapp.providers.google import http_library

        library = http_library()
        client = library.AsyncClient if asynchronous else library.Client
        return client(transport=transport, cookies=NoCookies(), follow_redirects=True, timeout=600.0)
    name = "DefaultAsyncHttpxClient" if asynchronous else "DefaultHttpxClient"
    return _part(sdk, name)(transport=transport, cookies=NoCookies())


def _stainless_client(
    transport: KeyTransport, settings: ProviderSettings, arguments: dict[str, Any], kind: str
) -> Any:
    sdk = sdk_of(settings.name)
    _check_ours(arguments)
    given = {
        "api_key": PLACEHOLDER,
        "base_url": settings.base_url,
        "http_client": http_client(transport, settings.name, asynchronous=bool(kind)),
        "max_retries": 0,
        **arguments,
    }
    return _part(sdk, f"{kind}{_CLASSES[sdk]}")(**given)


def _google_client(transport: KeyTransport, settings: ProviderSettings, arguments: dict[str, Any]) -> Any:
    genai = _module("google.genai")
    told = arguments.pop("http_options", None) or {}
    options = told if isinstance(told, dict) else told.model_dump(exclude_none=True)
    _check_ours(options)
    ours = {
        "base_url": settings.base_url,
        "httpx_client": http_client(transport, "google"),
        "httpx_async_client": http_client(transport, "google", asynchronous=True),
        "retry_options": {"attempts": 1},  # its interactions sleep for as long as ``retry-after`` says
    }
    given = {"api_key": PLACEHOLDER, "vertexai": False, **arguments}
    return genai.Client(**given, http_options={**ours, **options})


def _check_ours(arguments: Mapping[str, Any]) -> None:
    if found := OURS.intersection(arguments):
        raise ConfigError(
            f"client: {', '.join(sorted(found))} would send requests without the keys; proxies and "
            "certificates are taken from the environment (HTTPS_PROXY, SSL_CERT_FILE), and a client of your "
            "own gets the keys by llm.transport(...) as its transport"
        )


def _part(sdk: str, name: str) -> Any:
    module = _module(sdk)
    try:
        return getattr(module, name)
    except AttributeError as error:
        version = getattr(module, "__version__", "")
        raise ConfigError(f"{sdk} {version} has no {name}; pip install --upgrade {sdk}") from error


def _module(sdk: str) -> Any:
    try:
        return sys.modules.get(sdk) or import_module(sdk)
    except ImportError as error:
        distribution = "google-genai" if sdk == "google.genai" else sdk
        raise ConfigError(f"{sdk} can't be imported ({error}); pip install {distribution}") from error
