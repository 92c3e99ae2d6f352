"""No key's text reaches a reader."""

from __future__ import annotations

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
