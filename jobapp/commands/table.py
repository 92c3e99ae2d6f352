"""Lists of keys for people: columns with a line of detail beneath, or rich's table on a wide terminal.

rich is the extra ``cli``; without it, and where nobody looks at a terminal, all is plain.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import wrap

from jobapp.commands.output import answer

WIDE = 110
"""Characters of a terminal from which on the detail is a column of its own."""

STYLES = {
    "free": "green", "good": "green", "rate limited": "yellow", "unreachable": "yellow", "unclear": "yellow",
    "quota spent": "red", "spent": "red", "key not accepted": "magenta", "bad": "magenta",
}  # fmt: skip
"""Colours of states."""


@dataclass(frozen=True, slots=True)
class Line:
    """What is told of one key: its provider, its name, its state, until when, and the reason."""

    provider: str
    key: str
    state: str
    until: str = ""
    detail: str = ""


def print_lines(headers: Sequence[str], lines: Sequence[Line]) -> None:
    """Write *lines* to stdout; *headers* stand over key, state, until and detail."""
    width = shutil.get_terminal_size().columns
    if sys.stdout.isatty() and width >= WIDE and _print_rich(headers, lines):
        return
    for text in plain(headers, lines, width):
        answer(text)


def plain(headers: Sequence[str], lines: Sequence[Line], width: int) -> Iterator[str]:
    """Yield the lines of text: a provider's name, then its keys, each with its detail beneath."""
    key_width = max(len(headers[0]), *(len(line.key) + 2 for line in lines))
    state_width = max(len(headers[1]), *(len(line.state) for line in lines))
    until_width = max(len(headers[2]), *(len(line.until) for line in lines))
    is_narrow = key_width + state_width + until_width + 4 > width
    last = "" if is_narrow else headers[2]
    yield f"{headers[0]:{key_width}}  {headers[1]:{state_width}}  {last}".rstrip()
    for provider, group in groupby(lines, lambda line: line.provider):
        yield provider
        for line in group:
            until = "" if is_narrow else line.until
            yield f"  {line.key:{key_width - 2}}  {line.state:{state_width}}  {until}".rstrip()
            detail = f"until {line.until}: {line.detail}" if is_narrow and line.until else line.detail
            yield from wrap(detail, max(width, 40), initial_indent=" " * 4, subsequent_indent=" " * 4)


def _print_rich(headers: Sequence[str], lines: Sequence[Line]) -> bool:
    """Write a table with rich; ``False`` where that is not installed."""
    try:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return False
    table = Table("PROVIDER", *headers, box=SIMPLE_HEAD, pad_edge=False)
    for line in lines:
        state = Text(line.state, STYLES.get(line.state, ""))
        table.add_row(line.provider, line.key, state, line.until, Text(line.detail))
    for column in table.columns[:-1]:
        column.no_wrap = True
    Console(highlight=False).print(table)
    return True
