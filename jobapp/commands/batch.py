"""``jobapp batch``: a file of prompts in, a file of answers out; started again, it goes on where it was."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

from jobapp.batch.report import BatchReport
from jobapp.batch.run import FileRun, Preview
from jobapp.commands.exit_codes import CONFIGURATION, ERROR, KEY, OK, TRY_LATER, UsageError, exit_code
from jobapp.commands.model_options import add_model_options, model_arguments, seconds
from jobapp.commands.output import answer, answer_json, note
from jobapp.commands.progress import end_of, report_json, shown
from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.clock import Clock
from jobapp.domain.wording import until_text

HELP = "ask every row of a file"
DESCRIPTION = """\
Ask every row of a file, and write the answers to another. A row is a JSON
line: a text, a list of messages, {"prompt": ...} or {"messages": ...} with an
id and options, or a row of OpenAI's, Anthropic's or Gemini's batch form. A
.csv or .txt file is read as what it is. What is answered already is not asked
again: after a stop, the same command goes on.

  jobapp batch prompts.jsonl
  jobapp batch reviews.csv --template "Is this a complaint? $review"
"""
EXIT_CODES = """\
exit codes:
  0 every row is answered    4 no key, or a bad one
  1 some rows failed         5 input or settings    130 Ctrl-C
  3 rows are left: run again 6 output               143 SIGTERM
