"""What the tests of the stores share: a clock, blocks, real servers, and stores as several processes see them."""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobapp.domain.types import Block, Kind
from jobapp.stores.state import QuotaState
from jobapp.stores.store import QuotaStore

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)

SERVER = shutil.which("redis-server") or shutil.which("valkey-server")

needs_server = pytest.mark.skipif(
    SERVER is None, reason="neither redis-server nor valkey-server is installed"
)


class Clock:
    """A clock that stands still until it is told to move."""

    def __init__(self, now: datetime = NOON) -> None:
        self.at = now
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.seconds += seconds

    def jump(self, step: timedelta) -> None:
        """Move the wall time only, as a clock that is set does."""
        self.at += step


def block(
    fingerprint="0123456789ab",
    *,
    provider="openai",
    model=None,
    kind=Kind.QUOTA,
    since=NOON,
    seconds=3600.0,
    reason="test-rule: why",
    key_name="OPENAI_API_KEY",
    streak=1,
):
    until = since + timedelta(seconds=seconds)
    return Block(provider, fingerprint, model, kind, until, since, reason, key_name, streak)


def look(store: QuotaStore) -> QuotaState:
    """Return what a call sees."""
    if store.stale:
        store.refresh()
    return store.view()


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


class RedisServer:
    """A real server on a socket in a folder of its own; it keeps its data when it is told to."""

    def __init__(self, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="redis-"))  # a socket's path must be short
        self.socket = self.folder / "s"
        self.url = f"unix://{self.socket}"
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder), *self.options]
        self.process = subprocess.Popen([str(SERVER), *options], stdout=subprocess.DEVNULL)
        while not self._answers():
            assert self.process.poll() is None, "the server did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
        self.process = None

    def command(self, *words: str) -> list[bytes]:
        """Run a command and return its raw answer, line by line."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.socket))
            message = f"*{len(words)}\r\n" + "".join(f"${len(w.encode())}\r\n{w}\r\n" for w in words)
            connection.sendall(message.encode() + b"*1\r\n$4\r\nQUIT\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        return answer.split(b"\r\n")[:-2]

    def dump(self) -> bytes:
        """Return all names and values that the server holds."""
        script = """
            local all = {}
            for _, key in ipairs(redis.call('KEYS', '*')) do
                table.insert(all, key)
                local kind = redis.call('TYPE', key).ok
                local read = {hash = {'HGETALL', key}, zset = {'ZRANGE', key, 0, -1}, string = {'GET', key}}
                table.insert(all, redis.call(unpack(read[kind])))
            end
            return all"""
        return b"\n".join(self.command("EVAL", script, "0"))

    def _answers(self) -> bool:
        try:
            return self.command("PING")[0] == b"+PONG"
        except OSError:
            return False
