"""Call LLM providers with several API keys: it tells a busy minute from a spent day, and remembers.

Nothing is imported before it is asked for; a provider's SDK not before its first request.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from jobapp.core.api_key_manager import APIKeyManager as APIKeyManager
    from jobapp.core.config_manager import ConfigManager as ConfigManager
    from jobapp.core.exceptions import AllAttemptsFailedError as AllAttemptsFailedError
    from jobapp.core.exceptions import AuthenticationError as AuthenticationError
    from jobapp.core.exceptions import ConfigError as ConfigError
    from jobapp.core.exceptions import DeadlineExceededError as DeadlineExceededError
    from jobapp.core.exceptions import InvalidRequestError as InvalidRequestError
    from jobapp.core.exceptions import JobAppError as JobAppError
    from jobapp.core.exceptions import MissingKeyError as MissingKeyError
    from jobapp.core.exceptions import NoAPIKeysAvailableError as NoAPIKeysAvailableError
    from jobapp.core.exceptions import ProviderError as ProviderError
    from jobapp.core.exceptions import ProviderUnavailableError as ProviderUnavailableError
    from jobapp.core.exceptions import QuotaExhaustedError as QuotaExhaustedError
    from jobapp.core.exceptions import RateLimitError as RateLimitError
    from jobapp.core.exceptions import StateStoreError as StateStoreError
    from jobapp.core.exceptions import StreamInterruptedError as StreamInterruptedError
    from jobapp.core.llm_interface import LLMInterface as LLMInterface
    from jobapp.core.streams import AsyncTextStream as AsyncTextStream
    from jobapp.core.streams import TextStream as TextStream
    from jobapp.core.types import Attempt as Attempt
    from jobapp.core.types import Block as Block
    from jobapp.core.types import Completion as Completion
    from jobapp.core.types import ErrorFacts as ErrorFacts
    from jobapp.core.types import KeyStatus as KeyStatus
    from jobapp.core.types import Kind as Kind
    from jobapp.core.types import Scope as Scope
    from jobapp.core.types import Usage as Usage
    from jobapp.core.types import Verdict as Verdict

_NAMES_BY_MODULE = {
    "api_key_manager": ("APIKeyManager",),
    "config_manager": ("ConfigManager",),
    "exceptions": (
        "AllAttemptsFailedError",
        "AuthenticationError",
        "ConfigError",
        "DeadlineExceededError",
        "InvalidRequestError",
        "JobAppError",
        "MissingKeyError",
        "NoAPIKeysAvailableError",
        "ProviderError",
        "ProviderUnavailableError",
        "QuotaExhaustedError",
        "RateLimitError",
        "StateStoreError",
        "StreamInterruptedError",
    ),
    "llm_interface": ("LLMInterface",),
    "streams": ("AsyncTextStream", "TextStream"),
    "types": (
        "Attempt",
        "Block",
        "Completion",
        "ErrorFacts",
        "KeyStatus",
        "Kind",
        "Scope",
        "Usage",
        "Verdict",
    ),
}
_HOMES = {name: f"jobapp.core.{module}" for module, names in _NAMES_BY_MODULE.items() for name in names}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
