"""A key is nowhere to be read, whatever goes wrong: errors, tracebacks with locals, log, events, state, output."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from jobapp.__main__ import main
from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.exceptions import JobAppError
from jobapp.domain.redaction import forms_of
from jobapp.testing import Fault, Response, Trouble
from tests import test_dropin as sdk_calls
from tests.calling import PROVIDERS, World, world_of

CANARY = "kanarienvogel/singt+0123456789"
"""It looks like no provider's key, so that only who knows it can find it."""

ECHOES = {
    "in words": CANARY,
    "in a header": f"Authorization: Bearer {CANARY}",
    "in a tuple": f"[(b'x-api-key', b'{CANARY}')]",
    "in base64": base64.b64encode(f"user:{CANARY}".encode()).decode(),
    "in an address": f"https://host/v1?key={quote(CANARY, safe='')}",
}

ANSWERED = {Fault.HANG, Fault.HEARTBEATS, Fault.SLOW_THINKING}
"""Faults that end in an answer, and the one that ends in none."""
FAULTS: dict[str, Any] = {
    **{fault.value: Trouble(fault) for fault in Fault if fault not in ANSWERED},
    **{
        f"{status} {title}": Response(
            status, {"x-echo": echo}, {"error": {"message": f"no: {echo}", "code": echo}}
        )
        for status in (400, 401, 403, 404, 429, 500)
        for title, echo in ECHOES.items()
    },
    "redirect": Response(307, {"location": f"http://127.0.0.1:1/?key={CANARY}"}, ""),
    "html": Response(502, {}, f"<html><body>Bad gateway for {CANARY}</body></html>"),
    "unreadable": Response(200, {}, f"{CANARY} is no JSON"),
    "error in 200": Response(200, {}, {"error": {"message": f"{CANARY} expired", "code": 401}}),
}


def everything_told(error: BaseException | None) -> Iterator[str]:
    """Yield what can be read of *error* and all that it was raised from, our frames' locals among it."""
    while error is not None:
        yield str(error)
        yield repr(error)
        yield repr(vars(error))
        yield "".join(traceback.format_exception_only(error))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if f"{os.sep}jobapp{os.sep}" in frame.f_code.co_filename:
                yield "".join(f"{name}={value!r}" for name, value in frame.f_locals.items())
        error = error.__cause__ or error.__context__


def where_it_is(world: World, caplog: pytest.LogCaptureFixture, error: BaseException | None) -> list[str]:
    texts = {
        "error": "\n".join(everything_told(error)),
        "log": caplog.text,
        "events": repr(world.events),
        "outcomes": repr(world.outcomes),
        "files": "\n".join(
            path.read_text(errors="replace") for path in world.folder.rglob("*") if path.is_file()
        ),
    }
    return [place for place, text in texts.items() if any(form in text for form in forms_of(CANARY))]


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("way", ["send", "astream"])
def test_no_fault_shows_a_key(name, way, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG, logger="jobapp")
    shown, raised = {}, 0
    for title, fault in FAULTS.items():
        (folder := tmp_path / quote(title, safe="")).mkdir()
        with world_of(name, way, folder, monkeypatch) as world:
            world.settings["retry"].update(max_retries=1)
            key = world.add(CANARY)
            key.script([fault, fault]) if isinstance(fault, Response) else key.fail(fault)
            caught = None
            try:
                world.call()
            except JobAppError as error:
                caught = error
            raised += caught is not None
            if places := where_it_is(world, caplog, caught):
                shown[title] = places
        caplog.clear()
    assert shown == {}
    assert raised >= len(FAULTS) - 2, f"{raised} of {len(FAULTS)}"


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["status", "--json"],
        ["check"],
        ["check", "--json"],
        ["reset"],
        ["ask", "Hello", "--json"],
        ["ask", "Hello"],
    ],
)
@pytest.mark.parametrize("echo", ECHOES)
def test_no_command_shows_a_key(words, echo, tmp_path, monkeypatch, capsys):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        body = {"error": {"message": f"no: {ECHOES[echo]}", "code": ECHOES[echo]}}
        world.add(CANARY).script([Response(401, {"x-echo": ECHOES[echo]}, body)] * 2)
        with LLMInterface() as llm:
            try:
                llm.send_prompt("Hello", provider="openai", model="m")
            except JobAppError:
                main(words)
    said = capsys.readouterr()
    assert not [form for form in forms_of(CANARY) if form in said.out + said.err]
    assert said.out + said.err


def test_a_wrong_configuration_shows_no_key_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    for number, text in enumerate(
        ("models: {t: {provider: openai}}", "retry: {jitter: loud}", "rules: [1]", "[")
    ):
        path = Path(tmp_path / f"{number}.yaml")
        path.write_text(text)
        with pytest.raises(JobAppError) as raised:
            LLMInterface(path).send_prompt("Hello")
        assert not [form for form in forms_of(CANARY) if form in "".join(everything_told(raised.value))]


def asked_below(llm: LLMInterface, provider: str, way: str, model: str) -> None:
    """Ask once through the SDK's own client."""
    if way == "send":
        sdk_calls.asked(llm.client(provider), model)
    else:

        async def ask() -> None:
            async with llm:
                await sdk_calls.astreamed(llm.async_client(provider), model)

        asyncio.run(ask())


def requests_of(error: BaseException | None) -> Iterator[str]:
    """Yield what the requests and responses that hang on *error* tell, but for what the provider itself said."""
    while error is not None:
        for request in (getattr(error, "_request", None), getattr(error, "request", None)):
            if request is not None:
                yield repr((str(request.url), request.headers.multi_items()))
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("name", ["openai", "anthropic", "google"])
@pytest.mark.parametrize("way", ["send", "astream"])
def test_below_an_sdk_no_fault_shows_a_key_in_requests_locals_log_events_or_files(
    name, way, tmp_path, monkeypatch, caplog
):
    caplog.set_level(logging.DEBUG, logger="jobapp")
    shown, raised = {}, 0
    for fault in (fault for fault in Fault if fault is not Fault.HANG):
        (folder := tmp_path / fault.value).mkdir()
        with world_of(name, way, folder, monkeypatch) as world:
            world.settings["retry"].update(max_retries=1)
            world.add(CANARY).fail(Trouble(fault))
            caught: BaseException | None = None
            try:
                with world.interface() as llm:
                    asked_below(llm, name, way, world.provider.model)
            except Exception as error:  # noqa: BLE001 - each SDK has its own
                caught = error
            raised += caught is not None
            told = [*requests_of(caught), *everything_told(caught)]
            places = where_it_is(world, caplog, None)
            if places or any(form in text for form in forms_of(CANARY) for text in told):
                shown[fault.value] = places or ["error"]
        caplog.clear()
    assert shown == {}
    assert raised > len(Fault) / 2
