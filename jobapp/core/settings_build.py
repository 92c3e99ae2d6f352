"""From the checked trees of several files to one frozen :class:`~jobapp.core.settings.Settings`. No I/O.

What no single file can tell is checked here: that a model is whole, a provider known, a group's key a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from jobapp.core.key_discovery import Environment, base_url_variable, is_usual_name
from jobapp.core.settings import ModelSettings, ProviderSettings, RetrySettings, Settings
from jobapp.core.settings_schema import Place, did_you_mean, shown, url
from jobapp.providers import PROVIDERS

Tree = Mapping[str, Any]

DEFAULT = "default"
FALLBACK = "fallback"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Layer:
    """What one file holds, checked."""

    source: str
    tree: Tree


@dataclass(frozen=True, slots=True)
class Sources:
    """The files, the most important first, and the environment over them."""

    layers: tuple[Layer, ...]
    environment: Environment

    def place(self, *path: str) -> Place:
        """Return where the setting *path*, or what is nearest above it, was written."""
        for length in range(len(path), 0, -1):
            for layer in self.layers:
                if _holds(layer.tree, path[:length]):
                    return Place(layer.source, path)
        return Place("configuration", path)

    def place_of_name(self, name: str) -> Place:
        """Return where the variable *name* is written as a key's."""
        for layer in self.layers:
            for top in ("models", "providers"):
                path = _path_to(layer.tree.get(top), name)
                if path is not None:
                    return Place(layer.source, (top, *path))
        return Place("argument")

    def base_url(self, provider: str) -> str | None:
        """Return the address that the environment gives *provider*."""
        variable = base_url_variable(provider)
        value = self.environment.get(variable)
        return url(value, Place("environment", (variable,))) if value else None

    def filled(self, value: str, path: tuple[str, ...]) -> str:
        """Return *value*, the setting *path*, with each ``${VARIABLE}`` replaced by what it holds."""
        try:
            return Template(value).substitute(self.environment.as_dict())
        except KeyError as error:
            raise self.place(*path).fault(
                f"the variable {error.args[0]} is not set", "set it, or write out its value"
            ) from None
        except ValueError:
            raise self.place(*path).fault("has a $ without a name", "write $$ for a dollar sign") from None


def merge(over: Tree, under: Tree) -> dict[str, Any]:
    """Return *under* with the settings of *over*: mappings are merged, all else is replaced."""
    merged = dict(under)
    for name, value in over.items():
        known = merged.get(name)
        if isinstance(value, Mapping) and isinstance(known, Mapping):
            merged[name] = merge(value, known)
        else:
            merged[name] = value
    return merged


def merge_all(trees: Iterable[Tree]) -> dict[str, Any]:
    """Return *trees*, the most important first, as one."""
    return reduce(merge, trees, {})


def build(sources: Sources, default_cache: Callable[[], Path]) -> Settings:
    """Return the settings that the files and the environment hold together.

    Args:
        sources: The checked files and the environment.
        default_cache: Asked for the cache folder where none is configured.

    Raises:
        ConfigError: A model is not whole, a provider unknown, a group's key not a key of its provider,
            or a variable in a path not set.
    """
    tree = merge_all(layer.tree for layer in sources.layers)
    providers = {name: _provider(name, entry, sources) for name, entry in tree.get("providers", {}).items()}
    models, fallbacks = _Models(tree.get("models", {}), providers, sources).build()
    for provider in providers.values():
        _check_groups(provider, models, fallbacks, sources)
    cache = _text(sources, tree, "JOBAPP_CACHE_DIR", "paths", "cache")
    return Settings(
        models=MappingProxyType(models),
        fallbacks=MappingProxyType(fallbacks),
        retry=RetrySettings(**tree.get("retry", {})),
        providers=MappingProxyType(providers),
        state_url=_text(sources, tree, "JOBAPP_STATE_URL", "state", "url"),
        cache_path=Path(cache).expanduser().absolute() if cache else default_cache(),
        rules=tree.get("rules", ()),
    )


def _text(sources: Sources, tree: Tree, variable: str, *path: str) -> str | None:
    """Return what *variable* holds, else the setting *path* with its ``${VARIABLE}`` filled in."""
    section, name = path
    written = tree.get(section, {}).get(name)
    return sources.environment.get(variable) or (written and sources.filled(written, path))


def complete(own: Tree, bases: Iterable[ModelSettings]) -> ModelSettings | None:
    """Return the model that *own* describes, with what it leaves out; ``None`` where that is not known.

    The provider comes from the first of *bases*, all else from the first base of the same provider: a
    model, a key or an option of one provider means nothing to another.
    """
    bases = tuple(bases)
    provider = own.get("provider") or next((base.provider for base in bases), None)
    base = next((base for base in bases if base.provider == provider), None)
    model = own.get("model") or (base and base.model)
    if not provider or not model:
        return None
    base = base or ModelSettings(provider, model)
    key = (own["key"],) if "key" in own else base.keys[:1]
    return ModelSettings(
        provider=provider,
        model=model,
        keys=tuple(dict.fromkeys((*key, *own.get("backup_keys", base.keys[1:])))),
        base_url=own.get("base_url", base.base_url),
        options=MappingProxyType({**base.options, **own.get("options", {})}),
    )


