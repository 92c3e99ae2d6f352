"""The page on errors shows the table as it is; ``python -m tests.test_error_docs`` writes it anew."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path

import pytest
import yaml

from jobapp.classification.classify import RULES, Mark, ResetRule, Rule, parse_rules
from jobapp.classification.rules import UNKNOWN
from jobapp.domain.types import Kind

PAGE = Path(__file__).parent.parent / "docs" / "concepts" / "errors.md"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), ["---"] * len(list(head)), *map(list, rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def row_of(number: int, rule: Rule) -> list[str]:
    places = ", ".join(dict.fromkeys((*rule.where, *rule.also))) or "–"
    meaning = f"`{rule.kind}`" + (f" ({rule.reset})" if rule.kind is Kind.QUOTA else "")
    who = f" ({', '.join(rule.providers)})" if rule.providers else ""
    return [str(number), f"`{rule.id}`", meaning, rule.scope, rule.reason + who, places, rule.source]


def rules() -> str:
    head = ("", "Rule", "Meaning", "Covers", "Because", "Looked for in", "Source")
    return table(head, (row_of(number, rule) for number, rule in enumerate((*RULES, UNKNOWN), 1)))


def documented(choices: type[StrEnum]) -> list[list[str]]:
    """Return the members of *choices* with the strings that stand beneath them in the source."""
    lines = re.findall(
        r'^    [A-Z_0-9]+ = "(\w+)"\n    """(.*?)"""', inspect.getsource(choices), re.MULTILINE | re.DOTALL
    )
    assert [name for name, _ in lines] == list(choices)
    return [[f"`{name}`", " ".join(words.replace("``", "`").split())] for name, words in lines]


def places() -> str:
    return table(("Place", "What it holds"), documented(Mark))


def resets() -> str:
    return table(("`reset`", "When it returns"), documented(ResetRule))


PARTS: dict[str, Callable[[], str]] = {"places": places, "resets": resets, "rules": rules}


def with_parts(page: str) -> str:
    for name, make in PARTS.items():
        start, end = f"<!-- {name}: made from the code -->", f"<!-- end of {name} -->"
        before, after = page.partition(start)[0], page.partition(end)[2]
        page = f"{before}{start}\n{make()}\n{end}{after}"
    return page


def test_the_page_shows_the_table_as_it_is():
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_parts(page), "run `python -m tests.test_error_docs`"


def test_the_pages_example_of_own_rules_is_understood():
    page = PAGE.read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert example
    (rule,) = parse_rules(yaml.safe_load(example[1])["rules"], "the page")
    assert rule.kind is Kind.QUOTA


@pytest.mark.parametrize("kind", Kind)
def test_the_page_tells_what_is_done_about_each_meaning(kind):
    assert f"\n| `{kind}` |" in PAGE.read_text(encoding="utf-8")


if __name__ == "__main__":
    PAGE.write_text(with_parts(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
