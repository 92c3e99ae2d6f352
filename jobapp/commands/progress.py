"""How a run over files goes, for who watches: what moves on a terminal, else a line a minute."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from jobapp.batch.report import BatchReport, seconds_to_go
from jobapp.batch.ticker import Ticker
from jobapp.commands.output import note, utc
from jobapp.domain.clock import Clock
from jobapp.domain.wording import duration, until_text

EACH_SECOND = 1.0
EACH_MINUTE = 60.0

Show = Callable[[BatchReport], None]


@contextmanager
def shown(report: Callable[[], BatchReport], clock: Clock, *, as_json: bool, quiet: bool) -> Iterator[None]:
    """Show on stderr what *report* returns, as long as this is entered."""
    if quiet:
        yield
        return
    if as_json:
        with _ticking(report, lambda each: note(json.dumps(report_json(each))), EACH_MINUTE):
            yield
    elif sys.stderr.isatty():
        with _moving(clock) as show, _ticking(report, show, EACH_SECOND):
            yield
    else:
        with _ticking(report, lambda each: note(f"jobapp: {line_of(each, clock.now())}"), EACH_MINUTE):
            yield


def line_of(report: BatchReport, now: datetime) -> str:
    """Return how a run goes in one line."""
    parts = [f"{report.done:,} of {report.rows:,} done"]
    if report.failed:
        parts.append(f"{report.failed:,} failed")
    if report.answered and report.seconds > 0:
        parts.append(f"{report.answered * 60 / report.seconds:,.0f} a minute")
    if report.usage.total_tokens:
        parts.append(f"{report.usage.total_tokens:,} tokens")
    if report.usage.cost is not None:
        parts.append(f"${report.usage.cost:,.2f}")
    if report.waiting_for is not None and report.until is not None:
        parts.append(f"waits for {report.waiting_for} until {until_text(report.until, now)}")
    elif (left := seconds_to_go(report)) is not None and report.left:
        parts.append(f"about {duration(timedelta(seconds=left))} left")
    return ", ".join(parts)


def end_of(report: BatchReport, now: datetime) -> str:
    """Return how a run ended."""
    took = duration(timedelta(seconds=report.seconds))
    told = f"{report.done:,} answered, {report.failed:,} failed, {report.left:,} left; "
    told += f"{report.requests:,} requests in {took}, {report.usage.total_tokens:,} tokens"
    if report.usage.cost is not None:
        told += f", ${report.usage.cost:,.4f}"
    if report.error is None:
        return told
    when = f", from {until_text(report.until, now)} on" if report.until else ""
    return f"{told}\njobapp: {report.error}\njobapp: the same command goes on with what is left{when}"


def report_json(report: BatchReport) -> dict[str, Any]:
    """Return a report for programs."""
    told = {
        name: getattr(report, name) for name in ("rows", "done", "failed", "left", "answered", "requests")
    }
    error = report.error
    return told | {
        "changed": report.changed,
        "usage": asdict(report.usage),
        "seconds": round(report.seconds, 3),
        "seconds_left": seconds_to_go(report),
        "waiting_for": report.waiting_for,
        "until": utc(report.until),
        "error": None if error is None else {"type": type(error).__name__, "message": str(error)},
    }


def _ticking(report: Callable[[], BatchReport], show: Show, every: float) -> Ticker:
    """Return what shows the report every so many seconds, and at once where the run begins to wait."""
    shown_at, waited_for = time.monotonic(), None

    def tick() -> None:
        nonlocal shown_at, waited_for
        now = report()
        waits = now.waiting_for is not None and now.waiting_for != waited_for
        waited_for = now.waiting_for
        if waits or time.monotonic() - shown_at >= every:
            shown_at = time.monotonic()
            show(now)

    return Ticker(EACH_SECOND, tick, "jobapp-progress")


@contextmanager
def _moving(clock: Clock) -> Iterator[Show]:
    """Yield what shows a report in place: rich's bar where rich is there, else one line."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
    except ImportError:
        with _written_over(clock) as show:
            yield show
        return
    columns = (BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)

        def show(report: BatchReport) -> None:
            told = line_of(report, clock.now()).replace("[", "\\[")
            progress.update(task, total=report.rows, completed=report.done + report.failed, description=told)

        yield show


@contextmanager
def _written_over(clock: Clock) -> Iterator[Show]:
    def show(report: BatchReport) -> None:
        sys.stderr.write(f"\r\x1b[K{line_of(report, clock.now())}")
        sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
