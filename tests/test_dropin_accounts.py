"""Objects of one account are asked for with the key that made them, through the SDKs' own clients."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as google_errors
from google.genai import types as google_types

from jobapp.core.llm_interface import LLMInterface
from tests.account_server import BAD, SPENT, AccountServer, serving_accounts

ONE, TWO = "sk-canary-one-0123456789", "sk-canary-two-0123456789"
VARIABLES = {
    "openai": ("OPENAI", "/v1"),
    "anthropic": ("ANTHROPIC", ""),
    "google": ("GOOGLE", ""),
}


@pytest.fixture
def accounts(tmp_path, monkeypatch) -> Iterator[AccountServer]:
    """Two keys of each provider; the first is bad, so that what is made is the second's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBAPP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("JOBAPP_CONFIG_DIR", str(tmp_path / "config"))
    with serving_accounts() as server:
        for prefix, path in VARIABLES.values():
            monkeypatch.setenv(f"{prefix}_API_KEY", ONE)
            monkeypatch.setenv(f"{prefix}_API_KEY_2", TWO)
            monkeypatch.setenv(f"{prefix}_BASE_URL", server.base + path)
        server.states[ONE] = BAD
        yield server


def heal(server: AccountServer) -> None:
    """Make the first key good again, and let jobapp know: from now on it comes first."""
    server.states.clear()
    with LLMInterface() as llm:
        llm.reset()
    server.asked.clear()


REQUESTS: list[Any] = [{"custom_id": "a", "params": {"model": "m", "max_tokens": 1, "messages": []}}]
MESSAGES: list[Any] = [{"role": "user", "content": "Hi"}]


def openai_response(client: openai.OpenAI, **arguments: Any) -> Any:
    return client.responses.create(model="m", input="Hi", **arguments)


def with_file(client: openai.OpenAI, id_: str) -> Any:
    content: Any = [{"role": "user", "content": [{"type": "input_file", "file_id": id_}]}]
    return client.responses.create(model="m", input=content)


def google_answer(client: Any, cached: str) -> Any:
    config = google_types.GenerateContentConfig(cached_content=cached)
    return client.models.generate_content(model="m", contents="Hi", config=config)


Make = Callable[[Any], Any]
Use = Callable[[Any, Any], Any]

