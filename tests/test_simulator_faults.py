"""How the simulator says no: every fault, as each provider's own SDK meets it."""

from __future__ import annotations

import asyncio
import re

import openai
import pytest

from jobapp.classification.classify import classify
from jobapp.domain.types import ErrorFacts, Kind
from jobapp.testing import Answer, FakeClock, Fault, Quota, Request, Response, Simulator, Trouble
from jobapp.testing.replies import Replier
from jobapp.testing.routing import WIRES
from jobapp.testing.wire import parse
from tests.simulator_support import DIALECTS, KEY, PROVIDERS, WAYS, WORDS, opened_dialects

# status and the mark by which PROVIDERS' section 2 and FORMS tell it
TOLD = {
    Fault.BUSY_MINUTE: {
        "openai": (429, r"requests per min \(RPM\).*try again in 20s"),
        "anthropic": (429, r"requests per minute.*\"retry-after\": \"20\""),
        "google": (429, r"try in 20s.*PerMinute.*\"retryDelay\": ?\"20s\""),
        "openrouter": (429, r"free-models-per-min.*\"X-RateLimit-Reset\": ?\"1795435220000\""),
    },
    Fault.BUSY_TOKENS: {
        "openai": (429, r"tokens per min \(TPM\)"),
        "anthropic": (429, "input tokens per minute"),
        "google": (429, "InputTokensPerModelPerMinute"),
        "openrouter": (429, "limit_tpm"),
    },
    Fault.SPENT_DAY: {
        "openai": (429, r"requests per day \(RPD\).*try again in 7m12s"),
        "anthropic": (400, r"specified API usage limits. You will regain access on 2026-11-24 at 00:00 UTC"),
        "google": (429, r"try in 20h0m0s.*RequestsPerDay.*\"retryDelay\": ?\"72000s\""),
        "openrouter": (429, r"free-models-per-day.*openrouter_free_tier_daily"),
    },
    Fault.SPENT_MONTH: {
        "openai": (429, "organization_usage_limit_exceeded"),
        "anthropic": (429, r"regain access on 2026-12-01 at 00:00 UTC.*enforced_spend_limit_reached"),
        "google": (429, "monthly spending cap"),
        "openrouter": (403, r"openrouter_workspace_budget.*2026-12-01T00:00:00.000Z"),
    },
    Fault.NO_CREDIT: {
        "openai": (429, "insufficient_quota"),
        "anthropic": (400, "credit balance is too low"),
        "google": (429, "prepayment credits are depleted"),
        "openrouter": (402, "openrouter_credits"),
    },
    Fault.BAD_KEY: {
        "openai": (401, "invalid_api_key"),
        "anthropic": (401, "authentication_error"),
        "google": (400, "API_KEY_INVALID"),
        "openrouter": (401, "User not found"),
    },
    Fault.SUSPENDED: {
        "openai": (401, "account_deactivated"),
        "anthropic": (400, "organization has been disabled"),
        "google": (403, "CONSUMER_SUSPENDED"),
        "openrouter": (401, "Invalid credentials"),
    },
    Fault.NO_ACCESS: {
        "openai": (403, "does not have access to model"),
        "anthropic": (403, "permission_error"),
        "google": (429, "limit: 0"),
        "openrouter": (404, "No endpoints found"),
    },
    Fault.REGION: {
        "openai": (403, "unsupported_country_region_territory"),
        "anthropic": (403, "Request not allowed"),
        "google": (400, "User location is not supported"),
        "openrouter": (403, "not available in your region"),
    },
    Fault.OVERLOADED: {
        "openai": (503, "server_is_overloaded"),
        "anthropic": (529, "overloaded_error"),
        "google": (503, "UNAVAILABLE|model is overloaded"),
        "openrouter": (503, "provider_overloaded"),
    },
    Fault.SERVER_ERROR: {
        "openai": (500, "server_error"),
        "anthropic": (500, "api_error"),
        "google": (500, "INTERNAL|internal error"),
        "openrouter": (500, "Internal Server Error"),
    },
    Fault.BAD_GATEWAY: dict.fromkeys(PROVIDERS, (502, "Bad Gateway")),
    Fault.UNKNOWN_MODEL: {
        "openai": (404, "model_not_found"),
        "anthropic": (404, "not_found_error"),
        "google": (404, "is not found for API version"),
        "openrouter": (400, "not a valid model ID"),
    },
    Fault.TOO_LARGE: {
        "openai": (429, "Request too large"),
        "anthropic": (413, "request_too_large"),
        "google": (400, "exceeds the maximum number of tokens"),
        "openrouter": (400, "maximum context length"),
    },
    Fault.CONTEXT_OVERFLOW: {
        "openai": (400, r"maximum context length is 200 tokens.*resulted in 202.*context_length_exceeded"),
        "anthropic": (400, "prompt is too long: 202 tokens > 200 maximum"),
        "google": (400, r"input token count \(202\) exceeds the maximum number of tokens allowed \(200\)"),
        "openrouter": (400, "maximum context length is 200 tokens.*202"),
    },
    Fault.UPSTREAM_LIMIT: {
        "openai": (503, "server_is_overloaded"),
        "anthropic": (529, "overloaded_error"),
        "google": (503, "UNAVAILABLE|model is overloaded"),
        "openrouter": (429, "Provider returned error.*rate-limited upstream"),
    },
    Fault.WITHDRAWN: {
        "openai": (404, "has been deprecated"),
        "anthropic": (404, "not_found_error"),
        "google": (404, "no longer supported"),
        "openrouter": (404, "No endpoints found"),
    },
    Fault.NO_CAPACITY: {
        "openai": (429, "Resource Unavailable"),
        "anthropic": (529, "overloaded_error"),
        "google": (503, "UNAVAILABLE|model is overloaded"),
        "openrouter": (503, "provider_overloaded"),
    },
    Fault.UNKNOWN_PATH: {
        "openai": (404, "Invalid URL"),
        "anthropic": (404, "not_found_error"),
        "google": (404, "Method not found"),
        "openrouter": (404, "Not Found"),
    },
    Fault.UNKNOWN_OBJECT: {
        "openai": (404, "No such object"),
        "anthropic": (404, "not_found_error"),
        "google": (403, "PERMISSION_DENIED|No such object"),
        "openrouter": (404, "No such object"),
    },
    Fault.BAD_REQUEST: {
        "openai": (400, "invalid_request_error"),
        "anthropic": (400, "invalid_request_error"),
        "google": (400, "INVALID_ARGUMENT|400"),
        "openrouter": (400, "invalid_request"),
    },
}
MEANING = {
    Fault.BUSY_MINUTE: Kind.RATE_LIMIT,
    Fault.BUSY_TOKENS: Kind.RATE_LIMIT,
    Fault.SPENT_DAY: Kind.QUOTA,
    Fault.SPENT_MONTH: Kind.QUOTA,
    Fault.NO_CREDIT: Kind.QUOTA,
    Fault.BAD_KEY: Kind.AUTH,
    Fault.SUSPENDED: Kind.AUTH,
    Fault.NO_ACCESS: Kind.AUTH,
    Fault.REGION: Kind.REQUEST,
    Fault.OVERLOADED: Kind.UNAVAILABLE,
    Fault.SERVER_ERROR: Kind.UNAVAILABLE,
    Fault.BAD_GATEWAY: Kind.UNAVAILABLE,
    Fault.UNKNOWN_MODEL: Kind.REQUEST,
    Fault.TOO_LARGE: Kind.REQUEST,
    Fault.BAD_REQUEST: Kind.REQUEST,
    Fault.CONTEXT_OVERFLOW: Kind.REQUEST,
    Fault.UPSTREAM_LIMIT: Kind.UNAVAILABLE,
    Fault.WITHDRAWN: Kind.REQUEST,
    Fault.NO_CAPACITY: Kind.UNAVAILABLE,
    Fault.UNKNOWN_PATH: Kind.REQUEST,
    Fault.UNKNOWN_OBJECT: Kind.REQUEST,
}
OTHERWISE = {
    ("google", Fault.NO_ACCESS): Kind.QUOTA,  # a model outside the tier is told as a quota of zero
    ("openai", Fault.NO_CAPACITY): Kind.RATE_LIMIT,  # of the model: a 429 with nothing else to tell it by
}
SECRET = "AIzaSyCanary-0123456789abcdefghijklm"
TIMED = (Fault.BUSY_MINUTE, Fault.BUSY_TOKENS, Fault.SPENT_DAY)

