"""Which providers there are, and where each is reached. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from jobapp.config.keys import base_url_variable
from jobapp.config.sources import Sources
from jobapp.config.validators import Location, did_you_mean, shown, url
from jobapp.domain.settings import ProviderSettings
from jobapp.providers import PROVIDERS, SERVICES, spec_of

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class ProviderDirectory:
    """The four providers, the services by name, and those that were configured."""

    configured: Mapping[str, ProviderSettings]
    sources: Sources

    def address_of(self, name: str) -> str | None:
        """Return where *name* is: what the environment says, then the files, then its own address."""
        variable = base_url_variable(name)
        value = self.sources.environment.get(variable)
        if value:
            return url(value, Location("environment", (variable,)))
        configured = self.configured[name].base_url if name in self.configured else None
        spec = spec_of(name)
        return configured or (spec.base_url if spec else None)

    def check(
        self, name: str, place: Location, base_url: str | None = None, keys: tuple[str, ...] = ()
    ) -> None:
        """Raise a ConfigError about *place* unless *name* can be reached.

        Args:
            name: The provider.
            place: What names it.
            base_url: A model's own address.
            keys: The names of a model's own keys; empty for those of the provider.
        """
        if base_url or self.address_of(name) or self._have_addresses(name, keys):
            return
        at_keys = ", or each of its keys a base_url" if name in self.configured else ""
        raise place.fault(
            f"unknown provider {shown(name)}",
            f"{did_you_mean(name, {*PROVIDERS, *SERVICES, *self.configured} - {name})} (an OpenAI-compatible "
            f"server needs providers.{name}.base_url or {base_url_variable(name)}{at_keys})",
        )

    def settings_of(self, name: str, base_url: str | None = None) -> ProviderSettings:
        """Return how *name* is reached, its own address and time zone filled in."""
        configured = self.configured.get(name) or ProviderSettings(name)
        return replace(
            configured,
            base_url=base_url or self.address_of(name) or _first_address(configured),
            reset_timezone=self.reset_zone_of(name),
        )

    def _have_addresses(self, name: str, keys: tuple[str, ...]) -> bool:
        """Return whether each of *keys*, or of the provider's, has an address of its own."""
        configured = self.configured.get(name) or ProviderSettings(name)
        named = keys or configured.keys
        own = [configured.key_settings.get(key) for key in named]
        return bool(own) and all(key and key.base_url for key in own)

    def reset_zone_of(self, name: str) -> str:
        """Return the IANA zone in whose midnight the day quotas of *name* return."""
        configured, known = self.configured.get(name), spec_of(name)
        own = known.reset_timezone if known else "UTC"
        return (configured and configured.reset_timezone) or own

    def is_elsewhere(self, base_url: str, name: str) -> bool:
        """Return whether *base_url* is neither on the host of *name* nor on this machine."""
        home = self.address_of(name)
        return home is not None and urlsplit(base_url).hostname not in {urlsplit(home).hostname, *LOOPBACK}


def _first_address(provider: ProviderSettings) -> str | None:
    """Return where the first key of a provider that has no address is sent; each has its own."""
    return next((key.base_url for key in provider.key_settings.values() if key.base_url), None)
