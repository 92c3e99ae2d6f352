"""Every way in which a provider says no, read through its real SDK: status, body and headers, and no key."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from jobapp.classification.classify import classify
from jobapp.domain.exceptions import ConfigError
from jobapp.domain.types import ErrorFacts, Kind
from jobapp.providers.adapter import ErrorInReplyError
from jobapp.providers.sdk_adapter import SDKAdapter
from jobapp.testing import Answer, FakeClock, Fault, Response, Simulator, Trouble
from tests.adapter_support import (
    ADAPTERS,
    HELLO,
    KEY,
    MODEL,
    PIECES,
    SECONDS,
    STREAMS,
    WAYS,
    Open,
    ask,
    failure_of,
    first_piece,
    opener,
)

PROVIDERS = ("openai", "anthropic", "google", "openrouter")
STATUS = {
    Fault.BUSY_MINUTE: {429},
    Fault.SPENT_DAY: {429, 400, 402, 403},
    Fault.NO_CREDIT: {429, 400, 402},
    Fault.BAD_KEY: {401, 400},
    Fault.SUSPENDED: {401, 400, 403},  # Google's words hold the key
    Fault.OVERLOADED: {503, 529},
    Fault.SERVER_ERROR: {500},
    Fault.BAD_GATEWAY: {502},
    Fault.UNKNOWN_MODEL: {404, 400},
    Fault.BAD_REQUEST: {400},
}
KIND = {
    Fault.BUSY_MINUTE: Kind.RATE_LIMIT,
    Fault.SPENT_DAY: Kind.QUOTA,
    Fault.NO_CREDIT: Kind.QUOTA,
    Fault.BAD_KEY: Kind.AUTH,
    Fault.SUSPENDED: Kind.AUTH,
    Fault.UNKNOWN_MODEL: Kind.REQUEST,
    Fault.BAD_REQUEST: Kind.REQUEST,
}
"""What faults mean; whatever is not listed is nobody's fault and may be tried again."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def simulator(clock: FakeClock) -> Iterator[Simulator]:
    with Simulator(clock) as simulator:
        for provider in PROVIDERS:
            simulator.add_key(provider, KEY.secret)
        yield simulator


@pytest.fixture
def opened(simulator: Simulator) -> Iterator[Open]:
    with opener(simulator) as opened:
        yield opened


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest, opened: Open) -> SDKAdapter:
    return opened(request.param)


def kind_of(facts: ErrorFacts, clock: FakeClock) -> Kind:
    return classify(facts, clock.now()).kind


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", STATUS)
def test_a_refusal_tells_all_but_the_key_and_costs_one_request(
    simulator: Simulator, adapter: SDKAdapter, clock: FakeClock, fault: Fault, way: str
) -> None:
    simulator.fail(adapter.provider, fault)
    facts = failure_of(adapter, way)
    assert (facts.provider, facts.model) == (adapter.provider, MODEL)
    assert facts.status in STATUS[fault]
    assert facts.headers["content-type"]
    if fault is Fault.BAD_GATEWAY:
        assert "502 Bad Gateway" in facts.body
    else:
        assert isinstance(facts.body["error"], dict)
    assert kind_of(facts, clock) is KIND.get(fault, Kind.UNAVAILABLE)
    assert simulator.requests() == 1


@pytest.mark.parametrize("way", WAYS)
def test_the_wait_that_a_provider_asks_for_reaches_the_verdict(
    simulator: Simulator, adapter: SDKAdapter, clock: FakeClock, way: str
) -> None:
    simulator.fail(adapter.provider, Trouble(Fault.BUSY_MINUTE, wait=33))
    verdict = classify(failure_of(adapter, way), clock.now())
    assert verdict.kind is Kind.RATE_LIMIT
    hints = (verdict.retry_after, verdict.resets_at and (verdict.resets_at - clock.now()).total_seconds())
    assert any(hint == pytest.approx(33, abs=1.5) for hint in hints if hint is not None)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", [Fault.CUT, Fault.CUT_SHORT])
def test_a_cut_connection_is_nobodys_fault(
    simulator: Simulator, adapter: SDKAdapter, clock: FakeClock, fault: Fault, way: str
) -> None:
    simulator.fail(adapter.provider, fault)
    facts = failure_of(adapter, way)
    assert facts.status in (None, 200)
    assert facts.exceptions
    assert kind_of(facts, clock) is Kind.UNAVAILABLE
    assert simulator.requests() == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_never_answers_is_given_up_after_the_timeout(
    simulator: Simulator, adapter: SDKAdapter, clock: FakeClock, way: str
) -> None:
    simulator.fail(adapter.provider, Fault.HANG)
    facts = failure_of(adapter, way, timeout=0.2)
    assert any("Timeout" in name for name in facts.exceptions)
    assert kind_of(facts, clock) is Kind.UNAVAILABLE
    assert simulator.requests() <= 1  # a busy machine may not get as far as sending it


