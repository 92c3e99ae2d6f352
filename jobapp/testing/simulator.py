"""The simulator: four providers on one loopback port, with keys that behave as they are told."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from jobapp.domain.clock import Clock, SystemClock
from jobapp.providers import PROVIDERS, canonical_name
from jobapp.testing.clock import SleeperWatch
from jobapp.testing.desk import Desk
from jobapp.testing.environment import BASE_PATHS, addresses
from jobapp.testing.faults import Fault, Rejection, Trouble
from jobapp.testing.holds import Held, Hold, pauses_of
from jobapp.testing.http1 import RawRequest, whole
from jobapp.testing.http_values import Request
from jobapp.testing.key import Reaction, ScriptItem, SimulatedKey, as_reaction, as_trouble
from jobapp.testing.model import echo, normal
from jobapp.testing.network import NetworkBlock
from jobapp.testing.provider import SimulatedProvider, total
from jobapp.testing.quota import Quota
from jobapp.testing.replies import FAILED, RawResponse, Replier
from jobapp.testing.routing import WIRE_OF, WIRES, Names, Route, provider_of, route_of
from jobapp.testing.server import HOST, LoopbackServer, Sending
from jobapp.testing.service_headers import SERVICE_METERS
from jobapp.testing.steps import Answer, Said
from jobapp.testing.wire import Wire

logger = logging.getLogger(__name__)

OWN_FOLDER = ""
"""``Simulator(state=…)``: a new folder for each."""


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
        state: The folder in which jobapp keeps what it learns; by default one that goes when the simulator
            stops. ``None`` leaves it where it is.
        block_network: Refuse every connection of this process that leaves the machine, while the simulator
            runs: a client that was not pointed at it raises :class:`NetworkBlockedError` at once, which names
            host and client.
        port: Where it listens; 0 for any that is free.

    Attributes:
        clock: The clock.
        hints: As above; may be changed at any time.
        answer: What the model says to everything: a text, or what else a script may hold; or a function of
            the :class:`Request` that returns it. By default it calls a tool where one must be called, says
            the least JSON that fits where a schema is asked for, and else echoes the prompt.
        on_request: Called in the server's thread with each request to a model or to a path that there is not,
            or ``None``. What it returns, if anything, is sent as a step of a script would be.
        cache_from: Tokens of a prompt from which its account's prompt cache counts: 1024, as with OpenAI.
            Anthropic's is asked for by ``cache_control``.
        received: The requests, oldest first, those that cost no quota among them.
        sleepers: Notices clients that sleep in real time while a ``FakeClock`` stands still.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        hints: bool = True,
        export: Callable[[str, str], object] | None = None,
        keep: int = 10_000,
        state: str | Path | None = OWN_FOLDER,
        block_network: bool = False,
        port: int = 0,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.hints, self.cache_from = hints, 1024
        self.answer: Said | Callable[[Request], Said] = echo
        self.on_request: Callable[[Request], ScriptItem | None] | None = None
        self.received: deque[Request] = deque(maxlen=keep)
        self._export, self._state = export, state
        self._folder: TemporaryDirectory[str] | None = None
        self._block = NetworkBlock() if block_network else None
        self._providers = {
            wire.provider: SimulatedProvider(wire, (PROVIDERS[wire.provider].default_model,))
            for wire in WIRES
        }
        self.sleepers = SleeperWatch(self.clock)
        self._holds: tuple[Hold, ...] = ()
        self._ids = itertools.count(1)
        self._active = 0
        self._server = LoopbackServer(self._serve, port)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server; requests may come when this returns."""
        if self._state == OWN_FOLDER:
            self._folder = TemporaryDirectory(prefix="llm-simulator-")
            self._state = self._folder.name
        self._server.start()
        for name, value in self.environ().items():
            self._tell(name, value)
        if self._block is not None:
            self._block.start()

    def stop(self) -> None:
        """Stop the server and drop its connections; a stopped simulator is not started again."""
        if self._block is not None:
            self._block.stop()
        self._server.stop()
        if self._folder is not None:
            self._folder.cleanup()

    def base_url(self, provider: str) -> str:
        """Return the address in the form the provider's SDK wants.

        For Google, ``HttpOptions(base_url=…)`` of google-genai and ``api_endpoint`` of google-generativeai.
        """
        return self._root + BASE_PATHS[self._provider(provider).name]

    @property
    def _root(self) -> str:
        if not self._server.port:
            raise RuntimeError("The simulator has no address before it is started: use it in a `with` block.")
        return f"http://{HOST}:{self._server.port}"

    def __repr__(self) -> str:
        where = f"at {HOST}:{self._server.port}" if self._server.port else "not started"
        return f"<Simulator {where}: {len(list(self._all_keys()))} keys>"

    def environ(self, *, keys: bool = True) -> dict[str, str]:
        """Return the environment variables that point jobapp and other clients at this simulator.

        Those by which the providers' SDKs, litellm, LangChain and others find an address, and where jobapp
        keeps its state (see ``state``).

        Args:
            keys: List the keys too, each under its name.
        """
        state = {} if self._state is None else {"JOBAPP_CACHE_DIR": str(self._state)}
        named = {key.name: key.secret for key in self._all_keys() if key.name} if keys else {}
        return addresses(self._root) | state | named

    def add_key(  # noqa: PLR0913 - each is one thing that a test may set
        self,
        provider: str,
        secret: str,
        fault: Fault | Trouble | None = None,
        *,
        times: int | None = None,
        limit: int | None = None,
        window: float = 60.0,
        per_day: int | None = None,
        quota: Quota | None = None,
        slow: float = 0.0,
        closed_models: Collection[str] = (),
        name: str | None = None,
        service: str = "",
    ) -> SimulatedKey:
        """Add a key.

        Args:
            provider: Whose key; OpenAI-compatible servers are ``openai``.
            secret: Its text, any that is not yet taken.
            fault: What strikes its requests.
            times: How many of them; ``None``: each, until :meth:`SimulatedKey.heal`.
            limit: Requests per window and model.
            window: Seconds of the window; it opens with its first request.
            per_day: Requests per day of the provider.
            quota: In place of ``limit``, ``window`` and ``per_day``: a :class:`Quota`, shared by every key
                that is given it.
            slow: Seconds before each answer; on a ``FakeClock`` they pass at once.
            closed_models: Models the key may not ask.
            name: Its environment variable; by default the next that jobapp looks for: ``OPENAI_API_KEY``,
                ``OPENAI_API_KEY_BACKUP_1`` …
            service: A service whose names the headers of limits have: ``groq``, ``cerebras``, ``mistral``,
                ``sambanova``, ``digitalocean``, ``azure``; all speak OpenAI's protocol.

        Raises:
            ValueError: The provider or the service is unknown, a limit is below 1, or ``quota`` is given
                beside a limit.
        """
        if service and service not in SERVICE_METERS:
            raise ValueError(f"{service!r} is none of the services {', '.join(SERVICE_METERS)}.")
        if quota is not None and (limit, per_day) != (None, None):
            raise ValueError("Give a key limits of its own or a quota, not both.")
        owner = self._provider(provider)
        key = SimulatedKey(
            owner.name,
            name or owner.next_name(),
            secret,
            quota=quota or Quota(limit, window=window, per_day=per_day),
            slow=slow,
            closed_models=closed_models,
            service=service,
        )
        if fault is not None:
            key.fail(fault, times=times)
        owner.add(key)
        self._tell(key.name, secret)
        return key

    def key(self, provider: str, secret: str) -> SimulatedKey:
        """Return a key; one that was never added is a bad key, and is counted too."""
        return self._provider(provider).key(secret)

    def fail(self, provider: str, fault: Fault | Trouble, *, times: int | None = None) -> None:
        """Let a fault strike the next *times* requests to a provider whatever their key, or every one."""
        self._provider(provider).troubles.add(as_trouble(fault), times)

    def heal(self, provider: str) -> None:
        """Take away what :meth:`fail` set for a provider."""
        self._provider(provider).troubles.clear()

    def script(self, provider: str, secret: str, items: Iterable[ScriptItem]) -> None:
        """Answer the next requests of a key with *items*: see :meth:`SimulatedKey.script`."""
        self.key(provider, secret).script(items)

    def set_models(self, provider: str, *names: str) -> None:
        """Let a provider have these models and no other."""
        owner = self._provider(provider)
        owner.models, owner.only_these = names, True

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
        held = Held(provider and self._provider(provider).name, key, after)
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
        """Return how many requests to models came, rejected ones among them."""
        return total([simulated.asked for simulated in self._all_keys(provider, key)], model)

    def rejections(
        self, provider: str | None = None, key: str | None = None, *, model: str | None = None
    ) -> int:
        """Return how many of the requests were not answered as they should be."""
        return total([simulated.rejected for simulated in self._all_keys(provider, key)], model)

    def reset_counts(self) -> None:
        """Start counting and recording from 0; what was used of quotas stays used."""
        self.received.clear()
        for key in self._all_keys():
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

    def _serve(self, call: RawRequest) -> Sending:
        try:
            return self._reply(call)
        except Exception:
            logger.exception("The simulator failed on %s %s", call.method, call.path)
            return Sending([whole(FAILED)])

    def _reply(self, call: RawRequest) -> Sending:
        route, names = route_of(call)
        wire = route.wire if route else WIRE_OF[provider_of(call)]
        request = wire.read(call, self.clock.now())
        self.received.append(request)
        provider = self._providers[request.provider]
        key = provider.key(request.key)
        asked = request.parts[: request.wanted.cacheable]
        cached = key.account.prompts.look(request.model, asked, request.at, self.cache_from)
        replier = Replier(wire, request, self._next_id(), self.hints, key.service, cached)
        if route and route.serve:
            reply = self._served(route, names, call, replier)
        else:
            key.asked[request.model] += 1
            self.sleepers.asked(request.key)
            met = self._meet(request, provider, wire) if route else self._lost(request)
            reply = replier.to(met, partial(self._usual, request))
            key.rejected[request.model] += not reply.answered
            self.sleepers.rejected(request.key, reply.wait)
            if reply.answered:
                key.account.prompts.keep(request.model, asked, request.at)
            if reply.kept:
                key.account.keep(*reply.kept)
        return self._sending(request, key, reply)

    def _next_id(self) -> str:
        return f"req_{next(self._ids):06d}"

    def _served(self, route: Route, names: Names, call: RawRequest, replier: Replier) -> RawResponse:
        """Answer what asks no model, unless the key or the provider is shut out."""
        request, provider = replier.request, self._providers[replier.request.provider]
        key = provider.key(request.key)
        if trouble := provider.shuts_out(key):
            return replier.to(trouble, partial(self._usual, request))
        facts = provider.facts(request)
        desk = Desk(call, replier, key.account, facts, self._root, self._usual)
        return desk.serve(route, names)

    def _lost(self, request: Request) -> Reaction:
        """Return what a request to a path meets that there is not: what a test says, else a loud error."""
        told = self.on_request(request) if self.on_request else None
        if told is not None:
            return as_reaction(told)
        detail = (
            f"({request.method} {request.path}). The simulator of jobapp.testing has no such path; "
            f"the base address for {request.provider} is {self.base_url(request.provider)}"
        )
        logger.warning("Unknown path %s", detail)
        return Rejection(Fault.UNKNOWN_PATH, request.at, detail=detail)

    def _meet(self, request: Request, provider: SimulatedProvider, wire: Wire) -> Reaction:
        told = self.on_request(request) if self.on_request else None
        return provider.react(request, wire) if told is None else as_reaction(told)

    def _usual(self, request: Request) -> Answer:
        return normal(request, self.answer)

    def _sending(self, request: Request, key: SimulatedKey, reply: RawResponse) -> Sending:
        self._active += 1
        key.at_once += 1
        key.most_at_once = max(key.most_at_once, key.at_once)
        self._server.changed()
        pauses = pauses_of(request, reply, self._holds, key.slow, self.clock)
        return Sending(reply.parts, reply.close, pauses, partial(self._done, key))

    def _done(self, key: SimulatedKey) -> None:
        self._active -= 1
        key.at_once -= 1
        self._server.changed()

    def _provider(self, name: str) -> SimulatedProvider:
        provider = self._providers.get(canonical_name(name))
        if provider is None:
            raise ValueError(f"The simulator knows no provider {name!r}, only {', '.join(self._providers)}.")
        return provider

    def _all_keys(self, provider: str | None = None, secret: str | None = None) -> list[SimulatedKey]:
        owners = self._providers.values() if provider is None else [self._provider(provider)]
        return [key for owner in owners for key in owner.keys if secret in (None, key.secret)]

    def _tell(self, name: str, value: str) -> None:
        if self._export is not None and self._server.port:
            self._export(name, value)