WAYS_WITHOUT_OLD_STREAM = [pair for pair in WAYS if pair != ("google-generativeai", "stream")]
"""google-generativeai loses what an error in a stream says; its adapter recovers it, its test is there."""


@pytest.fixture(scope="module")
def dialects():
    with Simulator(FakeClock()) as simulator, opened_dialects(simulator) as opened:
        yield opened


@pytest.fixture
def simulator(dialects):
    simulator = dialects["openai"].simulator
    yield simulator
    for provider in PROVIDERS:
        simulator.heal(provider)
        simulator.key(provider, KEY).heal()
    simulator.hints = True
    simulator.reset_counts()


@pytest.fixture(params=DIALECTS)
def dialect(request, dialects):
    return dialects[request.param]


@pytest.fixture(params=WAYS_WITHOUT_OLD_STREAM, ids="-".join)
def dialect_and_way(request, dialects):
    name, way = request.param
    return dialects[name], way


def test_every_refusal_has_its_form_in_every_protocol():
    in_200 = {Fault.ERROR_IN_200, Fault.ERROR_IN_CHOICE, Fault.GARBAGE}
    answers = {Fault.EMPTY, Fault.HEARTBEATS, Fault.SLOW_THINKING}
    assert set(TOLD) == set(Fault) - in_200 - answers - {Fault.CUT, Fault.CUT_SHORT, Fault.HANG}
    assert all(set(forms) == set(PROVIDERS) for forms in TOLD.values())