CASES: dict[str, tuple[str, Make, Use]] = {
    "file": (
        "openai",
        lambda c: c.files.create(file=b"{}", purpose="batch").id,
        lambda c, i: c.files.retrieve(i),
    ),
    "deleted file": (
        "openai",
        lambda c: c.files.create(file=b"{}", purpose="batch").id,
        lambda c, i: c.files.delete(i),
    ),
    "batch of a file": (
        "openai",
        lambda c: c.files.create(file=b"{}", purpose="batch").id,
        lambda c, i: c.batches.create(
            input_file_id=i, endpoint="/v1/chat/completions", completion_window="24h"
        ),
    ),
    "batch": (
        "openai",
        lambda c: (
            c.batches.create(
                input_file_id="file-unknown1", endpoint="/v1/chat/completions", completion_window="24h"
            ).id
        ),
        lambda c, i: c.batches.retrieve(i),
    ),
    "cancelled batch": (
        "openai",
        lambda c: (
            c.batches.create(
                input_file_id="file-unknown1", endpoint="/v1/chat/completions", completion_window="24h"
            ).id
        ),
        lambda c, i: c.batches.cancel(i),
    ),
    "vector store": (
        "openai",
        lambda c: c.vector_stores.create().id,
        lambda c, i: c.vector_stores.retrieve(i),
    ),
    "conversation": (
        "openai",
        lambda c: c.conversations.create().id,
        lambda c, i: openai_response(c, conversation=i),
    ),
    "previous response": (
        "openai",
        lambda c: openai_response(c).id,
        lambda c, i: openai_response(c, previous_response_id=i),
    ),
    "response": ("openai", lambda c: openai_response(c).id, lambda c, i: c.responses.retrieve(i)),
    "file in a question": ("openai", lambda c: c.files.create(file=b"{}", purpose="user_data").id, with_file),
    "fine-tuning job": (
        "openai",
        lambda c: c.fine_tuning.jobs.create(model="m", training_file="file-unknown1").id,
        lambda c, i: c.fine_tuning.jobs.retrieve(i),
    ),
    "upload": (
        "openai",
        lambda c: c.uploads.create(bytes=1, filename="a", mime_type="text/plain", purpose="batch").id,
        lambda c, i: c.uploads.cancel(i),
    ),
    "message batch": (
        "anthropic",
        lambda c: c.messages.batches.create(requests=REQUESTS).id,
        lambda c, i: c.messages.batches.retrieve(i),
    ),
    "cancelled message batch": (
        "anthropic",
        lambda c: c.messages.batches.create(requests=REQUESTS).id,
        lambda c, i: c.messages.batches.cancel(i),
    ),
    "cached content": (
        "google",
        lambda c: c.caches.create(model="m", config={"contents": "Hi"}).name,
        google_answer,
    ),
    "looked up cached content": (
        "google",
        lambda c: c.caches.create(model="m", config={"contents": "Hi"}).name,
        lambda c, i: c.caches.get(name=i),
    ),
    "Gemini batch": (
        "google",
        lambda c: c.batches.create(model="m", src=[{"contents": "Hi"}]).name,
        lambda c, i: c.batches.get(name=i),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_object_is_asked_for_with_the_key_that_made_it_by_another_process_too(case, accounts):
    provider, make, use = CASES[case]
    with LLMInterface() as llm:
        made = make(llm.client(provider))
    assert accounts.owners[made] == TWO
    heal(accounts)
    with LLMInterface() as llm:
        use(llm.client(provider), made)
    assert [key for _, _, key in accounts.asked] == [TWO]


def test_the_async_client_keeps_to_the_key_too(accounts):
    async def make_and_use() -> None:
        async with LLMInterface() as llm:
            client = llm.async_client("openai")
            made = await client.responses.create(model="m", input="Hi")
            heal(accounts)
            await client.responses.create(model="m", input="Hi", previous_response_id=made.id)
            await client.responses.retrieve(made.id)

    asyncio.run(make_and_use())
    assert [key for _, _, key in accounts.asked] == [TWO, TWO]


def test_a_pinned_question_is_not_asked_of_another_key_when_its_own_is_spent(accounts):
    with LLMInterface() as llm:
        client = llm.client("openai")
        made = openai_response(client)
        heal(accounts)
        accounts.states[TWO] = SPENT
        for _ in range(2):
            with pytest.raises(openai.RateLimitError):
                openai_response(client, previous_response_id=made.id)
        assert client.responses.retrieve(made.id).id == made.id
    assert [key for _, _, key in accounts.asked] == [TWO, TWO]


def test_an_id_that_nobody_knows_goes_to_the_first_key_once_and_the_log_says_so(accounts, caplog):
    accounts.states.clear()
    accounts.owners["resp_of_another_program"] = TWO
    caplog.set_level(logging.WARNING, logger="jobapp")
    with LLMInterface() as llm, pytest.raises(openai.NotFoundError):
        openai_response(llm.client("openai"), previous_response_id="resp_of_another_program")
    assert [key for _, _, key in accounts.asked] == [ONE]
    assert "nobody knows which key made resp_of_another_program" in caplog.text


@pytest.mark.parametrize(
    ("provider", "act", "error"),
    [
        ("openai", lambda c: c.batches.cancel("batch_of_another"), openai.NotFoundError),
        ("anthropic", lambda c: c.messages.batches.cancel("msgbatch_of_another"), anthropic.NotFoundError),
        ("google", lambda c: c.caches.delete(name="cachedContents/other"), google_errors.ClientError),
    ],
)
def test_what_acts_is_never_repeated_with_another_key(provider, act, error, accounts):
    accounts.states.clear()
    accounts.owners.update(
        dict.fromkeys(("batch_of_another", "msgbatch_of_another", "cachedContents/other"), TWO)
    )
    with LLMInterface() as llm, pytest.raises(error):
        act(llm.client(provider))
    assert [key for _, _, key in accounts.asked] == [ONE]


@pytest.mark.parametrize("provider", VARIABLES)
def test_lists_go_to_the_first_key_even_when_it_is_spent(provider, accounts):
    accounts.states[ONE] = SPENT
    with LLMInterface() as llm:
        client = llm.client(provider)
        match provider:
            case "openai":
                assert list(client.batches.list()) == []
            case "anthropic":
                assert list(client.messages.batches.list()) == []
            case _:
                assert list(client.caches.list()) == []
    assert [key for _, _, key in accounts.asked] == [ONE]
