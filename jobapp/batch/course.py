"""How a batch goes on: what is started, what is handed out, what is asked again, when it stops. No I/O.

=====================================  =========================================================
a row ends with                        then
=====================================  =========================================================
an answer                              it is handed out
a fault of its own                     it is handed out as failed; the run goes on
ten faults alike, no answer before     the settings are at fault: the run stops, none is handed out
an overload, a server that is away     it is asked again, later and later; fewer are under way
so, while others are answered, often   it is handed out as failed: something about it is too much
so from the start, for every row       the run stops
no key, the deadline, anything else,   the run stops, when what is under way has ended
and where the input itself breaks
=====================================  =========================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from jobapp.batch.concurrency import Concurrency
from jobapp.batch.rows import BatchResult, Row
from jobapp.domain.exceptions import (
    AllAttemptsFailedError,
    ConfigError,
    InvalidRequestError,
    JobAppError,
    MissingKeyError,
    ProviderUnavailableError,
)
from jobapp.domain.types import Attempt, Completion, Kind

ALIKE = 10
"""So many faults alike before the first answer are a fault of the settings."""

ROUNDS = 5
"""So often a row is asked again while others are answered."""

ROUNDS_AT_START = 3
"""So often any row is asked again before the first answer."""

LONGEST_PAUSE = 300.0
"""Seconds that a row waits at most before it is asked again."""

AHEAD = 4
"""In order, so many times as many rows as are under way may wait for an earlier one."""

Outcome = Completion | JobAppError


class Course:
    """The course of one batch.

    Args:
        concurrency: How many rows may be under way.
        ordered: Whether results are handed out in the rows' order.

    Attributes:
        again: Rows to ask again, with the seconds to wait before.
        stopped: Why nothing more is started; ``None`` while it goes on.
        under_way: How many rows are.
    """

    def __init__(self, concurrency: Concurrency, *, ordered: bool) -> None:
        self.again: deque[tuple[Row, float]] = deque()
        self.stopped: Exception | None = None
        self._concurrency = concurrency
        self._ordered = ordered
        self._are_settings_wrong = False
        self._are_settings_proven = False
        self.under_way = 0
        self._answers = 0
        self._read = 0
        self._handed_out = 0
        self._held: list[BatchResult] = []
        self._early: dict[int, BatchResult] = {}
        self._rounds: dict[int, tuple[int, int]] = {}

    def trust_settings(self) -> None:
        """Note that an earlier run had answers with these settings: a failure is the row's own."""
        self._are_settings_proven = True

    def wants(self, *, is_open: bool) -> bool:
        """Return whether another row may be started: one to ask again, or a new one.

        Args:
            is_open: Whether there may be new ones.
        """
        if self.stopped is not None or self.under_way >= self._concurrency.limit:
            return False
        return bool(self.again) or (is_open and self._may_read())

    def started(self, *, is_new: bool) -> None:
        """Note that a row is under way."""
        self.under_way += 1
        self._read += is_new

    def ended(self, row: Row, outcome: Outcome) -> Iterator[BatchResult]:
        """Note how *row* ended, and yield what may be handed out."""
        self.under_way -= 1
        self._learn(outcome)
        if isinstance(outcome, Completion):
            self._answers += 1
            self._rounds.pop(row.index, None)
            yield from self._release()
            yield from self._hand_out(BatchResult(row.id, row.index, outcome))
        elif is_the_rows_own(outcome):
            yield from self._fail(BatchResult(row.id, row.index, error=outcome))
        elif isinstance(outcome, AllAttemptsFailedError | ProviderUnavailableError):
            yield from self._ask_again(row, outcome)
        else:
            self.stop(outcome)

    def stop(self, error: Exception) -> None:
        """Start nothing more; *error* is raised when what is under way has ended."""
        self.stopped = self.stopped or error

    def finish(self) -> Iterator[BatchResult]:
        """Yield what was held back; call it when nothing is under way any more.

        Raises:
            Exception: What the run was stopped by.
        """
        if not self._are_settings_wrong:
            yield from self._release()
        yield from (self._early.pop(index) for index in sorted(self._early))
        if self.stopped is not None:
            raise self.stopped

    def _may_read(self) -> bool:
        """Return whether a new row may be read: in order, not too far ahead of what is handed out."""
        ahead = self._read - self._handed_out
        return not self._ordered or ahead < AHEAD * self._concurrency.limit

    def _learn(self, outcome: Outcome) -> None:
        attempts: tuple[Attempt, ...] = getattr(outcome, "attempts", ())
        if any(attempt.verdict and attempt.verdict.kind is Kind.UNAVAILABLE for attempt in attempts):
            self._concurrency.overloaded(self.under_way)
        elif isinstance(outcome, Completion):
            self._concurrency.answered()

    def _fail(self, result: BatchResult) -> Iterator[BatchResult]:
        """Hand out a failed row; before the first answer it is held back: it may be the settings' fault."""
        if self._answers or self._are_settings_proven:
            yield from self._hand_out(result)
            return
        if self._held and _likeness(self._held[-1].error) != _likeness(result.error):
            yield from self._release()
        self._held.append(result)
        if len(self._held) >= ALIKE and self.stopped is None:
            self._are_settings_wrong = True
            self.stopped = ConfigError(
                f"the first {ALIKE} rows failed alike, so the settings are at fault: {result.error}"
            )
            self.stopped.__cause__ = result.error

    def _ask_again(self, row: Row, error: JobAppError) -> Iterator[BatchResult]:
        rounds, answers = self._rounds.get(row.index, (0, -1))
        pause = min(LONGEST_PAUSE, 2.0**rounds)
        if not self._answers and rounds >= ROUNDS_AT_START:
            self.stop(error)
        elif rounds >= ROUNDS and self._answers > answers:
            self._rounds.pop(row.index)
            yield from self._hand_out(BatchResult(row.id, row.index, error=error))
        else:
            self._rounds[row.index] = (rounds + 1, self._answers)
            self.again.append((row, pause))

    def _release(self) -> Iterator[BatchResult]:
        held, self._held = self._held, []
        for result in held:
            yield from self._hand_out(result)

    def _hand_out(self, result: BatchResult) -> Iterator[BatchResult]:
        if not self._ordered:
            yield result
            return
        self._early[result.index] = result
        while (following := self._early.pop(self._handed_out, None)) is not None:
            self._handed_out += 1
            yield following


def is_the_rows_own(error: JobAppError) -> bool:
    """Return whether a row failed by its own fault, so that it would fail again."""
    return isinstance(error, InvalidRequestError | ConfigError) and not isinstance(error, MissingKeyError)


def _likeness(error: JobAppError | None) -> tuple[type, str]:
    verdict = getattr(error, "verdict", None)
    return type(error), verdict.rule if verdict else str(error)
