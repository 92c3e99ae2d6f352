"""An SDK with keys beneath it bears what servers do on the wire, as the SDK alone does."""

from __future__ import annotations

import asyncio
import gc
import gzip
import io
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest
import yaml
from google import genai
from google.genai.types import HttpOptions

from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.events import AttemptStarted, CallDone
from jobapp.domain.exceptions import ConfigError
from jobapp.testing import FakeClock
from tests.account_server import ANSWERS
from tests.calling import unfinished
from tests.raw_server import JSON, Habit, Received, event, in_turn, message, raw_server, stream

ONE, TWO = "sk-canary-one-0123456789", "sk-canary-two-0123456789"
PROVIDERS = {"openai": ("OPENAI", "/v1"), "anthropic": ("ANTHROPIC", ""), "google": ("GOOGLE", "")}
CHAT, CLAUDE, GEMINI = "/v1/chat/completions", "/v1/messages", "/v1beta/models/m:generateContent"
QUESTION: list[Any] = [{"role": "user", "content": "Hi"}]
GOOD = {
    "openai": ANSWERS[CHAT],
    "anthropic": ANSWERS[CLAUDE],
    "google": ANSWERS[GEMINI.replace("v1beta", "v1")],
}
CHOICE = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}
PIECE = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [CHOICE]}


@pytest.fixture
def serving(tmp_path, monkeypatch):
    """Return what serves a habit to an interface with two keys, each of which may have one request at a time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBAPP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("JOBAPP_CONFIG_DIR", str(tmp_path / "config"))
    one_each = {name: {"budgets": {"max_concurrency": 1}} for name in PROVIDERS}

    @contextmanager
    def serve(habit: Habit, on_event: Any = None, **settings: Any) -> Any:
        path = tmp_path / "jobapp.yaml"
        path.write_text(yaml.safe_dump({"retry": {"jitter": "none"}, "providers": one_each, **settings}))
        with raw_server(habit) as server:
            for prefix, below in PROVIDERS.values():
                monkeypatch.setenv(f"{prefix}_API_KEYS", f"{ONE},{TWO}")
                monkeypatch.setenv(f"{prefix}_BASE_URL", server.base + below)
            with LLMInterface(path, clock=FakeClock(), on_event=on_event) as llm:
                yield server, llm

    return serve


def ask(client: Any) -> Any:
    match type(client).__name__:
        case "OpenAI":
            answer = client.chat.completions.create(model="m", messages=QUESTION)
            return answer.choices[0].message.content
        case "Anthropic":
            return client.messages.create(model="m", max_tokens=9, messages=QUESTION).content[0].text
        case _:
            return client.models.generate_content(model="m", contents="Hi").text


def ask_for_stream(client: openai.OpenAI) -> str:
    chunks = client.chat.completions.create(model="m", messages=QUESTION, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_that_is_cut_is_asked_for_again(provider, serving):
    cut = message(200, GOOD[provider], short_of=10)
    with serving(in_turn(cut, message(200, GOOD[provider]))) as (server, llm):
        assert ask(llm.client(provider)) == "Hi"
        assert unfinished(llm) == []
    assert server.keys == [ONE, ONE]


def test_an_answer_that_is_cut_is_asked_for_again_in_an_event_loop_too(serving):
    async def ask_once(llm: LLMInterface) -> Any:
        async with llm:
            answer = await llm.async_client("openai").chat.completions.create(model="m", messages=QUESTION)
            return answer.choices[0].message.content

    cut = message(200, GOOD["openai"], short_of=10)
    with serving(in_turn(cut, message(200, GOOD["openai"]))) as (_, llm):
        assert asyncio.run(ask_once(llm)) == "Hi"
        assert unfinished(llm) == []


def test_an_error_in_a_200_is_a_rejection_without_a_stream_too(serving):
    said = {"error": {"code": 402, "message": "Insufficient credits"}, "user_id": "u"}
    with serving(in_turn(message(200, said), message(200, GOOD["openai"]))) as (server, llm):
        assert ask(llm.client("openai")) == "Hi"
    assert server.keys == [ONE, TWO]


def test_an_answer_that_brings_an_error_with_it_goes_up_as_it_came(serving):
    failed: dict[str, Any] = {"id": "resp_1", "object": "response", "status": "failed", "created_at": 1}
    said = {**failed, "error": {"code": "x", "message": "y"}, "output": [], "model": "m", "tools": []}
    with serving(in_turn(message(200, said))) as (server, llm):
        assert llm.client("openai").responses.create(model="m", input="Hi").status == "failed"
    assert len(server.received) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_redirect_within_the_host_is_followed(provider, serving):
    there = message(307, headers=[("location", "/elsewhere/chat/completions")])
    with serving(in_turn(there, message(200, GOOD[provider]))) as (server, llm):
        assert ask(llm.client(provider)) == "Hi"
        assert unfinished(llm) == []
    assert server.keys == [ONE, ONE]
    assert server.received[0].body == server.received[1].body


def test_a_stream_that_the_transport_can_not_unpack_is_left_to_the_http_library(serving):
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(event(PIECE) + event(b"[DONE]")) + packer.flush()
    with serving(in_turn(stream(packed, headers=[("content-encoding", "deflate")]))) as (server, llm):
        assert ask_for_stream(llm.client("openai")) == "Hi"
    assert len(server.received) == 1


SPENT = message(429, {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}})


class Pipe(io.RawIOBase):
    """A file that can't be wound back."""

    def __init__(self) -> None:
        self._left = [b"RIFF"]

    def read(self, size: int = -1) -> bytes:
        return self._left.pop() if self._left else b""

    def readable(self) -> bool:
        return True


