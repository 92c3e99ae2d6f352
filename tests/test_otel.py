"""What OpenTelemetry is told of calls: real calls on the simulator, spans and metrics read back in memory."""

from __future__ import annotations

import asyncio
import importlib
import random
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from jobapp import otel
from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.events import AttemptStarted, CallDone
from jobapp.domain.exceptions import InvalidRequestError, NoAPIKeysAvailableError, StreamInterruptedError
from jobapp.otel import OpenTelemetryListener
from jobapp.testing import Fault, Trouble
from tests.calling import PROVIDERS, WAYS

ONE, TWO = "sk-canary-one", "sk-canary-two"
GPT = {"provider": "openai", "model": "gpt-4o-mini"}
CLAUDE = {"provider": "anthropic", "model": "claude-haiku-4-5"}


class Telemetry:
    """A listener with everything it tells."""

    def __init__(self, clock):
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader])
        self.listener = OpenTelemetryListener(
            tracer_provider=self.tracers, meter_provider=self.meters, clock=clock
        )
        self.tracer = self.tracers.get_tracer("the caller")

    @property
    def spans(self):
        return self.exporter.get_finished_spans()

    def calls(self):
        return [span for span in self.spans if span.name.startswith("chat ")]

    def attempts(self):
        found = [span for span in self.spans if span.name == "attempt"]
        return sorted(found, key=lambda span: span.attributes["jobapp.attempt"])

    def points(self, name):
        data = self.reader.get_metrics_data()
        metrics = data.resource_metrics[0].scope_metrics[0].metrics if data else []
        return [point for metric in metrics if metric.name == name for point in metric.data.data_points]

    def counts(self, name):
        return {tuple(sorted(point.attributes.items())): point.value for point in self.points(name)}

    def text(self):
        return "".join(span.to_json() for span in self.spans) + str(self.reader.get_metrics_data())


@pytest.fixture
def telemetry(fake_clock):
    told = Telemetry(fake_clock)
    yield told
    told.tracers.shutdown()
    told.meters.shutdown()


@pytest.fixture
def interface(llm_simulator, fake_clock, telemetry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = []

    def make(**settings):
        path = tmp_path / "jobapp.yaml"
        path.write_text(yaml.safe_dump({"retry": {"jitter": "none"}, "models": {"default": GPT}} | settings))
        llm = LLMInterface(path, clock=fake_clock, rng=random.Random(0), on_event=telemetry.listener)
        opened.append(llm)
        return llm

    yield make
    for llm in opened:
        llm.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_call_is_a_span_and_each_attempt_a_child_of_it(llm_simulator, interface, telemetry, way):
    llm_simulator.add_key("openai", ONE)
    done = WAYS[way](interface(), "Hello there")
    [call], [attempt] = telemetry.calls(), telemetry.attempts()
    assert (call.name, call.kind, call.parent) == ("chat gpt-4o-mini", SpanKind.CLIENT, None)
    assert call.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": done.usage.input_tokens,
        "gen_ai.usage.output_tokens": done.usage.output_tokens,
        "jobapp.key.name": "OPENAI_API_KEY",
        "jobapp.attempts": 1,
        "jobapp.fallback": False,
    }
    assert call.status.status_code is StatusCode.UNSET
    assert (attempt.kind, attempt.parent.span_id) == (SpanKind.CLIENT, call.context.span_id)
    assert attempt.attributes == {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "jobapp.attempt": 1,
        "jobapp.key.name": "OPENAI_API_KEY",
        "jobapp.fallback": False,
        "jobapp.wait_s": 0.0,
        "http.response.status_code": 200,
    }


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("openai", "openai"),
        ("anthropic", "anthropic"),
        ("google", "gcp.gemini"),
        ("openrouter", "openrouter"),
    ],
)
def test_a_provider_is_told_as_the_conventions_call_it(llm_simulator, interface, telemetry, name, told):
    llm_simulator.add_key(name, ONE)
    interface().send_prompt("Hello", provider=name, model=PROVIDERS[name].model)
    assert {span.attributes["gen_ai.provider.name"] for span in telemetry.spans} == {told}
    assert {p.attributes["gen_ai.provider.name"] for p in telemetry.points("gen_ai.client.token.usage")} == {
        told
    }


