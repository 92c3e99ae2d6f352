"""The demo on the simulator: seven things that happen to keys, with each provider's real SDK.

What it prints is what happened: it tells the events of each call, and counts what the simulator received.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from textwrap import fill, wrap
from typing import Self

from jobapp.commands.demo_batch import play_batch
from jobapp.commands.demo_process import child_environ
from jobapp.commands.exit_codes import ERROR, OK
from jobapp.commands.output import answer
from jobapp.core.config_manager import ConfigManager
from jobapp.core.llm_interface import LLMInterface
from jobapp.domain import events
from jobapp.domain.clock import SystemClock
from jobapp.domain.exceptions import NoAPIKeysAvailableError
from jobapp.domain.types import Kind
from jobapp.domain.wording import local
from jobapp.providers import PROVIDERS, open_adapter
from jobapp.testing import Fault, Simulator, Trouble

WIDTH = 78
ROOM = 46
"""Characters of a line, and of it for what happened."""

SPENT = Trouble(Fault.SPENT_DAY, limit=3)
BUSY = Trouble(Fault.BUSY_MINUTE, wait=1.0)

INTRODUCTION = """\
{why} the built-in simulator plays the providers: the requests are real HTTP through the real SDKs, but they
stay on this machine. Each provider has three keys, 1 to 3; F is the key of its fallback model. The numbers
count the requests that each key received."""
END = """
{requests} requests in {seconds:.0f} s. Your own keys, settings and state were not touched.

With a key of your own:
  export OPENAI_API_KEY=...
  jobapp ask "Hello" --provider openai --model gpt-4o-mini
"""


def show(providers: Sequence[str], *, key_is_set: bool) -> int:
    """Print what happens with each of *providers*; return the exit code."""
    began = time.monotonic()
    why = "As you asked," if key_is_set else "No API key is set, so"
    answer(fill(INTRODUCTION.format(why=why), WIDTH))
    with _without_proxy(), ThreadPoolExecutor(len(providers)) as pool:
        plays = [
            (lines := Queue[str | None](), pool.submit(_play, provider, lines)) for provider in providers
        ]
        for lines, _ in plays:
            for line in iter(lines.get, None):
                answer(line)
        results = [play.result() for _, play in plays]
        batch = play_batch()
    answer(f"\n{fill(f'A batch of rows in a file (jobapp batch): {batch.told}.', WIDTH)}")
    requests = sum(result.requests for result in results) + batch.requests
    answer(END.format(requests=requests, seconds=time.monotonic() - began).rstrip())
    return OK if batch.as_expected and all(result.as_expected for result in results) else ERROR


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens: it acts and returns what to tell; each key must receive so many requests."""

    title: str
    act: Callable[[], str]
    expected: tuple[int, int, int, int]


