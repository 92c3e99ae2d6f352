"""The options that say which model is asked, of the commands that ask one."""

from __future__ import annotations

import argparse
from typing import Any

from jobapp.commands.exit_codes import UsageError
from jobapp.commands.names import NO_KEYS, known_provider
from jobapp.core.config_manager import ConfigManager
from jobapp.providers import PROVIDERS, SERVICES, spec_of


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    parser.add_argument(
        "--provider", metavar="NAME", help="openai, anthropic, google, openrouter or your own"
    )
    parser.add_argument("--model", metavar="NAME", help="the provider's name of the model")
    parser.add_argument("--task", metavar="NAME", help="the task of the configuration whose model serves")
    parser.add_argument("--system", metavar="TEXT", help="a system message before the prompt")
    parser.add_argument("--no-fallback", action="store_true", help="ask no fallback model")


def model_arguments(args: argparse.Namespace, config: ConfigManager) -> dict[str, Any]:
    """Return what a call is asked for; without a model, the default one of a provider that has a key.

    Raises:
        UsageError: What is named does not say which model is meant.
    """
    provider, model = known_provider(config, args.provider), args.model
    if args.task is None and model is None and "default" not in config.settings.models:
        provider = provider or next(filter(config.has_keys, (*PROVIDERS, *SERVICES)), None)
        if provider is None:
            raise UsageError(f"{NO_KEYS}; or give --provider and --model")
        spec = spec_of(provider)
        if spec is None or not spec.default_model:
            raise UsageError(f"{provider} has no default model: give --model")
        model = spec.default_model
    elif (
        provider is None
        and model is not None
        and args.task is None
        and "default" not in config.settings.models
    ):
        raise UsageError("a model alone does not say whose it is: give --provider")
    return {
        "task_name": args.task,
        "provider": provider,
        "model": model,
        "system": args.system,
        "fallback": not args.no_fallback,
    }


def seconds(text: str) -> float:
    """Return the seconds that *text* says; the type of an argument."""
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"must be more than 0, not {text}")
    return number
