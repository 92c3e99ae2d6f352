"""The rows of an input, all read before anything is sent, and what is wrong with them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import NamedTuple

from jobapp.batch.native import asks_for_stream
from jobapp.batch.plan import PlannedRow
from jobapp.batch.rows import Row, own_id, read_row
from jobapp.batch.source import Line, Source
from jobapp.domain.exceptions import ConfigError, MissingKeyError

logger = logging.getLogger(__name__)

MOST_FAULTS = 1000
"""So many lines that can't be read are looked for."""

SHOWN_FAULTS = 10
"""So many different faults are told in an error."""


class Described(NamedTuple):
    """What a row asks, with the defaults of the run.

    Attributes:
        request: Its hash.
        tokens: About how many tokens it has.
    """

    request: str
    tokens: int


class InputReading:
    """Reads the rows of *source* once.

    Args:
        source: The file of rows.
        describe: Returns what a row asks; it raises a ConfigError where it can't be asked.
    """

    def __init__(self, source: Source, describe: Callable[[Row], Described]) -> None:
        self._source = source
        self._describe = describe
        self._faults: dict[str, list[int]] = {}
        self._fault_count = 0

    def rows(self) -> Iterator[PlannedRow]:
        """Yield the rows; what can't be read is noted.

        Raises:
            MissingKeyError: There is no key, which is no row's fault.
        """
        streams = 0
        for line in self._source.lines():
            try:
                yield self._planned(line)
            except MissingKeyError:
                raise
            except ConfigError as error:
                self.note(line.number, str(error).removeprefix(f"{self._place(line)}: "))
                if self._fault_count == MOST_FAULTS:
                    return
            else:
                streams += asks_for_stream(line.written)
        if streams:
            path = self._source.path
            logger.warning("%s: stream is left out of %d rows: an answer is one row", path, streams)

    def note(self, line: int, fault: str) -> None:
        """Note what is wrong with the row on *line*."""
        self._faults.setdefault(fault, []).append(line)
        self._fault_count += 1

    def faults(self) -> Iterator[str]:
        """Yield what is wrong, each fault once with the first line that has it."""
        for fault, lines in self._faults.items():
            others = f" (so are {len(lines) - 1} lines more)" if len(lines) > 1 else ""
            yield f"{self._source.path}:{lines[0]}: {fault}{others}"

    def check(self) -> None:
        """See that nothing is wrong.

        Raises:
            ConfigError: Something is; the text tells the first faults with their lines.
        """
        told = list(self.faults())
        if told:
            shown = "".join(f"\n  {each}" for each in told[:SHOWN_FAULTS])
            more = f"\n  and {len(told) - SHOWN_FAULTS} more" if len(told) > SHOWN_FAULTS else ""
            raise ConfigError(f"nothing was sent, for lines of the input can't be read:{shown}{more}")

    def _planned(self, line: Line) -> PlannedRow:
        if line.fault:
            raise ConfigError(line.fault)
        row = read_row(line.number - 1, line.written, self._place(line))
        is_own = own_id(line.written) is not None
        return PlannedRow(line.number, line.place, row.id, is_own, *self._describe(row))

    def _place(self, line: Line) -> str:
        return f"{self._source.path}:{line.number}"