@pytest.mark.parametrize("way", WAYS)
def test_a_call_is_a_child_of_the_callers_span(llm_simulator, interface, telemetry, way):
    llm_simulator.add_key("openai", ONE)
    llm = interface()
    with telemetry.tracer.start_as_current_span("job") as job:
        WAYS[way](llm, "Hello")
    [call] = telemetry.calls()
    assert call.parent.span_id == job.get_span_context().span_id


def test_a_refusal_tells_its_kind_and_its_status_and_the_next_attempt_how_long_it_waited(
    llm_simulator, interface, telemetry
):
    llm_simulator.add_key("openai", ONE).fail(Trouble(Fault.BUSY_MINUTE, wait=7.0), times=1)
    interface().send_prompt("Hello")
    first, second = telemetry.attempts()
    assert first.attributes["jobapp.limit.kind"] == "rate_limit"
    assert first.attributes["http.response.status_code"] == 429
    assert first.attributes["error.type"] == "429"
    assert first.status.status_code is StatusCode.ERROR
    assert first.end_time <= second.start_time
    assert second.attributes["jobapp.wait_s"] == pytest.approx(7.0, abs=0.5)
    assert "error.type" not in second.attributes
    [call] = telemetry.calls()
    assert "error.type" not in call.attributes
    blocked, waiting = call.events
    assert (blocked.name, blocked.attributes["jobapp.limit.kind"]) == ("jobapp.key.blocked", "rate_limit")
    assert (waiting.name, waiting.attributes["jobapp.key.name"]) == ("jobapp.waiting", "OPENAI_API_KEY")
    assert waiting.attributes["jobapp.wait_s"] == pytest.approx(7.0, abs=0.5)


def test_a_refusal_without_a_status_is_told_by_its_kind(llm_simulator, interface, telemetry):
    llm_simulator.add_key("openai", ONE).fail(Fault.CUT, times=1)
    interface().send_prompt("Hello")
    first = telemetry.attempts()[0]
    assert first.attributes["error.type"] == "unavailable"
    assert "http.response.status_code" not in first.attributes


def test_rotations_and_blocked_keys_are_counted(llm_simulator, interface, telemetry):
    llm_simulator.add_key("openai", ONE, Fault.SPENT_DAY)
    llm_simulator.add_key("openai", TWO)
    llm = interface()
    llm.send_prompt("Hello")
    llm.send_prompt("Hello again")
    assert telemetry.counts("jobapp.key.rotations") == {
        (("gen_ai.provider.name", "openai"), ("gen_ai.request.model", "gpt-4o-mini")): 1
    }
    assert telemetry.counts("jobapp.key.blocked") == {
        (("gen_ai.provider.name", "openai"), ("jobapp.limit.kind", "quota")): 1
    }
    assert "jobapp.key.rotated" in [event.name for event in telemetry.calls()[0].events]


@pytest.mark.parametrize("spent_before", [False, True])
def test_a_fallback_is_told_with_the_model_that_was_asked_and_the_one_that_answered(
    llm_simulator, interface, telemetry, spent_before
):
    llm_simulator.add_key("openai", ONE, Fault.SPENT_DAY)
    llm_simulator.add_key("anthropic", TWO)
    llm = interface(models={"default": GPT, "fallback": CLAUDE})
    if spent_before:  # nothing is sent to the first model
        llm.send_prompt("Hello")
        telemetry.exporter.clear()
    llm.send_prompt("Hello")
    [call] = telemetry.calls()
    assert call.attributes["gen_ai.request.model"] == "gpt-4o-mini"
    assert call.attributes["gen_ai.response.model"] == "claude-haiku-4-5"
    assert call.attributes["jobapp.fallback"] is True
    last = telemetry.attempts()[-1]
    assert last.attributes["gen_ai.provider.name"] == "anthropic"
    assert last.attributes["jobapp.fallback"] is True
    assert len(telemetry.attempts()) == (1 if spent_before else 2)
    tokens = telemetry.points("gen_ai.client.token.usage")
    assert {point.attributes["gen_ai.provider.name"] for point in tokens} == {"anthropic"}


