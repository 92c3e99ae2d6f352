"""The SDKs' own clients with several keys beneath them, over loopback."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest
from google.genai import errors as google_errors

from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.events import AttemptFailed, CallDone
from jobapp.domain.exceptions import ConfigError
from jobapp.testing import Fault, Response, Simulator, Trouble
from tests.calling import ONE, THREE, TWO, World, unfinished, world_of

SDKS = ("openai", "anthropic", "google")
PROMPT = "Hello"


def openai_arguments(model: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": PROMPT}]}


def anthropic_arguments(model: str) -> dict[str, Any]:
    return {**openai_arguments(model), "max_tokens": 20}


def asked(client: Any, model: str) -> Any:
    match type(client).__name__:
        case "OpenAI":
            return client.chat.completions.create(**openai_arguments(model)).choices[0].message.content
        case "Anthropic":
            return client.messages.create(**anthropic_arguments(model)).content[0].text
        case _:
            return client.models.generate_content(model=model, contents=PROMPT).text


def streamed(client: Any, model: str) -> Any:
    match type(client).__name__:
        case "OpenAI":
            chunks = client.chat.completions.create(**openai_arguments(model), stream=True)
            return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        case "Anthropic":
            with client.messages.stream(**anthropic_arguments(model)) as stream:
                return "".join(stream.text_stream)
        case _:
            pieces = client.models.generate_content_stream(model=model, contents=PROMPT)
            return "".join(piece.text or "" for piece in pieces)


async def aasked(client: Any, model: str) -> Any:
    match type(client).__name__:
        case "AsyncOpenAI":
            return (
                (await client.chat.completions.create(**openai_arguments(model))).choices[0].message.content
            )
        case "AsyncAnthropic":
            return (await client.messages.create(**anthropic_arguments(model))).content[0].text
        case _:
            return (await client.aio.models.generate_content(model=model, contents=PROMPT)).text


async def astreamed(client: Any, model: str) -> Any:
    match type(client).__name__:
        case "AsyncOpenAI":
            chunks = await client.chat.completions.create(**openai_arguments(model), stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices])
        case "AsyncAnthropic":
            async with client.messages.stream(**anthropic_arguments(model)) as stream:
                return "".join([text async for text in stream.text_stream])
        case _:
            pieces = await client.aio.models.generate_content_stream(model=model, contents=PROMPT)
            return "".join([piece.text or "" async for piece in pieces])


def ask(world: World, llm: LLMInterface, **rules: Any) -> Any:
    """Ask once in the way of *world*."""
    name, model = world.provider.name, world.provider.model
    match world.way:
        case "send":
            return asked(llm.client(name, **rules), model)
        case "stream":
            return streamed(llm.client(name, **rules), model)
        case "asend":
            return asyncio.run(in_loop(llm, aasked, name, model, rules))
        case _:
            return asyncio.run(in_loop(llm, astreamed, name, model, rules))


async def in_loop(
    llm: LLMInterface, how: Callable[..., Any], name: str, model: str, rules: dict[str, Any]
) -> Any:
    async with llm:
        return await how(llm.async_client(name, **rules), model)


@pytest.fixture(params=SDKS)
def provider(request):
    return request.param


@pytest.fixture(params=["send", "stream", "asend", "astream"])
def way(request):
    return request.param


@pytest.fixture
def world(provider, way, tmp_path, monkeypatch):
    with world_of(provider, way, tmp_path, monkeypatch) as opened:
        yield opened


@pytest.fixture(params=["send", "asend"])
def whole_world(provider, request, tmp_path, monkeypatch):
    with world_of(provider, request.param, tmp_path, monkeypatch) as opened:
        yield opened


@pytest.fixture
def openai_world(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as opened:
        yield opened


ECHO = f"echo: {PROMPT}"


def test_an_answer_is_the_sdks_own_and_leaves_no_room_reserved(world):
    world.add(ONE)
    with world.interface() as llm:
        assert ask(world, llm) == ECHO
        assert unfinished(llm) == []
    assert world.requests(ONE) == [1]


def test_a_spent_and_a_bad_key_are_passed_over_and_cost_one_request_in_their_lifetime(world):
    world.add(ONE, Fault.SPENT_DAY)
    world.add(TWO, Fault.BAD_KEY)
    world.add(THREE)
    for _ in range(3):
        with world.interface() as llm:
            assert ask(world, llm) == ECHO
    assert world.requests(ONE, TWO, THREE) == [1, 1, 3]


def test_a_key_that_the_facade_found_spent_is_not_asked_below_the_sdk_either(world):
    world.add(ONE, Fault.SPENT_DAY)
    world.add(TWO)
    with world.interface() as llm:
        llm.send_prompt(PROMPT, provider=world.provider.name, model=world.provider.model)
        assert ask(world, llm) == ECHO
    assert world.requests(ONE, TWO) == [1, 2]


def test_a_busy_minute_is_waited_out_on_the_same_key(world):
    world.add(ONE, Fault.BUSY_MINUTE, times=1)
    with world.interface() as llm:
        assert ask(world, llm) == ECHO
    assert world.requests(ONE) == [2]
    assert sum(world.clock.sleeps) > 1


def test_an_error_in_the_first_event_of_a_stream_is_a_rejection(provider, tmp_path, monkeypatch):
    for way in ("stream", "astream"):
        folder = tmp_path / way
        folder.mkdir()
        with world_of(provider, way, folder, monkeypatch) as world:
            world.add(ONE, Trouble(Fault.ERROR_IN_200, says=Fault.OVERLOADED), times=1)
            with world.interface() as llm:
                assert ask(world, llm) == ECHO
            assert world.requests(ONE) == [2]


RATE_LIMITED = {
    "openai": openai.RateLimitError,
    "anthropic": anthropic.APIStatusError,
    "google": google_errors.APIError,
}
NOT_ACCEPTED = {
    "openai": openai.AuthenticationError,
    "anthropic": anthropic.AuthenticationError,
    "google": google_errors.ClientError,
}


def test_with_all_keys_spent_each_is_asked_once_and_the_sdk_raises_its_own_error_at_once(world):
    world.add(ONE, Fault.SPENT_DAY)
    world.add(TWO, Fault.SPENT_DAY)
    with world.interface() as llm, pytest.raises(RATE_LIMITED[world.provider.name]) as raised:
        ask(world, llm)
    assert world.requests(ONE, TWO) == [1, 1]
    assert world.clock.sleeps == []
    assert "canary" not in repr(raised.value)


def test_once_all_keys_are_known_to_be_spent_nothing_is_sent_and_the_error_says_when_one_is_back(world):
    world.add(ONE, Fault.SPENT_DAY)
    with world.interface() as llm:
        with pytest.raises(RATE_LIMITED[world.provider.name]):
            ask(world, llm)
        with pytest.raises(RATE_LIMITED[world.provider.name]) as raised:
            ask(world, llm)
    assert world.requests(ONE) == [1]
    text = str(raised.value)
    assert "No API keys available" in text
    assert "free at 2" in text
    assert "KEY" in text


def test_where_every_key_was_rejected_as_bad_the_sdk_raises_its_error_for_a_bad_key(world):
    world.add(ONE, Fault.BAD_KEY)
    with world.interface() as llm:
        for _ in range(2):
            with pytest.raises(NOT_ACCEPTED[world.provider.name]):
                ask(world, llm)
    assert world.requests(ONE) == [1]


def test_a_bad_key_that_was_asked_last_does_not_hide_that_another_comes_back(world):
    world.add(ONE, Fault.SPENT_DAY)
    world.add(TWO, Fault.BAD_KEY)
    with world.interface() as llm:
        for _ in range(2):
            with pytest.raises(RATE_LIMITED[world.provider.name], match=r"429.*No API keys available"):
                ask(world, llm)
    assert world.requests(ONE, TWO) == [1, 1]


def test_the_request_s_own_fault_goes_up_as_it_came_after_one_request(world):
    world.add(ONE, Fault.BAD_REQUEST)
    world.add(TWO)
    errors = (openai.BadRequestError, anthropic.BadRequestError, google_errors.ClientError)
    with world.interface() as llm, pytest.raises(errors):
        ask(world, llm)
    assert world.requests(ONE, TWO) == [1, 0]


def test_the_last_answer_tells_in_headers_that_a_repeat_is_of_no_use_and_when_a_key_is_free(openai_world):
    openai_world.add(ONE, Fault.SPENT_DAY)
    with openai_world.interface() as llm:
        for _ in range(2):
            with pytest.raises(openai.RateLimitError) as raised:
                ask(openai_world, llm)
            headers = raised.value.response.headers
            assert headers["x-should-retry"] == "false"
        assert headers["x-jobapp-available-at"].endswith("Z")
        assert int(headers["retry-after"]) > 60


def test_an_sdk_that_retries_by_itself_multiplies_nothing(openai_world):
    openai_world.add(ONE, Fault.SPENT_DAY)
    openai_world.add(TWO, Fault.SPENT_DAY)
    with openai_world.interface() as llm:
        client = openai.OpenAI(
            api_key="unused",
            base_url=openai_world.simulator.base_url("openai"),
            http_client=llm.http_client("openai"),
        )
        assert client.max_retries == 2
        with pytest.raises(openai.RateLimitError):
            asked(client, "gpt-4o-mini")
    assert openai_world.requests(ONE, TWO) == [1, 1]


def test_on_exhausted_wait_waits_for_the_reset_below_the_sdk(whole_world):
    whole_world.add(ONE, per_day=1)
    with whole_world.interface() as llm:
        assert ask(whole_world, llm) == ECHO
        assert ask(whole_world, llm, on_exhausted="wait") == ECHO
    assert sum(whole_world.clock.sleeps) > 60


def test_a_deadline_ends_the_waits_below_the_sdk(openai_world):
    openai_world.add(ONE, Trouble(Fault.BUSY_MINUTE, wait=40))
    with openai_world.interface() as llm, pytest.raises(openai.RateLimitError):
        ask(openai_world, llm, deadline=5)
    assert sum(openai_world.clock.sleeps) < 5


def test_an_unknown_rule_and_a_wrong_value_are_told_before_anything_is_sent(openai_world):
    openai_world.add(ONE)
    with openai_world.interface() as llm:
        with pytest.raises(ConfigError, match="deadlin"):
            llm.transport("openai", deadlin=5)
        with pytest.raises(ConfigError, match="on_exhausted"):
            llm.client("openai", on_exhausted="sleep")


def test_the_events_of_a_call_are_told_as_by_the_facade(openai_world):
    openai_world.add(ONE, Fault.SPENT_DAY)
    openai_world.add(TWO)
    with openai_world.interface() as llm:
        ask(openai_world, llm)
    failed = [event for event in openai_world.events if isinstance(event, AttemptFailed)]
    (done,) = [event for event in openai_world.events if isinstance(event, CallDone)]
    assert [(event.key, event.model) for event in failed] == [("OPENAI_API_KEY", "gpt-4o-mini")]
    assert done.key == "OPENAI_API_KEY_BACKUP_1"
    assert done.usage is not None
    assert done.usage.total_tokens == 3


def test_a_stream_that_is_closed_half_read_gives_its_room_back(openai_world):
    openai_world.add(ONE)
    with openai_world.interface() as llm:
        client = llm.client("openai")
        stream = client.chat.completions.create(**openai_arguments("gpt-4o-mini"), stream=True)
        next(stream)
        assert unfinished(llm) != []
        stream.close()
        assert unfinished(llm) == []


def test_a_stream_that_is_let_go_half_read_gives_its_room_back_by_the_next_request(openai_world):
    openai_world.add(ONE)
    with openai_world.interface() as llm:
        client = llm.client("openai")
        stream = client.chat.completions.create(**openai_arguments("gpt-4o-mini"), stream=True)
        next(stream)
        del stream
        gc.collect()
        asked(client, "gpt-4o-mini")
        assert unfinished(llm) == []


def test_a_connection_that_breaks_raises_the_sdks_own_error_when_the_tries_are_used_up(whole_world):
    whole_world.settings["retry"]["max_retries"] = 1
    whole_world.add(ONE, Fault.CUT)
    with whole_world.interface() as llm, pytest.raises(Exception) as raised:
        ask(whole_world, llm)
    assert whole_world.requests(ONE) == [2]
    assert isinstance(
        raised.value,
        (openai.APIConnectionError, anthropic.APIConnectionError, httpx.HTTPError, httpx2.HTTPError),
    )


class TestCredentials:
    def test_the_sdks_request_keeps_its_stand_in_and_the_wire_has_one_credential(self, whole_world):
        whole_world.add(ONE)
        with whole_world.interface() as llm:
            ask(whole_world, llm)
        (received,) = whole_world.simulator.received
        sent = {name: value for name, value in received.headers.items() if "canary" in value}
        assert len(sent) == 1
        assert not [value for value in received.headers.values() if "keys-are-below" in value]

    def test_no_key_is_in_an_error_its_request_or_its_traceback(self, openai_world):
        openai_world.add(ONE, Fault.CUT)
        openai_world.settings["retry"]["max_retries"] = 0
        with openai_world.interface() as llm, pytest.raises(openai.APIConnectionError) as raised:
            ask(openai_world, llm)
        error: BaseException | None = raised.value
        texts = []
        while error is not None:
            texts += [repr(error), repr(dict(error.request.headers)) if hasattr(error, "request") else ""]
            trace = error.__traceback__
            while trace is not None:
                texts.append(
                    repr({n: v for n, v in trace.tb_frame.f_locals.items() if n in {"request", "headers"}})
                )
                trace = trace.tb_next
            error = error.__cause__ or error.__context__
        assert not [text for text in texts if "canary" in text]

    def test_another_host_gets_no_key_and_the_caller_the_reason_untouched(self, whole_world):
        whole_world.add(ONE)
        there: Any = {"base_url": "http://127.0.0.1:9"}
        there = {"http_options": there} if whole_world.provider.name == "google" else there
        words = r"no key is sent to http://127\.0\.0\.1:9.*base_url"
        with whole_world.interface() as llm, pytest.raises(ConfigError, match=words) as raised:
            ask(whole_world, llm, **there)
        assert raised.value.__cause__ is None

    def test_a_redirect_to_another_host_carries_no_key(self, openai_world, tmp_path):
        with Simulator() as elsewhere:
            openai_world.add(ONE)
            away = Response(307, {"location": elsewhere.base_url("openai") + "/chat/completions"})
            openai_world.simulator.script("openai", ONE, [away])
            with openai_world.interface() as llm, pytest.raises(ConfigError, match="no key is sent"):
                ask(openai_world, llm)
            assert list(elsewhere.received) == []

    def test_a_credential_of_the_callers_own_is_respected_once_and_told(self, openai_world, caplog):
        own = "sk-callers-own-0123456789abcdefghij"
        openai_world.add(ONE)
        openai_world.simulator.add_key("openai", own, name="SOMEONE_ELSES")
        with openai_world.interface() as llm:
            client = llm.client("openai", api_key=own)
            assert [asked(client, "gpt-4o-mini") for _ in range(2)] == [ECHO, ECHO]
        assert openai_world.requests(own, ONE) == [2, 0]
        assert caplog.text.count("credential of its own") == 1
        assert own not in caplog.text

    def test_organisation_headers_go_with_the_first_key_only(self, openai_world):
        openai_world.add(ONE, Fault.SPENT_DAY)
        openai_world.add(TWO)
        with openai_world.interface() as llm:
            asked(llm.client("openai", organization="org-1", project="proj-1"), "gpt-4o-mini")
        first, second = openai_world.simulator.received
        assert first.headers["openai-organization"] == "org-1"
        assert not {"openai-organization", "openai-project"} & second.headers.keys()

    def test_an_idempotency_key_stays_with_one_key_and_is_new_with_another(self, openai_world):
        openai_world.add(ONE, Trouble(Fault.BUSY_MINUTE, wait=1), times=1)
        openai_world.simulator.script("openai", ONE, [Fault.BUSY_MINUTE, Fault.SPENT_DAY])
        openai_world.add(TWO)
        with openai_world.interface() as llm:
            llm.client("openai").chat.completions.create(
                **openai_arguments("gpt-4o-mini"), extra_headers={"Idempotency-Key": "once"}
            )
        told = [request.headers["idempotency-key"] for request in openai_world.simulator.received]
        assert told[:2] == ["once", "once"]
        assert told[-1] != "once"


class TestAccounts:
    def test_what_costs_no_quota_goes_to_the_first_key_spent_or_not(self, openai_world):
        openai_world.add(ONE, Fault.SPENT_DAY)
        openai_world.add(TWO)
        with openai_world.interface() as llm:
            ask(openai_world, llm)
            assert llm.client("openai").models.list().data
        assert openai_world.simulator.received[-1].key == ONE

    def test_a_bad_key_is_passed_over_and_remembered(self, openai_world):
        openai_world.add(ONE, Fault.BAD_KEY)
        openai_world.add(TWO)
        with openai_world.interface() as llm:
            for _ in range(2):
                assert llm.client("openai").models.list().data
        assert [request.key for request in openai_world.simulator.received] == [ONE, TWO, TWO]


def test_one_async_client_serves_several_event_loops(openai_world):
    openai_world.add(ONE)
    with openai_world.interface() as llm:
        client = llm.async_client("openai")

        async def ask_in_a_loop() -> Any:
            async with llm:
                return await aasked(client, "gpt-4o-mini")

        answers = [asyncio.run(ask_in_a_loop()) for _ in range(3)]
    assert answers == [ECHO] * 3


async def test_the_connections_of_a_client_that_was_let_go_are_closed_by_its_loop(openai_world):
    openai_world.add(ONE)
    simulator = openai_world.simulator
    async with openai_world.interface() as llm:
        assert await aasked(llm.async_client("openai"), "gpt-4o-mini") == ECHO
        gc.collect()
        await asyncio.to_thread(simulator.wait_for, lambda: simulator.open_connections == 0)


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_the_transport_serves_plain_clients_of_both_libraries(openai_world, library):
    openai_world.add(ONE, Fault.SPENT_DAY)
    openai_world.add(TWO)
    url = openai_world.simulator.base_url("openai") + "/chat/completions"
    with openai_world.interface() as llm:
        transport = llm.transport("openai")
        with library.Client(transport=transport) as client:
            assert client.post(url, json=openai_arguments("gpt-4o-mini")).status_code == 200

        async def ask_async() -> Any:
            async with library.AsyncClient(transport=transport) as client:
                return (await client.post(url, json=openai_arguments("gpt-4o-mini"))).status_code

        assert asyncio.run(ask_async()) == 200
    assert openai_world.requests(ONE, TWO) == [1, 2]


def test_a_body_that_can_be_sent_once_is_sent_once(openai_world):
    openai_world.add(ONE, Fault.OVERLOADED, times=1)
    url = openai_world.simulator.base_url("openai") + "/chat/completions"
    with openai_world.interface() as llm:
        parts = iter([json.dumps(openai_arguments("gpt-4o-mini")).encode()])
        answer = llm.http_client("openai").post(
            url, content=parts, headers={"content-type": "application/json"}
        )
    assert answer.status_code in {500, 503, 529}
    assert openai_world.requests(ONE) == [1]
