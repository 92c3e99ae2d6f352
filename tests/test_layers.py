"""Imports go downwards only, folder by folder and without a circle, and the facade loads no SDK."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jobapp"

FLOORS = {
    "__main__": "the command line",
    "commands": "argv in, text out",
    "core": "what joins: the facade, one provider's keys, the configuration",
    "batch": "many prompts in one call",
    "dropin": "keys below an unmodified SDK",
    "calls": "one call, whatever way it is made",
    "testing": "the simulator",
    "otel": "spans and metrics",
    "config": "files and environment to settings",
    "stores": "where blocks live",
    "providers": "one adapter a provider",
    "pool": "which key",
    "limits": "how much room",
    "classification": "what a rejection means",
    "domain": "the words that everything speaks",
}
"""From the top down: a module imports from its own folder and from those below it."""

HEIGHT = {folder: height for height, folder in enumerate(reversed(FLOORS))}


def modules() -> dict[str, Path]:
    """Return the file of each module; the package itself only names what it exports."""
    paths = (path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
    return {_name_of(path): path for path in paths}


def _name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = modules()


def folder_of(module: str) -> str:
    return module.split(".")[1]


def imported_by(module: str, *, types_too: bool) -> set[str]:
    """Return the modules of jobapp that *module* loads, at its head or inside a function."""
    tree = ast.parse(MODULES[module].read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not types_too:
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= names or ({node.module} & MODULES.keys())
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & MODULES.keys()
    return found - {module}


def test_every_folder_has_its_floor():
    assert {folder_of(module) for module in MODULES} == FLOORS.keys()


@pytest.mark.parametrize("folder", FLOORS)
def test_no_folder_imports_one_above_it(folder):
    upwards = [
        f"{module} -> {other}"
        for module in MODULES
        if folder_of(module) == folder
        for other in imported_by(module, types_too=True)
        if HEIGHT[folder_of(other)] > HEIGHT[folder]
    ]
    assert upwards == []


def test_no_modules_import_each_other_in_a_circle():
    TopologicalSorter({module: imported_by(module, types_too=False) for module in MODULES}).prepare()


@pytest.mark.parametrize("statement", ["import jobapp", "from jobapp.core.llm_interface import LLMInterface"])
def test_no_sdk_is_loaded_before_it_is_needed(statement):
    sdks = ("openai", "anthropic", "google.genai", "google.generativeai", "httpx", "yaml", "redis", "asyncio")
    code = f"import sys; {statement}; print([name for name in {sdks!r} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"