def test_the_duration_of_a_call_counts_its_waits(llm_simulator, interface, telemetry):
    llm_simulator.add_key("openai", ONE).fail(Trouble(Fault.BUSY_MINUTE, wait=7.0), times=1)
    interface().send_prompt("Hello")
    [point] = telemetry.points("gen_ai.client.operation.duration")
    assert (point.count, point.sum) == (1, pytest.approx(7.0, abs=0.5))
    assert point.explicit_bounds[-1] == pytest.approx(81.92)
    assert point.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini",
    }


def test_tokens_are_counted_in_and_out(llm_simulator, interface, telemetry):
    llm_simulator.add_key("openai", ONE)
    usage = interface().complete("one two three").usage
    points = telemetry.points("gen_ai.client.token.usage")
    assert {point.attributes["gen_ai.token.type"]: point.sum for point in points} == {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
    }


def test_a_call_without_a_free_key_is_a_span_with_its_error_and_no_attempt(
    llm_simulator, interface, telemetry
):
    llm_simulator.add_key("openai", ONE, Fault.SPENT_DAY)
    llm = interface()
    with pytest.raises(NoAPIKeysAvailableError):
        llm.send_prompt("Hello")
    telemetry.exporter.clear()
    with pytest.raises(NoAPIKeysAvailableError):
        llm.send_prompt("Hello")
    [call] = telemetry.spans
    assert call.attributes["error.type"] == "NoAPIKeysAvailableError"
    assert call.status.status_code is StatusCode.ERROR
    durations = telemetry.points("gen_ai.client.operation.duration")
    assert [point.attributes["error.type"] for point in durations] == ["NoAPIKeysAvailableError"]


def test_a_request_that_could_not_be_made_ends_its_attempt_too(llm_simulator, interface, telemetry):
    llm_simulator.add_key("openai", ONE)
    with pytest.raises(InvalidRequestError):
        interface().send_prompt("Hello", messages="mine")
    assert [span.attributes["error.type"] for span in telemetry.spans] == ["InvalidRequestError"] * 2


def test_a_stream_that_breaks_is_an_error_of_the_call_and_of_its_attempt(llm_simulator, interface, telemetry):
    llm_simulator.add_key("openai", ONE).fail(Trouble(Fault.ERROR_IN_200, after=1))
    with pytest.raises(StreamInterruptedError):
        list(interface().stream_prompt("one two three"))
    [call], [attempt] = telemetry.calls(), telemetry.attempts()
    assert call.attributes["error.type"] == "StreamInterruptedError"
    assert attempt.attributes["error.type"] == "unavailable"


def test_a_stream_that_its_reader_closes_is_no_error(llm_simulator, interface, telemetry):
    llm_simulator.add_key("openai", ONE)
    with interface().stream_prompt("one two three") as stream:
        next(stream)
    assert [span.status.status_code for span in telemetry.spans] == [StatusCode.UNSET] * 2
    [point] = telemetry.points("gen_ai.client.operation.duration")
    assert "error.type" not in point.attributes


async def test_a_cancelled_call_leaves_nothing_open(llm_simulator, interface, telemetry):
    llm_simulator.add_key("openai", ONE)
    llm = interface()
    with llm_simulator.hold():
        task = asyncio.create_task(llm.asend_prompt("Hello"))
        await asyncio.to_thread(llm_simulator.wait_for, lambda: llm_simulator.active_requests == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await llm.aclose()
    assert [span.attributes["error.type"] for span in telemetry.spans] == ["CancelledError"] * 2
    assert not telemetry.listener._open


def test_calls_of_many_threads_are_told_apart(llm_simulator, interface, telemetry):
    llm_simulator.add_key("openai", ONE)
    llm = interface()
    jobs = {}

    def work(number):
        with telemetry.tracer.start_as_current_span(f"job {number}") as job:
            llm.send_prompt("Hello", max_tokens=number)
        jobs[job.get_span_context().span_id] = number

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(1, 41)))
    assert {call.parent.span_id for call in telemetry.calls()} == set(jobs)
    assert_whole(telemetry, 40)


