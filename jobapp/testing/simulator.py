"""The simulator: four providers on one loopback port, with keys that behave as they are told."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Self

from jobapp.core.clock import Clock, SystemClock
from jobapp.providers import PROVIDERS, canonical_name
from jobapp.testing.clock import FakeClock
from jobapp.testing.exchange import Request, Response
from jobapp.testing.faults import Fault, Refusal, Trouble
from jobapp.testing.holds import Held, Hold
from jobapp.testing.http1 import Call, whole
from jobapp.testing.key import Reaction, ScriptItem, SimulatedKey, Troubles, as_trouble
from jobapp.testing.quota import Quota
from jobapp.testing.replies import Replier, Reply
from jobapp.testing.routing import BASE_PATHS, wire_for
from jobapp.testing.server import HOST, LoopbackServer, Pause, Sending

logger = logging.getLogger(__name__)

DEFAULT_MODELS: Mapping[str, Sequence[str]] = {
    "openai": ("gpt-4o-mini",),
    "anthropic": ("claude-haiku-4-5",),
    "google": ("gemini-2.5-flash",),
    "openrouter": ("meta-llama/llama-3.3-70b-instruct:free",),
}
"""What the list of models shows until :meth:`Simulator.set_models`."""

NO_SUCH_PATH = Response(404, body={"error": {"message": "The simulator has no such path.", "code": 404}})
FAILED = Response(
    500, body={"error": {"message": "The simulator failed; its log has the traceback.", "code": 500}}
)


async def _for_ever() -> None:
    await asyncio.Event().wait()


def echo(request: Request) -> str:
    """Return the default answer: the prompt with ``echo:`` before it."""
    return f"echo: {request.prompt}"


class Simulator:
    """OpenAI, Anthropic, Gemini and OpenRouter on loopback, for programs and tests without a network.

    ::

        with Simulator() as sim:
            sim.add_key("openai", "sk-one", limit=3, window=60)
            sim.add_key("openai", "sk-two", per_day=1)
            client = OpenAI(api_key="sk-one", base_url=sim.base_url("openai"), max_retries=0)
            ...
            assert sim.requests("openai", "sk-one") == 1

    A key that was never added is answered as a bad one. Everything here may be called from any thread, and
    other processes may send requests too.

    Args:
        clock: What judges windows and days; the machine's own by default.
        hints: ``False``: no header, text or detail tells how much is left or how long to wait.
        export: Called with name and value of each environment variable of :meth:`environ`, as soon as it is
            known; ``monkeypatch.setenv``, say.
        keep: How many requests ``received`` keeps.

    Attributes:
        clock: The clock.
        hints: As above; may be changed at any time.
        answer: The text of every answer, or a function of the :class:`Request`; by default an echo.
        on_request: Called in the server's thread with each request to a model, or ``None``. What it returns,
            if anything, is sent as a step of a script would be.
        received: The requests, oldest first, those that cost no quota among them.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        hints: bool = True,
        export: Callable[[str, str], object] | None = None,
        keep: int = 10_000,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.hints = hints
        self.answer: str | Callable[[Request], str] = echo
        self.on_request: Callable[[Request], ScriptItem | None] | None = None
        self.received: deque[Request] = deque(maxlen=keep)
        self._export = export
        self._keys: dict[tuple[str, str], SimulatedKey] = {}
        self._models: dict[str, Sequence[str]] = {}
        self._troubles = {name: Troubles() for name in PROVIDERS}
        self._holds: tuple[Hold, ...] = ()
        self._ids = itertools.count(1)
        self._active = 0
        self._server = LoopbackServer(self._serve)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server; requests may come when this returns."""
        self._server.start()
        for name, value in self.environ().items():
            self._tell(name, value)

    def stop(self) -> None:
        """Stop the server and drop its connections; a stopped simulator is not started again."""
        self._server.stop()

    def base_url(self, provider: str) -> str:
        """Return the address in the form the provider's SDK wants.

        For Google, ``HttpOptions(base_url=…)`` of google-genai and ``api_endpoint`` of google-generativeai.
        """
        return f"http://{HOST}:{self._server.port}{BASE_PATHS[canonical_name(provider)]}"

    def environ(self, *, keys: bool = True) -> dict[str, str]:
        """Return the environment variables that point jobapp at this simulator.

        Args:
            keys: List the keys too, each under its name.
        """
        urls = {spec.base_url_env: self.base_url(name) for name, spec in PROVIDERS.items()}
        named = {key.name: key.secret for key in self._keys.values() if key.name} if keys else {}
        return urls | named

    def add_key(  # noqa: PLR0913 - each is one thing that a test may set
        self,
        provider: str,
        secret: str,
        fault: Fault | Trouble | None = None,
        *,
        limit: int | None = None,
        window: float = 60.0,
        per_day: int | None = None,
        quota: Quota | None = None,
        slow: float = 0.0,
        closed_models: Collection[str] = (),
        name: str | None = None,
    ) -> SimulatedKey:
        """Add a key.

        Args:
            provider: Whose key; OpenAI-compatible servers are ``openai``.
            secret: Its text, any that is not yet taken.
            fault: What strikes each of its requests until :meth:`SimulatedKey.heal`.
            limit: Requests per window and model.
            window: Seconds of the window; it opens with its first request.
            per_day: Requests per day of the provider.
            quota: In place of the three: a :class:`Quota`, shared by every key that is given it.
            slow: Seconds before each answer; on a :class:`FakeClock` they pass at once.
            closed_models: Models the key may not ask.
            name: Its environment variable; by default the next that jobapp looks for: ``OPENAI_API_KEY``,
                ``OPENAI_API_KEY_BACKUP_1`` …
        """
        provider = canonical_name(provider)
        key = SimulatedKey(
            provider,
            name or self._next_name(provider),
            secret,
            quota=quota or Quota(limit, window=window, per_day=per_day),
            slow=slow,
            closed_models=closed_models,
        )
        if fault is not None:
            key.fail(fault)
        self._keys[provider, secret] = key
        self._tell(key.name, secret)
        return key

    def key(self, provider: str, secret: str) -> SimulatedKey:
        """Return a key; one that was never added is a bad key, and is counted too."""
        at = (canonical_name(provider), secret)
        if at not in self._keys:
            self._keys[at] = SimulatedKey(at[0], "", secret, quota=Quota())
            self._keys[at].fail(Fault.BAD_KEY)
        return self._keys[at]

    def fail(self, provider: str, fault: Fault | Trouble, *, times: int | None = None) -> None:
        """Let a fault strike the next *times* requests to a provider whatever their key, or every one."""
        self._troubles[canonical_name(provider)].add(as_trouble(fault), times)

    def heal(self, provider: str) -> None:
        """Take away what :meth:`fail` set for a provider."""
        self._troubles[canonical_name(provider)].clear()

    def script(self, provider: str, secret: str, items: Iterable[ScriptItem]) -> None:
        """Answer the next requests of a key with *items*, one each, then as usual again.

        An item is a :class:`Response` that is sent as it is, a :class:`Fault` or :class:`Trouble`, or the
        text of a normal answer.
        """
        self.key(provider, secret).script(items)

    def set_models(self, provider: str, *names: str) -> None:
        """Let a provider have these models and no other."""
        self._models[canonical_name(provider)] = names

    @contextmanager
    def hold(
        self, provider: str | None = None, key: str | None = None, *, after: int | None = None
    ) -> Iterator[Hold]:
        """Let requests wait until the block ends or the :class:`Hold` is released.

        Args:
            provider: Only those of one provider.
            key: Only those with this key.
            after: Pieces of a stream that are sent first; ``None`` holds before anything is sent.
        """
        held = Held(provider and canonical_name(provider), key, after)
        hold = Hold(held, self._server)
        self._holds = (*self._holds, hold)
        try:
            yield hold
        finally:
            self._holds = tuple(other for other in self._holds if other is not hold)
            hold.release()

    def requests(
        self, provider: str | None = None, key: str | None = None, *, model: str | None = None
    ) -> int:
        """Return how many requests to models came, refused ones among them."""
        return self._count("asked", provider, key, model)

    def refusals(
        self, provider: str | None = None, key: str | None = None, *, model: str | None = None
    ) -> int:
        """Return how many of the requests were not answered as they should be."""
        return self._count("refused", provider, key, model)

    def reset_counts(self) -> None:
        """Start counting and recording from 0; what was used of quotas stays used."""
        self.received.clear()
        for key in self._keys.values():
            key.reset_counts()

    @property
    def open_connections(self) -> int:
        """How many connections are open, idle ones in a client's pool among them."""
        return len(self._server.connections)

    @property
    def active_requests(self) -> int:
        """How many requests are being served: not yet written to the end, and the client is still there."""
        return self._active

    def wait_for(self, condition: Callable[[], bool], timeout: float = 10.0) -> None:
        """Block until *condition* holds; it is looked at whenever a request or connection comes or ends.

        Raises:
            TimeoutError: It does not hold within *timeout* seconds.
        """
        if not self._server.wait_for(condition, timeout):
            raise TimeoutError(f"the simulator did not come to the awaited state within {timeout} s")

    def _serve(self, call: Call) -> Sending:
        try:
            return self._reply(call)
        except Exception:
            logger.exception("The simulator failed on %s %s", call.method, call.path)
            return Sending([whole(FAILED)])

    def _reply(self, call: Call) -> Sending:
        wire = wire_for(call)
        if wire is None:
            return Sending([whole(NO_SUCH_PATH)])
        request = wire.read(call, self.clock.now())
        self.received.append(request)
        replier = Replier(wire, request, f"req_{next(self._ids):06d}", hints=self.hints)
        key = self.key(request.provider, request.key)
        listed = wire.other(request, self._models_of(request.provider))
        if listed is not None:
            return self._sending(replier.to(key.check() or listed, ""), {})
        key.asked[request.model] += 1
        reply = replier.to(self._reaction(replier, key), self._text(request))
        if not reply.answered:
            key.refused[request.model] += 1
        return self._sending(reply, self._pauses(request, key, reply))

    def _reaction(self, replier: Replier, key: SimulatedKey) -> Reaction:
        request = replier.request
        told = self.on_request(request) if self.on_request else None
        if told is not None:
            return as_trouble(told) if isinstance(told, Fault) else told
        if trouble := self._troubles[request.provider].next(request.model):
            return trouble
        if key.name and (flaw := replier.wire.flaw(request)):
            return Refusal(Fault.BAD_REQUEST, request.at, detail=flaw)
        if (
            key.name
            and request.provider in self._models
            and request.model not in self._models[request.provider]
        ):
            return Trouble(Fault.UNKNOWN_MODEL)
        return key.react(request)

    def _text(self, request: Request) -> str:
        return self.answer if isinstance(self.answer, str) else self.answer(request)

    def _pauses(self, request: Request, key: SimulatedKey, reply: Reply) -> Mapping[int, list[Pause]]:
        pauses: dict[int, list[Pause]] = {}
        for hold in self._holds:
            if hold.held.covers(request):
                after = hold.held.after
                at = 0 if after is None else min(reply.lead + after, len(reply.parts))
                pauses.setdefault(at, []).append(hold.pause)
        if key.slow:
            pauses.setdefault(0, []).append(partial(self._sleep, key.slow))
        if reply.hang:
            pauses.setdefault(0, []).append(_for_ever)
        return pauses

    def _sending(self, reply: Reply, pauses: Mapping[int, list[Pause]]) -> Sending:
        self._active += 1
        return Sending(reply.parts, reply.close, pauses, self._done)

    def _done(self) -> None:
        self._active -= 1
        self._server.changed()

    async def _sleep(self, seconds: float) -> None:
        if isinstance(self.clock, FakeClock):
            self.clock.advance(seconds)
        else:
            await self.clock.asleep(seconds)

    def _models_of(self, provider: str) -> Sequence[str]:
        return self._models.get(provider, DEFAULT_MODELS[provider])

    def _next_name(self, provider: str) -> str:
        first = f"{PROVIDERS[provider].key_prefixes[0]}_API_KEY"
        names = itertools.chain([first], (f"{first}_BACKUP_{n}" for n in itertools.count(1)))
        taken = {key.name for key in self._keys.values()}
        return next(name for name in names if name not in taken)

    def _count(self, what: str, provider: str | None, secret: str | None, model: str | None) -> int:
        wanted = provider and canonical_name(provider)
        counters = (
            getattr(key, what)
            for key in list(self._keys.values())
            if wanted in (None, key.provider) and secret in (None, key.secret)
        )
        return sum(counter.total() if model is None else counter[model] for counter in counters)

    def _tell(self, name: str, value: str) -> None:
        if self._export is not None and self._server.port:
            self._export(name, value)
