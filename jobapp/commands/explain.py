"""``jobapp explain``: what an error of a provider means, and what jobapp would do about it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from textwrap import fill
from typing import Any

from jobapp.classification.classify import RULES, classify
from jobapp.classification.unknown_forms import suggested_row, unknown_form
from jobapp.commands.exit_codes import OK, UsageError
from jobapp.commands.output import answer, answer_json, seconds_left, utc, verdict_json
from jobapp.commands.unknown import invite, list_unknown
from jobapp.commands.whose_error import guess_provider
from jobapp.core.config_manager import ConfigManager
from jobapp.core.key_setup import rules_of
from jobapp.domain.clock import Clock
from jobapp.domain.quota_reset import block_end
from jobapp.domain.settings import RetrySettings
from jobapp.domain.types import ErrorFacts, Kind, Scope, Verdict
from jobapp.domain.wording import KIND_WORDS, duration, until_text
from jobapp.providers import canonical_name

HELP = "tell what an error means"
DESCRIPTION = """\
Tell what an error of a provider means: its kind, how much of the key it
covers, the rule that says so, until when it holds, and what jobapp would do.
The error is a text (of a log, say) or a JSON body, and comes as an argument,
from a file or from stdin.

  jobapp explain "Error code: 429 - {'error': {'code': 'insufficient_quota'}}"
  jobapp explain --file body.json --status 429 --provider google
  jobapp explain --unknown    # the rejections so far that no rule knew
"""

SCOPES = {
    Scope.KEY: "the key with all its models",
    Scope.MODEL: "the key with this one model",
    Scope.FREE_MODELS: "the key with every model whose name ends in :free",
}


def add_to(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the parser of ``explain``."""
    parser = commands.add_parser(
        "explain",
        help=HELP,
        description=DESCRIPTION,
        parents=[common],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("error", nargs="*", metavar="ERROR", help="the error; stdin when left out")
    parser.add_argument("--file", metavar="FILE", help="read the error from this file")
    parser.add_argument("--provider", metavar="NAME", help="whose error it is; else told by its words")
    parser.add_argument("--model", metavar="NAME", help="the model that was asked")
    parser.add_argument("--status", metavar="CODE", type=_status, help="the HTTP status")
    parser.add_argument(
        "--header", metavar="'NAME: VALUE'", action="append", default=[], help="an HTTP header"
    )
    parser.add_argument("--unknown", action="store_true", help="list what no rule knew so far")
    parser.add_argument("--json", action="store_true", help="one JSON object, times in UTC")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, clock: Clock) -> int:
    """Print what the error means, or what no rule knew so far."""
    if args.unknown:
        return list_unknown(args, clock)
    text, now, config = _error_text(args), clock.now(), ConfigManager(args.config)
    provider = canonical_name(args.provider) if args.provider else guess_provider(text)
    facts = _facts(args, text, provider)
    rules = (*rules_of(config), *RULES)
    verdict = classify(facts, now, rules)
    until = block_end(verdict, now, zone=config.reset_zone(provider)) if is_blocking(verdict.kind) else None
    what = consequence(verdict, until, now, config.settings.retry)
    source = next((rule.source for rule in rules if rule.id == verdict.rule), "")
    form = unknown_form(facts, verdict)
    row = suggested_row(form) if form else None
    if args.json:
        told = {"provider": provider or None, **(verdict_json(verdict) or {}), "source": source, "row": row}
        answer_json({**told, "until": utc(until), "seconds_left": seconds_left(until, now), "action": what})
    else:
        _print(provider, verdict, until, now, what, source)
        if row:
            invite([row])
    return OK


def is_blocking(kind: Kind) -> bool:
    """Return whether an error of this kind sets a key aside."""
    return kind in (Kind.RATE_LIMIT, Kind.QUOTA, Kind.AUTH)


def consequence(verdict: Verdict, until: datetime | None, now: datetime, rules: RetrySettings) -> str:
    """Return what a call would do after this rejection, in a sentence."""
    match verdict.kind:
        case Kind.REQUEST:
            return "raise InvalidRequestError at once, or ask the fallback model; no key is marked"
        case Kind.UNAVAILABLE:
            return f"back off and ask again, up to {rules.max_retries} times a key; no key is marked"
        case Kind.RATE_LIMIT if until is not None and (until - now).total_seconds() <= rules.max_wait:
            wait = duration(until - now)
            return f"wait {wait}, then ask the same key; other calls take the next key meanwhile"
        case Kind.RATE_LIMIT:
            return "ask the next key at once: the wait is longer than retry.max_wait"
        case _:
            return f"set {SCOPES[verdict.scope]} aside until then, and ask the next key at once"


def _print(
    provider: str, verdict: Verdict, until: datetime | None, now: datetime, what: str, source: str
) -> None:
    lines = {
        "kind": f"{verdict.kind}: {KIND_WORDS[verdict.kind]}",
        "scope": SCOPES[verdict.scope] if until else "",
        "reason": verdict.reason,
        "until": until_text(until, now) if until else "",
        "action": what,
        "rule": verdict.rule,
        "source": source,
        "provider": provider or "not told; --provider would make this surer",
        "words": verdict.message,
    }
    for name, told in lines.items():
        if told:
            answer(
                fill(
                    told, 78, initial_indent=f"{name:10}", subsequent_indent=" " * 10, break_on_hyphens=False
                )
            )


def _facts(args: argparse.Namespace, text: str, provider: str) -> ErrorFacts:
    body = _parsed(text)
    return ErrorFacts(
        provider,
        status=args.status,
        headers=dict(_header(line) for line in args.header),
        body=body,
        message="" if body is not None else text,
        model=args.model,
    )


def _parsed(text: str) -> Any:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, Mapping | list) else None


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise UsageError(f"--header {line!r} has no colon: write 'name: value'")
    return name.strip().lower(), value.strip()


def _error_text(args: argparse.Namespace) -> str:
    if args.file:
        try:
            text = Path(args.file).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise UsageError(f"--file {args.file}: {error.strerror}") from None
    elif args.error:
        text = " ".join(args.error)
    elif sys.stdin.isatty():
        raise UsageError("no error: give it as an argument, with --file, or pipe it in")
    else:
        text = (
            sys.stdin.buffer.read().decode(errors="replace")
            if hasattr(sys.stdin, "buffer")
            else sys.stdin.read()
        )
    if not text.strip() and args.status is None:
        raise UsageError("the error is empty: give its text, or at least --status")
    return text


def _status(text: str) -> int:
    status = int(text)
    if not 100 <= status <= 599:  # noqa: PLR2004 - HTTP
        raise argparse.ArgumentTypeError(f"must be an HTTP status, not {text}")
    return status
