"""The file of rows that a batch reads: JSON lines, CSV or plain text, one row after the other.

A file is read twice: once whole, before anything is sent, and then row by row at the places that were noted,
so that memory does not grow with it.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

from jobapp.domain.exceptions import ConfigError

LONGEST = 64 * 2**20
"""Bytes of one row at most."""

BOM = b"\xef\xbb\xbf"

COLUMNS = frozenset({"prompt", "id", "custom_id", "system", "provider", "model", "task_name"})
"""Those of a CSV file that are read without a template."""

DELIMITERS = {".csv": ",", ".tsv": "\t"}


class Line(NamedTuple):
    """One row of the file.

    Attributes:
        number: The line that it begins on, from 1.
        place: The byte that it begins at.
        written: What stands there; ``None`` where it can't be read.
        fault: Why it can't be read; empty otherwise.
    """

    number: int
    place: int
    written: Any
    fault: str = ""


class Source:
    """A file of rows.

    Args:
        path: The file; ``.csv``, ``.tsv`` and ``.txt`` are read as what they are, all else as JSON lines.
        template: A prompt with ``$names`` of a row's fields in it; ``$text`` for a row that is a text.

    Raises:
        ConfigError: It can't be opened, or is no file.
    """

    def __init__(self, path: Path, template: str | None = None) -> None:
        self.path = path
        self._template = None if template is None else Template(template)
        if self._template is not None and not self._template.is_valid():
            raise ConfigError("template: a $ stands for itself when it is written $$")
        self._delimiter = DELIMITERS.get(path.suffix.lower())
        self._columns: list[str] = []
        self._number = 0
        self._file = _open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def signature(self) -> tuple[int, int]:
        """Return what changes when the file is written to: its size in bytes, its time of change."""
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns

    def lines(self) -> Iterator[Line]:
        """Yield every row; blank lines and a byte order mark are read over."""
        self._file.seek(0)
        self._number = 0
        if self._delimiter and (fault := self._head()):
            yield Line(1, 0, None, fault)
        else:
            yield from self._rows()

    def at(self, place: int) -> Any:
        """Return what stands at *place*, which :meth:`lines` told."""
        self._file.seek(place)
        return next(self._rows()).written

    def _rows(self) -> Iterator[Line]:
        """Yield the rows from where the file stands."""
        rows = self._lines() if self._delimiter is None else self._records()
        return (row if row.fault else self._filled(row) for row in rows)

    def _filled(self, line: Line) -> Line:
        """Return *line* with its prompt made by the template."""
        if self._template is None:
            return line
        fields = line.written if isinstance(line.written, Mapping) else {"text": line.written}
        try:
            prompt = self._template.substitute({name: _text(value) for name, value in fields.items()})
        except KeyError as error:
            there = ", ".join(map(str, fields))
            return line._replace(
                written=None, fault=f"has no {error.args[0]} for the template; it has {there}"
            )
        own = {name: fields[name] for name in ("custom_id", "id") if name in fields}
        return line._replace(written={**own, "prompt": prompt})

    def _lines(self) -> Iterator[Line]:
        """Yield JSON lines, or plain ones."""
        is_text = self.path.suffix.lower() == ".txt"
        for number, place, raw in self._raw_lines():
            text, fault = _decoded(raw)
            if fault or not text.strip():
                if fault:
                    yield Line(number, place, None, fault)
            elif is_text:
                yield Line(number, place, text.rstrip("\r\n"))
            else:
                yield _json_line(number, place, text)

    def _head(self) -> str:
        """Read the names of the columns; return what is wrong with them."""
        self._columns = next(self._values(), (0, 0, []))[2]
        unread = sorted(set(self._columns) - COLUMNS) if self._template is None else []
        return f"the column {unread[0]} needs a template that says how it makes a prompt" if unread else ""

    def _records(self) -> Iterator[Line]:
        """Yield the records of a CSV file as mappings of its columns; empty cells are left out."""
        for number, place, values in self._values():
            if len(values) > len(self._columns):
                yield Line(number, place, None, f"has more than {len(self._columns)} columns")
            else:
                cells = zip(self._columns, values, strict=False)
                keep_empty = self._template is not None
                yield Line(number, place, {name: value for name, value in cells if value or keep_empty})

    def _values(self) -> Iterator[tuple[int, int, list[str]]]:
        """Yield the cells of each record from where the file stands; one may span lines."""
        csv.field_size_limit(max(LONGEST, csv.field_size_limit()))
        begins: list[tuple[int, int]] = []

        def texts() -> Iterator[str]:
            for number, place, raw in self._raw_lines():
                begins.append((number, place))
                text, fault = _decoded(raw)
                if fault:
                    raise ConfigError(f"{self.path}:{number}: {fault}")
                yield text

        try:
            for values in csv.reader(texts(), delimiter=self._delimiter or ","):
                number, place = begins[0]
                begins.clear()
                if values:
                    yield number, place, values
        except csv.Error as error:
            raise ConfigError(f"{self.path}:{begins[0][0]}: {error}") from error

    def _raw_lines(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield each line with its number and its place; of one that is too long as much as tells it."""
        place = self._file.tell()
        while raw := self._file.readline(LONGEST + 1):
            self._number += 1
            yield self._number, place, raw.removeprefix(BOM) if place == 0 else raw
            place += len(raw)


def _open(path: Path) -> IO[bytes]:
    if not path.is_file():
        what = "is no regular file" if path.exists() else "there is no such file"
        raise ConfigError(f"{path}: {what}; give a file of rows")
    try:
        return path.open("rb")
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error


def _decoded(raw: bytes) -> tuple[str, str]:
    if len(raw) > LONGEST:
        return "", f"is longer than {LONGEST // 2**20} MiB"
    try:
        return raw.decode(), ""
    except UnicodeDecodeError as error:
        return "", f"is not UTF-8 (byte {error.start + 1}); save the file as UTF-8"


def _json_line(number: int, place: int, text: str) -> Line:
    try:
        return Line(number, place, json.loads(text))
    except json.JSONDecodeError as error:
        return Line(number, place, None, f"is not JSON: {error.msg} (column {error.colno})")
    except RecursionError:
        return Line(number, place, None, "is nested too deeply")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