@pytest.mark.parametrize("fault", TOLD)
@pytest.mark.parametrize("way", ["ask", "stream"])
def test_a_refusal_comes_with_the_providers_status_and_mark(way, fault, dialect, simulator):
    simulator.key(dialect.provider, KEY).fail(fault)
    outcome = dialect.outcome(way, KEY)
    status, mark = TOLD[fault][dialect.provider]
    assert outcome.pieces == []
    if (way, type(dialect)) == ("stream", DIALECTS["google-generativeai"]):
        assert outcome.error is not None
        return
    assert outcome.status == status
    assert re.search(mark, outcome.told, re.DOTALL)
    assert simulator.rejections(dialect.provider, KEY) == simulator.requests(dialect.provider, KEY) == 1


@pytest.mark.parametrize("fault", TOLD)
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.provider)
@pytest.mark.parametrize("hints", [True, False])
def test_jobapp_reads_each_refusal_as_what_it_is(hints, wire, fault):
    clock = FakeClock()
    request = Request(wire.provider, SECRET, "m:free", "Hello", False, "POST", "/", {}, {}, {}, clock.now())
    head, _, body = (
        Replier(wire, request, "req_1", hints).to(Trouble(fault), Answer).parts[0].partition(b"\r\n\r\n")
    )
    start, *lines = head.decode().split("\r\n")
    facts = ErrorFacts(
        provider=wire.provider,
        status=int(start.split()[1]),
        headers=dict(line.split(": ", 1) for line in lines),
        body=parse(body),
        model=request.model,
    )
    verdict = classify(facts, clock.now())
    meaning = OTHERWISE.get((wire.provider, fault), MEANING[fault])
    assert verdict.kind is meaning
    assert SECRET not in repr(verdict)


@pytest.mark.parametrize("fault", TIMED)
def test_without_hints_nothing_tells_how_long_to_wait(fault, dialect, simulator):
    simulator.hints = False
    simulator.key(dialect.provider, KEY).fail(fault)
    told = dialect.outcome("ask", KEY).told
    assert not re.search(r"(?i)retry-after|-reset|try in|again in|retryDelay|regain access", told)


@pytest.mark.parametrize("fault", [Fault.BUSY_MINUTE, Fault.BAD_KEY])
@pytest.mark.parametrize("name", ["openai", "anthropic", "google-genai", "openrouter"])
@pytest.mark.parametrize("way", ["aask", "astream"])
def test_refusals_are_the_same_in_asyncio(way, name, fault, dialects, simulator):
    dialect = dialects[name]
    simulator.key(dialect.provider, KEY).fail(fault)
    status, mark = TOLD[fault][dialect.provider]
    outcome = dialect.outcome(way, KEY)
    assert outcome.status == status
    assert re.search(mark, outcome.told, re.DOTALL)


def test_a_key_that_was_never_added_is_a_bad_key(dialect, simulator):
    outcome = dialect.outcome("ask", "sk-stranger")
    assert outcome.status == TOLD[Fault.BAD_KEY][dialect.provider][0]
    assert simulator.requests(dialect.provider, "sk-stranger") == 1
    assert "sk-stranger" not in simulator.environ().values()


