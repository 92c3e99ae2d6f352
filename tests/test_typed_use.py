"""What mypy strict knows of every public call; the types are held when this file is checked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, assert_type

from jobapp import APIKeyManager, Block, Completion, KeyStatus, LLMInterface, Usage
from jobapp.calls.streams import AsyncTextStream, TextStream
from jobapp.domain.types import Attempt

ASKED: dict[str, Any] = {"provider": "openai", "model": "gpt-4o-mini"}


def test_the_types_of_calls_in_a_thread(llm_simulator: Any, fake_clock: Any) -> None:
    llm_simulator.add_key("openai", "sk-canary-one")
    with LLMInterface(clock=fake_clock) as llm:
        assert_type(llm.send_prompt("Hello", provider="openai", model="gpt-4o-mini"), str)
        done = assert_type(llm.complete("Hello", **ASKED, max_retries=1, deadline=9.5), Completion)
        assert_type((done.text, done.provider, done.model, done.key), tuple[str, str, str, str])
        assert_type(done.usage, Usage)
        assert_type(done.attempts, tuple[Attempt, ...])
        with assert_type(llm.stream_prompt("Hello", **ASKED), TextStream) as stream:
            pieces = [assert_type(piece, str) for piece in stream]
        assert_type(stream.completion, Completion | None)
        assert_type(llm.key_status(), list[KeyStatus])
        assert_type([status.until for status in llm.key_status()], list[datetime | None])
        assert_type(llm.reset(), tuple[Block, ...])
        assert_type(llm("Hello", **ASKED), str)
        assert "".join(pieces) == done.text


async def test_the_types_of_calls_in_an_event_loop(llm_simulator: Any, fake_clock: Any) -> None:
    llm_simulator.add_key("openai", "sk-canary-one")
    async with LLMInterface(clock=fake_clock) as llm:
        text = assert_type(await llm.asend_prompt("Hello", **ASKED), str)
        done = assert_type(await llm.acomplete("Hello", **ASKED), Completion)
        stream = assert_type(llm.astream_prompt("Hello", **ASKED), AsyncTextStream)
        pieces = [assert_type(piece, str) async for piece in stream]
        assert text == done.text == "".join(pieces)


def test_the_types_of_a_key_manager(llm_simulator: Any) -> None:
    manager = APIKeyManager("OPENAI_API_KEY", ["OPENAI_API_KEY_BACKUP_1"])
    assert_type(manager.get_next_key_env(), str | None)
    assert_type(manager.get_quota_status(), dict[str, str])
    assert_type(manager.failed_keys, set[str])
    assert_type(manager.quota_exhausted_keys, dict[str, datetime])
    cleared: Iterable[Block] = manager.reset()
    assert list(cleared) == []