@dataclass(frozen=True, slots=True)
class _Models:
    """The section ``models``, on its way to settings."""

    tree: Tree
    providers: Mapping[str, ProviderSettings]
    sources: Sources

    def build(self) -> tuple[dict[str, ModelSettings], dict[str, tuple[ModelSettings, ...]]]:
        """Return the models and the fallbacks of ``default`` and each task."""
        models: dict[str, ModelSettings] = {}
        fallbacks: dict[str, tuple[ModelSettings, ...]] = {}
        tasks = sorted(self.tree.keys() - {FALLBACK}, key=lambda task: task != DEFAULT)
        for task in tasks:
            models[task] = self._model((task,), self.tree[task], *_known(models, DEFAULT))
        for task in (DEFAULT, *tasks):
            bases = _known(models, task)
            for path, owner in (((task, FALLBACK), self.tree.get(task, {})), ((FALLBACK,), self.tree)):
                if FALLBACK in owner:
                    fallbacks[task] = tuple(self._model(path, own, *bases) for own in owner[FALLBACK])
                    break
        return models, fallbacks

    def _model(self, path: tuple[str, ...], own: Tree, *bases: ModelSettings) -> ModelSettings:
        place = self.sources.place("models", *path)
        model = complete(own, bases)
        if model is None:
            missing = "model" if own.get("provider") or bases else "provider"
            raise place.fault(f"no {missing} is given", f"write {missing} there, or in models.default")
        check_provider(model.provider, self.providers, self.sources, place.at("provider"), model.base_url)
        if (
            own.get("backup_keys")
            and not model.keys[: len(model.keys) - len(own["backup_keys"])]
            and "key" not in own
        ):
            raise place.at("backup_keys").fault("there is no first key", "write its name under key")
        self._check_address(own, model, bases, place)
        return model

    def _check_address(
        self, own: Tree, model: ModelSettings, bases: tuple[ModelSettings, ...], place: Place
    ) -> None:
        """Refuse to send a provider's keys to another host, unless they were named for it."""
        if "key" in own or "base_url" not in own:
            return
        same = [base.base_url for base in bases if base.provider == model.provider]
        home = address_of(model.provider, self.providers, self.sources)
        hosts = {_host(address) for address in (*same, home) if address}
        if hosts and _host(own["base_url"]) not in {*hosts, *_LOOPBACK}:
            raise place.at("base_url").fault(
                f"is another server than that of {model.provider}, whose keys are not sent there unasked",
                "write under key the name of the key to use",
            )


def check_provider(
    name: str,
    providers: Mapping[str, ProviderSettings],
    sources: Sources,
    place: Place,
    base_url: str | None = None,
) -> None:
    """Raise a ConfigError about *place* unless the provider *name* can be reached."""
    if name in PROVIDERS or base_url or address_of(name, providers, sources):
        return
    raise place.fault(
        f"unknown provider {shown(name)}",
        f"{did_you_mean(name, {*PROVIDERS, *providers} - {name})} "
        f"(an OpenAI-compatible server needs providers.{name}.base_url or {base_url_variable(name)})",
    )


def address_of(name: str, providers: Mapping[str, ProviderSettings], sources: Sources) -> str | None:
    """Return where the provider *name* is: environment, then YAML, then its own address."""
    configured = providers[name].base_url if name in providers else None
    own = PROVIDERS[name].base_url if name in PROVIDERS else None
    return sources.base_url(name) or configured or own


def _provider(name: str, entry: Tree, sources: Sources) -> ProviderSettings:
    settings = ProviderSettings(name, **{**entry, "groups": MappingProxyType(entry.get("groups", {}))})
    check_provider(name, {name: settings}, sources, sources.place("providers", name))
    return settings


def _check_groups(
    provider: ProviderSettings,
    models: Mapping[str, ModelSettings],
    fallbacks: Mapping[str, tuple[ModelSettings, ...]],
    sources: Sources,
) -> None:
    everywhere = (*models.values(), *(model for several in fallbacks.values() for model in several))
    known = {
        *provider.keys,
        *(key for model in everywhere if model.provider == provider.name for key in model.keys),
    }
    grouped: dict[str, str] = {}
    for group, names in provider.groups.items():
        place = sources.place("providers", provider.name, "groups", group)
        for name in names:
            if name not in known and (provider.keys or not is_usual_name(name, provider.name)):
                raise place.fault(
                    f"{name} is not among the keys of {provider.name}",
                    f"add it to providers.{provider.name}.keys or correct its name",
                )
            if grouped.setdefault(name, group) != group:
                raise place.fault(f"{name} is in {grouped[name]} too", "leave it in one group")


def _known(models: Mapping[str, ModelSettings], task: str) -> tuple[ModelSettings, ...]:
    return tuple(models[name] for name in dict.fromkeys((task, DEFAULT)) if name in models)


def _host(address: str) -> str:
    return urlsplit(address).hostname or ""


def _holds(tree: Any, path: tuple[str, ...]) -> bool:
    return not path or (isinstance(tree, Mapping) and path[0] in tree and _holds(tree[path[0]], path[1:]))


def _path_to(tree: Any, name: str) -> tuple[str, ...] | None:
    """Return the path in *tree* to the value *name*, ``None`` where it is not there."""
    entries: Iterable[tuple[str, Any]] = ()
    if isinstance(tree, Mapping):
        entries = tree.items()
    elif isinstance(tree, tuple):
        entries = ((f"[{index}]", entry) for index, entry in enumerate(tree, start=1))
    for step, entry in entries:
        below = () if entry == name else _path_to(entry, name)
        if below is not None:
            return (step, *below)
    return None
