"""The commands of README are those that others extract and run."""

import re
import tomllib
from pathlib import Path

import jobapp

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_there_is_one_command_for_the_demo_and_one_for_the_tests():
    commands = dict(re.findall(r"<!-- command: (\w+) -->\n```sh\n(.*)\n```", README))
    assert list(commands) == ["demo", "test"]
    assert all(command.startswith("python3 -m venv .venv && ") for command in commands.values())


def test_every_command_of_the_command_line_is_shown():
    from jobapp.__main__ import COMMANDS

    names = [command.__name__.rpartition(".")[2] for command in COMMANDS]
    reference = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert all(f"jobapp {name}" in README for name in names)
    assert all(f"\n## {name}\n" in reference for name in names)


def test_every_extra_is_named():
    assert all(f"`{extra}`" in README for extra in PROJECT["optional-dependencies"])


def test_every_error_is_in_the_reference():
    reference = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    assert [name for name in jobapp.__all__ if name.endswith("Error") and name not in reference] == []


def test_every_fault_of_the_simulator_is_in_the_how_to():
    from jobapp.testing import Fault

    page = (ROOT / "docs" / "how-to" / "test-offline.md").read_text(encoding="utf-8")
    assert [fault.name for fault in Fault if f"`{fault.name}`" not in page] == []


def test_every_page_is_in_the_index():
    docs = ROOT / "docs"
    index = (docs / "index.md").read_text(encoding="utf-8")
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")} - {"index.md"}
    assert {page for page in pages if f"({page})" not in index} == set()
