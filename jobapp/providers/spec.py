"""What is known of a provider before it is asked. Data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """One provider.

    Attributes:
        name: Canonical name.
        aliases: Other names people write.
        adapters: ``module:Class`` of its adapters; the first whose SDK is installed serves.
        key_prefixes: What stands before ``_API_KEY`` in its environment variables, in order of precedence.
        base_url: Its own address, in the form its SDK wants.
        base_url_env: The environment variable that overrides the address.
        default_model: A small or free model, asked where nobody names one.
        reset_timezone: IANA zone in whose midnight its day quotas return.
        reserves_max_tokens: Whether it counts ``max_tokens`` against the minute before it answers.
        key_variables: Variables of other names that hold its keys, too.
        needs_key: Whether it asks for a key at all.
        source: The page that says so.
    """

    name: str
    adapters: tuple[str, ...]
    key_prefixes: tuple[str, ...]
    base_url: str
    base_url_env: str
    default_model: str
    reset_timezone: str = "UTC"
    aliases: tuple[str, ...] = ()
    reserves_max_tokens: bool = False
    key_variables: tuple[str, ...] = ()
    needs_key: bool = True
    source: str = ""


OPENAI_COMPATIBLE = "jobapp.providers.openai:OpenAIAdapter"
