"""``jobapp ask``: one question, answered on stdout."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from jobapp.calls.answers import CUT_OFF
from jobapp.calls.streams import text_of
from jobapp.commands.exit_codes import OK, UsageError
from jobapp.commands.model_options import add_model_options, model_arguments, seconds
from jobapp.commands.narration import narrator
from jobapp.commands.output import answer, answer_json, attempt_json, note, seconds_left, utc
from jobapp.core.config_manager import ConfigManager
from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.clock import Clock
from jobapp.domain.exceptions import JobAppError
from jobapp.domain.types import Completion

HELP = "ask a model"
DESCRIPTION = """\
Ask a model; the answer goes to stdout, all else to stderr. The prompt is the
argument, or stdin when there is none; "-" in the prompt stands for stdin:

  jobapp ask "Hello" --provider openai --model gpt-4o-mini
  git diff | jobapp ask "Review this change:" - --task review
"""


def add_to(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the parser of ``ask``."""
    parser = commands.add_parser(
        "ask",
        help=HELP,
        description=DESCRIPTION,
        parents=[common],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("prompt", nargs="*", metavar="PROMPT", help="the question; stdin when left out")
    add_model_options(parser)
    parser.add_argument("--wait", action="store_true", help="when no key is free, wait for the first one")
    parser.add_argument("--deadline", metavar="SECONDS", type=seconds, help="give up after this time")
    parser.add_argument("--quiet", action="store_true", help="say nothing of waits, rotation and fallback")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object: the answer and who gave it")
    form.add_argument("--stream", action="store_true", help="print the answer piece by piece, as it comes")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, clock: Clock) -> int:
    """Ask and print the answer."""
    prompt = _prompt(args.prompt)
    listener = None if args.quiet or args.verbose else narrator(clock)
    with LLMInterface(args.config, clock=clock, on_event=listener) as llm:
        arguments = _arguments(args, llm.config)
        return _ask(llm, prompt, arguments, args, clock)


def _arguments(args: argparse.Namespace, config: ConfigManager) -> dict[str, Any]:
    exhausted = "wait" if args.wait else None
    return {**model_arguments(args, config), "deadline": args.deadline, "on_exhausted": exhausted}


def _ask(
    llm: LLMInterface, prompt: str, arguments: dict[str, Any], args: argparse.Namespace, clock: Clock
) -> int:
    if args.stream:
        stream = llm.stream_prompt(prompt, **arguments)
        _print_pieces(stream)
        _note_end(stream.completion)
    elif args.json:
        with _errors_as_json(clock):
            answer_json(completion_json(llm.complete(prompt, **arguments)))
    else:
        done = llm.complete(prompt, **arguments)
        answer(text_of(done))
        _note_end(done)
    return OK


def _note_end(done: Completion | None) -> None:
    """Say so where an answer did not come to its end."""
    if done is not None and done.finish_reason in CUT_OFF:
        note(CUT_OFF[done.finish_reason] % (done.provider, done.model))


def completion_json(done: Completion) -> dict[str, Any]:
    """Return an answer for programs, without the SDK's own response."""
    return {
        "text": done.text,
        "provider": done.provider,
        "model": done.model,
        "key": done.key,
        "finish_reason": done.finish_reason.value,
        "tool_calls": [call._asdict() for call in done.tool_calls],
        "usage": asdict(done.usage),
        "attempts": [attempt_json(attempt) for attempt in done.attempts],
    }


def error_json(error: JobAppError, now: datetime) -> dict[str, Any]:
    """Return an error for programs."""
    available_at = getattr(error, "available_at", None)
    return {
        "error": {
            "type": type(error).__name__,
            "message": str(error),
            "available_at": utc(available_at),
            "seconds_left": seconds_left(available_at, now),
            "attempts": [attempt_json(attempt) for attempt in getattr(error, "attempts", ())],
        }
    }


@contextmanager
def _errors_as_json(clock: Clock) -> Iterator[None]:
    try:
        yield
    except JobAppError as error:
        answer_json(error_json(error, clock.now()))
        raise


def _print_pieces(pieces: Iterator[str]) -> None:
    last = "\n"
    try:
        for piece in pieces:
            answer(piece, end="")
            last = piece
    finally:
        if not last.endswith("\n"):
            answer("")


def _prompt(words: list[str]) -> str:
    """Return the prompt: the words, with stdin in the place of ``-``, or stdin alone."""
    if not words and sys.stdin.isatty():
        raise UsageError("no prompt: give it as an argument, or pipe it in")
    parts = [_read_stdin() if word == "-" else word for word in words or ["-"]]
    prompt = " ".join(parts).strip()
    if not prompt:
        raise UsageError("the prompt is empty")
    return prompt


def _read_stdin() -> str:
    try:
        return f"\n\n{sys.stdin.read().strip()}\n\n"
    except UnicodeDecodeError as error:
        wrong = error.object[error.start]
        raise UsageError(
            f"stdin is not {error.encoding}: byte 0x{wrong:02x} at position {error.start}"
        ) from None
