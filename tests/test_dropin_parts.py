"""What the transport below an SDK decides by values alone."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.domain.types import Usage
from jobapp.dropin.credentials import credentials_in, header_for, is_callers_own, put_key, query_without_key
from jobapp.dropin.endings import last_word, own_body, own_status, told_headers
from jobapp.dropin.first_event import LONGEST_PEEK, FirstEvent
from jobapp.dropin.json_fields import SMALL, top_level_fields
from jobapp.dropin.routes import Kind, ids_made, route_of
from jobapp.dropin.tail import KEPT, Tail, usage_in

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
JSON = "application/json"

texts = st.text(alphabet='ab"\\{}[]:,model \n', max_size=40)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


CONTENTS = ['x"\\' * (SMALL // 3), 'x"\\' + "y" * SMALL + '"\\']


@given(
    st.dictionaries(texts, values, max_size=4),
    st.sampled_from(["gpt-4o", 'odd"\\', ""]),
    st.booleans(),
    st.sampled_from(CONTENTS),
)
def test_a_large_bodys_fields_are_those_that_parsing_it_finds(body, model, before, content):
    padding = {"messages": [{"role": "user", "content": content}]}
    body.pop("model", None)
    body = {"model": model, **body, **padding} if before else {**body, **padding, "model": model}
    found = top_level_fields(json.dumps(body).encode(), ("model", "absent"))
    assert found == {"model": model}


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b"{", b'"model"', b'{"model"', b"\xff" * 10, b'{"a": "' + b"x" * SMALL]
)
def test_what_is_no_object_has_no_fields(body):
    assert top_level_fields(body, ("model",)) == {}


@pytest.mark.parametrize(
    ("method", "path", "kind", "model"),
    [
        ("POST", "/v1/chat/completions", Kind.ROTATE, "m"),
        ("POST", "/v1/responses", Kind.ROTATE, "m"),
        ("POST", "/v1/responses/input_tokens", Kind.ROTATE, "m"),
        ("POST", "/v1/responses/compact", Kind.ROTATE, "m"),
        ("POST", "/v1beta/interactions", Kind.ROTATE, "m"),
        ("GET", "/v1beta/interactions/v1_abcdef", Kind.HOME, ""),
        ("POST", "/v1/embeddings", Kind.ROTATE, "m"),
        ("POST", "/v1/images/generations", Kind.ROTATE, "m"),
        ("POST", "/v1/messages", Kind.ROTATE, "m"),
        ("POST", "/v1beta/models/gemini-2.5-flash:generateContent", Kind.ROTATE, "gemini-2.5-flash"),
        ("POST", "/v1beta/models/text-embedding-004:batchEmbedContents", Kind.ROTATE, "text-embedding-004"),
        ("POST", "/v1/messages/batches", Kind.HOME, "m"),
        ("POST", "/v1/files", Kind.HOME, "m"),
        ("POST", "/v1beta/cachedContents", Kind.HOME, "m"),
        ("GET", "/v1/models", Kind.HOME, ""),
        ("DELETE", "/v1/responses/resp_abcdef123", Kind.HOME, ""),
    ],
)
def test_questions_rotate_and_what_belongs_to_an_account_stays_home(method, path, kind, model):
    route = route_of(method, path, JSON, b'{"model": "m"}' if method == "POST" else None)
    assert (route.kind, route.model) == (kind, model)


@pytest.mark.parametrize(
    ("path", "body", "id_"),
    [
        ("/v1/responses", {"previous_response_id": "resp_0123456789"}, "resp_0123456789"),
        ("/v1beta/interactions", {"previous_interaction_id": "v1_Chd-PU0_F4"}, "v1_Chd-PU0_F4"),
        ("/v1/responses", {"conversation": {"id": "conv_0123456789"}}, "conv_0123456789"),
        ("/v1/responses", {"input": [{"content": [{"file_id": "file-0123456789"}]}]}, "file-0123456789"),
        ("/v1/responses", {"tools": [{"vector_store_ids": ["vs_0123456789"]}]}, "vs_0123456789"),
        (
            "/v1/messages",
            {"messages": [{"content": [{"source": {"file_id": "file_0123456789"}}]}]},
            "file_0123456789",
        ),
        (
            "/v1beta/models/g:generateContent",
            {"cachedContent": "cachedContents/abc123"},
            "cachedContents/abc123",
        ),
        (
            "/v1beta/models/g:generateContent",
            {"contents": [{"parts": [{"fileData": {"fileUri": "https://host/v1beta/files/abc-12"}}]}]},
            "files/abc-12",
        ),
    ],
)
def test_a_question_that_names_an_accounts_object_is_pinned(path, body, id_):
    route = route_of("POST", path, JSON, json.dumps(body).encode())
    assert (route.kind, route.ids) == (Kind.PINNED, (id_,))


def test_an_id_in_what_people_wrote_pins_nothing():
    body = {"model": "m", "messages": [{"role": "user", "content": 'what is resp_0123456789, "file_idea"?'}]}
    assert route_of("POST", "/v1/chat/completions", JSON, json.dumps(body).encode()).kind is Kind.ROTATE


def test_the_model_of_a_multipart_body_is_read():
    body = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--x--'
    assert (
        route_of("POST", "/v1/audio/transcriptions", "multipart/form-data; boundary=x", body).model
        == "whisper-1"
    )


def test_the_ids_of_an_answer_are_found_nested_and_in_streams_too():
    text = 'data: {"response": {"id": "resp_0123456789", "output": [{"id": "rs_abcdef01"}]}}\n'
    assert ids_made(text) == ["resp_0123456789", "rs_abcdef01"]


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("/v1/files/file-abcdef12/content", ("file-abcdef12",)),
        ("/v1/batches/batch_abcdef12/cancel", ("batch_abcdef12",)),
        ("/v1/messages/batches/msgbatch_abcdef12/results", ("msgbatch_abcdef12",)),
        ("/v1/vector_stores/vs_abcdef12/files/file-abcdef12", ("vs_abcdef12", "file-abcdef12")),
        ("/v1beta/files/file-1", ("files/file-1",)),
        ("/v1beta/cachedContents/abc123", ("cachedContents/abc123",)),
        ("/v1beta/batches/abc123:cancel", ("batches/abc123",)),
    ],
)
def test_the_collection_in_a_path_is_a_part_of_geminis_ids_alone(path, ids):
    assert route_of("GET", path, "", None).ids == ids


@pytest.mark.parametrize(
    "name", ["input_file_id", "training_file", "validation_file", "file_id", "assistant_id"]
)
def test_an_object_is_found_by_every_field_that_names_one(name):
    body = json.dumps({"model": "m", "deep": {name: "file-abcdef12"}}).encode()
    assert route_of("POST", "/v1/batches", "application/json", body).ids == ("file-abcdef12",)


CREDENTIALS = [
    ("Authorization", "Bearer sk-sdk-0123456789abcdef"),
    ("x-api-key", "sk-ant-0123456789abcdef"),
    ("X-Goog-Api-Key", "AIza0123456789"),
    ("api-key", "azure"),
]


@pytest.mark.parametrize("header", CREDENTIALS)
@pytest.mark.parametrize("name", ["authorization", "x-api-key", "x-goog-api-key"])
def test_every_credential_is_taken_out_and_one_put_in(header, name):
    headers = httpx.Headers([("accept", "*/*"), header, header])
    put_key(headers, name, "mine")
    assert headers.multi_items() == [
        ("accept", "*/*"),
        (name, "Bearer mine" if name == "authorization" else "mine"),
    ]


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"authorization": "Bearer unused"}, "authorization"),
        ({"x-api-key": "unused"}, "x-api-key"),
        ({"authorization": "Bearer unused", "api-key": "unused"}, "x-goog-api-key"),
        ({}, "x-goog-api-key"),
    ],
)
def test_the_key_goes_into_the_header_that_had_the_stand_in_else_into_the_usual_one(headers, name):
    assert header_for(headers, "x-goog-api-key") == name


def test_a_key_in_the_query_is_taken_out_and_all_else_stays():
    assert query_without_key("alt=sse&key=AIza&x=") == "alt=sse&x="
    assert query_without_key("alt=sse") == "alt=sse"
    assert credentials_in({"authorization": "Bearer a"}, "key=b") == ["a", "b"]


@pytest.mark.parametrize(
    ("credential", "own"),
    [
        ("unused", False),
        ("keys-are-below", False),
        ("sk-mine-0123456789", False),
        ("sk-other-0123456789abcd", True),
    ],
)
def test_a_stand_in_and_our_own_keys_are_no_callers_credential(credential, own):
    assert is_callers_own([credential], {"sk-mine-0123456789"}) is own


def fed(*events, encoding=""):
    first = FirstEvent(encoding)
    for event in events:
        if not first.is_clear:
            first.feed(event if isinstance(event, bytes) else f"data: {json.dumps(event)}\n\n".encode())
    return first.is_clear, first.error


ERROR = {"error": {"code": 429, "message": "spent"}}

CONTENT = [
    {"choices": [{"delta": {"content": "a"}}]},
    {"choices": [{"delta": {"reasoning_content": "hm"}}]},
    {"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]},
    {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "response.output_text.delta", "delta": "a"},
    {"candidates": [{"content": {"parts": [{"text": "a"}]}}]},
]
NOTHING = [
    {"choices": [{"delta": {"role": "assistant", "content": ""}}]},
    {"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 1}}},
    {"type": "ping"},
    {"type": "response.created", "response": {"id": "resp_1", "error": None, "output": []}},
    b": OPENROUTER PROCESSING\n\n",
]


@pytest.mark.parametrize("event", CONTENT)
def test_an_event_with_content_thoughts_or_tool_arguments_makes_a_stream_clear(event):
    assert fed(*NOTHING, event, ERROR) == (True, None)


@pytest.mark.parametrize("before", NOTHING)
@pytest.mark.parametrize(
    "error",
    [
        ERROR,
        {"type": "error", "error": {"type": "overloaded_error"}},
        {"response": {"error": {"code": "server_error"}}},
    ],
)
def test_an_error_before_any_content_is_found(before, error):
    assert fed(before, error) == (True, error)


def test_an_event_that_comes_in_pieces_is_read_whole():
    whole = f"data: {json.dumps(ERROR)}\n\n".encode()
    assert fed(*[whole[i : i + 1] for i in range(len(whole))]) == (True, ERROR)


def test_a_json_array_as_gemini_streams_it_is_read_by_its_lines():
    assert fed(b'[{"error": {"code": 429}}\n]') == (True, {"error": {"code": 429}})


def test_a_compressed_stream_is_looked_at_too_and_an_unknown_compression_is_not():
    packed = gzip.compress(f"data: {json.dumps(ERROR)}\n\n".encode())
    assert fed(packed, encoding="gzip") == (True, ERROR)
    assert fed(packed, encoding="br") == (True, None)


def test_no_more_is_held_back_than_64_kib():
    first = FirstEvent()
    first.feed(b": ping\n" * LONGEST_PEEK)
    assert first.is_clear


USAGES = [
    ({"usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}, Usage(3, 4)),
    ({"usage": {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 2}}, Usage(5, 4, 2)),
    (
        {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "thoughtsTokenCount": 5}},
        Usage(3, 9),
    ),
    ({"usage": {"total_input_tokens": 3, "total_output_tokens": 4, "total_thought_tokens": 5}}, Usage(3, 9)),
    ({"usage": None}, Usage()),
    ({"usage": []}, Usage()),
]


@pytest.mark.parametrize(("body", "usage"), USAGES)
def test_the_usage_at_the_end_of_an_answer_is_read(body, usage):
    assert usage_in(json.dumps({"text": 'he said "usage": {', **body})) == usage


@pytest.mark.parametrize("size", [10, KEPT, 5 * KEPT])
def test_the_beginning_and_the_end_of_a_body_are_kept_whatever_its_size(size):
    tail = Tail()
    for part in (b"begin", b"x" * size, b"y" * size, b"end"):
        tail.add(part)
    text = tail.text()
    assert text.startswith("begin")
    assert text.endswith("end")
    assert len(text) <= 4 * KEPT


def test_a_small_compressed_answer_is_read_and_a_broken_one_is_nothing():
    packed = gzip.compress(b'{"usage": {}}')
    for content, text in ((packed, '{"usage": {}}'), (b"broken", "")):
        tail = Tail("gzip")
        tail.add(content)
        assert tail.text() == text


def test_what_jobapp_tells_is_ascii_on_one_line_and_says_when():
    told = dict(told_headers("openai", "No API keys available.\n  kéy", NOW + timedelta(seconds=90.2), NOW))
    assert told == {
        "x-should-retry": "false",
        "x-jobapp-reason": "No API keys available. k?y",
        "retry-after": "91",
        "x-jobapp-available-at": "2026-11-26T12:01:30Z",
    }


def test_googles_sdk_which_sleeps_for_it_is_not_told_when_to_retry_but_its_user_is():
    told = dict(told_headers("google", "spent", NOW + timedelta(hours=9), NOW))
    assert "retry-after" not in told
    assert told["x-jobapp-available-at"] == "2026-11-26T21:00:00Z"


def test_the_providers_last_word_keeps_its_headers_but_those_of_a_body_that_was_decoded():
    headers = [("Content-Encoding", "gzip"), ("retry-after", "9999"), ("x-request-id", "r")]
    told = told_headers("openai", "spent", NOW, NOW)
    assert ("retry-after", "0") in last_word(headers, told)
    assert [pair for pair in last_word(headers, told) if pair[1] in {"gzip", "9999"}] == []


@pytest.mark.parametrize(
    ("states", "deadline", "status"),
    [
        (["auth", "auth"], False, 401),
        (["auth", "quota"], False, 429),
        ([], False, 429),
        (["auth"], True, 504),
    ],
)
def test_an_answer_of_our_own_has_the_status_that_fits(states, deadline, status):
    assert own_status(states, deadline=deadline) == status


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "openrouter", "mine"])
@pytest.mark.parametrize("status", [401, 429, 504])
def test_an_answer_of_our_own_has_the_providers_form(provider, status):
    body = json.loads(own_body(provider, status, "No API keys available"))
    assert body["error"]["message"] == "No API keys available"