def transcribe(client: openai.OpenAI, file: Any) -> str:
    return client.audio.transcriptions.create(model="whisper-1", file=("a.wav", file)).text


def test_a_form_is_sent_again_with_its_file_and_the_model_that_it_names_is_told(serving):
    events: list[Any] = []
    with serving(in_turn(SPENT, message(200, {"text": "Hi"})), events.append) as (server, llm):
        assert transcribe(llm.client("openai"), io.BytesIO(b"RIFF")) == "Hi"
    assert server.keys == [ONE, TWO]
    assert all(b"RIFF" in request.body for request in server.received)
    assert {event.model for event in events if isinstance(event, AttemptStarted)} == {"whisper-1"}


def test_a_form_whose_file_can_not_be_wound_back_is_sent_once(serving):
    said = in_turn(SPENT, message(200, {"text": "Hi"}))
    with serving(said) as (server, llm), pytest.raises(openai.RateLimitError):
        transcribe(llm.client("openai"), Pipe())
    assert server.keys == [ONE]


def test_a_cut_connection_raises_what_googles_sdk_raises_alone(serving):
    with serving(lambda _: b"") as (server, llm):
        own = genai.Client(api_key="unused", http_options={"base_url": server.base})
        with pytest.raises(Exception) as expected:
            ask(own)
        with pytest.raises(type(expected.value)):
            ask(llm.client("google"))


OOPS = message(503, {"error": {"message": "Try again later"}})
MODELS = message(200, {"object": "list", "data": []})


@pytest.mark.parametrize("fault", [OOPS, message(200, {"object": "list"}, short_of=9)[:20], b""])
def test_what_only_reads_an_account_is_repeated_when_the_server_is_not_well(fault, serving):
    with serving(in_turn(fault, fault, MODELS)) as (server, llm):
        assert llm.client("openai").models.list().data == []
    assert server.keys == [ONE, ONE, ONE]


def test_what_only_reads_an_account_is_repeated_in_an_event_loop_too(serving):
    async def models(llm: LLMInterface) -> Any:
        async with llm:
            return (await llm.async_client("openai").models.list()).data

    with serving(in_turn(OOPS, MODELS)) as (server, llm):
        assert asyncio.run(models(llm)) == []
    assert server.keys == [ONE, ONE]


def test_what_acts_on_an_account_is_sent_once_by_an_sdk_that_retries_too(serving):
    with serving(in_turn(OOPS)) as (server, llm), pytest.raises(openai.InternalServerError):
        llm.client("openai", max_retries=2).files.create(file=b"{}", purpose="batch")
    assert server.keys == [ONE]


def test_a_server_that_stays_away_ends_what_only_reads_an_account_by_the_rules_of_a_call(serving):
    said = in_turn(OOPS)
    with serving(said) as (server, llm), pytest.raises(openai.InternalServerError):
        llm.client("openai", max_retries=2).models.list()
    assert len(server.received) == 4
    with serving(said) as (server, llm), pytest.raises(openai.InternalServerError):
        llm.client("openai", deadline=0.5).models.list()
    assert len(server.received) == 1


