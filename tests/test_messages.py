"""What a prompt may look like, and what each mistake in one is told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.calls.messages import read_prompt
from jobapp.domain.exceptions import ConfigError
from jobapp.domain.types import ImagePart, Message, NativePart, TextPart

PNG = b"\x89PNG"
DATA_URL = "data:image/png;base64,iVBORw=="


def test_a_string_is_one_message_of_the_user():
    assert read_prompt("Hello") == (Message("user", "Hello"),)


def test_a_system_text_comes_before_the_others_and_a_blank_one_does_not_come():
    assert [turn.role for turn in read_prompt("Hello", "Be brief.")] == ["system", "user"]
    assert [turn.role for turn in read_prompt("Hello", "  ")] == ["user"]


@pytest.mark.parametrize(
    ("part", "read"),
    [
        ("text", TextPart("text")),
        ({"type": "text", "text": "text"}, TextPart("text")),
        ({"type": "image_url", "image_url": {"url": "https://host/a.png"}}, ImagePart("https://host/a.png")),
        ({"type": "image_url", "image_url": "https://host/a.png"}, ImagePart("https://host/a.png")),
        ({"type": "image_url", "image_url": {"url": DATA_URL}}, ImagePart(data=PNG, media_type="image/png")),
        ({"type": "image", "data": PNG, "media_type": "image/png"}, ImagePart(None, PNG, "image/png")),
    ],
)
def test_parts_have_one_form_whatever_way_they_are_written(part, read):
    (turn,) = read_prompt([{"role": "user", "content": [part]}])
    assert turn.content == (read,)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://host/a.png", "format": "png"}},
        {"type": "input_audio", "input_audio": {"data": "…"}},
        {"type": "image", "source": {"type": "url", "url": "https://host/a.png"}},
    ],
)
def test_a_part_that_only_a_provider_knows_passes_untouched(part):
    (turn,) = read_prompt([{"role": "user", "content": [part]}])
    assert turn.content == (NativePart(part),)


def test_other_fields_of_a_message_pass_untouched():
    calls = [{"id": "1"}]
    (turn,) = read_prompt([{"role": "assistant", "content": None, "tool_calls": calls}])
    assert turn == Message("assistant", "", {"tool_calls": calls})


def test_objects_of_a_chain_are_read_by_their_type_and_content():
    turns = [SimpleNamespace(type="human", content="Hello"), SimpleNamespace(type="ai", content="Hi")]
    prompt = SimpleNamespace(to_messages=lambda: turns)
    assert read_prompt(prompt) == (Message("user", "Hello"), Message("assistant", "Hi"))


USER = {"role": "user", "content": "Hello"}


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("", "prompt: is empty"),
        (" \n", "prompt: is empty"),
        ([], "prompt: is empty"),
        ([{"role": "user", "content": []}], "prompt: is empty"),
        (7, "prompt: must be a string or a list of messages, not int"),
        (b"Hello", "prompt: must be a string or a list of messages, not bytes"),
        ({"role": "user", "content": "Hello"}, "prompt: must be a string or a list of messages, not dict"),
        ([USER, {"content": "Hello"}], r'prompt\[1\]: has no "role"'),
        ([USER, 7], r'prompt\[1\]: must be a \{"role", "content"\} mapping, not int'),
        ([{"role": "user", "content": 7}], r"prompt\[0\].content: must be a string or a list of parts"),
        ([{"role": "user", "content": [7]}], r"prompt\[0\].content\[0\]: must be a string or a mapping"),
        (
            [{"role": "user", "content": [{"type": "text"}]}],
            r"prompt\[0\].content\[0\].text: must be a string",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": "data:image/png,raw"}]}],
            "a data URL must read data:image/png;base64",
        ),
        (
            [{"role": "user", "content": [{"type": "image", "data": "text"}]}],
            r"content\[0\].data: must be the image's bytes, not str",
        ),
        ([{"role": "user", "content": [{"type": "image", "data": PNG}]}], "media_type: must be a string"),
    ],
)
def test_a_mistake_is_told_with_its_place(prompt, told):
    with pytest.raises(ConfigError, match=told):
        read_prompt(prompt)


def test_a_system_that_is_no_text_is_refused():
    with pytest.raises(ConfigError, match="system: must be a string, not int"):
        read_prompt("Hello", 7)  # type: ignore[arg-type]  # what a caller without a type checker may write


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "image_url", "data"]), inner)
    ),
    max_leaves=8,
)


def outcome_of(prompt):
    try:
        return read_prompt(prompt)
    except ConfigError as error:
        return str(error)


@given(anything)
def test_whatever_a_prompt_is_it_is_read_or_refused_by_name(prompt):
    outcome = outcome_of(prompt)
    assert outcome
    assert isinstance(outcome, tuple) or outcome.startswith("prompt")
