"""How a run over files stands, while it goes on and at its end. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from jobapp.domain.exceptions import JobAppError
from jobapp.domain.types import Usage


@dataclass(frozen=True, slots=True)
class BatchReport:
    """How a run over files stands.

    Attributes:
        done: The rows of the input that have an answer in the output.
        failed: Those that failed by their own fault.
        left: Those that have neither.
        answered: Those that this run answered.
        requests: What this run sent, repeats included.
        usage: What the answers of this run cost.
        seconds: How long this run took.
        changed: The rows that were asked anew because what they ask has changed.
        waiting_for: What all rows under way wait for; ``None`` while one is with the provider.
        until: How long they wait, or when another run is worth it, aware UTC; ``None`` where that is not
            known.
        error: Why rows are left; ``None`` where none is, and while the run goes on.
    """

    done: int = 0
    failed: int = 0
    left: int = 0
    answered: int = 0
    requests: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    changed: int = 0
    waiting_for: str | None = None
    until: datetime | None = None
    error: JobAppError | None = None

    @property
    def rows(self) -> int:
        """The rows of the input."""
        return self.done + self.failed + self.left


def plus(one: Usage, two: Usage) -> Usage:
    """Return both together; the cost is that of the answers whose cost is known."""
    costs = [usage.cost for usage in (one, two) if usage.cost is not None]
    return Usage(
        one.input_tokens + two.input_tokens,
        one.output_tokens + two.output_tokens,
        one.cached_tokens + two.cached_tokens,
        one.reasoning_tokens + two.reasoning_tokens,
        sum(costs) if costs else None,
        one.cache_write_tokens + two.cache_write_tokens,
    )


def seconds_to_go(report: BatchReport) -> float | None:
    """Return how many seconds the rows that are left will take at the pace so far, pauses included.

    ``None`` before the first answer.
    """
    ended = report.answered
    return report.seconds / ended * report.left if ended else None