class Stage:
    """One provider with three keys and a fallback, in a folder of its own."""

    def __init__(self, provider: str) -> None:
        names = list(PROVIDERS)
        self.provider, self.model = provider, PROVIDERS[provider].default_model
        self.fallback = names[(names.index(provider) + 1) % len(names)]
        self._events: list[events.Event] = []
        self._folder = TemporaryDirectory(prefix="jobapp-demo-")
        self._environ: dict[str, str] = {}
        self._simulator = Simulator(export=self._environ.__setitem__, state=None)

    def __enter__(self) -> Self:
        folder = Path(self._folder.name)
        self._environ |= {"JOBAPP_CONFIG_DIR": str(folder), "JOBAPP_CACHE_DIR": str(folder / "cache")}
        self._environ["JOBAPP_CONFIG"] = str(folder / "demo.yaml")
        (folder / "demo.yaml").write_text(json.dumps(self._settings()))
        (folder / ".env").touch()
        self._simulator.start()
        self.keys = [self._simulator.add_key(self.provider, f"sk-demo-{number}") for number in (1, 2, 3)]
        self.keys.append(self._simulator.add_key(self.fallback, "sk-demo-fallback"))
        config = ConfigManager(env_path=folder / ".env", environ=self._environ)
        adapter = open_adapter(config.provider_settings(self.provider))
        self.sdk = getattr(adapter, "distribution", "")
        self._llm = LLMInterface(config, on_event=self._events.append)
        return self

    def __exit__(self, *_: object) -> None:
        self._llm.close()
        self._simulator.stop()
        self._folder.cleanup()

    def steps(self) -> Iterator[Step]:
        """Yield what happens, in order."""
        yield Step("a busy minute", self._busy_minute, (2, 0, 0, 0))
        yield Step("a spent day", self._spent_day, (1, 1, 0, 0))
        yield Step("a second process", self._second_process, (0, 1, 0, 0))
        yield Step("a bad key", self._bad_key, (0, 1, 1, 0))
        yield Step("all keys spent", self._all_spent, (0, 0, 1, 0))
        yield Step("a fallback model", self._fallback, (0, 0, 0, 1))
        yield Step("a reset", self._reset, (1, 0, 0, 0))

    def counts(self) -> tuple[int, ...]:
        """Return what each key received since this was last asked."""
        counts = tuple(key.requests for key in self.keys)
        self._simulator.reset_counts()
        return counts

    def _busy_minute(self) -> str:
        self.keys[0].fail(BUSY, times=1)
        return self._ask()

    def _spent_day(self) -> str:
        self.keys[0].fail(SPENT)
        return self._ask()

    def _second_process(self) -> str:
        command = [sys.executable, "-m", "jobapp", "ask", "Hello", "--json"]
        done = subprocess.run(  # noqa: S603 - our own program
            command, env=child_environ(self._environ), cwd=self._folder.name, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            return f"it failed: {done.stderr.strip()}"
        asked = [self._name(attempt["key"]) for attempt in json.loads(done.stdout)["attempts"]]
        return f"it knew of key 1 and asked {', '.join(asked)}, which answered"

    def _bad_key(self) -> str:
        self.keys[1].fail(Fault.BAD_KEY)
        return self._ask()

    def _all_spent(self) -> str:
        self.keys[2].fail(SPENT)
        try:
            return self._ask(fallback=False)
        except NoAPIKeysAvailableError as error:
            now = SystemClock().now()
            ends = (f"{self._name(line.key)} {local(line.until, now)}" for line in error.keys if line.until)
            return f'{self._story()}; "{str(error).partition(".")[0]}": back are {", ".join(ends)}'

    def _fallback(self) -> str:
        return self._ask()

    def _reset(self) -> str:
        self.keys[0].heal()
        cleared = self._llm.reset(self.provider)
        return f"{len({block.fingerprint for block in cleared})} keys freed, {self._ask()}"

    def _ask(self, *, fallback: bool = True) -> str:
        self._events.clear()
        self._llm.send_prompt("Hello", fallback=fallback)
        return self._story()

    def _story(self) -> str:
        """Return what happened in the last call."""
        return ", ".join(filter(None, map(self._words, self._events)))

    def _words(self, event: events.Event) -> str:
        match event:
            case events.KeyBlocked(block=block) if block.kind is Kind.RATE_LIMIT:
                return f"{self._name(block.key_name)} is busy"
            case events.KeyBlocked(block=block):
                state = "spent" if block.kind is Kind.QUOTA else "refused and set aside"
                return f"{self._name(block.key_name)} is {state} until {local(block.until, block.since)}"
            case events.Waiting(seconds=seconds):
                return f"{seconds:.1f} s waited"
            case events.FellBack(provider=provider, model=model):
                return f"went on with {provider} {model}"
            case events.CallDone(key=str(key)):
                return f"{self._name(key)} answered"
            case _:
                return ""

    def _name(self, key: str) -> str:
        return f"key {'123F'[[each.name for each in self.keys].index(key)]}"

    def _settings(self) -> dict[str, object]:
        return {
            "models": {
                "default": {"provider": self.provider, "model": self.model},
                "fallback": {"provider": self.fallback, "model": PROVIDERS[self.fallback].default_model},
            }
        }


@dataclass(slots=True)
class Result:
    """How one provider's demo went: the requests it took, and whether each key received what it should."""

    requests: int = 0
    as_expected: bool = True


def _play(provider: str, lines: Queue[str | None]) -> Result:
    """Let everything happen at one provider and tell it line by line; ``None`` is the end."""
    result = Result()
    try:
        with Stage(provider) as stage:
            for line in _perform(stage, result):
                lines.put(line)
    finally:
        lines.put(None)
    return result


def _perform(stage: Stage, result: Result) -> Iterator[str]:
    yield f"\n{stage.provider} {stage.model}, SDK {stage.sdk} {version(stage.sdk)}"
    yield f"{'requests to key':>{WIDTH - 12}}{'1':>3}{'2':>3}{'3':>3}{'F':>3}"
    total = [0] * len(stage.keys)
    for step in stage.steps():
        told, counts = step.act(), stage.counts()
        yield from _streak(step.title, told, counts)
        if counts != step.expected:
            yield f"    that is not as it should be: {step.expected} were expected"
            result.as_expected = False
        total = [sum(pair) for pair in zip(total, counts, strict=True)]
    yield from _streak("in all", "", total)
    result.requests = sum(total)


def _streak(title: str, told: str, counts: Sequence[int]) -> Iterator[str]:
    first, *rest = wrap(told, ROOM, break_on_hyphens=False) or [""]
    margin = WIDTH - ROOM - 3 * len(counts)
    yield f"{f'  {title}':{margin}}{first:{ROOM}}{''.join(f'{count:3}' for count in counts)}"
    yield from (f"{'':{margin}}{line}" for line in rest)


@contextmanager
def _without_proxy() -> Iterator[None]:
    """Let requests to this machine go to no proxy, in this process and those it starts."""
    before = {name: os.environ.get(name) for name in ("NO_PROXY", "no_proxy")}
    os.environ.update(dict.fromkeys(before, "127.0.0.1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
