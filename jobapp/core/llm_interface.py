"""The facade: one call for every provider, with all the keys, whatever way it is called."""

from __future__ import annotations

import functools
import inspect
import logging
import random
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from jobapp.calls.call import Call, Target
from jobapp.calls.call_policy import Flow, call_policy
from jobapp.calls.drive import aask_whole, adrive, ask_whole, drive, in_thread
from jobapp.calls.messages import read_prompt
from jobapp.calls.streams import AsyncTextStream, TextStream, text_of
from jobapp.core.api_key_manager import APIKeyManager
from jobapp.core.batches import Batches
from jobapp.core.key_setup import open_state
from jobapp.core.pickling import Picklable
from jobapp.core.sdk_clients import SDKClients, session_name
from jobapp.domain.clock import Clock, SystemClock
from jobapp.domain.exceptions import ConfigError, MissingKeyError
from jobapp.domain.forking import survive_fork
from jobapp.domain.settings import ModelSettings, ProviderSettings
from jobapp.domain.types import ApiKey, Block, Completion, KeyStatus
from jobapp.providers import PROVIDERS, SERVICES, open_adapter
from jobapp.providers.adapter import Adapter

if TYPE_CHECKING:
    from pathlib import Path

    from jobapp.core.config_manager import ConfigManager
    from jobapp.core.key_check import Finding
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


class LLMInterface(SDKClients, Batches, Picklable):
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

    def key_status(self) -> list[KeyStatus]:
        """Return what is known of every key of every provider that has one, then the withdrawn models.

        Each line tells the key's tier and what it did today, in all processes.
        """
        if self._store.stale:
            self._store.refresh()
        lines = dict.fromkeys(
            line for manager, _ in self.managers() for line in manager.statuses(details=True)
        )
        return [*lines, *self.withdrawn_models()]

    def withdrawn_models(self, provider: str | None = None) -> list[KeyStatus]:
        """Return the models that their providers said are not there, which are asked last for a while."""
        managers = [manager for manager, _ in self.managers() if provider in (None, manager.provider_name)]
        return list(dict.fromkeys(line for manager in managers for line in manager.withdrawn_models()))

    def check_keys(self, provider: str | None = None) -> list[Finding]:
        """Ask with each key for what costs no quota; return what was found, and remember what that teaches.

        A bad key is set aside, one that is accepted again is freed.

        Args:
            provider: Only this provider's keys; all when left out.

        Raises:
            ConfigError: There is no such provider.
        """
        from jobapp.core.key_check import check_all

        name = provider and self.config.provider_settings(provider).name
        return check_all(self.managers(), name, self._clock)

    def managers(self) -> list[tuple[APIKeyManager, ProviderSettings]]:
        """Return each provider's keys, then those of one model alone, with where they are sent.

        A key may be in several managers; keys that are not set are left out.
        """
        with self._lock:
            return [*self._provider_managers(), *self._model_managers()]

    def reset(self, provider: str | None = None, key: str | None = None) -> tuple[Block, ...]:
        """Free keys by hand: all, those of *provider*, or the one named *key*; return what was cleared.

        Raises:
            ConfigError: There is no such provider or key.
            StateStoreError: It could not be written, and holds in this process only.
        """
        from jobapp.stores.state import Reset

        now = self._clock.now()
        name = provider and self.config.provider_settings(provider).name
        if key is None:
            return self._store.reset(Reset(now, name))
        keys = [
            (m.provider_name, k)
            for m, _ in self.managers()
            if name in (None, m.provider_name)
            for k in m.keys
        ]
        resets = [Reset(now, owner, found.fingerprint) for owner, found in keys if key == found.name]
        if not resets:
            names = ", ".join(dict.fromkeys(found.name for _, found in keys))
            raise ConfigError(f"reset: there is no key {key}; the keys are {names or 'not set'}")
        return tuple(block for reset in dict.fromkeys(resets) for block in self._store.reset(reset))

    def reload(self) -> None:
        """Read the environment and ``.env`` again: where a key has another value, that is used from now on.

        A call that waits for a key finds it within a second. Settings, and which names there are, stay.

        Raises:
            ConfigError: ``.env`` can't be read, or a variable holds what can't be a key.
        """
        self.config.reload()
        with self._lock:
            for manager in self._managers.values():
                manager.take_over(self._keys_now(manager.provider_name))
            self._managers = {(each.provider_name, each.keys): each for each in self._managers.values()}

    def _keys_now(self, provider: str) -> Iterator[ApiKey]:
        models = chain(self.config.settings.models.values(), *self.config.settings.fallbacks.values())
        for model in models:
            if model.keys and model.provider == provider:
                with suppress(MissingKeyError):
                    yield from self.config.keys_for(model)
        with suppress(MissingKeyError):
            yield from self.config.keys_of(provider)

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

    def _manager(self, provider: str, keys: tuple[ApiKey, ...]) -> APIKeyManager:
        found = self._managers.get((provider, keys))
        if found is None:
            names = [key.name for key in keys]
            found = self._managers[provider, keys] = APIKeyManager(
                names[0],
                names[1:],
                config_manager=self.config,
                provider=provider,
                keys=keys,
                store=self._store,
                clock=self._clock,
            )
        return found

    def _keys_of(self, provider: str) -> APIKeyManager:
        with self._lock:
            return self._manager_of(provider)

    def _manager_of(self, provider: str) -> APIKeyManager:
        name = self.config.provider_settings(provider).name
        return self._manager(name, self.config.keys_of(name))

    def _provider_managers(self) -> Iterator[tuple[APIKeyManager, ProviderSettings]]:
        services = filter(self.config.has_keys, SERVICES)
        for provider in dict.fromkeys((*PROVIDERS, *self.config.settings.providers, *services)):
            with suppress(MissingKeyError):
                yield self._manager_of(provider), self.config.provider_settings(provider)

    def _model_managers(self) -> Iterator[tuple[APIKeyManager, ProviderSettings]]:
        settings = self.config.settings
        for model in (*settings.models.values(), *chain.from_iterable(settings.fallbacks.values())):
            if model.keys:
                with suppress(MissingKeyError):
                    manager = self._manager(model.provider, self.config.keys_for(model))
                    yield manager, self.config.provider_settings(model.provider, base_url=model.base_url)


def _close(adapters: _Adapters) -> None:
    for adapter, _ in adapters.values():
        adapter.close()
