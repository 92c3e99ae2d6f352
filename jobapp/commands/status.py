"""``jobapp status``: what is known of every key."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from jobapp.commands.batches_noted import batch_lines, noted_batches
from jobapp.commands.exit_codes import KEY, OK
from jobapp.commands.names import NO_KEYS
from jobapp.commands.output import answer, answer_json, clear, note, reason_text, status_json, utc
from jobapp.commands.table import Line, print_lines
from jobapp.core.config_manager import ConfigManager
from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.clock import Clock
from jobapp.domain.key_status import KeyStatus
from jobapp.domain.types import Kind
from jobapp.domain.wording import BLOCK_WORDS, allowance, local, name_of_models, until_text
from jobapp.stores.json_file import FILE_NAME
from jobapp.stores.redis_connection import without_secrets

AMOUNTS = {"usd_per_day": "${:,.4f}", "usd_per_month": "${:,.4f}", "rpd": "{:,.0f}", "tpd": "{:,.0f}"}
"""How what is left of a budget is written."""

LEAST_WATCH = 0.2
"""Seconds between two looks at least."""

HELP = "show what is known of each key"
DESCRIPTION = (
    "Show what is known of each key: free, or what keeps it, why, since when and until when; "
    "what it did today, and what your own budgets leave."
)


def add_to(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the parser of ``status``."""
    parser = commands.add_parser("status", help=HELP, description=DESCRIPTION, parents=[common])
    parser.add_argument("--json", action="store_true", help="one JSON object, times in UTC")
    watch = "show it again and again, until Ctrl-C"
    parser.add_argument("--watch", nargs="?", type=float, const=2.0, metavar="SECONDS", help=watch)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, clock: Clock) -> int:
    """Print the state of every key."""
    with LLMInterface(args.config, clock=clock) as llm:
        code = _show(llm, args, clock)
        while args.watch is not None:
            clock.sleep(max(LEAST_WATCH, args.watch))
            clear()
            _show(llm, args, clock)
    return code


def _show(llm: LLMInterface, args: argparse.Namespace, clock: Clock) -> int:
    lines, now = llm.key_status(), clock.now()
    state = place_of_state(llm.config)
    batches = noted_batches(llm.config.settings.cache_path)
    if args.json:
        keys = [status_json(line, now) for line in lines]
        answer_json({"now": utc(now), "state": state, "keys": keys, "batches": batches})
    elif lines:
        headers = ("KEY", "STATE", f"UNTIL ({now.astimezone():%Z})", "WHY")
        print_lines(headers, [status_line(line, now) for line in lines])
        for told in batch_lines(batches, now):
            answer(told)
        answer(f"\nKept in {state}")
    if not lines:
        note(f"jobapp: {NO_KEYS}")
        return KEY
    return OK


def place_of_state(config: ConfigManager) -> str:
    """Return where the state is kept, for people: a path, or an address without its password."""
    url = config.settings.state_url
    return str(config.settings.cache_path / FILE_NAME) if url is None else without_secrets(url)


def status_line(status: KeyStatus, now: datetime) -> Line:
    """Return one key's state, or that of a withdrawn model, for the table."""
    about = "; ".join(filter(None, (_why(status, now), *_about(status, now))))
    if status.until is None or status.since is None:
        return Line(status.provider, status.key, status.state, detail=about)
    until = until_text(status.until, now)
    return Line(status.provider, status.key, BLOCK_WORDS[Kind(status.state)], until, about)


def _why(status: KeyStatus, now: datetime) -> str:
    if status.since is None:
        return ""
    why = f"{name_of_models(status.model)}: {reason_text(status.reason)}"
    return f"{why}, since {local(status.since, now)}"


def _about(status: KeyStatus, now: datetime) -> Iterator[str]:
    """Yield what sets a key apart, what it did today, and what is left of its budgets."""
    if status.tier > 1:
        yield f"tier {status.tier}"
    if status.models:
        yield f"for {', '.join(status.models)}"
    today = status.today
    if today is not None and today.requests:
        cost = f", ${today.dollars:,.4f}" if today.dollars else ""
        yield f"today {today.requests:,} requests, {today.tokens:,} tokens{cost}"
    for each in today.budgets if today else ():
        whose = f" of {each.model}" if each.model else f" of the group {each.group}" if each.group else ""
        left = AMOUNTS[each.name].format(each.left)
        yield f"left of {allowance(each.name, each.limit)}{whose}: {left} until {local(each.until, now)}"
