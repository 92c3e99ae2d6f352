"""What else the providers offer, through their own SDKs: responses, embeddings, counts, and objects of an account."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from jobapp.testing import (
    Answer,
    FakeClock,
    Fault,
    Quota,
    Refusal,
    Response,
    Simulator,
    Thinking,
    ToolCall,
)

PARIS = ToolCall("weather", city="Paris")
TOOL: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Sky(BaseModel):
    colour: str


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(FakeClock()) as started:
        for provider in ("openai", "anthropic", "google", "openrouter"):
            for secret in ("one", "two"):
                started.add_key(provider, secret)
        yield started


@pytest.fixture
def simulator(running):
    running.reset_counts()
    yield running
    for provider in ("openai", "anthropic", "google", "openrouter"):
        running.key(provider, "one").heal()


@pytest.fixture(scope="module")
def made(running):
    """Clients by kind and key: making one takes longer than most tests."""
    clients: dict[tuple[str, str], Any] = {}

    def make(kind: str, key: str = "one") -> Any:
        if (kind, key) not in clients:
            url = running.base_url(kind)
            if kind == "anthropic":
                clients[kind, key] = anthropic.Anthropic(api_key=key, base_url=url, max_retries=0)
            elif kind == "google":
                clients[kind, key] = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=url))
            else:
                clients[kind, key] = openai.OpenAI(api_key=key, base_url=url, max_retries=0)
        return clients[kind, key]

    yield make
    for client in clients.values():
        client.close()


class TestResponses:
    @pytest.fixture(params=["openai", "openrouter"])
    def client(self, request, made):
        return made(request.param)

    @pytest.fixture
    def provider(self, client, made):
        return "openai" if client is made("openai") else "openrouter"

    @pytest.fixture(params=[False, True], ids=["whole", "streamed"])
    def ask(self, request, client):
        def ask(**arguments: Any) -> Any:
            if not request.param:
                return client.responses.create(model="m", **arguments)
            with client.responses.stream(model="m", **arguments) as events:
                told = list(events)
                kinds = [event.type for event in told]
                assert kinds[:2] == ["response.created", "response.in_progress"]
                assert kinds[-1] in ("response.completed", "response.incomplete")
                return told[-1].response

        return ask

    def test_an_answer_comes_whole_and_streamed(self, ask, simulator, provider):
        done = ask(input="Hello there")
        assert (done.output_text, done.status) == ("echo: Hello there", "completed")
        assert (done.usage.input_tokens, done.usage.output_tokens) == (2, 3)
        assert (simulator.requests(provider, "one"), simulator.received[-1].prompt) == (1, "Hello there")

    def test_steps_are_items(self, ask, simulator, provider):
        simulator.script(provider, "one", [[Thinking("Let me see."), "I look.", PARIS]])
        done = ask(input=[{"role": "user", "content": "Weather?"}])
        assert [item.type for item in done.output] == ["reasoning", "message", "function_call"]
        assert done.output[0].summary[0].text == "Let me see."
        assert done.output_text == "I look."
        assert (done.output[2].name, json.loads(done.output[2].arguments)) == ("weather", {"city": "Paris"})

    def test_a_refusal_and_a_cut_answer_are_told(self, ask, simulator, provider):
        simulator.script(provider, "one", [Refusal("No."), Answer("It is", finish_reason="length")])
        assert ask(input="a").output[0].content[0].refusal == "No."
        cut = ask(input="a")
        assert (cut.status, cut.incomplete_details.reason) == ("incomplete", "max_output_tokens")
        assert ask(input="a b c", max_output_tokens=16).status == "completed"
        assert ask(input="a b c " * 9, max_output_tokens=16).status == "incomplete"

    def test_a_tool_that_must_be_called_is_called_and_its_result_read(self, ask, simulator):
        done = ask(input="Weather?", tools=[TOOL], tool_choice="required")
        (call,) = done.output
        assert (call.name, call.arguments) == ("weather", '{"city": ""}')
        told = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
        answered = ask(
            input=[
                {"role": "user", "content": "Weather?"},
                call.model_dump(exclude={"id", "status", "parsed_arguments"}),
                told,
            ]
        )
        assert answered.output_text == "echo: rain"
        (result,) = simulator.received[-1].tool_results
        assert (result.id, result.name, result.text) == (call.call_id, "weather", "rain")

    def test_a_schema_is_answered(self, made):
        assert made("openai").responses.parse(model="m", input="Sky?", text_format=Sky).output_parsed == Sky(
            colour=""
        )

    def test_an_earlier_response_is_known_to_its_own_key_only(self, made):
        client, other = made("openai"), made("openai", "two")
        first = client.responses.create(model="m", input="Hello")
        assert client.responses.create(model="m", input="Go on", previous_response_id=first.id).output_text
        with pytest.raises(openai.BadRequestError, match="not found") as caught:
            other.responses.create(model="m", input="Go on", previous_response_id=first.id)
        assert caught.value.code == "previous_response_not_found"
        assert client.responses.retrieve(first.id).output_text == "echo: Hello"
        assert client.responses.input_items.list(first.id).data == []
        with pytest.raises(openai.NotFoundError):
            other.responses.retrieve(first.id)
        client.responses.delete(first.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(first.id)
        unkept = client.responses.create(model="m", input="Hello", store=False)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(unkept.id)

    def test_limits_and_faults_hold_as_for_chat(self, ask, simulator, provider):
        key = simulator.key(provider, "one")
        key.fail(Fault.BUSY_MINUTE, times=1)
        with pytest.raises(openai.RateLimitError):
            ask(input="a")
        key.fail(Fault.ERROR_IN_200, times=1)
        assert simulator.rejections(provider, "one") == 1

    def test_a_faulty_request_is_told(self, client):
        with pytest.raises(openai.BadRequestError, match="'input'"):
            client.responses.create(model="m")
        with pytest.raises(openai.BadRequestError):
            client.responses.create(model="", input="a")
        with pytest.raises(openai.BadRequestError):
            client.post("/responses", body=[1], cast_to=object)


@pytest.mark.parametrize("kind", ["openai", "openrouter"])
def test_texts_have_vectors_that_are_near_where_words_are_shared(kind, made, simulator):
    client = made(kind)
    done = client.embeddings.create(model="m", input=["a red fox", "red fox a", "quantum physics"])
    fox, same, other = (row.embedding for row in done.data)
    assert len(fox) == 1536
    assert fox == same
    assert sum(a * a for a in fox) == pytest.approx(1, abs=1e-6)
    assert abs(sum(a * b for a, b in zip(fox, other, strict=True))) < 0.5
    assert done.usage.total_tokens == 8
    short = client.embeddings.create(model="m", input=[[1, 2], [3]], dimensions=64, encoding_format="float")
    assert [len(row.embedding) for row in short.data] == [64, 64]
    assert len(client.embeddings.create(model="m", input=[7, 8]).data) == 1
    assert simulator.requests(kind, "one") == 3
    for model, texts in (("m", []), ("", "a")):
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model=model, input=texts)


def test_gemini_embeds_one_and_several(made, simulator):
    models = made("google").models
    done = models.embed_content(model="e", contents="a red fox")
    assert len(done.embeddings[0].values) == 3072
    config = types.EmbedContentConfig(output_dimensionality=64)
    several = models.embed_content(model="e", contents=["a red fox", "b"], config=config)
    assert [len(each.values) for each in several.embeddings] == [64, 64]
    assert simulator.requests("google", "one") == 2
    with pytest.raises(errors.ClientError, match="contents is not specified"):
        made("google")._api_client.request("post", "models/e:embedContent", {})


def test_one_model_is_told_and_an_unknown_one_is_not_found():
    with Simulator(FakeClock()) as simulator:
        for provider in ("openai", "anthropic", "google"):
            simulator.add_key(provider, "k")
            simulator.set_models(provider, "model-x")
        client: Any
        with openai.OpenAI(api_key="k", base_url=simulator.base_url("openai"), max_retries=0) as client:
            assert client.models.retrieve("model-x").id == "model-x"
            with pytest.raises(openai.NotFoundError, match="'model-y' does not exist"):
                client.models.retrieve("model-y")
        with anthropic.Anthropic(
            api_key="k", base_url=simulator.base_url("anthropic"), max_retries=0
        ) as client:
            told = client.models.retrieve("model-x")
            assert (told.id, told.max_input_tokens, told.lifecycle) == ("model-x", 200_000, "active")
            assert [model.id for model in client.models.list()] == ["model-x"]
            with pytest.raises(anthropic.NotFoundError, match="model: model-y"):
                client.models.retrieve("model-y")
        options = types.HttpOptions(base_url=simulator.base_url("google"))
        with genai.Client(api_key="k", http_options=options) as client:
            assert client.models.get(model="model-x").input_token_limit == 1_048_576
            assert [model.name for model in client.models.list()] == ["models/model-x"]
            with pytest.raises(errors.ClientError, match=r"404 NOT_FOUND.*models/model-y"):
                client.models.get(model="model-y")
        assert simulator.requests() == 0


def test_tokens_are_counted_without_quota(made, simulator):
    told = made("anthropic").messages.count_tokens(
        model="m", system="Be brief.", messages=[{"role": "user", "content": "one two three"}]
    )
    assert told.input_tokens == 5
    assert made("google").models.count_tokens(model="m", contents="one two three").total_tokens == 3
    assert made("openai").moderations.create(input=["fine", "too"]).results[1].flagged is False
    assert simulator.requests() == 0
    assert len(simulator.received) == 3


def test_files_of_openai_belong_to_the_key_that_sent_them(made):
    client, other = made("openai"), made("openai", "two")
    sent = client.files.create(file=("a.txt", b"\xff\x00 hello"), purpose="user_data")
    assert (sent.filename, sent.bytes, sent.purpose) == ("a.txt", 8, "user_data")
    assert client.files.content(sent.id).content == b"\xff\x00 hello"
    assert [row.id for row in client.files.list()] == [sent.id]
    assert list(other.files.list()) == []
    with pytest.raises(openai.NotFoundError, match=f"No such File object: {sent.id}"):
        other.files.retrieve(sent.id)
    assert client.files.delete(sent.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(sent.id)


def test_a_batch_of_openai_is_answered_row_by_row_and_costs_no_quota(made, simulator):
    client = made("openai")
    chat = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    rows = [
        {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": chat},
        {"custom_id": "b", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}},
        {"custom_id": "c", "method": "POST", "url": "/v1/nowhere", "body": {}},
    ]
    lines = "\n".join(map(json.dumps, rows)).encode()
    source = client.files.create(file=("rows.jsonl", lines), purpose="batch")
    batch = client.batches.create(
        input_file_id=source.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert (batch.status, batch.request_counts.completed, batch.request_counts.failed) == ("completed", 1, 2)
    (answered,) = map(json.loads, client.files.content(batch.output_file_id).text.splitlines())
    assert answered["custom_id"] == "a"
    assert answered["response"]["body"]["choices"][0]["message"]["content"] == "echo: Hello"
    failed = [json.loads(line) for line in client.files.content(batch.error_file_id).text.splitlines()]
    assert [row["custom_id"] for row in failed] == ["b", "c"]
    assert client.batches.retrieve(batch.id).id == batch.id
    assert client.batches.cancel(batch.id).status == "completed"
    assert [row.id for row in client.batches.list()] == [batch.id]
    with pytest.raises(openai.NotFoundError, match="No batch found"):
        made("openai", "two").batches.retrieve(batch.id)
    with pytest.raises(openai.NotFoundError, match="No such File object"):
        client.batches.create(input_file_id="file-x", endpoint="/v1/embeddings", completion_window="24h")
    assert simulator.requests() == 0


def test_a_batch_of_anthropic_is_answered_row_by_row(made, simulator):
    client = made("anthropic")
    params: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
    faulty: Any = {"model": "", "max_tokens": 9, "messages": params["messages"]}
    batch = client.messages.batches.create(
        requests=[{"custom_id": "a", "params": params}, {"custom_id": "b", "params": faulty}]
    )
    assert (batch.processing_status, batch.request_counts.succeeded) == ("ended", 1)
    told = {row.custom_id: row.result for row in client.messages.batches.results(batch.id)}
    assert told["a"].message.content[0].text == "echo: Hello"
    assert told["b"].type == "errored"
    assert [row.id for row in client.messages.batches.list()] == [batch.id]
    assert client.messages.batches.cancel(batch.id).id == batch.id
    with pytest.raises(anthropic.NotFoundError):
        made("anthropic", "two").messages.batches.retrieve(batch.id)
    client.messages.batches.delete(batch.id)
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.results(batch.id)
    assert simulator.requests() == 0


def test_files_of_anthropic_belong_to_the_key_that_sent_them(made):
    files = made("anthropic").beta.files
    sent = files.upload(file=("a.txt", b"hello"))
    assert (sent.filename, sent.size_bytes) == ("a.txt", 5)
    assert files.retrieve_metadata(sent.id).id == sent.id
    assert [row.id for row in files.list()] == [sent.id]
    with pytest.raises(anthropic.NotFoundError, match="File not found"):
        made("anthropic", "two").beta.files.retrieve_metadata(sent.id)
    files.delete(sent.id)
    with pytest.raises(anthropic.NotFoundError):
        files.retrieve_metadata(sent.id)


def test_files_of_gemini_belong_to_the_key_that_sent_them(made):
    client, other = made("google"), made("google", "two")
    sent = client.files.upload(
        file=io.BytesIO(b"hello"), config=types.UploadFileConfig(mime_type="text/plain", display_name="a")
    )
    assert (sent.display_name, sent.mime_type, sent.size_bytes) == ("a", "text/plain", 5)
    assert sent.state is types.FileState.ACTIVE
    assert client.files.get(name=sent.name).uri == sent.uri
    assert [row.name for row in client.files.list()] == [sent.name]
    assert (
        client.models.generate_content(model="m", contents=[sent, "What is it?"]).text == "echo: What is it?"
    )
    for ask in (
        lambda: other.files.get(name=sent.name),
        lambda: other.models.generate_content(model="m", contents=[sent, "What is it?"]),
    ):
        with pytest.raises(errors.ClientError, match="do not have permission to access the File") as caught:
            ask()
        assert caught.value.code == 403
    client.files.delete(name=sent.name)
    with pytest.raises(errors.ClientError):
        client.files.get(name=sent.name)


def test_cached_contents_of_gemini_belong_to_the_key_that_made_them(made):
    client, other = made("google"), made("google", "two")
    cache = client.caches.create(
        model="models/m", config=types.CreateCachedContentConfig(contents="one two three", ttl="60s")
    )
    assert cache.usage_metadata.total_token_count == 3
    config = types.GenerateContentConfig(cached_content=cache.name)
    assert client.models.generate_content(model="m", contents="Go on", config=config).text == "echo: Go on"
    with pytest.raises(errors.ClientError, match="CachedContent not found"):
        other.models.generate_content(model="m", contents="Go on", config=config)
    longer = client.caches.update(name=cache.name, config=types.UpdateCachedContentConfig(ttl="600s"))
    assert longer.expire_time > cache.expire_time
    assert [row.name for row in client.caches.list()] == [cache.name]
    assert client.caches.get(name=cache.name).name == cache.name
    client.caches.delete(name=cache.name)
    with pytest.raises(errors.ClientError):
        client.caches.get(name=cache.name)


def test_keys_of_one_account_share_its_objects():
    with Simulator(FakeClock()) as simulator:
        shared = Quota()
        for key in ("one", "two"):
            simulator.add_key("openai", key, quota=shared)
        client, other = (
            openai.OpenAI(api_key=key, base_url=simulator.base_url("openai"), max_retries=0)
            for key in ("one", "two")
        )
        sent = client.files.create(file=("a.txt", b"hello"), purpose="user_data")
        assert other.files.retrieve(sent.id).id == sent.id
        client.close()
        other.close()


def test_openrouter_tells_generations_and_what_they_cost(made):
    client = made("openrouter")
    done = client.chat.completions.create(model="a/b", messages=[{"role": "user", "content": "Hello"}])
    assert done.id.startswith("gen-")
    assert done.provider == "Simulated"
    assert done.usage.cost > 0
    told = client.get("/generation", cast_to=object, options={"params": {"id": done.id}})["data"]
    assert (told["tokens_prompt"], told["total_cost"], told["provider_name"]) == (
        1,
        done.usage.cost,
        "Simulated",
    )
    assert client.get("/credits", cast_to=object)["data"]["total_usage"] > 0
    with pytest.raises(openai.NotFoundError, match="not found"):
        made("openrouter", "two").get("/generation", cast_to=object, options={"params": {"id": done.id}})


def test_openrouter_asks_the_first_of_several_models(made, simulator):
    client = made("openrouter")
    body = {"models": ["a/b", "c/d"], "messages": [{"role": "user", "content": "Hello"}]}
    assert client.post("/chat/completions", body=body, cast_to=object)["model"] == "a/b"
    with pytest.raises(openai.BadRequestError, match="No models provided"):
        client.post("/chat/completions", body={**body, "models": []}, cast_to=object)


class TestUnknownPaths:
    @pytest.mark.parametrize(
        ("kind", "path", "told"),
        [
            (
                "openai",
                "/images/generations",
                r"Invalid URL \(POST /v1/images/generations\).*openai is http://[\d.:]+/v1",
            ),
            ("openai", "/chat/completions/", r"Invalid URL \(POST /v1/chat/completions/\)"),
            (
                "openrouter",
                "/messages",
                r"Not Found \(POST /api/v1/messages\).*openrouter is http://[\d.:]+/api/v1",
            ),
            ("anthropic", "/v1/v1/messages", r"not_found_error.*POST /v1/v1/messages"),
        ],
    )
    def test_the_error_names_method_path_and_the_right_address(
        self, kind, path, told, made, simulator, caplog
    ):
        client = made(kind)
        expected = anthropic.NotFoundError if kind == "anthropic" else openai.NotFoundError
        with caplog.at_level(logging.WARNING), pytest.raises(expected, match=told):
            client.post(path, body={"model": "m"}, cast_to=object)
        assert "Unknown path (POST" in caplog.text
        assert simulator.received[-1].path.endswith(path)
        assert (simulator.requests(kind, "one"), simulator.rejections(kind, "one")) == (1, 1)

    def test_gemini_has_its_own_form(self, made, simulator):
        with pytest.raises(errors.ClientError, match=r"404 NOT_FOUND.*POST /v1\w*/models/m:predict"):
            made("google")._api_client.request("post", "models/m:predict", {})

    def test_a_test_may_answer_it(self, made, simulator):
        simulator.on_request = lambda request: (
            Response(body={"data": [], "created": 1}) if request.path.endswith("generations") else None
        )
        try:
            assert made("openai").images.generate(prompt="x").data == []
        finally:
            simulator.on_request = None
