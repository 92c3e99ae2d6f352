"""The command line: ``python -m jobapp`` and ``jobapp``. Parses and dispatches; the commands do the rest."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence

import jobapp
from jobapp.calls import event_log
from jobapp.commands import ask, batch, check, demo, explain, reset, simulate, status
from jobapp.commands.exit_codes import ERROR, INTERRUPTED, PIPE_CLOSED, USAGE, UsageError, exit_code
from jobapp.commands.output import note
from jobapp.domain.clock import Clock, SystemClock
from jobapp.domain.exceptions import JobAppError

COMMANDS = (ask, batch, status, reset, check, explain, demo, simulate)
EXIT_CODES = """\
exit codes:
  0 done             3 limits or quota: try later     130 interrupted
  1 error            4 no key, or a bad one
  2 wrong usage      5 wrong configuration         143 terminated
                     6 output can't be written

`jobapp COMMAND --help` tells more of a command.
"""


def run() -> None:
    """Run the command line and exit; the entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character still gets the rest
    sys.exit(main())


def main(argv: Sequence[str] | None = None, *, clock: Clock | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: The arguments; those of the process when left out.
        clock: The time, for tests.
    """
    try:
        parser = _parser()
        args = parser.parse_args(argv)
    except SystemExit as end:
        return int(end.code or 0)
    if args.command is None:
        note(parser.format_help().rstrip())
        return USAGE
    with _logging(args.verbose):
        return _perform(args, clock or SystemClock())


def _perform(args: argparse.Namespace, clock: Clock) -> int:
    try:
        return int(args.run(args, clock))
    except UsageError as error:
        note(f"jobapp {args.command}: {error}")
        return USAGE
    except JobAppError as error:
        note(f"jobapp: {error}")
        return exit_code(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return PIPE_CLOSED
    except Exception as error:
        # people get a sentence, and with --verbose the traceback
        logging.getLogger("jobapp").debug("unexpected", exc_info=True)
        note(f"jobapp: unexpected {type(error).__name__}: {error} (--verbose shows where)")
        return ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "jobapp",
        description=jobapp.__doc__ and jobapp.__doc__.partition("\n")[0],
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[_common(None, verbose=False)],
    )
    parser.add_argument("--version", action="version", version=f"jobapp {jobapp.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    common = _common(argparse.SUPPRESS, verbose=argparse.SUPPRESS)
    for command in COMMANDS:
        command.add_to(commands, common)
    return parser


def _common(config: str | None, *, verbose: bool | str) -> argparse.ArgumentParser:
    """Return the options that may stand before and after the command, with their defaults."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", metavar="FILE", default=config, help="the one YAML file to read")
    common.add_argument("--verbose", action="store_true", default=verbose, help="log to stderr")
    return common


@contextlib.contextmanager
def _logging(verbose: bool) -> Iterator[None]:
    """Show jobapp's log on stderr meanwhile: all of it, or only warnings, without a call's events."""
    logger = logging.getLogger("jobapp")
    handler, level = logging.StreamHandler(sys.stderr), logger.level
    if verbose:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.setLevel(logging.DEBUG)
    else:
        handler.setFormatter(logging.Formatter("jobapp: %(message)s"))
        handler.setLevel(logging.WARNING)
        handler.addFilter(lambda record: record.module != event_log.__name__.rpartition(".")[2])
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _forget_stdout() -> None:
    """Let the interpreter flush into nothing at its end, since nobody reads any more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    run()
