"""From the checked trees of several files to one frozen :class:`~jobapp.domain.settings.Settings`. No I/O.

What no single file can tell is checked here: that a model is whole, a provider known, a group's key a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jobapp.config.keys import is_usual_name, variable_of
from jobapp.config.provider_registry import ProviderDirectory
from jobapp.config.sources import Sources, Tree
from jobapp.config.validators import Location
from jobapp.domain.settings import (
    BudgetSettings,
    KeySettings,
    ModelSettings,
    ProviderSettings,
    RetrySettings,
    Settings,
)
from jobapp.providers import PROVIDERS, is_installed

DEFAULT = "default"
FALLBACK = "fallback"


def build(sources: Sources, default_cache: Callable[[], Path]) -> Settings:
    """Return the settings that the files and the environment hold together.

    Args:
        sources: The checked files and the environment.
        default_cache: Asked for the cache folder where none is configured.

    Raises:
        ConfigError: A model is not whole, a provider unknown, a group's key not a key of its provider,
            or a variable in a path not set.
    """
    tree = sources.merged()
    providers = {name: _provider(name, entry, sources) for name, entry in tree.get("providers", {}).items()}
    models = _Models(tree.get("models", {}), ProviderDirectory(providers, sources))
    primary = models.primary()
    fallbacks = models.fallbacks(primary)
    everywhere = (*primary.values(), *(model for several in fallbacks.values() for model in several))
    for provider in providers.values():
        keys = _KnownKeys(provider, everywhere)
        _check_groups(provider, keys, sources)
        _check_budgets(provider, keys, sources, has_prices=bool(tree.get("prices")))
    cache = _text(sources, tree, "JOBAPP_CACHE_DIR", "paths", "cache")
    return Settings(
        models=MappingProxyType(primary),
        fallbacks=MappingProxyType(fallbacks),
        retry=RetrySettings(**tree.get("retry", {})),
        providers=MappingProxyType(providers),
        prices=MappingProxyType(tree.get("prices", {})),
        share_room=tree.get("state", {}).get("share_room", True),
        state_url=_text(sources, tree, "JOBAPP_STATE_URL", "state", "url"),
        cache_path=Path(cache).expanduser().absolute() if cache else default_cache(),
        rules=tree.get("rules", ()),
    )


def complete(own: Tree, bases: Iterable[ModelSettings]) -> ModelSettings | None:
    """Return the model that *own* describes, with what it leaves out; ``None`` where that is not known.

    The provider comes from the first of *bases*, all else from the first base of the same provider: a
    model, a key or an option of one provider means nothing to another. Keys go with their address: a
    model with another ``base_url`` takes over none.
    """
    bases = tuple(bases)
    provider = own.get("provider") or next((base.provider for base in bases), None)
    base = next((base for base in bases if base.provider == provider), None)
    model = own.get("model") or (base and base.model)
    if not provider or not model:
        return None
    base = base or ModelSettings(provider, model)
    base_url = own.get("base_url", base.base_url)
    inherited = base.keys if base_url == base.base_url else ()
    key = (own["key"],) if "key" in own else inherited[:1]
    return ModelSettings(
        provider=provider,
        model=model,
        keys=tuple(dict.fromkeys((*key, *own.get("backup_keys", inherited[1:])))),
        base_url=base_url,
        options=MappingProxyType({**base.options, **own.get("options", {})}),
    )


@dataclass(frozen=True, slots=True)
class _Models:
    """The section ``models``, on its way to settings."""

    tree: Tree
    directory: ProviderDirectory

    def primary(self) -> dict[str, ModelSettings]:
        """Return ``default`` and the tasks, which take from it what they leave out."""
        models: dict[str, ModelSettings] = {}
        for task in sorted(self.tree.keys() - {FALLBACK}, key=lambda name: (name != DEFAULT, name)):
            models[task] = self._model(self._place(task), self.tree[task], known_models(models, DEFAULT))
        return models

    def fallbacks(self, models: Mapping[str, ModelSettings]) -> dict[str, tuple[ModelSettings, ...]]:
        """Return the fallbacks of ``default`` and each task: its own, else those of ``default``."""
        common = self.tree.get(DEFAULT, {}).get(FALLBACK, self.tree.get(FALLBACK, ()))
        common_place = self._place(*((DEFAULT,) if FALLBACK in self.tree.get(DEFAULT, {}) else ()), FALLBACK)
        found: dict[str, tuple[ModelSettings, ...]] = {}
        for task in dict.fromkeys((DEFAULT, *models)):
            written = self.tree.get(task, {}).get(FALLBACK)
            place = common_place if written is None else self._place(task, FALLBACK)
            found[task] = tuple(
                self._model(place.item(index), own, known_models(models, task))
                for index, own in enumerate(common if written is None else written)
            )
        return found

    def _place(self, *path: str) -> Location:
        return self.directory.sources.place("models", *path)

    def _model(self, place: Location, own: Tree, bases: tuple[ModelSettings, ...]) -> ModelSettings:
        model = complete(own, bases)
        if model is None:
            missing = "model" if own.get("provider") or bases else "provider"
            raise place.fault(f"no {missing} is given", f"write {missing} there, or in models.default")
        self.directory.check(model.provider, place.at("provider"), model.base_url, model.keys)
        if "backup_keys" in own and model.keys == own["backup_keys"] and "key" not in own:
            raise place.at("backup_keys").fault("there is no first key", "write its name under key")
        if not model.keys and model.base_url and self.directory.is_elsewhere(model.base_url, model.provider):
            raise place.at("base_url").fault(
                f"is another server than that of {model.provider}, whose keys are not sent there unasked",
                "write under key the name of the key to use",
            )
        return model


def known_models(models: Mapping[str, ModelSettings], task: str | None) -> tuple[ModelSettings, ...]:
    """Return the model of *task*, where it has one, and that of ``default``."""
    return tuple(models[name] for name in dict.fromkeys((task, DEFAULT)) if name and name in models)


def _provider(name: str, entry: Tree, sources: Sources) -> ProviderSettings:
    keys = _keys(entry)
    groups = MappingProxyType(_groups(name, entry, keys, sources))
    budgets = tuple(BudgetSettings(**row) for row in entry.get("budgets", ()))
    built = {"keys": tuple(keys), "key_settings": keys, "groups": groups, "budgets": budgets}
    settings = ProviderSettings(name, **{**entry, **built})
    _check_versions(settings, sources.place("providers", name, "keys"))
    ProviderDirectory({name: settings}, sources).check(name, sources.place("providers", name))
    return settings


def _check_versions(provider: ProviderSettings, place: Location) -> None:
    """Refuse a version where no address takes one."""
    for key in provider.key_settings.values():
        if key.api_version is None:
            continue
        if provider.name in PROVIDERS.keys() - {"openai"}:
            raise place.fault(
                f"{key.name} has an api_version, which only Azure's OpenAI takes", "take it out"
            )
        if (key.base_url or provider.base_url or "").endswith("/v1"):
            raise place.fault(
                f"{key.name} has an api_version, which an address that ends with /v1 does not take",
                "take it out, or end base_url with the host",
            )


def _keys(entry: Tree) -> Mapping[str, KeySettings]:
    written = ({"name": key} if isinstance(key, str) else key for key in entry.get("keys", ()))
    return MappingProxyType({key["name"]: KeySettings(**key) for key in written})


def _groups(
    provider: str, entry: Tree, keys: Mapping[str, KeySettings], sources: Sources
) -> dict[str, tuple[str, ...]]:
    """Return the groups, those that keys name themselves among them."""
    groups = dict(entry.get("groups", {}))
    grouped = {name for names in groups.values() for name in names}
    for index, key in enumerate(keys.values()):
        if key.group is None:
            continue
        if key.name in grouped:
            place = sources.place("providers", provider, "keys").item(index).at("group")
            raise place.fault(f"{key.name} is in groups too", "name its group in one of the two places")
        groups[key.group] = (*groups.get(key.group, ()), key.name)
    return groups


class _KnownKeys:
    """The names of a provider's keys, those that models name among them."""

    def __init__(self, provider: ProviderSettings, models: Iterable[ModelSettings]) -> None:
        self._provider = provider
        self._names = {*provider.keys}
        self._names.update(key for model in models if model.provider == provider.name for key in model.keys)

    def check(self, name: str, place: Location) -> None:
        """Refuse a name that is no key's."""
        usual = not self._provider.keys and is_usual_name(name, self._provider.name)
        if not usual and not self._names & {name, variable_of(name)}:
            raise place.fault(
                f"{name} is not among the keys of {self._provider.name}",
                f"add it to providers.{self._provider.name}.keys or correct its name",
            )


