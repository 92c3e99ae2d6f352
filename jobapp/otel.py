"""Spans and metrics of every call for OpenTelemetry, made of the events of :mod:`jobapp.domain.events`.

::

    from jobapp.otel import OpenTelemetryListener

    llm = LLMInterface(on_event=OpenTelemetryListener())

It takes the extra ``otel``, which is the API alone: without an SDK in the program nothing is recorded.
Names are those of OpenTelemetry's GenAI conventions (semantic-conventions-genai, in development, 2026-11);
what those lack begins with ``jobapp.``. No prompt, no answer and no key's text is in them.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

from jobapp import __version__
from jobapp.domain.clock import Clock, SystemClock
from jobapp.domain.events import (
    AttemptFailed,
    AttemptStarted,
    CallDone,
    Event,
    FellBack,
    KeyBlocked,
    KeyRotated,
    Waiting,
)
from jobapp.domain.types import Attempt, Usage

try:
    from opentelemetry import context, metrics, trace
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
except ImportError as error:
    raise ImportError(
        "jobapp.otel needs OpenTelemetry's API: pip install '.[otel]' in jobapp's folder", name=error.name
    ) from error

logger = logging.getLogger(__name__)

MAX_OPEN = 10_000
"""Calls under way at once; beyond it the oldest are taken for abandoned: a loop that died under them, say."""

CLOSED_EARLY = "GeneratorExit"
"""How a stream ends whose reader had enough of it: no error."""

DURATION_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKEN_BUCKETS = tuple(4.0**power for power in range(14))
"""Both as the conventions state them (gen-ai-metrics, 2026-11)."""

_PROVIDER_NAMES = {"google": "gcp.gemini"}
"""What the conventions call a provider that has another name here."""

Attributes = dict[str, Any]


class OpenTelemetryListener:
    """Takes events: one span for each call, a child for each request, and metrics.

    One object serves many interfaces, threads and tasks. The span of a call is a child of the caller's
    current span. What goes wrong in telemetry is logged once and breaks no call.

    Args:
        tracer_provider: Where spans go; the global provider by default.
        meter_provider: Where metrics go; the global provider by default.
        clock: What measures a call's duration, for tests.
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._tracer = trace.get_tracer("jobapp", __version__, tracer_provider)
        self._metrics = _Metrics(metrics.get_meter("jobapp", __version__, meter_provider))
        self._clock = clock or SystemClock()
        self._open: dict[int, _CallSpans] = {}
        self._failed = False

    def __call__(self, event: Event) -> None:
        """Take one event."""
        try:
            self._listen(event)
        except Exception:
            if not self._failed:
                self._failed = True
                logger.warning("OpenTelemetry failed; this is said once, calls go on", exc_info=True)

    def _listen(self, event: Event) -> None:
        if isinstance(event, CallDone):
            call = self._open.pop(event.call, None) or self._begin(event)
            self._metrics.done(event, call, self._clock.monotonic() - call.since)
            call.end(event)
            return
        call = self._open.get(event.call) or self._remember(event)
        self._metrics.count(event)
        call.note(event)

    def _begin(self, event: Event) -> _CallSpans:
        provider, model = _asked(event)
        return _CallSpans(self._tracer, provider, model, self._clock.monotonic())

    def _remember(self, event: Event) -> _CallSpans:
        if len(self._open) >= MAX_OPEN:
            for oldest in sorted(self._open)[: MAX_OPEN // 10]:
                if abandoned := self._open.pop(oldest, None):
                    abandoned.abandon()
        call = self._open[event.call] = self._begin(event)
        return call


@dataclass(slots=True)
class _Request:
    """The span of one attempt; ``ended`` is when it was rejected, in nanoseconds of the epoch."""

    span: Span
    ended: int | None = None


@dataclass(slots=True)
class _CallSpans:
    """The spans of one call that is under way.

    Attributes:
        tracer: Makes spans.
        provider: Who was asked first.
        model: Which model was asked first.
        since: Monotonic seconds at which the call began.
    """

    tracer: Tracer
    provider: str
    model: str
    since: float
    span: Span = field(init=False)
    inside: context.Context = field(init=False)
    requests: list[_Request] = field(default_factory=list)
    fell_back: bool = False

    def __post_init__(self) -> None:
        attributes = _operation(self.provider, self.model)
        self.span = self.tracer.start_span(f"chat {self.model}", kind=SpanKind.CLIENT, attributes=attributes)
        self.inside = trace.set_span_in_context(self.span)

    def note(self, event: Event) -> None:
        """Take an event that does not end the call."""
        match event:
            case AttemptStarted():
                self._start(event)
            case AttemptFailed():
                self.requests[-1].ended = time.time_ns()
            case FellBack():
                self.fell_back = True
                self.span.add_event("jobapp.fallback", _model(event.provider, event.model))
            case Waiting(_, _, _, key, seconds):
                self.span.add_event(
                    "jobapp.waiting", _known({"jobapp.wait_s": seconds, "jobapp.key.name": key})
                )
            case KeyBlocked(_, block):
                told = {"jobapp.key.name": block.key_name, "jobapp.limit.kind": block.kind.value}
                self.span.add_event("jobapp.key.blocked", told | {"jobapp.until": block.until.isoformat()})
            case KeyRotated(_, _, _, key, previous):
                self.span.add_event(
                    "jobapp.key.rotated", {"jobapp.key.name": key, "jobapp.key.previous": previous}
                )

    def end(self, done: CallDone) -> None:
        """End all spans: those of the attempts when they ended."""
        for number, request in enumerate(self.requests):
            attempt = done.attempts[number] if number < len(done.attempts) else None
            _end_request(request, attempt, done.error)
        answer = (
            {"jobapp.key.name": done.key, "gen_ai.response.model": done.model} if done.error is None else {}
        )
        self.span.set_attributes(
            {
                **answer,
                **_usage(done.usage),
                "jobapp.attempts": len(done.attempts),
                "jobapp.fallback": self.fell_back,
            }
        )
        _end(self.span, None if done.error == CLOSED_EARLY else done.error)

    def abandon(self) -> None:
        """End all spans of a call whose end nobody will tell."""
        for request in self.requests:
            request.span.end(request.ended)
        _end(self.span, "abandoned")

    def _start(self, event: AttemptStarted) -> None:
        attributes = {
            **_model(event.provider, event.model),
            "jobapp.attempt": event.number,
            "jobapp.key.name": event.key,
            "jobapp.fallback": self.fell_back,
        }
        span = self.tracer.start_span("attempt", self.inside, SpanKind.CLIENT, attributes)
        self.requests.append(_Request(span))


class _Metrics:
    """The instruments."""

    def __init__(self, meter: metrics.Meter) -> None:
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "Duration of a call, waits and every attempt included.",
            explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Tokens of an answer.",
            explicit_bucket_boundaries_advisory=TOKEN_BUCKETS,
        )
        self._rotations = meter.create_counter(
            "jobapp.key.rotations", "{rotation}", "Calls that went on with another key."
        )
        self._blocked = meter.create_counter("jobapp.key.blocked", "{block}", "Keys that were set aside.")

    def count(self, event: Event) -> None:
        """Count what happened to a key."""
        match event:
            case KeyRotated():
                self._rotations.add(1, _model(event.provider, event.model))
            case KeyBlocked(_, block):
                kind = {"jobapp.limit.kind": block.kind.value}
                self._blocked.add(1, _provider(block.provider) | kind)

    def done(self, event: CallDone, call: _CallSpans, seconds: float) -> None:
        """Record a call: its duration for the model that was asked, its tokens for the one that answered."""
        failed = {} if event.error in (None, CLOSED_EARLY) else {"error.type": event.error}
        answer = {"gen_ai.response.model": event.model} if event.error is None else {}
        self._duration.record(max(0.0, seconds), _operation(call.provider, call.model) | answer | failed)
        usage = event.usage
        if usage is None or not usage.total_tokens:
            return
        answered = _operation(event.provider, event.model) | answer
        self._tokens.record(usage.input_tokens, answered | {"gen_ai.token.type": "input"})
        self._tokens.record(usage.output_tokens, answered | {"gen_ai.token.type": "output"})


