"""The simulator as a server: bytes, connections, held requests, threads, and the pytest fixtures."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.domain.clock import Clock, SystemClock
from jobapp.testing import FakeClock, Fault, Response, Simulator
from jobapp.testing.clock import SleeperWatch
from jobapp.testing.http1 import Reader, whole
from jobapp.testing.model import pieces_of
from jobapp.testing.wire import decimal_seconds, go_duration
from tests.simulator_support import KEY, WORDS, OpenAI

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello there"}]}).encode()
HEAD = (
    b"POST /v1/chat/completions?a=%20b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-one\r\n"
    b"Content-Type: application/json\r\n"
)
PLAIN = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n%b\r\n%x;x=y\r\n%b\r\n0\r\n\r\n" % (
    BODY[:5],
    len(BODY) - 5,
    BODY[5:],
)


@pytest.fixture
def simulator():
    with Simulator(FakeClock()) as started:
        started.add_key("openai", KEY)
        yield started


def connect(simulator: Simulator) -> socket.socket:
    port = int(re.findall(r":(\d+)", simulator.base_url("openai"))[0])
    return socket.create_connection(("127.0.0.1", port))


def received(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


@given(cuts=st.lists(st.integers(0, len(PLAIN) + len(CHUNKED))))
def test_requests_are_read_whatever_way_the_bytes_are_cut(cuts):
    data = PLAIN + CHUNKED
    edges = [0, *sorted(cuts), len(data)]
    reader, calls = Reader(), []
    for start, end in pairwise(edges):
        reader.feed(data[start:end])
        while call := reader.next():
            calls.append(call)
    assert [call.content for call in calls] == [BODY, BODY]
    assert {(call.method, call.path, call.query["a"]) for call in calls} == {
        ("POST", "/v1/chat/completions", " b")
    }
    assert calls[0].headers["authorization"] == "Bearer sk-one"


def test_a_connection_serves_one_request_after_another_and_closes_when_asked(simulator):
    with connect(simulator) as connection:
        last = PLAIN.replace(b"Host: x", b"Connection: close")
        connection.sendall(PLAIN + PLAIN + last)
        assert received(connection).count(b"HTTP/1.1 200 OK\r\n") == 3
    assert simulator.requests("openai", KEY) == 3


@pytest.mark.parametrize(
    ("provider", "path", "body", "told"),
    [
        ("openai", "/v1/chat/completions", "[1", "JSON"),
        ("openai", "/v1/chat/completions", "", "JSON"),
        ("openai", "/v1/chat/completions", {"model": "m"}, "messages"),
        ("openrouter", "/api/v1/chat/completions", {"messages": [1]}, "No models provided"),
        ("anthropic", "/v1/messages", "[1", "JSON"),
        ("anthropic", "/v1/messages", {"model": "m", "messages": [1]}, "max_tokens: Field required"),
        ("google", "/v1beta/models/:generateContent", {"contents": [1]}, "model"),
        ("google", "/v1/models/m:streamGenerateContent", {"contents": []}, "contents"),
        ("google", "/v1/models/m:streamGenerateContent?alt=sse", "[1", "contents"),
    ],
)
def test_a_faulty_request_is_told_its_fault(provider, path, body, told, simulator):
    simulator.add_key(provider, KEY)
    content = body if isinstance(body, str) else json.dumps(body)
    head = f"POST {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {len(content)}\r\n"
    keys = f"Authorization: Bearer {KEY}\r\nX-Api-Key: {KEY}\r\nX-Goog-Api-Key: {KEY}\r\n\r\n"
    with connect(simulator) as connection:
        connection.sendall((head + keys + content).encode())
        answer = received(connection).decode()
    assert answer.startswith("HTTP/1.1 400 ")
    assert told in answer
    assert simulator.rejections(provider, KEY) == 1


def test_a_stream_without_events_is_an_empty_one(simulator):
    simulator.add_key("google", KEY).script([Response(events=[]), Response(events=[b"[]"], cut=True)])
    head = "POST /v1/models/m:streamGenerateContent?key=sk-one HTTP/1.1\r\nConnection: close\r\n\r\n"
    for body in (b"\r\n\r\n2\r\n[]\r\n0\r\n\r\n", b"\r\n\r\n3\r\n[[]\r\n"):
        with connect(simulator) as connection:
            connection.sendall(head.encode())
            assert received(connection).endswith(body)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"a": 1}, "application/json"),
        ('[{"a": 1}]', "application/json"),
        (" <html>", "text/html"),
        ("data: {}\n\n", "text/event-stream"),
        (b"\xff\x00", "text/plain"),
    ],
)
def test_a_body_without_a_content_type_is_given_one(body, kind):
    assert f"content-type: {kind}\r\n".encode() in whole(Response(body=body))
    assert b"content-type: odd\r\n" in whole(Response(headers={"Content-Type": "odd"}, body=body))


@given(st.text())
def test_pieces_make_up_the_text(text):
    pieces = pieces_of(text)
    assert "".join(pieces) == text
    assert "" not in pieces


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0001, "1ms"),
        (0.12, "120ms"),
        (1, "1s"),
        (20.0004, "20.001s"),
        (86.4, "1m26.4s"),
        (360, "6m0s"),
        (432, "7m12s"),
        (3723, "1h2m3s"),
        (36000, "10h0m0s"),
    ],
)
def test_durations_are_written_as_go_does(seconds, text):
    assert go_duration(seconds) == text


@given(st.integers(0, 10**9))
def test_a_hint_is_never_shorter_than_the_wait_and_at_most_a_millisecond_longer(microseconds):
    seconds = microseconds / 1e6
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    parts = re.findall(r"([\d.]+)(ms|[hms])", go_duration(seconds))
    told = sum(float(number) * units[unit] for number, unit in parts)
    assert -1e-6 < told - seconds < 0.001
    assert -1e-6 < float(decimal_seconds(seconds)) - seconds < 0.001


def test_hundreds_of_connections_are_served_at_once(simulator):
    port = int(simulator.base_url("google").rsplit(":", 1)[1])
    pause = simulator.key("openai", KEY)

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(PLAIN.replace(b"Host: x", b"Connection: close"))
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def all_at_once() -> list[bytes]:
        with simulator.hold() as hold:
            asked = [asyncio.create_task(ask()) for _ in range(400)]
            await asyncio.to_thread(hold.wait_for, 400)
            assert simulator.active_requests == simulator.open_connections == 400
            hold.release()
            return await asyncio.gather(*asked)

    answers = asyncio.run(all_at_once())
    assert all(b"echo: Hello there" in answer for answer in answers)
    assert (pause.requests, pause.most_at_once, pause.at_once) == (400, 400, 0)


def test_held_requests_go_on_when_the_block_ends(simulator):
    dialect = OpenAI(simulator)
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(dialect.outcome("ask", KEY)))
    with simulator.hold("openai", KEY) as hold:
        thread.start()
        hold.wait_for()
        assert (hold.waiting, outcomes) == (1, [])
        assert simulator.requests("openai", KEY) == 1
    thread.join()
    dialect.close()
    assert outcomes[0].text == "echo: Hello there"


def test_only_the_requests_meant_are_held(simulator):
    simulator.add_key("openai", "sk-two")
    simulator.add_key("anthropic", "sk-a")
    dialect = OpenAI(simulator)
    with simulator.hold("openai", "sk-two") as hold, simulator.hold("anthropic"):
        assert dialect.outcome("ask", KEY).error is None
        assert hold.waiting == 0
    dialect.close()


def test_a_hold_that_nobody_meets_says_so(simulator):
    with simulator.hold() as hold, pytest.raises(TimeoutError, match="0 of 1"):
        hold.wait_for(timeout=0)
    with pytest.raises(TimeoutError, match="awaited state"):
        simulator.wait_for(lambda: False, timeout=0)


@pytest.mark.parametrize("after", [0, 1, 2, 3, 9])
def test_a_stream_is_held_after_the_pieces_it_was_told(after, simulator):
    dialect = OpenAI(simulator)
    stream = dialect.client(KEY).chat.completions.create(**dialect.arguments("m", "Hello there"), stream=True)
    stream.close()
    with simulator.hold(after=after) as hold:
        stream = dialect.client(KEY).chat.completions.create(
            **dialect.arguments("m", "Hello there"), stream=True
        )
        pieces = (text for chunk in stream if (text := chunk.choices[0].delta.content))
        assert [next(pieces) for _ in range(min(after, len(WORDS)))] == WORDS[:after]
        hold.wait_for()
        hold.release()
        assert list(pieces) == WORDS[after:]
    dialect.close()


def test_a_stream_that_is_closed_early_closes_its_connection(simulator):
    dialect = OpenAI(simulator)
    with simulator.hold(after=1) as hold:
        stream = dialect.client(KEY).chat.completions.create(
            **dialect.arguments("m", "Hello there"), stream=True
        )
        assert next(iter(stream)).choices[0].delta.role == "assistant"
        hold.wait_for()
        assert (simulator.active_requests, simulator.open_connections) == (1, 1)
        stream.close()
        simulator.wait_for(lambda: simulator.open_connections == simulator.active_requests == 0)
    dialect.close()


def test_a_slow_answer_takes_time_of_a_fake_clock_only(simulator):
    simulator.add_key("openai", "sk-slow", slow=3600)
    dialect = OpenAI(simulator)
    assert dialect.outcome("stream", "sk-slow").pieces == WORDS
    dialect.close()
    assert isinstance(simulator.clock, FakeClock)
    assert simulator.clock.monotonic() == 3600
    assert simulator.clock.sleeps == []


def test_another_clock_is_slept_on():
    class Noted(FakeClock):
        async def asleep(self, seconds: float) -> None:
            self.sleeps.append(seconds)

    class OtherClock:
        def __init__(self) -> None:
            self.inner = Noted()
            self.now, self.monotonic = self.inner.now, self.inner.monotonic
            self.sleep, self.asleep = self.inner.sleep, self.inner.asleep

    clock = OtherClock()
    with Simulator(clock) as simulator:
        simulator.add_key("openai", KEY, slow=2.5)
        dialect = OpenAI(simulator)
        assert dialect.outcome("ask", KEY).error is None
        dialect.close()
    assert clock.inner.sleeps == [2.5]


def test_stopping_drops_what_is_held_and_may_be_repeated():
    simulator = Simulator()
    simulator.start()
    simulator.add_key("openai", KEY, Fault.HANG)
    with connect(simulator) as connection:
        connection.sendall(PLAIN)
        simulator.wait_for(lambda: simulator.active_requests == 1)
        simulator.stop()
        assert received(connection) == b""
    assert simulator.active_requests == simulator.open_connections == 0
    simulator.stop()


def test_counts_start_anew_while_quotas_stay_used():
    with Simulator(FakeClock()) as simulator:
        key = simulator.add_key("openai", KEY, limit=1)
        dialect = OpenAI(simulator)
        dialect.outcome("ask", KEY)
        simulator.reset_counts()
        assert (key.requests, key.rejections, len(simulator.received)) == (0, 0, 0)
        assert dialect.outcome("ask", KEY).status == 429
        assert (key.requests, key.rejections, len(simulator.received)) == (1, 1, 1)
        dialect.close()
    assert KEY not in repr(key)


def test_a_fake_clock_moves_only_when_told():
    start = datetime(2026, 3, 8, 9, 59, tzinfo=UTC)
    clock: Clock = FakeClock(start)
    assert (clock.now(), clock.monotonic()) == (start, 0)
    clock.sleep(1.5)
    asyncio.run(clock.asleep(2))
    assert isinstance(clock, FakeClock)
    assert (clock.now(), clock.monotonic()) == (start + timedelta(seconds=3.5), 3.5)
    assert clock.sleeps == [1.5, 2]
    clock.advance(-5)
    clock.set(start)
    assert (clock.now(), clock.monotonic()) == (start, 3.5)
    clock.set(start + timedelta(days=1))
    assert clock.monotonic() == 3.5 + 86400


def test_a_fake_clock_lets_other_tasks_run_while_one_sleeps():
    clock = FakeClock()
    ran: list[int] = []

    async def sleep_beside_another_task() -> None:
        other = asyncio.create_task(asyncio.to_thread(ran.append, 1))
        while not ran:
            await clock.asleep(60)
        await other

    asyncio.run(sleep_beside_another_task())
    assert ran == [1]


class RealTime:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def watched(clock: Clock) -> tuple[SleeperWatch, RealTime]:
    real = RealTime()
    return SleeperWatch(clock, real), real


def test_a_client_that_sleeps_in_real_time_is_noticed_while_the_clock_stands_still(caplog):
    watch, real = watched(FakeClock())
    watch.rejected("k", 2.0)
    real.now = 1.9
    watch.asked("k")
    watch.rejected("k", 2.0)
    real.now = 3.9
    watch.asked("other")
    assert watch.told == ""
    watch.asked("k")
    assert "slept 2 s in real time" in watch.told
    assert watch.told in caplog.text


@pytest.mark.parametrize("way", ["moved", "short", "no hint", "real clock"])
def test_no_other_client_is_taken_for_a_sleeper(way):
    clock = FakeClock()
    watch, real = watched(SystemClock() if way == "real clock" else clock)
    watch.rejected("k", {"short": 0.1, "no hint": None}.get(way, 2.0))
    real.now = 5.0
    if way == "moved":
        clock.advance(2)
    watch.asked("k")
    assert watch.told == ""


def test_the_simulator_watches_over_sleepers():
    with Simulator(FakeClock()) as simulator:
        real = RealTime()
        simulator.sleepers = SleeperWatch(simulator.clock, real)
        simulator.add_key("openai", KEY, limit=1, window=7)
        dialect = OpenAI(simulator)
        dialect.outcome("ask", KEY)
        assert dialect.outcome("ask", KEY).status == 429
        real.now = 8
        assert dialect.outcome("ask", KEY).status == 429
        dialect.close()
        assert "slept 7 s" in simulator.sleepers.told


@pytest.mark.llm_simulator(real_time=True)
def test_the_fixture_lives_in_real_time_where_a_test_is_marked_so(llm_simulator):
    assert isinstance(llm_simulator.clock, SystemClock)


def test_threads_share_a_fake_clock_without_losing_time():
    clock = FakeClock()

    def sleep_often() -> None:
        for _ in range(1000):
            clock.sleep(0.25)

    threads = [threading.Thread(target=sleep_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic() == 8 * 1000 * 0.25
    assert len(clock.sleeps) == 8000


@pytest.fixture
def real_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY_2", "sk-real")


@pytest.mark.usefixtures("real_key")
def test_the_fixture_points_the_environment_at_a_simulator_and_hides_other_keys(
    llm_simulator, fake_clock, tmp_path
):
    assert llm_simulator.clock is fake_clock
    assert "OPENAI_API_KEY_2" not in os.environ
    assert os.environ["JOBAPP_CACHE_DIR"].startswith(str(tmp_path))
    llm_simulator.add_key("openai", KEY)
    llm_simulator.add_key("openai", "sk-two")
    assert os.environ["OPENAI_API_KEY_BACKUP_1"] == "sk-two"
    assert llm_simulator.environ().items() <= os.environ.items()
    dialect = OpenAI(llm_simulator)
    assert dialect.outcome("ask", os.environ["OPENAI_API_KEY"]).text == "echo: Hello there"
    dialect.close()


def test_the_plugin_costs_other_test_runs_nothing():
    program = "import sys, jobapp.testing.pytest_plugin; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(run.stdout.split())
    assert not modules & {"openai", "anthropic", "google.genai", "google.generativeai", "httpx", "asyncio"}
    assert {name for name in modules if name.startswith("jobapp.testing.")} == {
        "jobapp.testing.pytest_plugin"
    }


def test_every_public_name_is_there_and_no_other():
    import jobapp.testing

    assert all(getattr(jobapp.testing, name) for name in jobapp.testing.__all__)
    with pytest.raises(AttributeError, match="'Simulation'"):
        _ = jobapp.testing.Simulation