def test_a_key_that_a_server_repeats_in_any_error_is_not_in_what_goes_up(serving):
    def repeating(request: Received) -> bytes:
        return message(
            404, {"error": {"message": f"no such thing for {request.key}"}}, [("x-key", request.key)]
        )

    with serving(repeating) as (_, llm), pytest.raises(openai.NotFoundError) as raised:
        llm.client("openai").models.retrieve("x")
    assert "canary" not in f"{raised.value!r} {raised.value.response.headers!r} {raised.value.response.text}"


@pytest.mark.parametrize(
    ("provider", "arguments"),
    [
        ("openai", {"http_client": httpx.Client()}),
        ("anthropic", {"http_client": httpx.Client()}),
        ("google", {"http_options": {"httpx_client": httpx.Client()}}),
        ("google", {"http_options": HttpOptions(client_args={"verify": False})}),
    ],
)
def test_what_would_go_round_the_keys_is_refused_by_name(provider, arguments, serving):
    with serving(in_turn(MODELS)) as (server, llm):
        for make in (llm.client, llm.async_client):
            with pytest.raises(ConfigError, match=r"(http|httpx)_client|client_args.*llm\.transport"):
                make(provider, **arguments)
    assert server.received == []


def test_a_stream_that_is_let_go_unread_gives_its_room_to_any_other_call(serving):
    def habit(request: Received) -> bytes:
        is_stream = b'"stream":true' in request.body.replace(b" ", b"")
        return stream(event(PIECE), event(b"[DONE]")) if is_stream else message(200, GOOD["openai"])

    events: list[Any] = []
    with serving(habit, events.append) as (server, llm):
        for _ in range(3):
            llm.client("openai").chat.completions.create(model="m", messages=QUESTION, stream=True)
            gc.collect()
        assert llm.send_prompt("Hi", provider="openai", model="m") == "Hi"
        while unfinished(llm):
            time.sleep(0.001)
    assert len(server.received) == 4
    errors = [each.error for each in events if isinstance(each, CallDone)]
    assert errors == [*["GeneratorExit"] * 3, None]


def interact(client: Any, **arguments: Any) -> str:
    if not hasattr(client, "interactions"):
        pytest.skip("this google-genai has no interactions")
    return str(client.interactions.create(model="m", input="Hi", **arguments).id)


def test_geminis_interactions_rotate_and_go_on_with_the_key_that_made_them(serving):
    made = {"id": "v1_Chd-PU0_F4", "status": "completed", "model": "m", "outputs": []}
    with serving(in_turn(SPENT, message(200, made))) as (server, llm):
        first = interact(llm.client("google"))
        llm.reset()
        interact(llm.client("google"), previous_interaction_id=first)
    assert server.keys == [ONE, TWO, TWO]


def test_geminis_interactions_do_not_sleep_until_a_key_is_back(serving):
    with serving(in_turn(SPENT)) as (server, llm):
        with pytest.raises(Exception, match="exceeded your current quota"):
            interact(llm.client("google"))
        with pytest.raises(Exception, match="No API keys available"):
            interact(llm.client("google"))
    assert server.keys == [ONE, TWO]


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate"])
def test_a_key_that_a_stream_repeats_in_an_error_is_not_in_what_goes_up_however_it_is_packed(
    encoding, serving
):
    packers: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}

    def repeating(request: Received) -> bytes:
        said = event({"error": {"code": 401, "message": f"{request.key} is wrong"}})
        return stream(
            packers.get(encoding, bytes)(said), headers=[("content-encoding", encoding)] if encoding else []
        )

    with serving(repeating) as (_, llm), pytest.raises(openai.APIError, match=r"\*\*\* is wrong"):
        ask_for_stream(llm.client("openai"))


@pytest.mark.parametrize("said", [message(400, {"error": {"message": "no"}}), SPENT])
def test_a_response_that_goes_up_with_an_error_tells_what_one_of_the_sdk_alone_tells(said, serving):
    with serving(in_turn(said)) as (_, llm):
        for request in (ask, lambda client: client.models.list()):
            with pytest.raises(openai.APIStatusError) as raised:
                request(llm.client("openai"))
            response = raised.value.response
            assert response.elapsed.total_seconds() >= 0
            assert response.is_closed
            assert int(response.headers["content-length"]) == len(response.content)


