"""The environment variables by which clients find a provider, and those that would lead them elsewhere. Data.

Gathered 2026-11-27 from the clients' sources: openai 3.57, anthropic 2.14, google-genai 3.6, litellm 1.106,
langchain-openai 1.7, -anthropic 1.7, -google-genai 4.4, pydantic-ai 2.68, any-llm 1.27, the SDKs of
OpenRouter (1.3) and of the older google-generativeai, which reads none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from jobapp.providers import PROVIDERS, SERVICES

BASE_PATHS: Mapping[str, str] = {"openai": "/v1", "anthropic": "", "google": "", "openrouter": "/api/v1"}
"""What follows scheme, host and port in the base URL that each SDK wants."""

ADDRESS_VARIABLES: Mapping[str, tuple[str, str]] = {
    "OPENAI_BASE_URL": ("openai", "/v1"),
    "OPENAI_API_BASE": ("openai", "/v1"),  # litellm, langchain-openai
    "ANTHROPIC_BASE_URL": ("anthropic", ""),
    "ANTHROPIC_API_BASE": ("anthropic", ""),  # litellm
    "ANTHROPIC_API_URL": ("anthropic", ""),  # langchain-anthropic
    "GOOGLE_BASE_URL": ("google", ""),  # jobapp
    "GOOGLE_GEMINI_BASE_URL": ("google", ""),  # google-genai and what stands on it
    "GOOGLE_VERTEX_BASE_URL": (
        "google",
        "",
    ),  # google-genai for Vertex AI, which is told that it is not there
    "GEMINI_API_BASE": ("google", "/v1beta"),  # litellm
    "OPENROUTER_BASE_URL": ("openrouter", "/api/v1"),
    "OPENROUTER_API_BASE": ("openrouter", "/api/v1"),  # litellm, any-llm
}
"""Variable → provider, and what follows scheme, host and port in it."""

LEAD_ELSEWHERE = (
    "GOOGLE_GENAI_USE_VERTEXAI",
    "GOOGLE_GENAI_USE_ENTERPRISE",
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"),
)
"""What sends a client past the addresses above."""


def addresses(root: str) -> dict[str, str]:
    """Return each variable's value for a simulator at *root*; services speak OpenAI's protocol."""
    services = {spec.base_url_env: f"{root}/v1" for spec in SERVICES.values()}
    return services | {name: root + path for name, (_, path) in ADDRESS_VARIABLES.items()}


def hidden(names: Iterable[str]) -> Iterator[str]:
    """Yield those of *names* that hold a real key, or would lead a client elsewhere."""
    specs = (*PROVIDERS.values(), *SERVICES.values())
    starts = tuple(f"{prefix}_API_KEY" for spec in specs for prefix in spec.key_prefixes)
    whole = {variable for spec in specs for variable in spec.key_variables}
    for name in names:
        if name.startswith(starts) or name in whole or name in LEAD_ELSEWHERE:
            yield name
