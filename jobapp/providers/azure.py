"""Azure's forms of OpenAI's addresses. No I/O.

==================  ==============================================================================
without a version   ``https://RESOURCE.openai.azure.com/openai/v1/chat/completions``
with a version      ``https://RESOURCE.openai.azure.com/openai/deployments/MODEL/chat/completions?api-version=…``
==================  ==============================================================================

Both take the key in the header ``api-key``. Sources: learn.microsoft.com, Azure OpenAI, "API version
lifecycle" and "REST API reference", 2026-11.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

from jobapp.domain.types import ApiKey

KEY_HEADER = "api-key"

_HOSTS = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com", ".openai.azure.us")

_OF_A_DEPLOYMENT = ("/chat/completions", "/completions", "/embeddings", "/audio/", "/images/")


def is_azure(provider: str, address: str, key: ApiKey) -> bool:
    """Return whether *key* is Azure's: by its version, its provider's name or the host."""
    host = urlsplit(address).hostname or ""
    return bool(key.api_version) or provider == "azure" or host.endswith(_HOSTS)


def root_of(address: str) -> str:
    """Return the address beneath which deployments and models are: that of a resource, and ``/openai``."""
    return f"{address.rstrip('/').removesuffix('/openai')}/openai"


def deployment_of(address: str, model: str) -> str:
    """Return the address of the deployment of *model*."""
    return f"{root_of(address)}{_deployment(model)}"


def moved(url: str, home: str, address: str, model: str, api_version: str | None) -> str:
    """Return *url*, which is beneath *home*, beneath *address*.

    What is asked in Azure's older form goes to a newer address in its form.

    Args:
        url: What an SDK asks for.
        home: The address that the SDK was given.
        address: That of the key.
        model: The model that is asked; empty where none is named.
        api_version: Azure's; ``None`` where the path stays as it is.
    """
    there, to = urlsplit(url), urlsplit(address)
    rest = there.path.removeprefix(urlsplit(home).path.rstrip("/"))
    query = there.query
    base = to.path.rstrip("/")
    if base.endswith("/openai/v1") and rest.startswith("/openai/"):
        rest, query = re.sub("^/openai(/deployments/[^/]+)?", "", rest), _without_version(query)
    if api_version:
        base, rest = urlsplit(root_of(address)).path, rest.removeprefix("/openai")
        if model and rest.startswith(_OF_A_DEPLOYMENT):
            rest = f"{_deployment(model)}{rest}"
        if "api-version=" not in query:
            query = "&".join(filter(None, (query, f"api-version={quote(api_version)}")))
    return urlunsplit((to.scheme, to.netloc, base + rest, query, ""))


def _without_version(query: str) -> str:
    return "&".join(part for part in query.split("&") if not part.startswith("api-version="))


def _deployment(model: str) -> str:
    return f"/deployments/{quote(model, safe='')}"
