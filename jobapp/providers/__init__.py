"""The providers as data: what they are called, where they live, which variables hold their keys.

SDKs are imported when a provider is first asked, never here.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from jobapp.domain.exceptions import ConfigError
from jobapp.domain.settings import ProviderSettings
from jobapp.providers.adapter import Adapter
from jobapp.providers.services import SERVICES as SERVICES
from jobapp.providers.spec import OPENAI_COMPATIBLE, ProviderSpec

PROVIDERS: dict[str, ProviderSpec] = {
    spec.name: spec
    for spec in (
        ProviderSpec(
            name="openai",
            adapters=(OPENAI_COMPATIBLE,),
            key_prefixes=("OPENAI",),
            base_url="https://api.openai.com/v1",
            base_url_env="OPENAI_BASE_URL",
            default_model="gpt-4o-mini",
            reserves_max_tokens=True,  # platform.openai.com, rate limits guide, mid-2026
        ),
        ProviderSpec(
            name="anthropic",
            adapters=("jobapp.providers.anthropic:AnthropicAdapter",),
            key_prefixes=("ANTHROPIC",),
            base_url="https://api.anthropic.com",
            base_url_env="ANTHROPIC_BASE_URL",
            default_model="claude-haiku-4-5",
        ),
        ProviderSpec(
            name="google",
            aliases=("google_genai", "gemini"),
            adapters=(
                "jobapp.providers.google:GoogleAdapter",
                "jobapp.providers.google_generativeai:GoogleGenerativeAIAdapter",
            ),
            key_prefixes=("GOOGLE", "GEMINI"),
            base_url="https://generativelanguage.googleapis.com",
            base_url_env="GOOGLE_BASE_URL",
            default_model="gemini-2.5-flash",
            # a day of requests returns at midnight Pacific time: ai.google.dev, rate limits, 2026-10
            reset_timezone="America/Los_Angeles",
        ),
        ProviderSpec(
            name="openrouter",
            adapters=("jobapp.providers.openrouter:OpenRouterAdapter",),
            key_prefixes=("OPENROUTER",),
            base_url="https://openrouter.ai/api/v1",
            base_url_env="OPENROUTER_BASE_URL",
            default_model="meta-llama/llama-3.3-70b-instruct:free",
        ),
    )
}

_CANONICAL = {
    alias: spec.name
    for spec in (*SERVICES.values(), *PROVIDERS.values())
    for alias in (spec.name, *spec.aliases)
}


def spec_of(name: str) -> ProviderSpec | None:
    """Return what is known of a provider or a service of that canonical name; ``None`` for others."""
    return PROVIDERS.get(name) or SERVICES.get(name)


def canonical_name(name: str) -> str:
    """Return the one name of a provider that has several; unknown names come back as they are."""
    return _CANONICAL.get(name.strip().lower(), name.strip())


def open_adapter(settings: ProviderSettings) -> Adapter:
    """Return the adapter of a provider: of several, that of the settings, else the first that is installed.

    A name that is none of the four is a server that is compatible with OpenAI, at its ``base_url``. The SDK
    is imported with the first request.

    Raises:
        ConfigError: The provider or its SDK is not known, or none of its SDKs is installed.
    """
    known = spec_of(settings.name)
    if known is None and not settings.base_url:
        raise ConfigError(
            f"unknown provider {settings.name!r}: use {', '.join(PROVIDERS)}, or set "
            f"providers.{settings.name}.base_url to the address of a server that is compatible with OpenAI"
        )
    missing: list[str] = []
    others: list[str] = []
    for path in known.adapters if known else (OPENAI_COMPATIBLE,):
        module, _, name = path.partition(":")
        adapter = getattr(import_module(module), name)
        if settings.sdk not in (None, adapter.distribution):
            others.append(adapter.distribution)
        elif is_installed(adapter.sdk):
            opened: Adapter = adapter(settings)
            return opened
        else:
            missing.append(adapter.distribution)
    if not missing:
        raise ConfigError(f"providers.{settings.name}.sdk: {settings.sdk!r} is none of {', '.join(others)}")
    raise ConfigError(
        f"provider {settings.name!r}: no SDK of it is installed; pip install {' or '.join(missing)}"
    )


def is_installed(module: str) -> bool:
    """Return whether *module* can be imported, without importing it."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package above it is missing
        return False
