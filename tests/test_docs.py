"""What the pages of the documentation show is true: each runs from top to bottom, on the simulator.

README is a page too. In a page

* a ``python`` block runs in the names that the blocks before it made;
* a ``text`` block right after it is what it prints;
* a ``yaml`` block is the settings from there on: it must be accepted;
* an HTML comment that begins with ``test`` is Python that the reader does not see: what the simulator is to do, and
  what must hold; it knows ``simulator``, ``clock``, ``Fault`` and ``Trouble``;
* an HTML comment that begins with ``not run:`` tells why the block after it can't run.

Time is the ``fake_clock`` of the simulator: nothing waits.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobapp.core.config_manager import ConfigManager
from jobapp.domain.clock import SystemClock
from jobapp.testing import FakeClock, Fault, Simulator, Trouble

ROOT = Path(__file__).parent.parent
PROVIDERS = ("openai", "anthropic", "google", "openrouter")
BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)\n(?P<code>.*?)^ *```$|^<!-- (?P<comment>test\b|not run:)(?P<hidden>.*?)-->",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Step:
    """One block of a page."""

    kind: str
    text: str
    line: int


def steps(page: str) -> Iterator[Step]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if found["comment"]:
            yield Step(found["comment"].rstrip(":"), found["hidden"], line)
        else:
            code = re.sub(f"^{found['indent']}", "", found["code"], flags=re.MULTILINE)
            yield Step(found["language"], code, line)


def pages() -> list[str]:
    found = (path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md"))
    return ["../README.md", *sorted(found)]


class Page:
    """Runs the steps of a page."""

    def __init__(
        self, name: str, folder: Path, names: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.name, self.folder, self.names, self.capsys = name, folder, names, capsys
        self.skip_next = False
        self.printed: str | None = None

    def take(self, step: Step) -> None:
        printed, self.printed = self.printed, None
        match step.kind:
            case "python" if self.skip_next:
                self.skip_next = False
            case "python":
                self.printed = self.run(step)
            case "test":
                self.run(step)
            case "not run":
                assert step.text.strip(), f"{self.name}, line {step.line}: say why"
                self.skip_next = True
            case "text" if printed is not None:
                assert printed.rstrip() == step.text.rstrip(), f"{self.name}, line {step.line}"
            case "yaml":
                (self.folder / "config.yaml").write_text(step.text)
                ConfigManager()

    def run(self, step: Step) -> str:
        self.capsys.readouterr()
        code = "\n" * (step.line - (step.kind == "test")) + step.text
        exec(compile(code, str(ROOT / "docs" / self.name), "exec"), self.names)
        return self.capsys.readouterr().out


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("JOBAPP_CONFIG_DIR", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def names(
    llm_simulator: Simulator, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """What a page may use: three keys of each provider, and time that passes at once."""
    for method in ("now", "monotonic", "sleep", "asleep"):
        monkeypatch.setattr(SystemClock, method, staticmethod(getattr(fake_clock, method)))
    for provider in PROVIDERS:
        for number in (1, 2, 3):
            llm_simulator.add_key(provider, f"sk-{provider}-{number}")
    known = {"simulator": llm_simulator, "clock": fake_clock, "Fault": Fault, "Trouble": Trouble}
    variables = dict(os.environ)
    yield {"__name__": "page", **known}
    os.environ.clear()
    os.environ.update(variables)  # a page may set some
    log = logging.getLogger("jobapp")
    log.handlers.clear()
    log.setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    "name", [page for page in pages() if {"python", "yaml"} & {s.kind for s in steps(page)}]
)
def test_a_page_runs_from_top_to_bottom(
    name: str, folder: Path, names: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    page = Page(name, folder, names, capsys)
    for step in steps(name):
        page.take(step)


@pytest.mark.parametrize("name", pages())
def test_the_links_of_a_page_lead_somewhere(name: str) -> None:
    path = ROOT / "docs" / name
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([\w-]+))?\)", path.read_text(encoding="utf-8")):
        aim = path.parent / target if target else path
        assert aim.is_file(), f"{name} links to {target}"
        assert not anchor or anchor in anchors(aim), f"{name} links to {target}#{anchor}"


def anchors(path: Path) -> set[str]:
    """Return the anchors that the headings of a page get."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
