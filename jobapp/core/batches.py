"""Many prompts in one call: the facade's batches."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jobapp.domain.exceptions import ConfigError

if TYPE_CHECKING:
    from jobapp.batch.course import Course
    from jobapp.batch.report import BatchReport
    from jobapp.batch.rows import BatchResult
    from jobapp.batch.run import FileRun
    from jobapp.core.row_asker import Facade, RowAsker
    from jobapp.domain.clock import Clock


class Batches:
    """The part of the facade that asks many prompts in one call."""

    _clock: Clock

    def batch(
        self,
        prompts: Iterable[Any],
        *,
        ordered: bool = False,
        concurrency: int | None = None,
        deadline: float | None = None,
        on_exhausted: str = "wait",
        **arguments: Any,
    ) -> Iterator[BatchResult]:
        """Ask every prompt, and yield what becomes of each as it comes.

        *prompts* is read in this thread, when there is room for another. A prompt that is at fault itself is
        a result with its ``error``; a provider that is overloaded or away is asked again, more slowly; when
        all keys are spent, the run waits for the first that returns. Leaving the loop ends what is under way.

        Args:
            prompts: Texts, lists of messages, mappings (``prompt`` or ``messages``, an ``id`` or
                ``custom_id``, and arguments of the call), or rows of a provider's own batch form, sent as
                they are. It may have no end.
            ordered: Whether the results come in the order of the prompts.
            concurrency: How many prompts are under way at once; found out where it is left out.
            deadline: Seconds for the whole batch.
            on_exhausted: ``wait`` until the earliest key is free, or ``raise``.
            **arguments: Those of :meth:`LLMInterface.complete`, for every prompt.

        Raises:
            ConfigError: An argument is wrong, or the first ten prompts failed alike.
            NoAPIKeysAvailableError: With ``on_exhausted="raise"``, after all results that came.
            DeadlineExceededError: The deadline came, after all results that came.
            AllAttemptsFailedError: The provider answered none of the first prompts.
        """
        from jobapp.batch.drive import drive

        _check(prompts, (Iterable,))
        asker = self._asker(arguments, deadline, on_exhausted)
        return drive(prompts, _course(concurrency, ordered=ordered), asker.ask, asker.close)

    def abatch(
        self,
        prompts: Iterable[Any] | AsyncIterable[Any],
        *,
        ordered: bool = False,
        concurrency: int | None = None,
        deadline: float | None = None,
        on_exhausted: str = "wait",
        **arguments: Any,
    ) -> AsyncIterator[BatchResult]:
        """Do what :meth:`batch` does in the running event loop; *prompts* may be asynchronous."""
        from jobapp.batch.drive import adrive

        _check(prompts, (Iterable, AsyncIterable))
        asker = self._asker(arguments, deadline, on_exhausted)
        return adrive(prompts, _course(concurrency, ordered=ordered), asker.ask)

    def run_batch(
        self,
        source: str | Path,
        output: str | Path | None = None,
        *,
        concurrency: int | None = None,
        deadline: float | None = None,
        on_exhausted: str = "wait",
        max_requests: int | None = None,
        **arguments: Any,
    ) -> BatchReport:
        """Ask every row of a file, and write the answers to another; what is done is not asked again.

        Answers are written as they come and synced within a second. A row that is at fault itself is a
        failed row; a spent quota is a pause. A run that was killed, or stopped, goes on where it was.

        Args:
            source: JSON lines in the forms of :meth:`batch`, ``.csv``, ``.tsv`` or ``.txt``.
            output: JSON lines in the form of OpenAI's batch output, with a field ``jobapp`` more;
                ``prompts.out.jsonl`` for ``prompts.jsonl`` where it is left out.
            concurrency: How many rows are under way at once; found out where it is left out.
            deadline: Seconds for the run.
            on_exhausted: ``wait`` until the earliest key is free, or ``raise``: the report says until when.
            max_requests: So many requests are sent at most, repeats included.
            **arguments: Those of :meth:`LLMInterface.complete`, for every row, and the rules of
                :class:`jobapp.batch.run_rules.RunRules`: ``template`` (a prompt with ``$names`` of a row's
                fields), ``ordered``, ``keep`` (answers stand although what is asked has changed),
                ``prune`` (answers whose row is gone are dropped), ``retry_errors``, ``limit`` (so many
                rows), ``max_total_tokens`` and ``max_usd`` (of this run's answers), ``shard`` (``(2, 8)``:
                the second of eight parts).

        Returns:
            How it stands; ``error`` says why rows are left.

        Raises:
            ConfigError: The input, the output or an argument is wrong and nothing was sent, or the first ten
                rows failed alike.
            OutputError: The output can't be written.
        """
        run = self.open_run(
            source,
            output,
            concurrency=concurrency,
            deadline=deadline,
            on_exhausted=on_exhausted,
            max_requests=max_requests,
            **arguments,
        )
        return run.run()

    def open_run(
        self,
        source: str | Path,
        output: str | Path | None = None,
        *,
        concurrency: int | None = None,
        deadline: float | None = None,
        on_exhausted: str = "wait",
        max_requests: int | None = None,
        **arguments: Any,
    ) -> FileRun:
        """Return what :meth:`run_batch` runs, for who wants to watch it, to stop it, or to look before."""
        from jobapp.batch.gate import Gate
        from jobapp.batch.manifest import REGISTRY
        from jobapp.batch.run import FileRun
        from jobapp.batch.run_rules import RULES, read_rules

        read = read_rules({name: arguments.pop(name) for name in RULES if name in arguments})
        gate = Gate(self._clock, max_requests=_count("max_requests", max_requests))
        asker = self._asker(arguments, deadline, on_exhausted, gate)
        path = Path(source)
        return FileRun(
            path,
            Path(output) if output is not None else default_output(path, read.shard),
            read,
            asker.settings(),
            asker=asker,
            gate=gate,
            course=_course(concurrency, ordered=False),
            clock=self._clock,
            registry=self._facade.config.settings.cache_path / REGISTRY,
        )

    @property
    def _facade(self) -> Facade:
        return cast("Facade", self)

    def _asker(
        self, arguments: Mapping[str, Any], deadline: float | None, on_exhausted: str, gate: Any = None
    ) -> RowAsker:
        from jobapp.core.row_asker import RowAsker

        return RowAsker(self._facade, arguments, deadline, on_exhausted, gate)


def default_output(source: Path, shard: tuple[int, int] | None) -> Path:
    """Return where the answers of *source* go: ``prompts.out.jsonl`` for ``prompts.jsonl``."""
    part = "" if shard is None else f".{shard[0]}-of-{shard[1]}"
    return source.with_name(f"{source.stem}{part}.out.jsonl")


def _course(concurrency: int | None, *, ordered: bool) -> Course:
    from jobapp.batch.concurrency import Concurrency
    from jobapp.batch.course import Course

    return Course(Concurrency(_count("concurrency", concurrency)), ordered=ordered)


def _count(name: str, number: int | None) -> int | None:
    if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 1):
        raise ConfigError(f"{name}: must be a whole number from 1, not {number!r}")
    return number


def _check(prompts: Any, forms: tuple[type, ...]) -> None:
    if isinstance(prompts, str | bytes | Mapping) or not isinstance(prompts, forms):
        raise ConfigError(
            f"prompts: must be a list or another iterable of prompts, not {type(prompts).__name__}"
        )
