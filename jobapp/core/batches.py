"""Many prompts in one call: the facade's batches."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from jobapp.domain.clock import Clock
from jobapp.domain.exceptions import ConfigError, DeadlineExceededError
from jobapp.domain.types import Completion

if TYPE_CHECKING:
    from jobapp.batch.course import Course
    from jobapp.batch.drive import Ask
    from jobapp.batch.rows import BatchResult, Row


class _Asker(Protocol):
    """What a batch needs of the facade."""

    _clock: Clock

    def acomplete(self, *args: Any, **arguments: Any) -> Coroutine[Any, Any, Completion]: ...

    async def aclose(self) -> None: ...


class Batches:
    """The part of the facade that asks many prompts in one call."""

    def batch(
        self: _Asker,
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
            prompts: Texts, lists of messages, or mappings: ``prompt`` or ``messages``, an ``id`` or
                ``custom_id``, and arguments of the call. It may have no end.
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
        ask = _ask(self, deadline, on_exhausted, arguments)
        return drive(prompts, _course(concurrency, ordered=ordered), ask, self.aclose)

    def abatch(
        self: _Asker,
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
        ask = _ask(self, deadline, on_exhausted, arguments)
        return adrive(prompts, _course(concurrency, ordered=ordered), ask)


def _course(concurrency: int | None, *, ordered: bool) -> Course:
    from jobapp.batch.concurrency import Concurrency
    from jobapp.batch.course import Course

    if concurrency is not None and (not isinstance(concurrency, int) or concurrency < 1):
        raise ConfigError(f"concurrency: must be a whole number from 1, not {concurrency!r}")
    return Course(Concurrency(concurrency), ordered=ordered)


def _check(prompts: Any, forms: tuple[type, ...]) -> None:
    if isinstance(prompts, str | bytes | Mapping) or not isinstance(prompts, forms):
        raise ConfigError(
            f"prompts: must be a list or another iterable of prompts, not {type(prompts).__name__}"
        )


def _ask(asker: _Asker, deadline: float | None, on_exhausted: str, arguments: Mapping[str, Any]) -> Ask:
    """Return what asks one row, within what is left of the deadline."""
    if deadline is not None and (not isinstance(deadline, int | float) or deadline <= 0):
        raise ConfigError(f"deadline: must be a number of seconds above 0, not {deadline!r}")
    clock, began = asker._clock, asker._clock.monotonic()  # noqa: SLF001 (a part of the facade)

    def left_of(seconds: float) -> float:
        return began + seconds - clock.monotonic()

    async def ask(row: Row, pause: float) -> Completion:
        if pause:
            await clock.asleep(pause if deadline is None else min(pause, max(0.0, left_of(deadline))))
        left = None if deadline is None else left_of(deadline)
        if left is not None and left <= 0:
            raise DeadlineExceededError(f"the batch's deadline of {deadline:g} seconds came")
        given = {**arguments, **row.arguments, "deadline": left, "on_exhausted": on_exhausted}
        return await asker.acomplete(row.prompt, **given)

    return ask
