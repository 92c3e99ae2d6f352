"""``jobapp simulate``: the simulator as a server, for programs in any language."""

from __future__ import annotations

import argparse
import shlex
import signal
import threading
from typing import Any, NamedTuple

from jobapp.commands.exit_codes import OK, UsageError
from jobapp.commands.output import answer, answer_json, note
from jobapp.domain.clock import Clock
from jobapp.providers import PROVIDERS

HELP = "play the providers on this machine, for any program"
DESCRIPTION = """\
Play OpenAI, Anthropic, Gemini and OpenRouter on this machine, until Ctrl-C. A
key is its text, and after a colon how it behaves:

  jobapp simulate --port 8000 --openai sk-a:rpm=3,rpd=20 --openai sk-b
  jobapp simulate --anthropic sk-c:fault=overloaded,times=2

  rpm, tpm, rpd    requests and tokens a minute, requests a day
  window           seconds of rpm and tpm, in place of 60
  fault, times     what strikes its requests, and how many of them
  wait             seconds that a busy minute asks to wait
  slow             seconds before each answer
  service          groq, cerebras ...: the names of its headers

Without a key, each provider has one: sk-simulated. What stdout gets is for the
shell: the variables by which the SDKs find the simulator, and the keys.
"""
DEFAULT_KEY = "sk-simulated"
NUMBERS = {"rpm": int, "tpm": int, "rpd": int, "times": int, "window": float, "wait": float, "slow": float}
WORDS = ("fault", "service")


class KeyOption(NamedTuple):
    """A key as the command line tells it."""

    secret: str
    settings: dict[str, Any]


def add_to(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the parser of ``simulate``."""
    parser = commands.add_parser(
        "simulate",
        help=HELP,
        description=DESCRIPTION,
        parents=[common],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="where it listens; any free port by default")
    for provider in PROVIDERS:
        parser.add_argument(f"--{provider}", metavar="KEY", action="append", default=[], help="a key")
    parser.add_argument("--answer", metavar="TEXT", help="what it says to everything; an echo by default")
    parser.add_argument("--no-hints", action="store_true", help="tell nothing of limits and waits")
    parser.add_argument("--requests", action="store_true", help="tell each request on stderr")
    parser.add_argument("--json", action="store_true", help="the variables as one object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, clock: Clock) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    from jobapp.testing import Simulator

    keys = [(provider, key_option(text)) for provider in PROVIDERS for text in getattr(args, provider)] or [
        (provider, KeyOption(DEFAULT_KEY, {})) for provider in PROVIDERS
    ]
    simulator = Simulator(clock, hints=not args.no_hints, state=None, keep=100, port=args.port)
    for provider, key in keys:
        _add(simulator, provider, key)
    if args.answer is not None:
        simulator.answer = args.answer
    if args.requests:
        simulator.on_request = _tell
    try:
        simulator.start()
    except OSError as error:
        raise UsageError(f"port {args.port} can't be used: {error.strerror or error}") from error
    try:
        _serve(simulator.environ(), as_json=args.json)
    finally:
        simulator.stop()
    return OK


def key_option(text: str) -> KeyOption:
    """Return a key and how it behaves.

    Raises:
        UsageError: A setting is unknown, or its value is none.
    """
    secret, colon, told = text.rpartition(":")
    if not colon or "=" not in told:
        return KeyOption(text, {})
    settings: dict[str, Any] = {}
    for setting in told.split(","):
        name, _, value = setting.partition("=")
        if name not in (*NUMBERS, *WORDS):
            raise UsageError(f"a key has no setting {name!r}: use {', '.join((*NUMBERS, *WORDS))}")
        try:
            settings[name] = NUMBERS[name](value) if name in NUMBERS else value
        except ValueError:
            raise UsageError(f"{name}={value}: {value!r} is no number") from None
    return KeyOption(secret, settings)


def _add(simulator: Any, provider: str, key: KeyOption) -> None:
    from jobapp.testing import Fault, Quota, Trouble

    told = key.settings
    try:
        waits = {"wait": told["wait"]} if "wait" in told else {}
        fault = Trouble(Fault(told["fault"]), **waits) if "fault" in told else None
        quota = Quota(
            told.get("rpm"), window=told.get("window", 60.0), per_day=told.get("rpd"), tokens=told.get("tpm")
        )
        simulator.add_key(
            provider,
            key.secret,
            fault,
            times=told.get("times"),
            quota=quota,
            slow=told.get("slow", 0.0),
            service=told.get("service", ""),
        )
    except ValueError as error:
        faults = f" (faults: {', '.join(Fault)})" if "fault" in told else ""
        raise UsageError(f"{error}{faults}") from error


def _tell(request: Any) -> None:
    note(f"{request.provider} {request.method} {request.path} {request.model}".rstrip())


def _serve(environ: dict[str, str], *, as_json: bool) -> None:
    over = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: over.set())
    try:
        if as_json:
            answer_json(environ)
        else:
            answer("\n".join(f"export {name}={shlex.quote(value)}" for name, value in environ.items()))
        note("Serving until Ctrl-C.")
        over.wait()
    except KeyboardInterrupt:
        note("")
    finally:
        signal.signal(signal.SIGTERM, before)
