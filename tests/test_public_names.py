"""What ``jobapp`` offers by name, and what importing it costs."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import jobapp
from jobapp import testing
from jobapp.domain import exceptions

NAMES = [
    "APIKeyManager",
    "AllAttemptsFailedError",
    "AsyncTextStream",
    "Attempt",
    "AuthenticationError",
    "BatchReport",
    "BatchResult",
    "Block",
    "Completion",
    "ConfigError",
    "ConfigManager",
    "DeadlineExceededError",
    "ErrorFacts",
    "InvalidRequestError",
    "JobAppError",
    "KeyStatus",
    "Kind",
    "LLMInterface",
    "MissingKeyError",
    "NoAPIKeysAvailableError",
    "OutputError",
    "ProviderError",
    "ProviderUnavailableError",
    "QuotaExhaustedError",
    "RateLimitError",
    "RunStoppedError",
    "Scope",
    "StateStoreError",
    "StreamInterruptedError",
    "TextStream",
    "Usage",
    "Verdict",
    "classify",
]

SDKS = {
    *("openai", "anthropic", "google.genai", "google.generativeai", "grpc", "pydantic"),
    *("httpx", "httpx2", "requests", "redis", "rich"),
}


def test_the_public_names_are_these():
    assert sorted(jobapp.__all__) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_what_its_home_calls_so(name):
    value = getattr(jobapp, name)
    assert value.__name__ == name
    assert getattr(importlib.import_module(value.__module__), name) is value
    assert name in dir(jobapp)


def test_every_error_is_public():
    errors = {
        name
        for name, value in vars(exceptions).items()
        if inspect.isclass(value) and issubclass(value, exceptions.JobAppError) and not name.startswith("_")
    }
    assert errors <= set(jobapp.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="LLMInterfaces"):
        _ = jobapp.LLMInterfaces


def test_every_public_name_of_testing_can_be_had():
    assert all(getattr(testing, name).__name__ == name for name in testing.__all__)


@pytest.mark.parametrize(
    "statement",
    ["import jobapp", "from jobapp.core.llm_interface import LLMInterface", "import jobapp.__main__"],
)
def test_importing_loads_no_sdk(statement):
    code = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert SDKS.isdisjoint(done.stdout.split())


def test_importing_jobapp_loads_nothing_of_itself():
    code = "import jobapp, sys; print(*[name for name in sys.modules if name.startswith('jobapp.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_every_module_says_what_it_is_for():
    modules = [info.name for info in pkgutil.walk_packages(jobapp.__path__, "jobapp.")]
    modules.remove("jobapp.__main__")
    undocumented = [name for name in modules if not (importlib.import_module(name).__doc__ or "").strip()]
    assert undocumented == []
