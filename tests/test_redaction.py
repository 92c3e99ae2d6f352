"""No key's text reaches a reader."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.domain.redaction import MASK, redact

KEYS = [
    "sk-abcdefgh12345678", "sk-proj-AbC_d-ef12", "sk-ant-api03-AbC_12-34", "sk-or-v1-0123456789abcdef",
    "AIzaSyA1B2C3D4E5F6G7", "AQ.Ab8RN6Ibcdefghijk", "ya29.a0AfH6SMBx-abc", "gsk_abcdefgh12345678",
    "xai-abcdefgh12345678", "hf_AbCdEfGh1234", "nvapi-AbCd_1234-xy", "pplx-abcdefgh1234", "AKIAABCDEFGHIJKL",
    "ghp_abcdefgh12345678", "eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "0123456789abcdef0123456789abcdef",
    "sk-0rF****************MASK", "fk-MASKED********************",
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "around", ["{}", "key {} here", "<{}>", '"{}"', "${{{}}}.", "({})", "x={};", "https://h/{}/y"]
)
def test_a_key_of_any_provider_is_masked_wherever_it_stands(key, around):
    masked = redact(around.format(key))
    assert key not in masked
    assert masked == around.format(MASK) or MASK in masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer abcdefgh", "Authorization: Bearer ***"),
        ("{'Authorization': 'Bearer zzzzzzzzz'}", "{'Authorization': 'Bearer ***'}"),
        ("https://host/path?key=AbC&x=1", "https://host/path?key=***&x=1"),
        ("https://host/path?x=1&api_key=AbC", "https://host/path?x=1&api_key=***"),
        ("Consumer 'api_key:mykey1' is suspended", "Consumer 'api_key:***' is suspended"),
        ("Incorrect API key provided: hello.", "Incorrect API key provided: ***"),
        ("Incorrect API key provided: ${hello}.", "Incorrect API key provided: ${***}."),
        ("Your api key: ****MASK is invalid", "Your api key: *** is invalid"),
        ('{"api_key": "zzzzzzz"}', '{"api_key": "***"}'),
        ("x-goog-api-key: zzzzzzz", "x-goog-api-key: ***"),
        ("OPENAI_API_KEY=zzzzzzz", "OPENAI_API_KEY=***"),
        ("export HF_TOKEN='zzzzzzz'", "export HF_TOKEN='***'"),
        ("MY_KEY_2: zzzzzzz", "MY_KEY_2: ***"),
        ("[(b'x-api-key', b'zzzzzzz')]", "[(b'x-api-key', b'***')]"),
        ('("authorization", "Bearer zzzzzzz")', '("authorization", "Bearer ***")'),
        ("API key provided: Bearer zzzzzzz", "API key provided: Bearer ***"),
        ('API key provided: {"api_key": "zzzzzzz"}', 'API key provided: {"api_key": "***"}'),
        ("API key provided: {'x-api-key': 'zzzzzzz'}", "API key provided: {'x-api-key': '***'}"),
        ("token: zzzzz7z8", "token: ***"),
        ("https://usr:hunter2@host/v1", "https://usr:***@host/v1"),
        ("http://:hunter2@host", "http://:***@host"),
    ],
)
def test_what_stands_where_a_key_belongs_is_masked_and_the_words_before_it_are_kept(text, masked):
    assert redact(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "Rate limit reached for gpt-4o-mini in organization org-1 on requests per min (RPM): Limit 3",
        "API key not valid. Please pass a valid API key.",
        "You can find your API key at https://platform.openai.com/account/api-keys.",
        "invalid x-api-key",
        "a task-force and a risk-averse desk-top",
        "projects/00000000-0000-0000-0000-000000000000",
        "Please try again in 1m26.4s.",
        "max_tokens: 4096000, cached_tokens = 100000",
        "the token, which expired, was refused",
        "http://127.0.0.1:8000/v1 and user@host",
        "providers.openai.keys: OPENAI_API_KEY, OPENAI_API_KEY_2",
    ],
)
def test_ordinary_words_are_left_alone(text):
    assert redact(text) == text


def test_known_secrets_are_masked_whatever_they_look_like():
    assert redact("it was hunter2, or a%2Fb", ["hunter2", "a/b", ""]) == "it was ***, or ***"


def test_a_secret_that_holds_another_is_masked_whole():
    assert redact("abcdef", ["abc", "abcdef"]) == MASK


@given(st.text(max_size=200))
def test_masking_twice_is_masking_once(text):
    once = redact(text)
    assert redact(once) == once


@given(
    st.binary(max_size=9),
    st.text(st.sampled_from("abcXYZ019-_+/"), min_size=16, max_size=60),
    st.binary(max_size=9),
)
def test_a_known_key_is_found_in_base64_wherever_it_stands(before, key, after):
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        masked = redact(f"<{encode(before + key.encode() + after).decode()}>", [key])
        parts = masked.strip("<>").split(MASK)
        shown = b"".join(base64.b64decode(part[: len(part) // 4 * 4], altchars=b"-_") for part in parts[:1])
        assert MASK in masked
        assert key.encode() not in shown
        assert len("".join(parts)) <= len(encode(before + b"xx" + after)) + 8
