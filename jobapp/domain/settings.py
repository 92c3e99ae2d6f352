"""The settings, frozen; :mod:`jobapp.core.config_manager` makes and validates them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from jobapp.domain.prices import Price

if TYPE_CHECKING:
    from pathlib import Path


class Jitter(StrEnum):
    """How a computed wait *b* is spread: ``full`` 0 to b, ``equal`` b/2 to b, ``none`` b itself."""

    FULL = "full"
    EQUAL = "equal"
    NONE = "none"


class OnExhausted(StrEnum):
    """What a call does when no key is free."""

    RAISE = "raise"
    WAIT = "wait"


class Strategy(StrEnum):
    """Which free key a call takes.

    ``sticky``: the first in order, which keeps the provider's prompt cache warm.
    ``spread``: the one with the most room left or least recently used.
    """

    STICKY = "sticky"
    SPREAD = "spread"


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """The rules of a call; every time is in seconds.

    Attributes:
        retry: ``False`` means one attempt: no wait, no rotation.
        max_retries: Tries after the first, for each key; 0 means one try per key.
        retry_delay: The first backoff; the n-th retry waits ``retry_delay * 2**n``.
        max_delay: The most that a computed backoff grows to.
        jitter: How a computed backoff is spread.
        max_wait: A wait longer than this is not waited: the call goes to the next key.
        deadline: Seconds for the whole call, waits, rotation and fallback included; ``None`` for no limit.
        timeout: Seconds a whole answer may take, or the longest silence of a stream; ``None`` for the
            provider's setting.
        retry_empty: Whether an answer that says nothing is asked for once more.
        on_exhausted: What happens when no key is free.
        strategy: Which free key a call takes.
        tier_wait: A key of a higher tier is asked where none below is free within so many seconds.
    """

    retry: bool = True
    max_retries: int = 3
    retry_delay: float = 1.0
    max_delay: float = 60.0
    jitter: Jitter = Jitter.FULL
    max_wait: float = 90.0
    deadline: float | None = None
    timeout: float | None = None
    retry_empty: bool = True
    on_exhausted: OnExhausted = OnExhausted.RAISE
    strategy: Strategy = Strategy.STICKY
    tier_wait: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which model a task asks, and with which keys.

    Attributes:
        provider: Canonical name of the provider.
        model: The provider's name of the model.
        keys: Names of the environment variables of its keys, in order; empty means all keys of the provider.
        base_url: Another address for this model, ``None`` for the provider's own.
        options: Native arguments sent with every request (temperature, max_tokens …).
    """

    provider: str
    model: str
    keys: tuple[str, ...] = ()
    base_url: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BudgetSettings:
    """What a user allows: to each key, or where it is named to one key, one group or one model.

    Attributes:
        key: Only the key of this name.
        group: The keys of this group together.
        model: Only requests to this model, or to all together that fit a pattern; left out, to any model.
        rpm: Requests per minute.
        tpm: Tokens per minute.
        rpd: Requests a day, until the midnight of ``reset_timezone``.
        tpd: Tokens a day.
        usd_per_day: US dollars a day.
        usd_per_month: US dollars a month.
        max_concurrency: Requests at the same time.
        reset_timezone: IANA zone of the midnight; ``None`` for that of the provider's day.
    """

    key: str | None = None
    group: str | None = None
    model: str | None = None
    rpm: int | None = None
    tpm: int | None = None
    rpd: int | None = None
    tpd: int | None = None
    usd_per_day: float | None = None
    usd_per_month: float | None = None
    max_concurrency: int | None = None
    reset_timezone: str | None = None

    def is_for(self, model: str) -> bool:
        """Return whether requests to *model* count."""
        return self.model is None or fnmatchcase(model, self.model)


@dataclass(frozen=True, slots=True)
class KeySettings:
    """What sets one key apart from the others.

    Attributes:
        name: The name of its environment variable.
        tier: Keys of a lower tier are asked first.
        models: Patterns of the models that it serves; empty for all.
        group: The keys of one group share one quota.
        base_url: Where it is sent; ``None`` for the model's or the provider's address.
        api_version: Azure's version; ``None`` for all others.
    """

    name: str
    tier: int = 1
    models: tuple[str, ...] = ()
    group: str | None = None
    base_url: str | None = None
    api_version: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """How one provider is reached.

    Attributes:
        name: Canonical name.
        keys: Names of the environment variables of its keys; empty means the usual names.
        key_settings: What sets a key apart, by its name.
        groups: Group name to the names of the keys that share one quota.
        budgets: What the user allows.
        base_url: Another address, ``None`` for the provider's own.
        timeout: Seconds one request may take.
        reset_timezone: IANA zone in whose midnight a day quota returns; ``None`` for the provider's own.
        max_tokens: What Anthropic's required ``max_tokens`` is where a call does not say.
        max_answer: MiB that an answer, or one event of a stream, may have.
        sdk: Which of a provider's SDKs serves, as it is installed; ``None`` for the first that is.
    """

    name: str
    keys: tuple[str, ...] = ()
    key_settings: Mapping[str, KeySettings] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    budgets: tuple[BudgetSettings, ...] = ()
    base_url: str | None = None
    timeout: float = 600.0
    reset_timezone: str | None = None
    max_tokens: int = 4096
    max_answer: int = 64
    sdk: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that was configured.

    Attributes:
        models: ``default`` and the tasks, by name.
        fallbacks: For ``default`` and each task, the models to fall back to, in order.
        retry: The rules of a call.
        providers: By canonical name; a provider that is not named here has its defaults.
        state_url: Where the quota state is kept: ``None`` for the JSON file in the cache folder,
            else a path, ``file:…`` or ``redis://…``.
        share_room: Whether processes count together what they use of their keys.
        cache_path: The cache folder.
        prices: Of models, by pattern; the first that fits counts.
        rules: The user's own error rules, as they stand in the YAML (checked by the classifier).
    """

    models: Mapping[str, ModelSettings] = field(default_factory=dict)
    fallbacks: Mapping[str, tuple[ModelSettings, ...]] = field(default_factory=dict)
    retry: RetrySettings = field(default_factory=RetrySettings)
    providers: Mapping[str, ProviderSettings] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    state_url: str | None = field(default=None, repr=False)  # it may hold a password
    share_room: bool = True
    cache_path: Path = field(kw_only=True)
    rules: tuple[Mapping[str, Any], ...] = ()