def _asked(event: Event) -> tuple[str, str]:
    """Return the provider and the model that a call's first event tells as asked first."""
    match event:
        case FellBack():
            return event.previous_provider, event.previous_model
        case KeyBlocked(_, block):
            return block.provider, block.model or ""
        case _:
            return event.provider, event.model


def _provider(name: str) -> Attributes:
    return {"gen_ai.provider.name": _PROVIDER_NAMES.get(name, name)}


def _model(provider: str, model: str) -> Attributes:
    return _provider(provider) | {"gen_ai.request.model": model}


def _operation(provider: str, model: str) -> Attributes:
    return {"gen_ai.operation.name": "chat"} | _model(provider, model)


def _known(attributes: Attributes) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}


def _usage(usage: Usage | None) -> Attributes:
    """Return the tokens; zeros are left out where the provider told nothing at all."""
    if usage is None or not usage.total_tokens:
        return {}
    details = {
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens or None,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens or None,
    }
    return _known(details) | {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
    }


def _end_request(request: _Request, attempt: Attempt | None, error: str | None) -> None:
    """End the span of an attempt; one without a record was under way when *error* ended the call."""
    if attempt is not None:
        error = _error_type(attempt)
        request.span.set_attributes(_outcome(attempt))
    _end(request.span, error, request.ended)


def _outcome(attempt: Attempt) -> Attributes:
    told: Attributes = {"jobapp.wait_s": attempt.waited, "http.response.status_code": attempt.status}
    if attempt.verdict is not None:
        told |= {"jobapp.limit.kind": attempt.verdict.kind.value, "jobapp.rule": attempt.verdict.rule}
    return _known(told)


def _error_type(attempt: Attempt) -> str | None:
    """Return the status of a rejection, the kind of one that came without a status or inside an answer."""
    if attempt.verdict is None:
        return None
    status = attempt.status or 0
    return str(status) if status >= 400 else attempt.verdict.kind.value  # noqa: PLR2004 - HTTP


def _end(span: Span, error: str | None, at: int | None = None) -> None:
    if error is not None:
        span.set_attribute("error.type", error)
        span.set_status(Status(StatusCode.ERROR))
    span.end(at)
