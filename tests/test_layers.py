"""Imports go downwards only, and the facade loads no SDK."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jobapp"

FLOORS = (
    ("core.types", "core.clock", "core.events", "core.settings", "core.exceptions"),
    ("rates", "refusals", "core.quota_reset", "core.classification", "core.messages"),
    (
        "core.call_policy",
        "core.key_lane",
        "core.key_pool",
        "core.known_blocks",
        "core.ticket",
        "core.failures",
        "core.event_log",
        "core.announcer",
    ),
    ("providers", "stores"),
    ("config",),
    ("core.config_manager",),
    ("core.key_setup",),
    ("core.api_key_manager",),
    ("core.call", "core.drive", "core.streams"),
    ("core.llm_interface",),
    ("otel", "testing"),
    ("commands", "__main__"),
)
"""From the ground up; a module imports from its own floor and from those below it."""


def floor_of(module: str) -> int:
    path = module.removeprefix("jobapp.")
    found = [
        number
        for number, rooms in enumerate(FLOORS)
        for room in rooms
        if path == room or path.startswith(f"{room}.")
    ]
    assert len(found) == 1, f"{module} stands on no floor, or on several"
    return found[0]


def modules() -> list[str]:
    paths = (path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py"))
    names = (".".join(path.parts).removesuffix(".__init__") for path in paths)
    return sorted(set(names) - {"jobapp", "jobapp.core"})


def imported_by(module: str) -> set[str]:
    """Return the modules of jobapp that *module* loads; what only types are taken from does not count."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    source = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    tree = ast.parse(source.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    known = set(modules())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (names & known) or ({node.module} & known)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & known
    return found


@pytest.mark.parametrize("module", modules())
def test_imports_go_downwards_only(module):
    above = [other for other in imported_by(module) if floor_of(other) > floor_of(module)]
    assert above == []


@pytest.mark.parametrize("statement", ["import jobapp", "from jobapp.core.llm_interface import LLMInterface"])
def test_no_sdk_is_loaded_before_it_is_needed(statement):
    sdks = ("openai", "anthropic", "google.genai", "google.generativeai", "httpx", "yaml", "redis", "asyncio")
    code = f"import sys; {statement}; print([name for name in {sdks!r} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"
