"""The facade: one call for every provider, with all the keys, whatever way it is called."""

from __future__ import annotations

import functools
import inspect
import logging
import random
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from jobapp.calls.call import Call, Target
from jobapp.calls.call_policy import Flow, call_policy
from jobapp.calls.drive import aask_whole, adrive, ask_whole, drive, in_thread
from jobapp.calls.messages import read_prompt
from jobapp.calls.streams import AsyncTextStream, TextStream, text_of
from jobapp.core.all_keys import AllKeys
from jobapp.core.api_key_manager import APIKeyManager
from jobapp.core.batches import Batches
from jobapp.core.key_setup import open_state
from jobapp.core.pickling import Picklable
from jobapp.core.sdk_clients import SDKClients, session_name
from jobapp.domain.clock import Clock, SystemClock
from jobapp.domain.exceptions import ConfigError, MissingKeyError
from jobapp.domain.forking import survive_fork
from jobapp.domain.settings import ModelSettings
from jobapp.domain.types import ApiKey, Completion
from jobapp.providers import open_adapter
from jobapp.providers.adapter import Adapter

if TYPE_CHECKING:
    from pathlib import Path

    from jobapp.core.config_manager import ConfigManager
    from jobapp.domain.events import Event
    from jobapp.dropin.transport import KeyTransport

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")

_Adapters = dict[tuple[str, str | None], tuple[Adapter, float]]


_signature = functools.cache(inspect.signature)


