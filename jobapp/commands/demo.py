"""``jobapp demo``: what it does, seen in seconds; with a key, one question to the provider itself."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from jobapp.commands.exit_codes import OK, exit_code
from jobapp.commands.narration import narrator
from jobapp.commands.output import answer, note
from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.clock import Clock
from jobapp.domain.exceptions import JobAppError
from jobapp.providers import PROVIDERS

HELP = "see what it does, without a key or with one"
DESCRIPTION = """\
Without a key in the environment, the built-in simulator plays the four
providers on this machine: spent and bad keys, waits, a second process. With a
key, one short question goes to each provider that has one. The simulator never
touches your keys, settings or state.
"""
PROMPT = "Say hello in one short sentence."


def add_to(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the parser of ``demo``."""
    parser = commands.add_parser(
        "demo",
        help=HELP,
        description=DESCRIPTION,
        parents=[common],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--simulator", action="store_true", help="use the simulator although a key is set")
    parser.add_argument("--provider", choices=PROVIDERS, help="show this provider only")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, clock: Clock) -> int:
    """Ask the providers that have a key, else show everything on the simulator."""
    wanted = [args.provider] if args.provider else list(PROVIDERS)
    if not args.simulator:
        with LLMInterface(args.config, clock=clock, on_event=narrator(clock)) as llm:
            with_keys = {manager.provider_name for manager, _ in llm.managers()}
            chosen = [provider for provider in wanted if provider in with_keys]
            if chosen:
                return _ask_each(llm, chosen, clock)
    from jobapp.commands.demo_simulated import show

    return show(wanted, key_is_set=args.simulator)


def _ask_each(llm: LLMInterface, providers: Sequence[str], clock: Clock) -> int:
    """Ask each provider; return the exit code of the first that did not answer."""
    answer("A key is set, so this asks the provider itself (jobapp demo --simulator does not).")
    codes = [_ask(llm, provider, clock) for provider in providers]
    return next(filter(None, codes), OK)


def _ask(llm: LLMInterface, provider: str, clock: Clock) -> int:
    model = _model(llm, provider)
    answer(f"\n{provider} {model}: {PROMPT}")
    began = clock.monotonic()
    try:
        done = llm.complete(PROMPT, provider=provider, model=model, fallback=False)
    except JobAppError as error:
        note(f"jobapp: {error}")
        return exit_code(error)
    took = clock.monotonic() - began
    answer(f"  {done.text.strip()}")
    answer(f"  answered with {done.key}: {done.usage.total_tokens} tokens, {took:.1f} s")
    return OK


def _model(llm: LLMInterface, provider: str) -> str:
    configured = llm.config.settings.models.values()
    return next(
        (model.model for model in configured if model.provider == provider), PROVIDERS[provider].default_model
    )