async def test_calls_of_many_tasks_are_told_apart(llm_simulator, interface, telemetry):
    llm_simulator.add_key("openai", ONE)
    llm = interface()

    async def work(number):
        with telemetry.tracer.start_as_current_span(f"job {number}") as job:
            async for _ in llm.astream_prompt("one two three"):
                await asyncio.sleep(0)
        return job.get_span_context().span_id

    jobs = await asyncio.gather(*map(work, range(40)))
    await llm.aclose()
    assert {call.parent.span_id for call in telemetry.calls()} == set(jobs)
    assert_whole(telemetry, 40)


def assert_whole(telemetry, count):
    calls = {call.context.span_id: call for call in telemetry.calls()}
    attempts = {attempt.parent.span_id: attempt for attempt in telemetry.attempts()}
    assert len(calls) == count
    assert attempts.keys() == calls.keys()
    assert all(
        attempt.context.trace_id == calls[parent].context.trace_id for parent, attempt in attempts.items()
    )
    assert not telemetry.listener._open


def test_abandoned_calls_are_ended_and_do_not_pile_up(telemetry, monkeypatch):
    monkeypatch.setattr(otel, "MAX_OPEN", 10)
    for number in range(100):
        telemetry.listener(AttemptStarted(number, "openai", "gpt-4o-mini", "OPENAI_API_KEY", 1))
    assert len(telemetry.listener._open) <= 10
    assert [call.attributes["error.type"] for call in telemetry.calls()] == ["abandoned"] * 90
    assert len(telemetry.attempts()) == 90


def test_what_telemetry_can_not_take_breaks_no_call_and_is_logged_once(
    llm_simulator, interface, telemetry, monkeypatch, caplog
):
    llm_simulator.add_key("openai", ONE)
    llm = interface()

    def fail(*args, **kwargs):
        raise RuntimeError("no tracer today")

    monkeypatch.setattr(telemetry.listener._tracer, "start_span", fail)
    assert llm.send_prompt("Hello") == llm.send_prompt("Hello") == "echo: Hello"
    warnings = [record for record in caplog.records if record.name == "jobapp.otel"]
    assert len(warnings) == 1
    assert "no tracer today" in caplog.text
    assert not telemetry.listener._open


def test_neither_prompt_nor_answer_nor_key_is_told(llm_simulator, interface, telemetry):
    llm_simulator.add_key("openai", ONE, Fault.SUSPENDED)
    llm_simulator.add_key("google", TWO, Fault.SUSPENDED)  # its text holds the key
    llm = interface(models={"default": GPT, "fallback": {"provider": "google", "model": "gemini-2.5-flash"}})
    with pytest.raises(NoAPIKeysAvailableError):
        llm.send_prompt("a secret plan")
    llm_simulator.key("openai", ONE).heal()
    llm.reset()
    llm.send_prompt("a secret plan")
    assert len(telemetry.calls()) == 2
    assert not any(text in telemetry.text() for text in ("canary", "secret plan", "echo"))


def test_events_without_a_call_that_was_seen_are_taken_as_they_are(telemetry):
    telemetry.listener(CallDone(1, "openai", "gpt-4o-mini", None, (), error="ConfigError"))
    assert [span.name for span in telemetry.spans] == ["chat gpt-4o-mini"]


def test_without_an_sdk_in_the_program_calls_go_as_ever(llm_simulator, fake_clock, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    llm_simulator.add_key("openai", ONE)
    listener = OpenTelemetryListener()
    with LLMInterface(clock=fake_clock, on_event=listener) as llm:
        assert llm.send_prompt("Hello", provider="openai", model="gpt-4o-mini") == "echo: Hello"
    assert not listener._open


def test_without_the_extra_the_import_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "jobapp.otel")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ImportError, match=r"pip install '\.\[otel\]'"):
        importlib.import_module("jobapp.otel")