def test_openrouters_paid_models_have_a_key_limit_in_place_of_a_free_day(dialects, simulator):
    simulator.key("openrouter", KEY).fail(Fault.SPENT_DAY)
    outcome = dialects["openrouter"].outcome("ask", KEY, model="maker/paid")
    assert outcome.status == 403
    assert re.search(r"openrouter_key_limit.*2026-11-24T00:00:00.000Z", outcome.told)


def test_a_fault_strikes_as_often_as_it_is_told(dialect, simulator):
    simulator.key(dialect.provider, KEY).fail(Fault.OVERLOADED, times=2)
    simulator.key(dialect.provider, KEY).fail(Fault.OVERLOADED, times=0)
    errors = [dialect.outcome("ask", KEY).error for _ in range(3)]
    assert [error is None for error in errors] == [False, False, True]
    assert (simulator.requests(dialect.provider), simulator.rejections(dialect.provider)) == (3, 2)


def test_a_fault_may_strike_one_model_or_the_whole_provider(dialect, simulator):
    simulator.key(dialect.provider, KEY).fail(Trouble(Fault.OVERLOADED, model="other"))
    assert dialect.outcome("ask", KEY).error is None
    assert dialect.outcome("ask", KEY, model="other").error is not None
    simulator.fail(dialect.provider, Fault.SERVER_ERROR)
    assert dialect.outcome("ask", KEY).status == 500
    simulator.heal(dialect.provider)
    assert dialect.outcome("ask", KEY).error is None


def test_closed_and_unknown_models_are_refused(dialect):
    with Simulator(FakeClock()) as simulator:
        other = type(dialect)(simulator)
        simulator.add_key(dialect.provider, KEY, closed_models={"closed"})
        simulator.set_models(dialect.provider, "open", "closed")
        statuses = [other.outcome("ask", KEY, model=model).status for model in ("open", "closed", "missing")]
        other.close()
    rejections = [TOLD[fault][dialect.provider][0] for fault in (Fault.NO_ACCESS, Fault.UNKNOWN_MODEL)]
    assert statuses == [None, *rejections]


@pytest.mark.parametrize("name", ["openai", "anthropic", "openrouter"])
def test_a_request_without_a_model_is_faulty(name, dialects, simulator):
    outcome = dialects[name].outcome("ask", KEY, model="")
    assert outcome.status == 400
    assert "model" in outcome.told
    assert simulator.rejections(dialects[name].provider) == 1


def test_a_request_without_messages_is_faulty(dialects, simulator):
    client = dialects["openai"].client(KEY)
    with pytest.raises(Exception, match="messages"):
        client.chat.completions.create(model="m", messages=[])


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.CUT_SHORT, Fault.GARBAGE])
def test_a_broken_answer_is_no_answer_and_the_next_one_is_whole(fault, dialect_and_way, simulator):
    dialect, way = dialect_and_way
    simulator.key(dialect.provider, KEY).fail(fault, times=1)
    outcome = dialect.outcome(way, KEY)
    assert outcome.text == ""
    unnamed_event = fault is Fault.GARBAGE and dialect.provider == "anthropic" and "stream" in way
    assert unnamed_event or outcome.error is not None  # anthropic's SDK passes over events without a name
    assert dialect.outcome(way, KEY).text == "".join(WORDS)


@pytest.mark.parametrize("fault", [Fault.CUT_SHORT, Fault.ERROR_IN_200])
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("way", ["stream", "astream"])
@pytest.mark.parametrize("name", ["openai", "anthropic", "google-genai", "openrouter"])
def test_a_stream_breaks_after_the_pieces_it_was_told(name, way, after, fault, dialects, simulator):
    dialect = dialects[name]
    simulator.key(dialect.provider, KEY).fail(Trouble(fault, after=after))
    outcome = dialect.outcome(way, KEY)
    assert outcome.pieces == WORDS[:after]
    assert outcome.error is not None
    if fault is Fault.ERROR_IN_200:
        assert re.search(TOLD[Fault.OVERLOADED][dialect.provider][1], outcome.told)
    assert simulator.rejections(dialect.provider, KEY) == 1


@pytest.mark.parametrize("after", [0, 1])
def test_the_old_google_sdk_meets_the_broken_array_of_a_stream(after, dialects, simulator):
    simulator.key("google", KEY).fail(Trouble(Fault.CUT_SHORT, after=after))
    outcome = dialects["google-generativeai"].outcome("stream", KEY)
    assert outcome.pieces == WORDS[:after]
    assert outcome.error is not None