@pytest.mark.parametrize("way", WAYS)
def test_nobody_there_is_nobodys_fault(
    simulator: Simulator, adapter: SDKAdapter, clock: FakeClock, way: str
) -> None:
    simulator.stop()
    facts = failure_of(adapter, way)
    assert facts.status is None
    assert kind_of(facts, clock) is Kind.UNAVAILABLE


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_key_does_not_follow_a_redirect(
    simulator: Simulator, adapter: SDKAdapter, status: int, way: str
) -> None:
    elsewhere = {"location": simulator.base_url("openai").replace("127.0.0.1", "localhost")}
    simulator.script(adapter.provider, KEY.secret, [Response(status, elsewhere)])
    with pytest.raises(ConfigError, match=r"redirects to http://localhost.*base_url"):
        ask(adapter, way)
    assert len(simulator.received) == 1


class TestErrorsInA200:
    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("fault", [Fault.ERROR_IN_200, Fault.ERROR_IN_CHOICE])
    @pytest.mark.parametrize("says", [Fault.OVERLOADED, Fault.BUSY_MINUTE, Fault.SPENT_DAY])
    def test_they_mean_what_they_say(
        self,
        simulator: Simulator,
        adapter: SDKAdapter,
        clock: FakeClock,
        fault: Fault,
        says: Fault,
        way: str,
    ) -> None:
        simulator.fail(adapter.provider, Trouble(fault, says=says))
        facts = failure_of(adapter, way)
        assert facts.body is not None
        assert facts.headers["content-type"]
        assert kind_of(facts, clock) is KIND.get(says, Kind.UNAVAILABLE)

    @pytest.mark.parametrize("way", STREAMS)
    @pytest.mark.parametrize("fault", [Fault.ERROR_IN_200, Fault.ERROR_IN_CHOICE, Fault.CUT_SHORT])
    def test_in_the_middle_of_a_stream_the_pieces_before_it_have_come(
        self, simulator: Simulator, adapter: SDKAdapter, fault: Fault, way: str
    ) -> None:
        simulator.fail(adapter.provider, Trouble(fault, after=2))
        pieces: list[str] = []
        facts = failure_of(adapter, way, pieces=pieces)
        assert pieces == PIECES[:2]
        assert facts.headers["content-type"]

    @pytest.mark.parametrize("way", WAYS)
    def test_a_body_that_does_not_parse_is_told_as_it_came(
        self, simulator: Simulator, adapter: SDKAdapter, clock: FakeClock, way: str
    ) -> None:
        simulator.fail(adapter.provider, Fault.GARBAGE)
        facts = failure_of(adapter, way)
        assert facts.status == 200
        assert "<html>" in facts.body
        assert kind_of(facts, clock) is Kind.UNAVAILABLE

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("body", [{}, [], {"ok": True}, "", "null"], ids=repr)
    def test_a_body_that_is_no_answer_is_no_answer(
        self, simulator: Simulator, adapter: SDKAdapter, body: Any, way: str
    ) -> None:
        json = {"content-type": "application/json"}
        simulator.script(adapter.provider, KEY.secret, [Response(headers=json, body=body)])
        assert failure_of(adapter, way).status == 200

    @pytest.mark.parametrize("way", STREAMS)
    def test_an_error_without_a_stream_around_it_is_read_where_a_stream_was_asked_for(
        self, simulator: Simulator, adapter: SDKAdapter, clock: FakeClock, way: str
    ) -> None:
        error = {
            "error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Requests per day: 0 left."}
        }
        simulator.script(adapter.provider, KEY.secret, [Response(body=error)])
        facts = failure_of(adapter, way)
        assert facts.body == error
        assert kind_of(facts, clock) is Kind.QUOTA

    @pytest.mark.parametrize("way", STREAMS)
    def test_the_whole_event_is_told_where_the_sdk_keeps_a_part(
        self, simulator: Simulator, opened: Open, way: str
    ) -> None:
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
        event = {"id": "x", "model": MODEL, "choices": [choice], "error": {"code": 502, "message": "Gone."}}
        simulator.script("openrouter", KEY.secret, [Response(events=[event])])
        assert failure_of(opened("openrouter"), way).body == event

    @pytest.mark.parametrize("way", STREAMS)
    def test_a_stream_that_ends_early_without_a_word_is_no_answer(
        self, simulator: Simulator, adapter: SDKAdapter, way: str
    ) -> None:
        simulator.answer = "one two three"
        wire_events = recorded_events(simulator, adapter, way)
        simulator.script(adapter.provider, KEY.secret, [Response(events=wire_events[:3], lead=1)])
        facts = failure_of(adapter, way)
        assert "ended before the answer was complete" in facts.message

    def test_an_error_the_sdk_lets_pass_is_raised_with_its_facts(
        self, simulator: Simulator, opened: Open
    ) -> None:
        simulator.fail("openrouter", Fault.ERROR_IN_200)
        with pytest.raises(ErrorInReplyError) as caught:
            ask(opened("openrouter"), "send")
        assert caught.value.facts.body["error"]["code"] == 503