"""
GRACE = 10.0
"""Seconds that SIGTERM leaves to what is under way."""


def add_to(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the parser of ``batch``."""
    parser = commands.add_parser(
        "batch",
        help=HELP,
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        parents=[common],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", metavar="IN", type=Path, help="the file of rows")
    parser.add_argument("--out", metavar="OUT", type=Path, help="the file of answers; IN with .out.jsonl")
    add_model_options(parser)
    parser.add_argument("--template", metavar="TEXT", help="a prompt with $names of a row's fields; @FILE")
    parser.add_argument("--ordered", action="store_true", help="put the answers in the order of the rows")
    parser.add_argument(
        "--concurrency", metavar="N", type=_count, help="rows under way; found out if left out"
    )
    parser.add_argument("--shard", metavar="K/N", type=_shard, help="only the Kth of N parts of the rows")
    group = parser.add_argument_group("when rows were asked before")
    group.add_argument("--keep", action="store_true", help="keep answers although the request has changed")
    group.add_argument("--prune", action="store_true", help="drop answers whose row is gone")
    group.add_argument("--retry-errors", action="store_true", help="ask rows that failed again")
    group = parser.add_argument_group("when to stop")
    group.add_argument("--no-wait", action="store_true", help="stop when no key is free, with exit code 3")
    times = group.add_mutually_exclusive_group()
    times.add_argument("--deadline", metavar="SECONDS", type=seconds, help="stop after this time")
    times.add_argument("--until", metavar="HH:MM", type=_time_of_day, help="stop at this time of the day")
    group.add_argument("--limit", metavar="N", type=_count, help="ask so many rows")
    group.add_argument("--max-requests", metavar="N", type=_count, help="send so many requests")
    group.add_argument("--max-tokens", metavar="N", type=_count, help="stop when the answers cost so many")
    group.add_argument(
        "--max-usd", metavar="N", type=float, help="stop when the answers cost so many dollars"
    )
    parser.add_argument("--dry-run", action="store_true", help="tell what would be asked, and send nothing")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object at the end; progress as JSON lines"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, clock: Clock) -> int:
    """Run the batch and tell how it ended."""
    with LLMInterface(args.config, clock=clock) as llm:
        job = llm.open_run(
            args.input,
            args.out,
            **model_arguments(args, llm.config),
            template=_template(args.template),
            ordered=args.ordered,
            concurrency=args.concurrency,
            shard=args.shard,
            keep=args.keep,
            prune=args.prune,
            retry_errors=args.retry_errors,
            on_exhausted="raise" if args.no_wait else "wait",
            deadline=_deadline(args, clock),
            limit=args.limit,
            max_requests=args.max_requests,
            max_total_tokens=args.max_tokens,
            max_usd=args.max_usd,
        )
        return _look(job, llm, args, clock) if args.dry_run else _run(job, args, clock)


def _run(job: FileRun, args: argparse.Namespace, clock: Clock) -> int:
    with _stopped_by_signals(job) as caught, shown(job.report, clock, as_json=args.json, quiet=args.quiet):
        report = job.run()
    if args.json:
        answer_json(report_json(report))
    else:
        note(f"jobapp: {job.output}: {end_of(report, clock.now())}")
    return 128 + caught[0] if caught and report.left else _exit_code(report)


def _exit_code(report: BatchReport) -> int:
    if report.left:
        return KEY if report.error and exit_code(report.error) == KEY else TRY_LATER
    return ERROR if report.failed else OK


@contextmanager
def _stopped_by_signals(job: FileRun) -> Iterator[list[int]]:
    """Let the first signal finish what is under way, the second end it; yield those that came."""
    caught: list[int] = []

    def handle(number: int, _: object) -> None:
        caught.append(number)
        if len(caught) > 1:
            raise KeyboardInterrupt
        name = signal.Signals(number).name
        job.stop(f"the batch was stopped by {name}")
        if number == signal.SIGINT:
            note("jobapp: finishing what is under way; Ctrl-C again stops at once")
        else:
            timer = threading.Timer(GRACE, job.cut)
            timer.daemon = True
            timer.start()

    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield caught
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _look(job: FileRun, llm: LLMInterface, args: argparse.Namespace, clock: Clock) -> int:
    """Tell what would be done."""
    preview = job.preview()
    days = _days(preview, llm, args)
    if args.json:
        answer_json(
            preview.counts._asdict()
            | {"tokens": preview.tokens, "faults": preview.faults, "days": days}
            | {"differences": preview.differences}
        )
    else:
        for line in _told(job, preview, llm, args, clock, days):
            answer(line)
    return CONFIGURATION if preview.faults else OK


def _told(
    job: FileRun,
    preview: Preview,
    llm: LLMInterface,
    args: argparse.Namespace,
    clock: Clock,
    days: int | None,
) -> Iterator[str]:
    counts, now = preview.counts, clock.now()
    yield f"rows       {counts.rows:,} in {job.source}"
    yield f"done       {counts.answered:,} answered, {counts.failed:,} failed, in {job.output}"
    yield f"to ask     {counts.todo:,}, {counts.changed:,} of them because the request has changed"
    yield f"tokens     about {preview.tokens:,} of input"
    if counts.left_out:
        what = "dropped" if args.prune else "kept"
        yield f"gone       {counts.left_out:,} answers whose row is gone, which are {what}"
    for status in llm.key_status():
        if args.provider in (None, status.provider) or args.task is not None:
            until = f" until {until_text(status.until, now)}" if status.until else ""
            yield f"key        {status.provider} {status.key}: {status.state}{until}"
    if days is not None:
        yield f"days       {days:,} by the budgets of the settings"
    for difference in preview.differences:
        yield f"changed    {difference}"
    for fault in preview.faults:
        yield f"broken     {fault}"


def _days(preview: Preview, llm: LLMInterface, args: argparse.Namespace) -> int | None:
    """Return how many days the budgets of the settings mean; ``None`` where they have none a day."""
    arguments = model_arguments(args, llm.config)
    model = llm.config.model_settings(arguments["task_name"], arguments["provider"], arguments["model"])
    budgets = llm.config.provider_settings(model.provider).budgets
    a_day = [budget.rpd for budget in budgets if budget.rpd]
    keys = len(llm.config.keys_for(model))
    return -(-preview.counts.todo // (min(a_day) * keys)) if a_day else None


def _deadline(args: argparse.Namespace, clock: Clock) -> float | None:
    """Return the seconds until the run has to stop."""
    if args.until is None:
        return args.deadline  # type: ignore[no-any-return]
    return seconds_until(args.until, clock.now())


def seconds_until(clock_time: time, now: datetime) -> float:
    """Return the seconds from the aware *now* until the next *clock_time* in the reader's own zone."""
    today = now.astimezone().date()
    instants = (datetime.combine(today + timedelta(days=days), clock_time).astimezone() for days in (0, 1, 2))
    return next(left for instant in instants if (left := (instant - now).total_seconds()) > 0)


def _template(text: str | None) -> str | None:
    if text is None or not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--template: {text[1:]} can't be read: {error}") from None


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return number


def _shard(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    shard = int(part), int(parts)
    if not 1 <= shard[0] <= shard[1]:
        raise argparse.ArgumentTypeError(f"must be like 2/8, not {text}")
    return shard


def _time_of_day(text: str) -> time:
    return time.fromisoformat(text)
