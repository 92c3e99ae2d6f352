"""``jobapp check``: does each provider accept its keys? One request a key, which costs no quota."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

from jobapp.commands.exit_codes import ERROR, KEY, OK, TRY_LATER
from jobapp.commands.names import NO_KEYS, known_provider
from jobapp.commands.output import answer_json, note, seconds_left, status_json, utc
from jobapp.commands.status import status_line
from jobapp.commands.table import Line, print_lines
from jobapp.core.key_check import Finding, State
from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.clock import Clock
from jobapp.domain.wording import until_text

HELP = "ask each provider whether it accepts its keys"
DESCRIPTION = """\
Send one request with each configured key that costs no quota (the list of
models; at OpenRouter what is left of the key) and tell whether it was
accepted. What that teaches is remembered: a bad key is set aside, and one that
is accepted again is freed. Models that calls found withdrawn are told too.
"""
EXIT_CODES = {State.BAD: KEY, State.SPENT: TRY_LATER, State.UNREACHABLE: ERROR, State.UNCLEAR: ERROR}
"""By what is found, the most telling first."""


def add_to(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the parser of ``check``."""
    parser = commands.add_parser(
        "check",
        help=HELP,
        description=DESCRIPTION,
        parents=[common],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--provider", metavar="NAME", help="only this provider's keys")
    parser.add_argument("--json", action="store_true", help="one JSON object, times in UTC")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, clock: Clock) -> int:
    """Check every key and print what was found."""
    with LLMInterface(args.config, clock=clock) as llm:
        provider = known_provider(llm.config, args.provider)
        findings, withdrawn = llm.check_keys(provider), llm.withdrawn_models(provider)
    now = clock.now()
    if args.json:
        keys = [_as_json(finding, now) for finding in findings]
        models = [status_json(line, now) for line in withdrawn]
        answer_json({"now": utc(now), "keys": keys, "withdrawn_models": models})
    elif findings:
        lines = [*(_line(f, now) for f in findings), *(status_line(line, now) for line in withdrawn)]
        print_lines(("KEY", "FOUND", f"UNTIL ({now.astimezone():%Z})", "WHY"), lines)
    if not findings:
        note(f"jobapp: {NO_KEYS}")
        return KEY
    found = {finding.state for finding in findings}
    return next((code for state, code in EXIT_CODES.items() if state in found), OK)


def _line(finding: Finding, now: datetime) -> Line:
    until = until_text(finding.until, now) if finding.until else ""
    rule = f" [{finding.rule}]" if finding.rule else ""
    detail = "; ".join(filter(None, (f"{finding.reason}{rule}".strip(), finding.left)))
    return Line(finding.provider, finding.key, finding.state, until, detail)


def _as_json(finding: Finding, now: datetime) -> dict[str, Any]:
    return {
        "provider": finding.provider,
        "key": finding.key,
        "state": finding.state.value,
        "reason": finding.reason,
        "rule": finding.rule,
        "until": utc(finding.until),
        "seconds_left": seconds_left(finding.until, now),
        "remaining": dict(finding.remaining),
    }