def _asks(
    start: Callable[Concatenate[S, P], R],
) -> Callable[[Callable[[S, R], T]], Callable[Concatenate[S, P], T]]:
    """Give a method, which takes a call that was started, the arguments that start one."""
    signature = _signature(start)

    def decorate(method: Callable[[S, R], T]) -> Callable[Concatenate[S, P], T]:
        @functools.wraps(method)
        def ask(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
            return method(self, start(self, *args, **kwargs))

        returns = method.__annotations__["return"]
        vars(ask)["__signature__"] = signature.replace(return_annotation=returns)
        ask.__doc__ = f"{method.__doc__}\n\n{(start.__doc__ or '').partition(chr(10))[2].lstrip(chr(10))}"
        return ask

    return decorate


class LLMInterface(AllKeys, SDKClients, Batches, Picklable):
    """Calls any provider with all its keys. One object serves many threads and event loops.

    It can be pickled and copied: it travels as its configuration, and looks its keys up where it arrives.

    Args:
        config: A :class:`ConfigManager`, the path of a YAML file, or nothing for what is found.
        on_event: Is called with every event of every call, in the calling thread; see
            :mod:`jobapp.domain.events`. What it raises, the call raises.
        clock: The time, for tests.
        rng: The random source of jitter, for tests.

    Raises:
        ConfigError: A setting is wrong; the text names the file, the setting and the fix.
    """

    def __init__(
        self,
        config: ConfigManager | str | Path | None = None,
        *,
        on_event: Callable[[Event], None] | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        from jobapp.core.config_manager import ConfigManager

        self.config = config if isinstance(config, ConfigManager) else ConfigManager(config)
        self.logger = logger
        self._on_event = on_event
        self._clock = clock or SystemClock()
        self._rng = rng or random.Random()
        self._store = open_state(self.config, self._clock)
        survive_fork(self)
        self._managers: dict[tuple[str, tuple[ApiKey, ...]], APIKeyManager] = {}
        self._adapters: _Adapters = {}
        weakref.finalize(self, _close, self._adapters).atexit = False
        self._transports: weakref.WeakSet[KeyTransport] = weakref.WeakSet()
        self._plans: dict[tuple[str | None, str | None, str | None, bool], tuple[Target, ...]] = {}

    def make_locks(self) -> None:
        """Make the lock anew in a forked child."""
        self._lock = threading.RLock()

    def _start(  # noqa: PLR0913 - the public signature, in this one place
        self,
        /,
        prompt: Any,
        task_name: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        retry: bool = True,
        fallback: bool = True,
        max_retries: int | None = None,
        retry_delay: float | None = None,
        *,
        system: str | None = None,
        deadline: float | None = None,
        timeout: float | None = None,
        on_exhausted: str | None = None,
        session: str | None = None,
        **options: Any,
    ) -> tuple[Call, Flow]:
        """Check the arguments of a call and prepare it; nothing is sent.

        Args:
            prompt: A string, or a list of ``{"role", "content"}`` messages (:mod:`jobapp.calls.messages`).
            task_name: The task of the configuration whose model serves.
            provider: Another provider than the task's.
            model: Another model than the task's.
            retry: ``False`` means one attempt: no wait, no rotation.
            fallback: Whether the configured fallback models may serve.
            max_retries: Tries after the first, for each key.
            retry_delay: Seconds of the first backoff, doubled each time.
            system: A system message before the others.
            deadline: Seconds for the whole call, waits and fallback included; of a stream until its start.
            timeout: Seconds one whole answer may take, or the longest silence of a stream.
            on_exhausted: ``raise``, or ``wait`` until the earliest key is free.
            session: The name of a conversation: with the strategy ``spread`` it prefers the key it had.
            **options: Native arguments of the provider (temperature, max_tokens, tools …), untouched.

        Raises:
            ConfigError: An argument or a setting is wrong; nothing was sent.
            NoAPIKeysAvailableError: No key may be asked now; ``available_at`` tells when one may.
            AllAttemptsFailedError: Keys are left, but every try was rejected.
            DeadlineExceededError: The deadline came, or the next wait would have passed it.
            InvalidRequestError: The request itself is at fault.
            ProviderError: The one attempt of ``retry=False`` was rejected.
        """
        messages = read_prompt(prompt, system)
        rules = self.config.rules_of_call(
            retry=None if retry is True else retry,
            max_retries=max_retries,
            retry_delay=retry_delay,
            deadline=deadline,
            timeout=timeout,
            on_exhausted=on_exhausted,
        )
        targets = self._targets(task_name, provider, model, fallback if retry else False)
        call = Call(
            messages,
            options,
            rules,
            self._clock,
            self._on_event,
            details=self._wants_details(),
            session=session_name(session),
        )
        return call, call_policy(targets, rules, self._rng)

    def __repr__(self) -> str:
        if not hasattr(self, "config"):  # what reports a wrong configuration shows it half made
            return "<LLMInterface: not configured>"
        default = self.config.settings.models.get("default")
        model = f"{default.provider} {default.model}" if default else "no default model"
        return f"<LLMInterface: {model}; {', '.join(map(str, self.config.files)) or 'no YAML'}>"

    @_asks(_start)
    def send_prompt(self, started: tuple[Call, Flow]) -> str:
        """Ask and return the answer's text."""
        call, flow = started
        call.needs_raw = False
        return text_of(call.result(drive(call, flow, ask_whole)))

    @_asks(_start)
    def complete(self, started: tuple[Call, Flow]) -> Completion:
        """Ask and return the answer with who gave it, its usage and every attempt."""
        call, flow = started
        return call.result(drive(call, flow, ask_whole))

    @_asks(_start)
    def stream_prompt(self, started: tuple[Call, Flow]) -> TextStream:
        """Ask and return the answer's text piece by piece, as it comes."""
        return TextStream(*started)

    @_asks(_start)
    async def asend_prompt(self, started: tuple[Call, Flow]) -> str:
        """Ask in the running event loop and return the answer's text."""
        call, flow = started
        call.needs_raw = False
        return text_of(call.result(await adrive(call, flow, aask_whole)))

    @_asks(_start)
    async def acomplete(self, started: tuple[Call, Flow]) -> Completion:
        """Ask in the running event loop; return the answer with who gave it and every attempt."""
        call, flow = started
        return call.result(await adrive(call, flow, aask_whole))

    @_asks(_start)
    def astream_prompt(self, started: tuple[Call, Flow]) -> AsyncTextStream:
        """Ask in the running event loop and return the answer's text piece by piece, as it comes."""
        return AsyncTextStream(*started)

    def __call__(self, prompt: Any, **arguments: Any) -> str:
        """Ask and return the answer's text; the arguments are those of :meth:`send_prompt`."""
        return self.send_prompt(prompt, **arguments)

    def invoke(self, input: Any, config: Any = None, **arguments: Any) -> str:  # noqa: A002, ARG002
        """Ask and return the answer's text, where a chain expects a runnable; *config* is not used."""
        return self.send_prompt(input, **arguments)

    @staticmethod
    def prepare_prompt_with_context(template_str: str, context_data: Mapping[str, Any]) -> str:
        """Return *template_str* with its ``$names`` filled in; names that are not given stay."""
        from string import Template

        return Template(template_str).safe_substitute(context_data)

    def close(self) -> None:
        """Close the connections of synchronous calls, and write what is not yet written; it stays usable."""
        _close(self._adapters)
        for transport in list(self._transports):
            transport.close()
        self._store.flush()

    async def aclose(self) -> None:
        """Close the connections of the running event loop, and those of synchronous calls."""
        for adapter, _ in self._adapters.values():
            await adapter.aclose()
        for transport in list(self._transports):
            await transport.aclose()
            transport.close()
        await in_thread(self._store.flush)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _wants_details(self) -> bool:
        """Return whether anybody hears of what goes well."""
        return self._on_event is not None or logger.isEnabledFor(logging.DEBUG)

    def _targets(
        self, task_name: str | None, provider: str | None, model: str | None, fallback: bool
    ) -> tuple[Target, ...]:
        """Return what a call may ask, in order; found once for each combination of arguments."""
        plan = (task_name, provider, model, fallback)
        try:
            found = self._plans.get(plan)
        except TypeError:  # what can't be hashed is no name
            found = None
        if found is None:
            if not all(isinstance(name, str | None) for name in plan[:3]) or not isinstance(fallback, bool):
                raise ConfigError("task_name, provider and model must be strings, and fallback True or False")
            with self._lock:
                found = self._plans[plan] = tuple(self._resolve(task_name, provider, model, fallback))
        return found

    def _resolve(
        self, task_name: str | None, provider: str | None, model: str | None, fallback: bool
    ) -> Iterable[Target]:
        first = self.config.model_settings(task_name, provider, model)
        yield self._target(first)
        for settings in self.config.fallbacks(task_name) if fallback else ():
            if settings == first:
                continue
            try:
                yield self._target(settings)
            except MissingKeyError as error:
                logger.warning("the fallback %s %s is left out: %s", settings.provider, settings.model, error)

    def _target(self, settings: ModelSettings) -> Target:
        manager = self._manager(settings.provider, self.config.keys_for(settings))
        adapter, timeout = self._adapter(settings.provider, settings.base_url)
        return Target(settings, manager, adapter, timeout)

    def _adapter(self, provider: str, base_url: str | None) -> tuple[Adapter, float]:
        found = self._adapters.get((provider, base_url))
        if found is None:
            settings = self.config.provider_settings(provider, base_url=base_url)
            found = self._adapters[provider, base_url] = (open_adapter(settings), settings.timeout)
        return found


def _close(adapters: _Adapters) -> None:
    for adapter, _ in adapters.values():
        adapter.close()
