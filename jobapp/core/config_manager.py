"""ConfigManager: YAML files, ``.env`` and the environment become frozen, checked settings.

Precedence: argument > environment > ``.env`` > the user's YAML > the project's ``config.yaml`` > default,
setting by setting. ``os.environ`` is read, never written.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jobapp.config import files as config_files
from jobapp.config.build import DEFAULT, build, complete, known_models
from jobapp.config.key_doubts import doubts
from jobapp.config.keys import Environment, is_set, prefixes_of, resolved, usual_names, with_settings
from jobapp.config.provider_registry import LOOPBACK, ProviderDirectory
from jobapp.config.schema import is_ours, override, read_tree
from jobapp.config.sources import Layer, Sources, merge_all
from jobapp.config.validators import Location, provider_name, text
from jobapp.core.pricing import price_doubts
from jobapp.core.warn_once import warn_once
from jobapp.domain.exceptions import ConfigError, MissingKeyError
from jobapp.domain.settings import ModelSettings, ProviderSettings, RetrySettings, Settings
from jobapp.domain.types import ApiKey
from jobapp.providers import PROVIDERS, canonical_name, spec_of

logger = logging.getLogger(__name__)

NO_KEY = ApiKey("no key", "not-needed")
"""Stands for the key of a server that asks for none."""


class ConfigManager:
    """What was configured, read once and checked; keys are looked up in the environment when asked for.

    Args:
        config: A YAML file that stands in for all that would be found; ``None`` takes ``JOBAPP_CONFIG``,
            else merges the user's ``config/default.yaml`` and ``config/config.yaml`` over ``./config.yaml``.
        env_path: The ``.env`` file; ``None`` takes ``./.env`` and the user's ``secrets/.env``.
        module: A YAML file of that name (see :meth:`get_yaml_config`) whose settings lie over the others.
        environ: The environment variables; ``None`` for ``os.environ``.

    Attributes:
        settings: The settings.
        files: The YAML files that were read, the most important first.
        merged_config: Everything the files hold, as written, sections that jobapp has no use for included.

    Raises:
        ConfigError: A file can't be read, or a setting is wrong; the text names file, setting and fix.
    """

    def __init__(
        self,
        config: str | Path | None = None,
        env_path: str | Path | None = None,
        module: str | None = None,
        *,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._read_environment(os.environ if environ is None else environ, env_path)
        self._build(tuple(layer for layer in self._read_files(config, module) if layer.raw))

    def _read_environment(self, environ: Mapping[str, str], env_path: str | Path | None) -> None:
        outer = Environment((environ,))
        folder = config_files.user_config_folder(outer.get("JOBAPP_CONFIG_DIR"))
        self._folders = () if folder is None else (folder,)
        self._env_path = env_path
        self._environment = Environment((*outer.layers, *self._read_env(env_path)))

    def _build(self, layers: tuple[Layer, ...]) -> None:
        self.files = tuple(Path(layer.source) for layer in layers)
        self.merged_config: dict[str, Any] = merge_all([layer.raw for layer in layers])
        self._sources = Sources(layers, self._environment)
        self.settings: Settings = build(self._sources, config_files.default_cache_folder)
        self._directory = ProviderDirectory(self.settings.providers, self._sources)
        for doubt in chain(doubts(self.settings), price_doubts(self.settings)):
            warn_once(doubt)

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels to another process: what the files say to jobapp, and where ``.env`` is.

        Variables are looked up where it arrives, and other programs' sections stay behind.

        Raises:
            ConfigError: *environ* was given, which holds keys.
        """
        if self._environment.layers[0] is not os.environ:
            raise ConfigError(
                "ConfigManager: environ can't be pickled, for it holds keys: leave it out, and set the "
                "variables in the environment of each process"
            )
        env_path = self._env_path and Path(self._env_path).expanduser().absolute()
        return {"env_path": env_path, "layers": tuple(map(_ours, self._sources.layers))}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self._read_environment(os.environ, state["env_path"])
        self._build(state["layers"])

    def reload(self) -> None:
        """Read ``.env`` again, so that keys are looked up in what it holds now; settings stay as they are.

        Raises:
            ConfigError: It can't be read.
        """
        self._environment = Environment((self._environment.layers[0], *self._read_env(self._env_path)))

    def get(self, key: str, default: str | None = None) -> str | None:
        """Return the variable *key* from the environment, else from ``.env``; blank counts as not set."""
        value = self._environment.get(key)
        return default if value is None else value

    def get_yaml_config(self, name: str, default: Any = None) -> Any:
        """Return what ``NAME.yaml`` holds, unchecked: the user's ``config`` folder, then ``./configs``.

        Raises:
            ConfigError: The file is there and can't be read.
        """
        path = self._named_file(name)
        content = path and config_files.read_yaml(path, required=True)
        return default if content is None else content

    def get_cache_path(self) -> str:
        """Return the cache folder; it is created when something is first kept there."""
        return str(self.settings.cache_path)

    def get_model_config(self, task_name: str | None = None, is_fallback: bool = False) -> dict[str, Any]:
        """Return ``provider, model, key, backup_keys, base_url`` of a task or its first fallback.

        The mapping is empty where no such model is configured; ``key`` is ``None`` where the provider's
        usual keys serve.
        """
        if is_fallback:
            configured = self.fallbacks(task_name)
        else:
            configured = known_models(self.settings.models, task_name)
        for model in configured[:1]:
            return {
                "provider": model.provider,
                "model": model.model,
                "key": next(iter(model.keys), None),
                "backup_keys": list(model.keys[1:]),
                "base_url": model.base_url,
            }
        return {}

    def model_settings(
        self, task_name: str | None = None, provider: str | None = None, model: str | None = None
    ) -> ModelSettings:
        """Return the model of a call: the arguments, then the task's settings, then ``models.default``.

        A task that is not configured has the settings of ``models.default``.

        Raises:
            ConfigError: Provider or model is given nowhere, or the provider is unknown.
        """
        if task_name and task_name not in self.settings.models:
            warn_once(f"the task {task_name!r} is not configured: it has the settings of models.default")
        known = known_models(self.settings.models, task_name)
        if known and provider is None and model is None:
            return known[0]
        place = Location("argument")
        own: dict[str, str] = {}
        if provider is not None:
            own["provider"] = provider_name(provider, place.at("provider"))
        if model is not None:
            own["model"] = text(model, place.at("model"))
        settings = complete(own, known)
        if provider is not None:
            self._directory.check(
                own["provider"], place.at("provider"), settings.base_url if settings else None
            )
        if settings is None:
            raise _incomplete(own, place)
        return settings

    def fallbacks(self, task_name: str | None = None) -> tuple[ModelSettings, ...]:
        """Return the models that a task falls back to, in order."""
        fallbacks = self.settings.fallbacks
        return fallbacks.get(task_name or DEFAULT, fallbacks.get(DEFAULT, ()))

    def provider_settings(self, name: str, *, base_url: str | None = None) -> ProviderSettings:
        """Return how the provider *name* is reached, its own address and time zone filled in.

        Args:
            name: The provider's name, in any of its spellings.
            base_url: A model's own address, which comes before all others.

        Raises:
            ConfigError: The provider is unknown, or the environment's address is no address.
        """
        place = Location("argument", ("provider",))
        name = provider_name(name, place)
        self._directory.check(name, place, base_url)
        return self._directory.settings_of(name, base_url)

    def reset_zone(self, provider: str) -> str:
        """Return the IANA zone in whose midnight the day quotas of *provider* return."""
        return self._directory.reset_zone_of(provider)

    def rules_of_call(self, **changes: Any) -> RetrySettings:
        """Return the rules of one call: the settings, with the arguments that are not ``None`` over them.

        Raises:
            ConfigError: An argument is unknown, or breaks the rule that the setting of its name obeys.
        """
        if list(changes.values()).count(None) == len(changes):
            return self.settings.retry
        return override(self.settings.retry, **changes)

    def keys_for(self, model: ModelSettings) -> tuple[ApiKey, ...]:
        """Return the keys to ask *model* with, in order.

        Raises:
            MissingKeyError: A key that is named is not set, or there is none at all.
            ConfigError: A variable holds what can't be a key.
        """
        return self._named_keys(model.provider, model.keys) if model.keys else self.keys_of(model.provider)

    def keys_of(self, provider: str) -> tuple[ApiKey, ...]:
        """Return the keys of *provider*: those that ``providers`` names, else those of the usual names.

        Raises:
            MissingKeyError: A key that is named is not set, or there is none at all.
            ConfigError: A variable holds what can't be a key.
        """
        provider = canonical_name(provider)
        configured = self.settings.providers.get(provider)
        if configured and configured.keys:
            return self._named_keys(provider, configured.keys)
        names = usual_names(provider, self._environment)
        if not names and not self._asks_for_keys(provider):
            return (NO_KEY,)
        if not names:
            variables = " or ".join(f"{prefix}_API_KEY" for prefix in prefixes_of(provider))
            raise MissingKeyError(
                f"No API keys available for {provider}: set {variables} in the environment or .env "
                f"(further keys: {prefixes_of(provider)[0]}_API_KEY_BACKUP_1 …)"
            )
        return self._resolved(provider, names)

    def has_keys(self, provider: str) -> bool:
        """Return whether the environment holds keys of *provider* under its usual names."""
        return bool(usual_names(canonical_name(provider), self._environment))

    def _asks_for_keys(self, provider: str) -> bool:
        """Return whether *provider* wants a key: not a server on this machine that is none of the four's."""
        if provider in PROVIDERS:
            return True
        spec, address = spec_of(provider), self._directory.address_of(provider)
        here = address is not None and urlsplit(address).hostname in LOOPBACK
        return not here or (spec is not None and spec.needs_key)

    def _named_keys(self, provider: str, names: tuple[str, ...]) -> tuple[ApiKey, ...]:
        for name in names:
            if not is_set(name, self._environment):
                raise self._sources.place_of_key(name).fault(
                    f"the variable {name} is not set",
                    "set it in the environment or .env, or take its name out",
                    MissingKeyError,
                )
        return self._resolved(provider, names)

    def _resolved(self, provider: str, names: tuple[str, ...]) -> tuple[ApiKey, ...]:
        configured = self.settings.providers.get(provider)
        groups = configured.groups if configured else {}
        by_key = {name: group for group, members in groups.items() for name in members}
        keys = resolved(names, self._environment, by_key, warn_once)
        if configured and configured.key_settings:
            keys = tuple(with_settings(key, configured.key_settings) for key in keys)
        logger.debug("%s: %d keys: %s", provider, len(keys), ", ".join(key.name for key in keys))
        return keys

    def _read_env(self, env_path: str | Path | None) -> list[Mapping[str, str | None]]:
        if env_path is not None:
            return [config_files.read_env(Path(env_path).expanduser(), required=True)]
        usual = [config_files.PROJECT_ENV, *(folder / "secrets" / ".env" for folder in self._folders)]
        return [config_files.read_env(path, required=False) for path in usual]

    def _read_files(self, config: str | Path | None, module: str | None) -> Iterator[Layer]:
        """Yield what each file holds, the most important first."""
        named = self._named_file(module) if module else None
        if named:
            yield _layer(named, config_files.read_yaml(named, required=True), sections=("models", "retry"))
        explicit = config or self.get("JOBAPP_CONFIG")
        if explicit:
            path = Path(explicit).expanduser()
            yield _layer(path, config_files.read_yaml(path, required=True))
            return
        for folder in self._folders:
            for path in (folder / "config" / "config.yaml", folder / "config" / "default.yaml"):
                yield _layer(path, config_files.read_yaml(path, required=False))
        tree = config_files.read_found(config_files.PROJECT_CONFIG)
        if tree is None or is_ours(tree):
            yield _found_layer(config_files.PROJECT_CONFIG, tree)
        else:
            logger.debug(
                "%s of the working directory is another program's: left alone; JOBAPP_CONFIG names a file",
                config_files.PROJECT_CONFIG,
            )

    def _named_file(self, name: str) -> Path | None:
        folders = [*(folder / "config" for folder in self._folders), Path("configs")]
        paths = (folder / f"{name}.yaml" for folder in folders)
        return next((path for path in paths if path.is_file()), None)


