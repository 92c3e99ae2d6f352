"""The checked files in their order, with the environment over them: what holds, and where it was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from string import Template
from typing import Any

from jobapp.config.keys import Environment
from jobapp.config.validators import Location

Tree = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Layer:
    """What one file holds.

    Attributes:
        source: The file's path.
        tree: Its settings, checked, names canonical.
        raw: All of it, as written.
    """

    source: str
    tree: Tree
    raw: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sources:
    """The files, the most important first, and the environment over them."""

    layers: tuple[Layer, ...]
    environment: Environment

    def merged(self) -> dict[str, Any]:
        """Return what the files hold together."""
        return merge_all([layer.tree for layer in self.layers])

    def place(self, *path: str) -> Location:
        """Return where the setting *path*, or what is nearest above it, was written."""
        for length in range(len(path), 0, -1):
            for layer in self.layers:
                if _holds(layer.tree, path[:length]):
                    return Location(layer.source, path)
        return Location("configuration", path)

    def place_of_key(self, name: str) -> Location:
        """Return where *name* is written as a key's name."""
        for layer in self.layers:
            for section in ("models", "providers"):
                for path in _paths_to(layer.tree.get(section), name, (section,)):
                    return Location(layer.source, path)
        return Location("argument")

    def filled(self, value: str, *path: str) -> str:
        """Return *value*, the setting *path*, with each ``${VARIABLE}`` replaced by what it holds."""
        place = self.place(*path)
        try:
            return Template(value).substitute(self.environment.as_dict())
        except KeyError as error:
            raise place.fault(f"${{{error.args[0]}}} is not set", "set it, or write out its value") from None
        except ValueError:
            raise place.fault("has a $ without a name", "write $$ for a dollar sign") from None


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


def merge_all(trees: Sequence[Tree]) -> dict[str, Any]:
    """Return *trees*, the most important first, as one."""
    return reduce(lambda under, over: merge(over, under), reversed(trees), {})


def _holds(tree: Any, path: tuple[str, ...]) -> bool:
    return not path or (isinstance(tree, Mapping) and path[0] in tree and _holds(tree[path[0]], path[1:]))


def _paths_to(tree: Any, name: str, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the path of each setting in *tree* that is *name*, or a list with *name* in it."""
    if isinstance(tree, Mapping):
        for step, entry in tree.items():
            yield from _paths_to(entry, name, (*path, step))
    elif isinstance(tree, tuple) and name not in tree:
        for index, entry in enumerate(tree, start=1):
            yield from _paths_to(entry, name, (*path[:-1], f"{path[-1]}[{index}]"))
    elif tree == name or isinstance(tree, tuple):
        yield path
