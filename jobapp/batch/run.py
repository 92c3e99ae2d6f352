"""A batch from a file into a file: what is done already is not asked again.

The input is read whole before anything is sent: a line that can't be read ends the run there. The output
holds each row of the input once, as it is now: answers are appended as they come, and where one replaces
another, or the order matters, the file is rewritten as a whole when the run ends.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from filelock import Timeout

from jobapp.batch import manifest
from jobapp.batch.course import Course, is_the_rows_own
from jobapp.batch.drive import adrive, run_in_loop
from jobapp.batch.gate import Gate
from jobapp.batch.input_reading import Described, InputReading
from jobapp.batch.output_file import OutputFile, Stored, read_rows
from jobapp.batch.output_rows import as_line, output_row
from jobapp.batch.plan import Counts, Plan
from jobapp.batch.report import BatchReport, plus
from jobapp.batch.rows import BatchResult, Row, read_row
from jobapp.batch.run_rules import RunRules
from jobapp.batch.source import Source
from jobapp.batch.ticker import Ticker
from jobapp.domain.clock import Clock
from jobapp.domain.exceptions import ConfigError, JobAppError, MissingKeyError, OutputError, RunStoppedError

if TYPE_CHECKING:
    from jobapp.domain.types import Completion

logger = logging.getLogger(__name__)

SYNC = 0.5
"""Seconds between two syncs of the output."""

TELL = 2.0
"""Seconds between two looks whether the manifest has news."""


class Asker(Protocol):
    """Asks the rows of a run."""

    def describe(self, row: Row) -> Described:
        """Return what *row* asks; it raises a ConfigError where it can't be asked."""
        ...

    async def ask(self, row: Row, pause: float) -> Completion:
        """Ask *row* after *pause* seconds."""
        ...

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        ...


class Preview(NamedTuple):
    """What a run would do.

    Attributes:
        counts: The rows.
        tokens: About how many tokens the rows to ask have.
        faults: The lines that can't be read, each with its place and the reason.
        differences: How the settings differ from those of the last run.
    """

    counts: Counts
    tokens: int
    faults: tuple[str, ...]
    differences: tuple[str, ...]


