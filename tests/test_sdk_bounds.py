"""The oldest SDKs that CI tests are the oldest that the package asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
SDKS = {"openai", "anthropic", "google-genai", "google-generativeai"}


def test_the_lowest_constraints_are_the_bounds_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    bounds = {
        found[1]: found[2]
        for each in project["dependencies"]
        if (found := re.match(r"([\w-]+)>=([\d.]+)", each))
    }
    lines = (ROOT / "tests" / "lowest-constraints.txt").read_text("utf-8").splitlines()
    tested = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert tested.keys() == SDKS
    assert {name: padded(version) for name, version in tested.items()} == {
        name: padded(bounds[name]) for name in SDKS
    }


def padded(version: str) -> list[int]:
    return [int(part) for part in (*version.split("."), "0", "0")][:3]