def recorded_events(simulator: Simulator, adapter: SDKAdapter, way: str) -> list[Any]:
    """Return the events of a normal stream in the provider's own form."""
    from jobapp.testing.routing import WIRES

    ask(adapter, way)
    request = simulator.received[-1]
    wire = next(wire for wire in WIRES if wire.provider == adapter.provider)
    stream = wire.stream(request, Answer("one two three"), "req_1")
    return [*stream.lead_in, *stream.pieces, *stream.lead_out]


BLOCKED = [
    (
        "openai",
        {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "content_filter"},
    ),
    (
        "openrouter",
        {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "content_filter"},
    ),
    ("anthropic", {"stop_reason": "refusal"}),
    ("google-genai", {"promptFeedback": {"blockReason": "SAFETY"}}),
    ("google-genai", {"candidates": [{"index": 0, "finishReason": "SAFETY"}]}),
    ("google-generativeai", {"promptFeedback": {"blockReason": "SAFETY"}}),
    ("google-generativeai", {"candidates": [{"index": 0, "finishReason": "RECITATION"}]}),
]


@pytest.mark.parametrize(("name", "answer"), BLOCKED)
def test_a_blocked_answer_is_the_requests_fault(
    simulator: Simulator, opened: Open, clock: FakeClock, name: str, answer: dict[str, Any]
) -> None:
    adapter = opened(name)
    body: dict[str, Any] = answer
    if adapter.provider in ("openai", "openrouter"):
        body = {"id": "x", "object": "chat.completion", "created": 1, "model": MODEL, "choices": [answer]}
    elif adapter.provider == "anthropic":
        usage = {"input_tokens": 1, "output_tokens": 0}
        message = {"id": "m", "type": "message", "role": "assistant", "model": MODEL, "content": []}
        body = message | answer | {"stop_sequence": None, "usage": usage}
    ways = [("send", Response(body=body))]
    if adapter.provider == "google":
        ways.append(("stream", Response(events=[body])))
    for way, response in ways:
        simulator.script(adapter.provider, KEY.secret, [response])
        facts = failure_of(adapter, way)
        assert "blocked" in facts.message
        assert kind_of(facts, clock) is Kind.REQUEST


@pytest.mark.parametrize("name", ["google-genai", "google-generativeai"])
def test_a_call_that_the_model_garbled_may_be_tried_again(
    simulator: Simulator, opened: Open, clock: FakeClock, name: str
) -> None:
    body = {"candidates": [{"index": 0, "finishReason": "MALFORMED_FUNCTION_CALL"}]}
    simulator.script("google", KEY.secret, [Response(body=body)])
    facts = failure_of(opened(name), "send")
    assert "MALFORMED_FUNCTION_CALL" in facts.message
    assert kind_of(facts, clock) is Kind.UNAVAILABLE


@pytest.mark.parametrize("name", ["openai", "anthropic", "google-genai", "openrouter"])
def test_a_request_is_given_up_when_its_time_is_over_however_quick_each_read_is(
    opened: Open, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from jobapp.providers import request_context

    class JumpingTime:
        now = 0.0

        @classmethod
        def monotonic(cls) -> float:
            cls.now += SECONDS * 1.5
            return cls.now

    monkeypatch.setattr(request_context, "time", JumpingTime)
    facts = failure_of(opened(name), "send")
    assert any("Timeout" in each for each in facts.exceptions)


@pytest.mark.parametrize("name", ["openai", "anthropic", "google-genai", "openrouter"])
def test_a_stream_that_has_begun_may_go_on_beyond_its_timeout(
    simulator: Simulator, opened: Open, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from jobapp.providers import request_context

    class Late:
        later = 0.0

        @classmethod
        def monotonic(cls) -> float:
            return time.monotonic() + cls.later

    monkeypatch.setattr(request_context, "time", Late)
    adapter = opened(name)
    with simulator.hold(adapter.provider, after=1) as hold:
        stream = adapter.stream(HELLO, KEY, SECONDS)
        first = first_piece(stream)
        Late.later = 2 * SECONDS
        hold.release()
        rest = [piece for piece in stream if isinstance(piece, str)]
    assert [first, *rest] == PIECES