class FileRun:
    """One run.

    Args:
        source: The file of rows.
        output: The file of answers.
        rules: How the run goes.
        settings: What the rows are asked with where they say nothing else, by name.
        asker: Asks the rows.
        gate: Which all its requests pass.
        course: The course of the rows.
        clock: The time.
        registry: The folder in which runs are noted while they go on.
    """

    def __init__(
        self,
        source: Path,
        output: Path,
        rules: RunRules,
        settings: Mapping[str, Any],
        *,
        asker: Asker,
        gate: Gate,
        course: Course,
        clock: Clock,
        registry: Path,
    ) -> None:
        self.source, self.output = source, output
        self._rules = rules
        self._settings = manifest.told_settings(dict(settings) | {"template": rules.template})
        self._asker, self._gate, self._course, self._clock = asker, gate, course, clock
        self._registry = registry
        self._began, self._began_at = clock.monotonic(), clock.now()
        self._counts = Counts(0, 0, 0, 0, 0, 0)
        self._differences: list[str] = []
        self._report = BatchReport()
        self._requests: dict[str, str] = {}
        self._postponed: JobAppError | None = None
        self._told = BatchReport()

    def run(self) -> BatchReport:
        """Ask what is to be asked, and return how it stands in the end.

        Raises:
            ConfigError: The input, the output or a setting is wrong; nothing was sent, or the first rows
                failed alike.
            OutputError: The output can't be written; what came is kept as far as the disk took it.
        """
        _check_places(self.source, self.output)
        with ExitStack() as stack:
            source = stack.enter_context(Source(self.source, self._rules.template))
            stack.enter_context(self._lock())
            plan = stack.enter_context(closing(Plan()))
            reading = InputReading(source, self._asker.describe)
            torn = self._read(reading, plan)
            reading.check()
            output = stack.enter_context(closing(OutputFile(self.output)))
            output.mend(torn)
            self._tell_differences()
            self._write_manifest(runs=True)
            stack.enter_context(manifest.registered(self._registry, self.output))
            signature = source.signature()
            with (
                Ticker(SYNC, output.sync, "jobapp-batch-sync"),
                Ticker(TELL, self._tell, "jobapp-batch-tell"),
            ):
                self._drive(source, plan, output)
            if source.signature() != signature:
                logger.warning("%s changed while it was read; run the batch again", self.source)
            self._finish(plan, output)
        return self._report

    def preview(self) -> Preview:
        """Return what :meth:`run` would do; nothing is sent or written."""
        _check_places(self.source, self.output)
        with Source(self.source, self._rules.template) as source, closing(Plan()) as plan:
            reading = InputReading(source, self._asker.describe)
            self._read(reading, plan)
            return Preview(self._counts, plan.tokens(), tuple(reading.faults()), tuple(self._differences))

    def stop(self, reason: str) -> None:
        """Send nothing more, from any thread: what is with the provider comes back, what waits ends."""
        self._gate.stop(RunStoppedError(reason))

    def cut(self) -> None:
        """End what is with the provider, too."""
        self._gate.cut()

    def report(self) -> BatchReport:
        """Return how the run stands now; from any thread."""
        sleep = self._gate.waits_for()
        return replace(
            self._report,
            requests=self._gate.requests,
            seconds=self._clock.monotonic() - self._began,
            waiting_for=sleep and sleep.whom,
            until=sleep and sleep.until,
        )

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the lock of the output; a second run on it is refused."""
        try:
            with manifest.lock_of(self.output):
                yield
        except Timeout:
            first = manifest.read(self.output)
            who = f" (process {first['pid']} on {first['host']}, since {first['began']})" if first else ""
            raise ConfigError(f"{self.output}: another run is writing it{who}; wait for its end") from None
        except OSError as error:
            raise OutputError(f"{self.output}: can't be written: {error.strerror or error}") from error

    def _read(self, reading: InputReading, plan: Plan) -> int | None:
        """Read input and output; return where a torn line of the output begins."""
        rules = self._rules
        if double := plan.read(reading.rows()):
            reading.note(double.line, double.told)
        if rules.shard is not None:
            plan.keep_shard(*rules.shard)
        before = manifest.read(self.output)
        self._differences = manifest.differences(before.get("settings", self._settings), self._settings)
        torn = None
        for stored in read_rows(self.output, is_ours=bool(before)):
            if isinstance(stored, Stored):
                plan.note_stored(stored.place, *stored.row)
            else:
                torn = stored
        self._counts = plan.decide(keep=rules.keep, retry_errors=rules.retry_errors, limit=rules.limit)
        counts = self._counts
        if counts.answered:
            self._course.trust_settings()
        left = counts.rows - counts.answered - counts.failed
        self._report = BatchReport(counts.answered, counts.failed, left, changed=counts.changed)
        return torn

    def _tell_differences(self) -> None:
        if self._differences:
            logger.warning(
                "%s: other settings than the last run's: %s; %d rows are asked anew",
                *(self.output, ", ".join(self._differences), self._counts.changed),
            )

    def _rows(self, source: Source, plan: Plan) -> Iterator[Row]:
        for todo in plan.todo():
            self._requests[todo.id] = todo.request
            row = read_row(todo.line - 1, source.at(todo.place), f"{self.source}:{todo.line}")
            yield replace(row, id=todo.id)

    def _drive(self, source: Source, plan: Plan, output: OutputFile) -> None:
        """Ask, and write what comes; what ends the run early is the report's error."""
        error: JobAppError | None = None
        try:
            run_in_loop(self._ask_all(source, plan, output), self._asker.close)
        except (ConfigError, OutputError) as fault:
            if not isinstance(fault, MissingKeyError):
                raise
            error = fault
        except JobAppError as stop:
            error = stop
        self._report = replace(self.report(), waiting_for=None, until=getattr(error, "available_at", None))
        self._report = replace(self._report, error=self._why_left(error))

    async def _ask_all(self, source: Source, plan: Plan, output: OutputFile) -> None:
        async for result in adrive(self._rows(source, plan), self._course, self._asker.ask):
            self._note(result, plan, output)

    def _note(self, result: BatchResult, plan: Plan, output: OutputFile) -> None:
        """Write *result*; what failed by nobody's fault of its own stays to be done."""
        request = self._requests.pop(result.id)
        if result.error is not None and not is_the_rows_own(result.error):
            self._postponed = result.error
            logger.warning("the row %s is left for another run: %s", result.id, result.error)
            return
        place = output.append(as_line(output_row(result, request, self._clock.now())))
        plan.note_stored(place, result.id, request, result.completion is not None)
        self._count(result)

    def _count(self, result: BatchResult) -> None:
        report, answered = self._report, result.completion is not None
        usage = plus(report.usage, result.completion.usage) if result.completion else report.usage
        self._report = replace(
            report,
            done=report.done + answered,
            failed=report.failed + (not answered),
            left=report.left - 1,
            answered=report.answered + answered,
            usage=usage,
        )
        rules = self._rules
        cap = rules.max_total_tokens
        if cap is not None and usage.total_tokens >= cap:
            self.stop(f"the answers cost {usage.total_tokens} tokens, the cap is {cap}")
        if rules.max_usd is not None and (usage.cost or 0.0) >= rules.max_usd:
            self.stop(f"the answers cost ${usage.cost:.4f}, the cap is ${rules.max_usd:g}")

    def _why_left(self, error: JobAppError | None) -> JobAppError | None:
        """Return why rows are left; ``None`` where none is."""
        if not self._report.left:
            return None
        limit = RunStoppedError(f"the batch asked its {self._rules.limit} rows")
        return error or self._postponed or limit

    def _finish(self, plan: Plan, output: OutputFile) -> None:
        """Let the output hold each row once, in order if that is wanted, and tell how the run ended."""
        rules = self._rules
        places = array("q", plan.places(ordered=rules.ordered, prune=rules.prune))
        if len(places) != plan.stored_count() or any(b < a for a, b in pairwise(places)):
            output.rewrite(places)
        self._write_manifest(runs=False)

    def _tell(self) -> None:
        """Let the manifest tell how it stands now, where that is news."""
        now = replace(self.report(), seconds=0.0)
        if now != self._told:
            self._told = now
            with suppress(OutputError):  # the answers' own file will tell of a full disk
                self._write_manifest(runs=True)

    def _write_manifest(self, *, runs: bool) -> None:
        report = self.report() if runs else self._report
        try:
            manifest.write(self.output, self.source, self._settings, self._began_at, report, runs=runs)
        except OSError as error:
            path = manifest.path_of(self.output)
            raise OutputError(f"{path}: can't be written: {error.strerror or error}") from error


def _check_places(source: Path, output: Path) -> None:
    """See that the output may be where it is said to be.

    Raises:
        ConfigError: It may not.
    """
    if not output.parent.is_dir():
        raise ConfigError(f"{output}: there is no folder {output.parent}; make it, or name another output")
    if output.exists() and not output.is_file():
        raise ConfigError(f"{output}: is no regular file; name another output")
    if output.exists() and source.exists() and output.samefile(source):
        raise ConfigError(f"{output}: is the input; name another output")