@pytest.mark.parametrize("name", ["openai", "openrouter"])
def test_an_error_in_a_200_stands_where_the_choices_should_be(name, dialects, simulator):
    dialect = dialects[name]
    simulator.key(dialect.provider, KEY).fail(Trouble(Fault.ERROR_IN_200, says=Fault.BUSY_MINUTE))
    done = dialect.client(KEY).chat.completions.create(**dialect.arguments("m:free", "Hello"))
    assert done.choices is None
    assert "per" in done.model_extra["error"]["message"]


def test_openrouter_puts_an_error_into_the_first_choice(dialects, simulator):
    dialect = dialects["openrouter"]
    simulator.key("openrouter", KEY).fail(Fault.ERROR_IN_CHOICE)
    done = dialect.client(KEY).chat.completions.create(**dialect.arguments("m", "Hello"))
    (choice,) = done.choices
    assert choice.finish_reason == "error"
    assert choice.error["code"] == 503
    chunks = list(dialect.client(KEY).chat.completions.create(**dialect.arguments("m", "Hello"), stream=True))
    assert [chunk.choices[0].finish_reason for chunk in chunks] == ["error"]
    assert chunks[0].choices[0].error["code"] == 503


def test_a_request_that_hangs_is_given_up_by_the_client_alone(dialects, simulator):
    simulator.key("openai", KEY).fail(Fault.HANG)

    async def give_up() -> None:
        async with dialects["openai"].async_client(KEY) as client:
            arguments = dialects["openai"].arguments("m", "Hello")
            asked = asyncio.create_task(client.chat.completions.create(**arguments))
            await asyncio.to_thread(simulator.wait_for, lambda: simulator.active_requests == 1)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

    asyncio.run(give_up())
    simulator.wait_for(lambda: simulator.active_requests == 0)
    assert simulator.requests("openai", KEY) == 1


def test_a_script_is_played_in_order_and_then_all_is_as_usual(dialect, simulator):
    simulator.script(
        dialect.provider,
        KEY,
        [
            "",
            Fault.OVERLOADED,
            Trouble(Fault.BUSY_MINUTE, wait=3),
            Response(418, {"x-odd": "yes"}, {"error": {"message": "teapot", "code": 418}}),
        ],
    )
    outcomes = [dialect.outcome("ask", KEY) for _ in range(5)]
    assert [outcome.text for outcome in outcomes] == ["", "", "", "", "echo: Hello there"]
    assert outcomes[0].error is None
    assert [outcome.status for outcome in outcomes[1:4]] == [
        TOLD[Fault.OVERLOADED][dialect.provider][0],
        429,
        418,
    ]
    assert '"x-odd": "yes"' in outcomes[3].told


def test_a_recorded_stream_is_replayed_as_events_and_as_text(dialects, simulator):
    dialect = dialects["openrouter"]
    error = {"code": 429, "message": "Provider returned error"}
    simulator.script(
        "openrouter",
        KEY,
        [
            Response(events=[{"choices": [{"index": 0, "delta": {"content": "so "}}]}, {"error": error}]),
            Response(body=f'data: {{"error": {{"code": 429, "message": "{error["message"]}"}}}}\n\n'),
            Response(
                events=[b'data: {"choices": [{"index": 0, "delta": {"content": "far"}}]}\n\n'], cut=True
            ),
        ],
    )
    outcomes = [dialect.outcome("stream", KEY) for _ in range(3)]
    assert [outcome.text for outcome in outcomes] == ["so ", "", "far"]
    assert [error["message"] in outcome.told for outcome in outcomes] == [True, True, False]
    assert outcomes[2].error is not None


def test_headers_of_a_recording_that_frame_its_body_are_written_anew(dialects, simulator):
    headers = {
        "Content-Length": "7",
        "Content-Encoding": "gzip",
        "Transfer-Encoding": "chunked",
        "X-Kept": "1",
    }
    simulator.script("openai", KEY, [Response(429, headers, {"error": {"message": "kept whole"}})])
    outcome = dialects["openai"].outcome("ask", KEY)
    assert "kept whole" in outcome.told
    assert '"x-kept": "1"' in outcome.told


def test_a_callback_sees_each_request_and_may_answer_it(dialect, simulator):
    seen = []

    def look(request):
        seen.append(request.prompt)
        return Fault.OVERLOADED if request.prompt == "fail" else "looked at"

    simulator.on_request = look
    try:
        assert dialect.outcome("ask", KEY, prompt="hello").text == "looked at"
        assert dialect.outcome("ask", KEY, prompt="fail").error is not None
    finally:
        simulator.on_request = None
    assert seen == ["hello", "fail"]


