"""The facade's second half: the SDKs' own clients, with all keys beneath them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from jobapp.domain.clock import Clock
from jobapp.domain.events import each_of
from jobapp.domain.exceptions import ConfigError

if TYPE_CHECKING:
    from jobapp.core.api_key_manager import APIKeyManager
    from jobapp.core.config_manager import ConfigManager
    from jobapp.domain.events import Event
    from jobapp.dropin.transport import KeyTransport

DROPIN_RULES = ("deadline", "on_exhausted", "strategy")
"""The rules that a client of an SDK may have of its own."""


def session_name(session: Any) -> str | None:
    """Return the name of a conversation, checked.

    Raises:
        ConfigError: It is no text.
    """
    if session is None or (isinstance(session, str) and session):
        return session
    raise ConfigError("argument: session: must be text that is not empty; give each conversation a name")


class SDKClients:
    """Gives programs that have their own SDK or framework what they need; a part of the facade."""

    config: ConfigManager
    _clock: Clock
    _rng: random.Random
    _on_event: Callable[[Event], None] | None
    _transports: WeakSet[KeyTransport]

    def _keys_of(self, provider: str) -> APIKeyManager:
        raise NotImplementedError

    def client(self, provider: str, **arguments: Any) -> Any:
        """Return the SDK's own client with all keys of *provider* beneath it.

        ``openai.OpenAI`` for OpenAI and every provider that is compatible with it, ``anthropic.Anthropic``,
        ``google.genai.Client`` (which has ``.aio``).

        Args:
            provider: The provider's name.
            **arguments: ``deadline``, ``on_exhausted``, ``strategy`` as in the configuration, ``session`` as
                in a call; the others go to the SDK's constructor.

        Raises:
            ConfigError: A setting is wrong, a proxy or a certificate file of this machine can't be used, or
                the SDK is not installed.
            MissingKeyError: The provider has no key.
        """
        from jobapp.dropin.clients import sdk_client

        transport, rest = self._dropin(provider, arguments)
        return sdk_client(transport, self.config.provider_settings(provider), rest)

    def async_client(self, provider: str, **arguments: Any) -> Any:
        """Return the SDK's own client for event loops; the arguments are those of :meth:`client`."""
        from jobapp.dropin.clients import async_sdk_client

        transport, rest = self._dropin(provider, arguments)
        return async_sdk_client(transport, self.config.provider_settings(provider), rest)

    def http_client(self, provider: str, **rules: Any) -> Any:
        """Return what frameworks take as ``http_client``: of the HTTP library that the provider's SDK uses.

        Args:
            provider: The provider's name.
            **rules: ``deadline``, ``on_exhausted``, ``strategy`` as in the configuration.
        """
        from jobapp.dropin.clients import http_client

        return http_client(self.transport(provider, **rules), self.config.provider_settings(provider).name)

    def async_http_client(self, provider: str, **rules: Any) -> Any:
        """Return the same for event loops."""
        from jobapp.dropin.clients import http_client

        name = self.config.provider_settings(provider).name
        return http_client(self.transport(provider, **rules), name, asynchronous=True)

    def transport(self, provider: str, **rules: Any) -> KeyTransport:
        """Return the transport itself, for any client of httpx or httpx2, sync and async in one object."""
        transport, rest = self._dropin(provider, rules)
        if rest:
            raise ConfigError(
                f"transport: unknown {', '.join(rest)}; there are {', '.join((*DROPIN_RULES, 'session'))}"
            )
        return transport

    def _dropin(self, provider: str, arguments: dict[str, Any]) -> tuple[KeyTransport, dict[str, Any]]:
        arguments = dict(arguments)
        session = session_name(arguments.pop("session", None))
        rules = {name: arguments[name] for name in DROPIN_RULES if name in arguments}
        rest = {name: value for name, value in arguments.items() if name not in rules}
        return self._transport(provider, rules, session=session), rest

    def _transport(
        self,
        provider: str,
        rules: Mapping[str, Any],
        *,
        session: str | None = None,
        listener: Callable[[Event], None] | None = None,
    ) -> KeyTransport:
        """Return a transport for *provider*; *listener* hears of its events, too."""
        from jobapp.core.dropin_setup import open_transport

        heard = [each for each in (self._on_event, listener) if each is not None]
        transport = open_transport(
            self.config,
            self.config.provider_settings(provider),
            self._keys_of(provider),
            rules,
            self._clock,
            self._rng,
            each_of(heard) if heard else None,
            session,
        )
        self._transports.add(transport)
        return transport