def _layer(path: Path, tree: Any, sections: Iterable[str] | None = None) -> Layer:
    """Return the checked content of a file; *sections* are those that are jobapp's, ``None`` for all."""
    written = {} if tree is None else tree
    ours = written
    if sections is not None and isinstance(written, Mapping):
        ours = {name: written[name] for name in sections if name in written}
    return Layer(str(path), read_tree(ours, str(path)), raw=written)


def _ours(layer: Layer) -> Layer:
    return replace(layer, raw={name: value for name, value in layer.raw.items() if name in layer.tree})


def _found_layer(path: Path, tree: Any) -> Layer:
    """Return the checked content of a file that nobody named; a fault in it tells how to name another."""
    try:
        return _layer(path, tree)
    except ConfigError as error:
        hint = "(where this file is another program's, JOBAPP_CONFIG names jobapp's)"
        raise type(error)(f"{error} {hint}") from None


def _incomplete(own: Mapping[str, str], place: Location) -> ConfigError:
    fix = "or set models.default in config.yaml"
    if "provider" in own:
        return place.fault(f"no model is given for provider {own['provider']}", f"pass model=, {fix}")
    missing = "no provider is given" if "model" in own else "neither provider nor model is given"
    return place.fault(missing, f"pass provider= and model=, {fix}")