def test_a_cookie_that_came_with_one_key_does_not_go_out_with_another(serving):
    cookie = message(200, GOOD["openai"], [("set-cookie", "account=1")])
    with serving(in_turn(cookie, SPENT, message(200, GOOD["openai"]))) as (server, llm):
        client = llm.client("openai")
        assert [ask(client), ask(client)] == ["Hi", "Hi"]
    assert server.keys == [ONE, ONE, TWO]
    assert not [request for request in server.received if "cookie" in request.headers]


def test_googles_client_asks_where_the_keys_belong_whatever_the_environment_says_of_vertex(
    serving, monkeypatch
):
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    with serving(in_turn(message(200, GOOD["google"]))) as (server, llm):
        assert ask(llm.client("google")) == "Hi"
    assert "publishers" not in server.received[0].path


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_key_goes_into_the_header_in_which_the_sdk_alone_sends_it(provider, serving):
    def alone(base: str) -> Any:
        match provider:
            case "openai":
                return openai.OpenAI(api_key=ONE, base_url=f"{base}/v1")
            case "anthropic":
                return anthropic.Anthropic(api_key=ONE, base_url=base)
            case _:
                return genai.Client(api_key=ONE, http_options={"base_url": base})

    with serving(in_turn(message(200, GOOD[provider]))) as (server, llm):
        ask(llm.client(provider))
        ask(alone(server.base))
    ours, own = [
        {name: value for name, value in request.headers.items() if ONE in value}
        for request in server.received
    ]
    assert ours == own


def deep(start: bytes, depth: int, end: bytes = b"}") -> bytes:
    return start + b"[" * depth + b"]" * depth + end


HUGE = b"9" * 400
ODD_ANSWERS = {
    "an error deeply nested": message(200, deep(b'{"error":', 7000), [JSON]),
    "usage deeply nested": message(200, deep(b'{"usage":{"a":', 20_000, b"}}"), [JSON]),
    "huge usage": message(200, b'{"usage":{"prompt_tokens":%s,"cost":%s}}' % (HUGE, HUGE), [JSON]),
    "usage of other types": message(200, {"usage": {"prompt_tokens": -5, "cost": "x", "input_tokens": []}}),
    "an event deeply nested": stream(deep(b'data: {"a":', 900) + b"\n\n"),
    "an event that can't be parsed": stream(deep(b'data: {"a":', 30_000) + b"\n\n"),
    "a rejection deeply nested": message(400, deep(b'{"error":', 100_000), [JSON]),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_an_answer_that_looking_at_can_not_make_out_goes_up_as_it_came(name, serving):
    said = ODD_ANSWERS[name]
    with serving(in_turn(said)) as (server, llm):
        came = llm.http_client("openai").post(f"{server.base}{CHAT}", json={"model": "m"})
        assert came.status_code == int(said[9:12])
        assert came.content in said
        assert unfinished(llm) == []
    assert len(server.received) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_deadline_that_passes_while_an_answer_comes_is_a_time_out_of_the_sdk(is_async, provider, serving):
    over = threading.Event()

    def habit(_: Received) -> Iterator[bytes]:
        yield message(200, b"", [JSON], short_of=10**6)
        while not over.wait(0.01):
            yield b" "

    async def aask(llm: LLMInterface) -> None:
        client = llm.async_client(provider, deadline=0.2)
        match provider:
            case "openai":
                await client.chat.completions.create(model="m", messages=QUESTION)
            case "anthropic":
                await client.messages.create(model="m", max_tokens=9, messages=QUESTION)
            case _:
                await client.aio.models.generate_content(model="m", contents="Hi")

    timed_out = (openai.APITimeoutError, anthropic.APITimeoutError, httpx.ReadTimeout, httpx2.ReadTimeout)
    with serving(habit) as (server, llm):
        with pytest.raises(timed_out):
            asyncio.run(aask(llm)) if is_async else ask(llm.client(provider, deadline=0.2))
        over.set()
        assert unfinished(llm) == []
    assert len(server.received) == 1
