"""What the facade knows of all keys: whose they are, what keeps them, how a person frees or replaces them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

from jobapp.core.api_key_manager import APIKeyManager
from jobapp.domain.clock import Clock
from jobapp.domain.exceptions import ConfigError, MissingKeyError
from jobapp.domain.key_status import KeyStatus
from jobapp.domain.settings import ProviderSettings
from jobapp.domain.types import ApiKey, Block
from jobapp.providers import PROVIDERS, SERVICES

if TYPE_CHECKING:
    from jobapp.core.config_manager import ConfigManager
    from jobapp.core.key_check import Finding
    from jobapp.stores.store import QuotaStore


class AllKeys:
    """The part of the facade that minds the keys of every provider."""

    config: ConfigManager
    _clock: Clock
    _store: QuotaStore
    _lock: threading.RLock
    _managers: dict[tuple[str, tuple[ApiKey, ...]], APIKeyManager]

    def key_status(self) -> list[KeyStatus]:
        """Return what is known of every key of every provider that has one, then the withdrawn models.

        Each line tells the key's tier and what it did today, in all processes.
        """
        if self._store.stale:
            self._store.refresh()
        lines = dict.fromkeys(
            line for manager, _ in self.managers() for line in manager.statuses(details=True)
        )
        return [*lines, *self.withdrawn_models()]

    def withdrawn_models(self, provider: str | None = None) -> list[KeyStatus]:
        """Return the models that their providers said are not there, which are asked last for a while."""
        managers = [manager for manager, _ in self.managers() if provider in (None, manager.provider_name)]
        return list(dict.fromkeys(line for manager in managers for line in manager.withdrawn_models()))

    def check_keys(self, provider: str | None = None) -> list[Finding]:
        """Ask with each key for what costs no quota; return what was found, and remember what that teaches.

        A bad key is set aside, one that is accepted again is freed.

        Args:
            provider: Only this provider's keys; all when left out.

        Raises:
            ConfigError: There is no such provider.
        """
        from jobapp.core.key_check import check_all

        name = provider and self.config.provider_settings(provider).name
        return check_all(self.managers(), name, self._clock)

    def managers(self) -> list[tuple[APIKeyManager, ProviderSettings]]:
        """Return each provider's keys, then those of one model alone, with where they are sent.

        A key may be in several managers; keys that are not set are left out.
        """
        with self._lock:
            return [*self._provider_managers(), *self._model_managers()]

    def reset(self, provider: str | None = None, key: str | None = None) -> tuple[Block, ...]:
        """Free keys by hand: all, those of *provider*, or the one named *key*; return what was cleared.

        Raises:
            ConfigError: There is no such provider or key.
            StateStoreError: It could not be written, and holds in this process only.
        """
        from jobapp.stores.state import Reset

        now = self._clock.now()
        name = provider and self.config.provider_settings(provider).name
        if key is None:
            return self._store.reset(Reset(now, name))
        keys = [
            (m.provider_name, k)
            for m, _ in self.managers()
            if name in (None, m.provider_name)
            for k in m.keys
        ]
        resets = [Reset(now, owner, found.fingerprint) for owner, found in keys if key == found.name]
        if not resets:
            names = ", ".join(dict.fromkeys(found.name for _, found in keys))
            raise ConfigError(f"reset: there is no key {key}; the keys are {names or 'not set'}")
        return tuple(block for reset in dict.fromkeys(resets) for block in self._store.reset(reset))

    def reload(self) -> None:
        """Read the environment and ``.env`` again: where a key has another value, that is used from now on.

        A call that waits for a key finds it within a second. Settings, and which names there are, stay.

        Raises:
            ConfigError: ``.env`` can't be read, or a variable holds what can't be a key.
        """
        self.config.reload()
        with self._lock:
            for manager in self._managers.values():
                manager.take_over(self._keys_now(manager.provider_name))
            self._managers = {(each.provider_name, each.keys): each for each in self._managers.values()}

    def _keys_now(self, provider: str) -> Iterator[ApiKey]:
        models = chain(self.config.settings.models.values(), *self.config.settings.fallbacks.values())
        for model in models:
            if model.keys and model.provider == provider:
                with suppress(MissingKeyError):
                    yield from self.config.keys_for(model)
        with suppress(MissingKeyError):
            yield from self.config.keys_of(provider)

    def _manager(self, provider: str, keys: tuple[ApiKey, ...]) -> APIKeyManager:
        found = self._managers.get((provider, keys))
        if found is None:
            names = [key.name for key in keys]
            found = self._managers[provider, keys] = APIKeyManager(
                names[0],
                names[1:],
                config_manager=self.config,
                provider=provider,
                keys=keys,
                store=self._store,
                clock=self._clock,
            )
        return found

    def _keys_of(self, provider: str) -> APIKeyManager:
        with self._lock:
            return self._manager_of(provider)

    def _manager_of(self, provider: str) -> APIKeyManager:
        name = self.config.provider_settings(provider).name
        return self._manager(name, self.config.keys_of(name))

    def _provider_managers(self) -> Iterator[tuple[APIKeyManager, ProviderSettings]]:
        services = filter(self.config.has_keys, SERVICES)
        for provider in dict.fromkeys((*PROVIDERS, *self.config.settings.providers, *services)):
            with suppress(MissingKeyError):
                yield self._manager_of(provider), self.config.provider_settings(provider)

    def _model_managers(self) -> Iterator[tuple[APIKeyManager, ProviderSettings]]:
        settings = self.config.settings
        for model in (*settings.models.values(), *chain.from_iterable(settings.fallbacks.values())):
            if model.keys:
                with suppress(MissingKeyError):
                    manager = self._manager(model.provider, self.config.keys_for(model))
                    yield manager, self.config.provider_settings(model.provider, base_url=model.base_url)
