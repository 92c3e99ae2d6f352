"""Everything jobapp raises.

* JobAppError
  - ConfigError                 a setting, a file or an argument is wrong: nothing was sent
    + MissingKeyError           the environment holds no key where one is needed
  - StateStoreError             the quota state can't be kept where it was asked to be kept
  - NoAPIKeysAvailableError     every key is spent, cooling or set aside; ``available_at`` says until when
  - AllAttemptsFailedError      keys are left, but every try was rejected; ``attempts`` lists them
  - DeadlineExceededError       the call's deadline came, or the next wait would have passed it
  - RunStoppedError             a batch was stopped by its caps, or by whoever runs it
  - OutputError                 the output of a batch can't be written
  - ProviderError               one provider's "no", with its verdict; ``__cause__`` is the SDK's exception
    + RateLimitError            a busy minute
    + QuotaExhaustedError       a spent day, month or balance
    + AuthenticationError       the key is not accepted
    + InvalidRequestError       the request itself is at fault
    + ProviderUnavailableError  overloaded, unreachable, timed out
    + StreamInterruptedError    a stream broke after its first piece; ``partial`` is what had come

All are picklable, and none holds a key's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jobapp.domain.key_status import KeyStatus
from jobapp.domain.types import Attempt, Usage, Verdict


class JobAppError(Exception):
    """The root of the tree."""


class ConfigError(JobAppError):
    """A setting, a file or an argument is wrong; the text names it and the fix. Nothing was sent."""


class MissingKeyError(ConfigError):
    """The environment holds no key for a provider, or not the one that the configuration names."""


class StateStoreError(JobAppError):
    """The quota state can't be kept where the configuration asks for it."""


class _CallError(JobAppError):
    """A call that got no answer.

    Attributes:
        attempts: Every request the call made, in order.
    """

    def __init__(self, message: str, *, attempts: Sequence[Attempt] = ()) -> None:
        super().__init__(message)
        self.attempts = tuple(attempts)


class NoAPIKeysAvailableError(_CallError):
    """No key may be asked now; the text starts with "No API keys available".

    Attributes:
        keys: The state of each key that was considered.
        available_at: Aware UTC at which the first key is free again; ``None`` where no key is set at all.
        attempts: The requests this call made before it ran out of keys.
    """

    def __init__(
        self,
        message: str,
        *,
        keys: Sequence[KeyStatus] = (),
        available_at: datetime | None = None,
        attempts: Sequence[Attempt] = (),
    ) -> None:
        super().__init__(message, attempts=attempts)
        self.keys = tuple(keys)
        self.available_at = available_at


class AllAttemptsFailedError(_CallError):
    """Keys are left, but every try was rejected; the text lists the tries."""


class DeadlineExceededError(_CallError):
    """The call's deadline came, or the next wait would have passed it.

    Attributes:
        available_at: Aware UTC at which the first key is free; calls that wait already come before a new one.
            ``None`` where no key was looked for.
        attempts: The requests this call made.
    """

    def __init__(
        self, message: str, *, available_at: datetime | None = None, attempts: Sequence[Attempt] = ()
    ) -> None:
        super().__init__(message, attempts=attempts)
        self.available_at = available_at


class RunStoppedError(JobAppError):
    """A batch was stopped by a cap, or by whoever runs it; another run goes on with what is left."""


class OutputError(JobAppError):
    """The output of a batch can't be written; what came is kept as far as the disk took it."""


class ProviderError(JobAppError):
    """One provider's "no".

    Attributes:
        provider: Who said it.
        model: The model that was asked.
        key: The name of the key that was used.
        verdict: What it means.
        status: The HTTP status, where there was one.
        request_id: The provider's id of the request, where it told one.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        model: str = "",
        key: str = "",
        verdict: Verdict | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.model = model
        self.key = key
        self.verdict = verdict
        self.status = status
        self.request_id = request_id


class RateLimitError(ProviderError):
    """A short window of requests, tokens or concurrency is full."""


class QuotaExhaustedError(ProviderError):
    """A day, a month or a balance is spent."""


class AuthenticationError(ProviderError):
    """The key, or the key for this model, is not accepted."""


class InvalidRequestError(ProviderError):
    """The request itself is at fault; neither a retry nor another key helps."""


class ProviderUnavailableError(ProviderError):
    """Overloaded, unreachable or timed out; the key is fine."""


class StreamInterruptedError(ProviderError):
    """A stream broke after its first piece.

    Attributes:
        partial: The text that had come.
        usage: The tokens that the provider had told; ``None`` where it had told none.
    """

    partial: str = ""
    usage: Usage | None = None
