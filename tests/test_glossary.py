"""The glossary names what there is, and the architecture page the folders and files that there are."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

import jobapp
from jobapp.domain import settings, types
from tests.test_layers import FLOORS

DOCS = Path(__file__).parent.parent / "docs" / "concepts"
TERMS = re.findall(
    r"^\| \*\*(.+?)\*\* \| .* \| `([\w.]+)` \|$", (DOCS / "glossary.md").read_text(), re.MULTILINE
)


def found(path: str) -> bool:
    """Return whether *path* is a module, something in one, or a name of the public ones."""
    first, *rest = path.split(".")
    if first == "jobapp":
        module, _, name = path.rpartition(".")
        try:
            import_module(path)
        except ModuleNotFoundError:
            return hasattr(import_module(module), name)
        return True
    homes = (jobapp, types, settings, import_module("jobapp.pool.key_state"))
    home = next((home for home in homes if hasattr(home, first)), None)
    return home is not None and all(hasattr(getattr(home, first), name) for name in rest)


@pytest.mark.parametrize(("term", "path"), TERMS)
def test_every_term_is_found_in_the_code(term, path):
    assert found(path), f"{term}: {path}"


def test_the_terms_are_in_order_and_each_is_there_once():
    names = [term.lower() for term, _ in TERMS]
    assert len(names) > 30
    assert names == sorted(set(names))


def test_the_architecture_shows_every_folder_and_only_files_that_exist():
    page = (DOCS / "architecture.md").read_text()
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", page, re.MULTILINE)
    folders = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert folders == FLOORS.keys() - {"__main__"}
    for path in re.findall(r"`(jobapp/[\w/]+\.py)`", page):
        assert (DOCS.parents[1] / path).is_file(), path
