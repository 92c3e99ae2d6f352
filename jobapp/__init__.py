"""Call LLM providers with several API keys: it tells a busy minute from a spent day, and remembers.

Nothing is imported before it is asked for; a provider's SDK not before its first request.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from jobapp.batch.report import BatchReport as BatchReport
    from jobapp.batch.rows import BatchResult as BatchResult
    from jobapp.calls.streams import AsyncTextStream as AsyncTextStream
    from jobapp.calls.streams import TextStream as TextStream
    from jobapp.classification.classify import classify as classify
    from jobapp.core.api_key_manager import APIKeyManager as APIKeyManager
    from jobapp.core.config_manager import ConfigManager as ConfigManager
    from jobapp.core.llm_interface import LLMInterface as LLMInterface
    from jobapp.domain.exceptions import AllAttemptsFailedError as AllAttemptsFailedError
    from jobapp.domain.exceptions import AuthenticationError as AuthenticationError
    from jobapp.domain.exceptions import ConfigError as ConfigError
    from jobapp.domain.exceptions import DeadlineExceededError as DeadlineExceededError
    from jobapp.domain.exceptions import InvalidRequestError as InvalidRequestError
    from jobapp.domain.exceptions import JobAppError as JobAppError
    from jobapp.domain.exceptions import MissingKeyError as MissingKeyError
    from jobapp.domain.exceptions import NoAPIKeysAvailableError as NoAPIKeysAvailableError
    from jobapp.domain.exceptions import OutputError as OutputError
    from jobapp.domain.exceptions import ProviderError as ProviderError
    from jobapp.domain.exceptions import ProviderUnavailableError as ProviderUnavailableError
    from jobapp.domain.exceptions import QuotaExhaustedError as QuotaExhaustedError
    from jobapp.domain.exceptions import RateLimitError as RateLimitError
    from jobapp.domain.exceptions import RunStoppedError as RunStoppedError
    from jobapp.domain.exceptions import StateStoreError as StateStoreError
    from jobapp.domain.exceptions import StreamInterruptedError as StreamInterruptedError
    from jobapp.domain.key_status import KeyStatus as KeyStatus
    from jobapp.domain.types import Attempt as Attempt
    from jobapp.domain.types import Block as Block
    from jobapp.domain.types import Completion as Completion
    from jobapp.domain.types import ErrorFacts as ErrorFacts
    from jobapp.domain.types import Kind as Kind
    from jobapp.domain.types import Scope as Scope
    from jobapp.domain.types import Usage as Usage
    from jobapp.domain.types import Verdict as Verdict

_NAMES_BY_MODULE = {
    "batch.report": ("BatchReport",),
    "batch.rows": ("BatchResult",),
    "calls.streams": ("AsyncTextStream", "TextStream"),
    "classification.classify": ("classify",),
    "core.api_key_manager": ("APIKeyManager",),
    "core.config_manager": ("ConfigManager",),
    "core.llm_interface": ("LLMInterface",),
    "domain.exceptions": (
        "AllAttemptsFailedError",
        "AuthenticationError",
        "ConfigError",
        "DeadlineExceededError",
        "InvalidRequestError",
        "JobAppError",
        "MissingKeyError",
        "NoAPIKeysAvailableError",
        "OutputError",
        "ProviderError",
        "ProviderUnavailableError",
        "QuotaExhaustedError",
        "RateLimitError",
        "RunStoppedError",
        "StateStoreError",
        "StreamInterruptedError",
    ),
    "domain.key_status": ("KeyStatus",),
    "domain.types": (
        "Attempt",
        "Block",
        "Completion",
        "ErrorFacts",
        "Kind",
        "Scope",
        "Usage",
        "Verdict",
    ),
}
_HOMES = {name: f"jobapp.{module}" for module, names in _NAMES_BY_MODULE.items() for name in names}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
