"""The tail of a stream: what is known of an event that the SDK did not take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.providers.request_context import (
    TAIL_LENGTH,
    AnswerTooLargeError,
    SizeLimit,
    Tail,
    begin_request,
    current_request,
)

MOST = 2**30


def tail_of(*parts: Any) -> Tail:
    tail = Tail(MOST)
    assert list(tail.watch(lambda: iter(parts))()) == list(parts)
    return tail


@pytest.mark.parametrize(
    ("parts", "event"),
    [
        ([], None),
        ([b'data: {"a": 1}\n\n', b'data: {"a"', b": 2}\n\ndata: [DONE]\n\n"], {"a": 2}),
        ([b'{"error": "whole"}'], {"error": "whole"}),
        ([*'[{"error": 1}]'], [{"error": 1}]),
        ([b"<html>\n", b"no"], "<html>\nno"),
        ([b"event: error\ndata: {cut"], "{cut"),
        ([b"\xff"], "\ufffd"),
    ],
    ids=["nothing", "events", "json", "characters", "html", "cut", "no-text"],
)
def test_the_last_event_or_all_that_came(parts: Sequence[Any], event: Any) -> None:
    assert tail_of(*parts).event() == event


@given(st.lists(st.binary(max_size=40_000), max_size=30))
def test_what_is_kept_is_the_end_and_is_bounded(parts: list[bytes]) -> None:
    tail = tail_of(*parts)
    kept, everything = b"".join(tail._parts), b"".join(parts)
    assert everything.endswith(kept)
    assert len(kept) >= min(len(everything), TAIL_LENGTH)
    assert len(kept) <= 2 * TAIL_LENGTH + 40_000


def test_each_request_has_its_own_exchange() -> None:
    first = begin_request(1.0, SizeLimit(MOST))
    assert current_request() is first
    second = begin_request(2.0, SizeLimit(MOST))
    assert current_request() is second
    assert (first.limit, first.response) == (1.0, None)


@pytest.mark.parametrize("blank", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_a_stream_may_be_long_but_no_event_of_it(blank: bytes) -> None:
    tail = Tail(100)
    for _ in range(50):
        tail.add(b"x" * 40)
        tail.add(b"y" * 40 + blank + b"z" * 10)
    tail.add(b"x" * 80)
    with pytest.raises(AnswerTooLargeError):
        tail.add(b"x" * 40)


def test_a_stream_that_is_one_array_has_its_events_in_lines() -> None:
    tail = Tail(100)
    for _ in range(50):
        tail.add("x" * 40 + ",\n")
    with pytest.raises(AnswerTooLargeError):
        tail.add("x" * 101)


@given(st.lists(st.binary(max_size=50)), st.integers(0, 500))
def test_all_of_a_whole_answer_counts(parts: list[bytes], most: int) -> None:
    read = SizeLimit(most).watch(lambda: iter(parts))
    if sum(map(len, parts)) > most:
        with pytest.raises(AnswerTooLargeError):
            list(read())
    else:
        assert list(read()) == parts