def _check_groups(provider: ProviderSettings, keys: _KnownKeys, sources: Sources) -> None:
    """Refuse a group whose member is no key of the provider, or is in another group too."""
    group_of: dict[str, str] = {}
    for group, names in provider.groups.items():
        place = sources.place("providers", provider.name, "groups", group)
        for name in names:
            keys.check(name, place)
            if group_of.setdefault(name, group) != group:
                raise place.fault(f"{name} is in {group_of[name]} too", "leave it in one group")


LIMITS = ("rpm", "tpm", "rpd", "tpd", "usd_per_day", "usd_per_month", "max_concurrency")
DOLLARS = ("usd_per_day", "usd_per_month")


def _check_budgets(
    provider: ProviderSettings, keys: _KnownKeys, sources: Sources, *, has_prices: bool
) -> None:
    """Refuse a budget that limits nothing, is nobody's, or needs prices that nobody knows."""
    tells_cost = has_prices or provider.name == "openrouter" or is_installed("genai_prices")
    for index, budget in enumerate(provider.budgets):
        place = sources.place("providers", provider.name, "budgets").item(index)
        if not any(getattr(budget, name) for name in LIMITS):
            raise place.fault("limits nothing", f"write {', '.join(LIMITS[:-1])} or {LIMITS[-1]}")
        for name in DOLLARS:
            if getattr(budget, name) and not tells_cost:
                raise place.at(name).fault(
                    f"nobody knows what answers of {provider.name} cost",
                    "write prices:, or install genai-prices",
                )
        if budget.key is not None and budget.group is not None:
            raise place.fault("names a key and a group", "write one of them, and the other in another row")
        if budget.key is not None:
            keys.check(budget.key, place.at("key"))
        if budget.group is not None and budget.group not in provider.groups:
            known = ", ".join(provider.groups) or "none"
            raise place.at("group").fault(f"there is no group {budget.group}", f"the groups are: {known}")


def _text(sources: Sources, tree: Tree, variable: str, *path: str) -> str | None:
    """Return what *variable* holds, else the setting *path* with its ``${VARIABLE}`` filled in."""
    section, name = path
    written: Any = tree.get(section, {}).get(name)
    return sources.environment.get(variable) or (written and sources.filled(written, *path))
