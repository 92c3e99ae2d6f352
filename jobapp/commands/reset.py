"""``jobapp reset``: free keys by hand, in every process that shares the state."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

from jobapp.commands.exit_codes import OK
from jobapp.commands.names import known_keys, known_provider
from jobapp.commands.output import answer, answer_json, reason_text, seconds_left, utc
from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.clock import Clock
from jobapp.domain.exceptions import StateStoreError
from jobapp.domain.types import Block
from jobapp.domain.wording import BLOCK_WORDS, name_of_models, until_text

HELP = "free keys by hand"
DESCRIPTION = """\
Free keys by hand: all of them, those of one provider, or those that are named. It counts at once in every
process that shares the state, running ones too."""


def add_to(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the parser of ``reset``."""
    parser = commands.add_parser("reset", help=HELP, description=DESCRIPTION, parents=[common])
    parser.add_argument("keys", nargs="*", metavar="KEY", help="names of keys, OPENAI_API_KEY say")
    parser.add_argument("--provider", metavar="NAME", help="only this provider's keys")
    parser.add_argument("--json", action="store_true", help="one JSON object, times in UTC")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, clock: Clock) -> int:
    """Free the keys and say what that cleared."""
    now = clock.now()
    with LLMInterface(args.config, clock=clock) as llm:
        provider = known_provider(llm.config, args.provider)
        known_keys(llm, args.keys)
        try:
            ended = [block for key in args.keys or [None] for block in llm.reset(provider, key)]
        except StateStoreError as error:
            if args.json:
                answer_json({"cleared": [], "error": {"type": type(error).__name__, "message": str(error)}})
            raise
    cleared = [block for block in ended if block.until > now]
    if args.json:
        answer_json({"cleared": [_as_json(block, now) for block in cleared]})
    else:
        for block in cleared:
            answer(f"cleared {_in_words(block, now)}")
        if not cleared:
            answer("nothing to clear: no key was set aside")
    return OK


def _in_words(block: Block, now: datetime) -> str:
    name = f"{block.provider} {block.key_name}, {name_of_models(block.model)}"
    return (
        f"{name}: {BLOCK_WORDS[block.kind]} until {until_text(block.until, now)}, {reason_text(block.reason)}"
    )


def _as_json(block: Block, now: datetime) -> dict[str, Any]:
    return {
        "provider": block.provider,
        "key": block.key_name,
        "model": block.model,
        "state": block.kind.value,
        "reason": block.reason,
        "since": utc(block.since),
        "until": utc(block.until),
        "seconds_left": seconds_left(block.until, now),
    }
