"""What a transport below an SDK is made of, as the configuration has it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from jobapp.core.api_key_manager import APIKeyManager
from jobapp.core.config_manager import ConfigManager
from jobapp.domain.clock import Clock
from jobapp.domain.events import Event
from jobapp.domain.settings import ProviderSettings
from jobapp.dropin.below import Below
from jobapp.dropin.clients import KEY_HEADERS
from jobapp.dropin.transport import KeyTransport
from jobapp.providers import spec_of
from jobapp.providers.machine import check_machine
from jobapp.stores.object_owners import FILE_NAME, ObjectOwners


def open_transport(
    config: ConfigManager,
    settings: ProviderSettings,
    manager: APIKeyManager,
    rules: Mapping[str, Any],
    clock: Clock,
    rng: random.Random,
    listener: Callable[[Event], None] | None,
    session: str | None = None,
) -> KeyTransport:
    """Return a transport for clients of one provider.

    Args:
        config: The configuration.
        settings: The provider.
        manager: Its keys.
        rules: ``deadline``, ``on_exhausted`` and ``strategy``, where they differ from the configuration's.
        clock: The time.
        rng: The random source of jitter.
        listener: Takes every event.
        session: The conversation that its requests are turns of.

    Raises:
        ConfigError: A rule is wrong, or a proxy or a certificate file of this machine can't be used.
    """
    check_machine()
    known = spec_of(settings.name)
    address = settings.base_url or (known.base_url if known else None)
    below = Below(
        provider=replace(settings, base_url=address),
        key_header=KEY_HEADERS.get(settings.name, "authorization"),
        manager=manager,
        rules=config.rules_of_call(**rules),
        owners=ObjectOwners(config.settings.cache_path / FILE_NAME, clock),
        clock=clock,
        rng=rng,
        listener=listener,
        session=session,
    )
    return KeyTransport(below)
