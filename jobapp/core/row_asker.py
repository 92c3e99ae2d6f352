"""Asks the rows of a batch: through the facade, or as they are through the transport below an SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from jobapp.batch.input_reading import Described
from jobapp.batch.native import text_of
from jobapp.batch.rows import content_hash
from jobapp.calls.drive import aask_whole, adrive
from jobapp.calls.messages import characters
from jobapp.domain.exceptions import ConfigError, DeadlineExceededError
from jobapp.providers import spec_of

if TYPE_CHECKING:
    from jobapp.batch.gate import Gate
    from jobapp.batch.native import NativeRequest
    from jobapp.batch.rows import Row
    from jobapp.calls.call import Call, Target
    from jobapp.calls.call_policy import Flow
    from jobapp.core.config_manager import ConfigManager
    from jobapp.domain.clock import Clock
    from jobapp.domain.events import Event
    from jobapp.domain.settings import ModelSettings
    from jobapp.domain.types import Completion
    from jobapp.dropin.transport import KeyTransport

CHARACTERS_A_TOKEN = 4
"""A rule of thumb for English text."""

RULES = frozenset({"retry", "fallback", "max_retries", "retry_delay", "timeout", "session"})
"""Arguments of a call that do not change what is asked."""


class Facade(Protocol):
    """What a batch needs of the facade that it is a part of."""

    config: ConfigManager
    _clock: Clock

    def _start(self, prompt: Any, /, **arguments: Any) -> tuple[Call, Flow]: ...

    def _targets(
        self, task_name: str | None, provider: str | None, model: str | None, fallback: bool
    ) -> tuple[Target, ...]: ...

    def _transport(
        self, provider: str, rules: Mapping[str, Any], *, listener: Callable[[Event], None] | None
    ) -> KeyTransport: ...

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        ...


_HEADERS = {"anthropic": {"anthropic-version": "2023-06-01"}}
_BY_NAME = ("task_name", "provider", "model")


class RowAsker:
    """Asks the rows of one batch.

    Args:
        llm: The facade.
        arguments: Those of each call, where a row has no others.
        deadline: Seconds for the whole batch, from now on.
        on_exhausted: ``wait`` or ``raise``.
        gate: What each request passes.

    Raises:
        ConfigError: The deadline is no number of seconds.
    """

    def __init__(
        self,
        llm: Facade,
        arguments: Mapping[str, Any],
        deadline: float | None,
        on_exhausted: str,
        gate: Gate | None = None,
    ) -> None:
        if deadline is not None and (not isinstance(deadline, int | float) or deadline <= 0):
            raise ConfigError(f"deadline: must be a number of seconds above 0, not {deadline!r}")
        self._llm = llm
        self._arguments = dict(arguments)
        self._deadline = deadline
        self._on_exhausted = on_exhausted
        self._gate = gate
        self._clock = llm._clock  # noqa: SLF001 (a part of the facade)
        self._began = self._clock.monotonic()
        self._transports: dict[str, KeyTransport] = {}

    async def ask(self, row: Row, pause: float) -> Completion:
        """Ask *row* after *pause* seconds, within what is left of the deadline."""
        with self._gate.row(pause) if self._gate else nullcontext():
            if pause:
                left = self._left()
                await self._clock.asleep(pause if left is None else min(pause, max(0.0, left)))
            left = self._left()
            if left is not None and left <= 0:
                raise DeadlineExceededError(f"the batch's deadline of {self._deadline:g} seconds came")
            if row.native is not None:
                return await self._ask_native(row.native, left)
            return await self._ask_facade(row, left)

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        await self._llm.aclose()

    def describe(self, row: Row) -> Described:
        """Return what *row* asks, with all defaults; nothing is sent.

        Raises:
            ConfigError: It can't be asked.
        """
        if row.native is not None:
            native = row.native
            sent = (self._provider(native), native.path(self._model(native)), native.body)
            return Described(content_hash(sent), len(str(native.body)) // CHARACTERS_A_TOKEN)
        given = {**self._arguments, **row.arguments}
        call, _ = self._llm._start(row.prompt, **given)  # noqa: SLF001 (a part of the facade)
        target = self._target(given)
        options = {**target.options, **call.options}
        asked = (target.provider, target.model, call.messages, options)
        return Described(content_hash(asked), sum(map(characters, call.messages)) // CHARACTERS_A_TOKEN)

    def settings(self) -> dict[str, Any]:
        """Return what rows are asked with that say nothing else, by name."""
        given = {name: value for name, value in self._arguments.items() if name not in RULES}
        try:
            target = self._target(given)
        except ConfigError:
            return given
        return given | {"provider": target.provider, "model": target.model}

    async def _ask_facade(self, row: Row, left: float | None) -> Completion:
        given = {**self._arguments, **row.arguments, "deadline": left, "on_exhausted": self._on_exhausted}
        call, flow = self._llm._start(row.prompt, **given)  # noqa: SLF001 (a part of the facade)
        if self._gate is not None:
            call.listen(self._gate.heard)
            call.needs_raw = False
        answered = call.result(await adrive(call, flow, aask_whole))
        is_foreign = isinstance(answered.raw, dict) and answered.raw.get("object") != "chat.completion"
        return replace(answered, raw=None) if is_foreign else answered  # it is written in OpenAI's form

    async def _ask_native(self, native: NativeRequest, left: float | None) -> Completion:
        transport = self._transport(self._provider(native))
        answered = await transport.acomplete(
            native.path(self._model(native)), native.body, _HEADERS.get(native.form, {}), deadline=left
        )
        return replace(answered, text=text_of(answered.raw))

    def _transport(self, provider: str) -> KeyTransport:
        found = self._transports.get(provider)
        if found is None:
            listener = self._gate.heard if self._gate else None
            found = self._llm._transport(  # noqa: SLF001 (a part of the facade)
                provider, {"on_exhausted": self._on_exhausted}, listener=listener
            )
            self._transports[provider] = found
        return found

    def _left(self) -> float | None:
        if self._deadline is None:
            return None
        return self._began + self._deadline - self._clock.monotonic()

    def _target(self, given: Mapping[str, Any]) -> ModelSettings:
        task, provider, model = (given.get(name) for name in _BY_NAME)
        return self._llm._targets(task, provider, model, fallback=False)[0].settings  # noqa: SLF001

    def _provider(self, native: NativeRequest) -> str:
        """Return who is asked: the run's provider where it reads *native*'s form, else the form's own."""
        named, default = self._arguments.get("provider"), self._default()
        if named is None:
            chosen = default.provider if default else native.form
        else:
            chosen = self._llm.config.provider_settings(named).name
        return chosen if _form(chosen) == native.form else native.form

    def _default(self) -> ModelSettings | None:
        models = self._llm.config.settings.models
        return models.get(self._arguments.get("task_name") or "default")

    def _model(self, native: NativeRequest) -> str:
        """Return the model that *native* is for; Gemini's rows need not name one.

        Raises:
            ConfigError: Nobody names one.
        """
        if native.model or native.form != "google":
            return native.model
        provider = self._provider(native)
        default = self._default()
        configured = default.model if default and default.provider == provider else None
        spec = spec_of(provider)
        model = self._arguments.get("model") or configured or (spec.default_model if spec else None)
        if not model:
            raise ConfigError("names no model; give the run one")
        return str(model)


def _form(provider: str) -> str:
    """Return whose batch rows *provider* reads."""
    return provider if provider in {"anthropic", "google"} else "openai"