def test_a_callback_that_fails_is_logged_and_answered_with_500(dialects, simulator, caplog):
    simulator.on_request = lambda request: 1 / 0
    try:
        assert dialects["openai"].outcome("ask", KEY).status == 500
    finally:
        simulator.on_request = None
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.usefixtures("simulator")
def test_paths_that_no_provider_has_are_not_found(dialects):
    with pytest.raises(openai.NotFoundError, match=r"Invalid URL \(POST /v1/images/generations\)"):
        dialects["openai"].client(KEY).images.generate(prompt="x")


EMPTY_WAYS = [pair for pair in WAYS if pair[0] != "google-generativeai"]


@pytest.mark.parametrize(("name", "way"), EMPTY_WAYS)
def test_an_empty_answer_has_nothing_in_it(name, way, dialects, simulator):
    dialect = dialects[name]
    simulator.fail(dialect.provider, Fault.EMPTY, times=1)
    outcome = dialect.outcome(way, KEY)
    assert outcome.text == ""
    assert outcome.error is None or isinstance(outcome.error, IndexError)
    assert simulator.rejections(dialect.provider, KEY) == 1


@pytest.mark.parametrize("fault", [Fault.HEARTBEATS, Fault.SLOW_THINKING])
@pytest.mark.parametrize(
    ("name", "way"), [pair for pair in WAYS if pair[0] in ("openai", "google-genai", "openrouter")]
)
def test_signs_of_life_take_time_before_the_answer(name, way, fault, dialects, simulator):
    dialect, began = dialects[name], simulator.clock.monotonic()
    simulator.fail(dialect.provider, Trouble(fault, wait=90), times=1)
    outcome = dialect.outcome(way, KEY)
    assert outcome.error is None
    assert outcome.text.endswith("echo: Hello there")
    assert simulator.clock.monotonic() - began == pytest.approx(90)
    assert simulator.rejections(dialect.provider, KEY) == 0


def test_an_anthropic_stream_pings_and_thinks_meanwhile(dialects, simulator):
    dialect = dialects["anthropic"]
    client = dialect.client(KEY)
    simulator.key("anthropic", KEY).script(
        [Trouble(Fault.HEARTBEATS, wait=3), Trouble(Fault.SLOW_THINKING, wait=2)]
    )
    with client.messages.with_streaming_response.create(
        **dialect.arguments("m", "Hello"), stream=True
    ) as raw:
        assert raw.read().count(b"event: ping") == 4
    with client.messages.stream(**dialect.arguments("m", "Hello")) as stream:
        thoughts, text = stream.get_final_message().content
    assert (thoughts.thinking, text.text) == ("Hm, Hm, ", "echo: Hello")


@pytest.mark.parametrize(
    ("service", "told"),
    [
        (
            "groq",
            {
                "limit-requests": "20",
                "remaining-requests": "19",
                "limit-tokens": "50",
                "reset-tokens": "1m0s",
            },
        ),
        (
            "cerebras",
            {"limit-requests-minute": "5", "reset-requests-minute": "60", "limit-requests-day": "20"},
        ),
        ("mistral", {"limit-req-minute": "5", "remaining-req-minute": "4", "limit-tokens-minute": "50"}),
        ("sambanova", {"limit-requests": "5", "reset-requests": "1795435260", "limit-requests-day": "20"}),
        ("digitalocean", {"limit-requests": "5", "limit-tokens-per-minute": "50"}),
        ("azure", {"limit-requests": "5", "reset-requests": "60"}),
    ],
)
def test_a_service_has_its_own_names_for_its_limits(service, told):
    with Simulator(FakeClock()) as simulator:
        quota = Quota(5, per_day=20, tokens=50)
        simulator.add_key("openai", KEY, quota=quota, service=service)
        with openai.OpenAI(api_key=KEY, base_url=simulator.base_url("openai"), max_retries=0) as client:
            answer = client.chat.completions.with_raw_response.create(
                model="m", messages=[{"role": "user", "content": "Hello"}]
            )
        heard = {name.removeprefix("x-ratelimit-"): value for name, value in answer.headers.items()}
        assert told.items() <= heard.items()
        with pytest.raises(ValueError, match="'aol' is none of the services groq"):
            simulator.add_key("openai", "sk-x", service="aol")
