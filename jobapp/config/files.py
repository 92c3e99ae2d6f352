"""The files of the configuration: where they lie and what stands in them, unchecked."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from jobapp.config.validators import Location

if TYPE_CHECKING:
    from yaml import Node

logger = logging.getLogger(__name__)

PROJECT_CONFIG = Path("config.yaml")
PROJECT_ENV = Path(".env")
FOREIGN = ("another program's",)
"""Stands for what a file holds that is not jobapp's."""


def user_config_folder(override: str | None) -> Path | None:
    """Return the folder of this user's configuration; *override* is ``JOBAPP_CONFIG_DIR``.

    A user without a home has none.
    """
    if override:
        return Path(override).expanduser()
    from platformdirs import user_config_dir

    try:
        return Path(user_config_dir("jobapp"))
    except RuntimeError:  # neither HOME nor an entry in passwd: a container's arbitrary user
        return None


def default_cache_folder() -> Path:
    """Return the cache folder where nothing else is configured; a user without a home has a temporary one."""
    from platformdirs import user_data_dir

    try:
        return Path(user_data_dir("jobapp")) / "cache"
    except RuntimeError:
        folder = Path(gettempdir()) / f"jobapp-{os.getuid()}" / "cache"
        logger.warning("this user has no home folder: the quota state is in %s; set JOBAPP_CACHE_DIR", folder)
        return folder


def read_env(path: Path, *, required: bool) -> Mapping[str, str | None]:
    """Return the variables of the ``.env`` file at *path*; none where it may be missing and is.

    Raises:
        ConfigError: It can't be read.
    """
    text = _read_text(path, required=required)
    if not text:
        return {}
    from dotenv import dotenv_values

    return dotenv_values(stream=StringIO(text))


def read_yaml(path: Path, *, required: bool) -> Any:
    """Return what the YAML file at *path* holds; ``None`` where it is empty, or may be missing and is.

    Raises:
        ConfigError: It can't be read, does not parse, or names a setting twice.
    """
    text = _read_text(path, required=required)
    return None if text is None else _parse(text, path)


def read_found(path: Path) -> Any:
    """Return what a YAML file holds that was merely found; ``FOREIGN`` where it can't be ours.

    Several documents and tags of one's own are no form of jobapp's.

    Raises:
        ConfigError: It can't be read, or does not parse for another reason.
    """
    text = _read_text(path, required=False)
    if text is None:
        return None
    import yaml

    try:
        kinds = [type(event) for event in yaml.parse(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))]
        tags = re.search(r"(?m)^[^#'\"]*[\s:]![A-Za-z]", text)
    except (yaml.YAMLError, RecursionError):
        return _parse(text, path)
    if kinds.count(yaml.DocumentStartEvent) > 1 or tags:
        return FOREIGN
    return _parse(text, path)


def _read_text(path: Path, *, required: bool) -> str | None:
    if not required and (path.is_dir() or not path.exists()):
        return None
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Location(str(path)).fault("is not UTF-8", "save it as UTF-8") from None
    except OSError as error:
        wrong = f"can't be read ({error.strerror})"
        raise Location(str(path)).fault(wrong, "check the path and its rights") from error


def _parse(text: str, path: Path) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        node = loader.get_single_node()
        _refuse_doubles(node, set())
        return None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # only the problem and its place: str(error) shows lines of the file, which may hold a key
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "it holds a value that YAML can't read"
        raise Location(str(path)).fault(where + problem, "correct the YAML there") from None
    finally:
        loader.dispose()


def _refuse_doubles(node: Node | None, visited: set[int]) -> None:
    """Refuse a name that is written twice in one mapping, of which YAML's loaders silently keep the last."""
    import yaml

    if id(node) in visited or not isinstance(node, yaml.CollectionNode):
        return
    visited.add(id(node))
    names = set()
    for entry in node.value:
        name, *below = entry if isinstance(node, yaml.MappingNode) else (None, entry)
        if isinstance(name, yaml.ScalarNode):
            if (name.tag, name.value) in names:
                raise yaml.MarkedYAMLError(
                    problem=f"the setting {name.value} is written twice", problem_mark=name.start_mark
                )
            names.add((name.tag, name.value))
        for child in below:
            _refuse_doubles(child, visited)
