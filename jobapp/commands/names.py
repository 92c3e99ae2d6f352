"""Names that stand on the command line: one that nobody knows is wrong usage, not a wrong configuration."""

from __future__ import annotations

from collections.abc import Iterable

from jobapp.commands.exit_codes import UsageError
from jobapp.core.config_manager import ConfigManager
from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.exceptions import ConfigError
from jobapp.providers import spec_of

NO_KEYS = "no key is set: put one in the environment or .env, OPENAI_API_KEY=… say"


def known_provider(config: ConfigManager, name: str | None) -> str | None:
    """Return the one name of the provider called *name*; ``None`` for none.

    Raises:
        UsageError: There is no such provider.
    """
    if name is None:
        return None
    try:
        settings = config.provider_settings(name)
    except ConfigError as error:
        raise UsageError(f"--provider: {error}") from None
    if spec_of(settings.name) is None and not settings.base_url:
        raise UsageError(
            f"--provider: there is no provider {name!r}; one of yours needs providers.{name}.base_url"
        )
    return settings.name


def known_keys(llm: LLMInterface, names: Iterable[str]) -> None:
    """See that every one of *names* is a key's.

    Raises:
        UsageError: One is not.
    """
    known = dict.fromkeys(key.name for manager, _ in llm.managers() for key in manager.keys)
    for name in names:
        if name not in known:
            raise UsageError(f"there is no key {name}; the keys are {', '.join(known) or 'not set'}")
