"""One exchange with a Redis or Valkey server, in its own words: ``sync.lua`` and what goes in and out."""

from __future__ import annotations

import json
import logging
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlencode

from jobapp.domain.exceptions import ConfigError, StateStoreError
from jobapp.domain.types import Block, Kind
from jobapp.stores.codec import block_from_json, block_to_json, from_text, to_text
from jobapp.stores.state import CLOCK_SKEW, RESET_MEMORY, STREAK_MEMORY, Reset

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds without a try after a failure: doubled with each, up to the longest."""

PAGE = 1000
"""How many changed ids one answer holds at most."""

ANY = "*"

_Value = TypeVar("_Value")

_logger = logging.getLogger(__name__)


class ServerError(Exception):
    """The server can't be reached, or rejects."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a client has read: which server and data, and which of its changes."""

    source: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class News:
    """What an exchange brought.

    Attributes:
        cursor: Where the next exchange goes on.
        anew: The server is another one, or has lost its data: what it said before no longer counts.
        more: There is more to read now.
        blocks: What was learnt or changed since.
        resets: All resets, where anything changed.
        ended: What this exchange's own resets ended.
    """

    cursor: Cursor
    anew: bool
    more: bool
    blocks: list[Block]
    resets: list[Reset]
    ended: list[Block]


class Server:
    """The connection.

    Args:
        url: As redis-py reads it.
        namespace: What all keys begin with; braces keep them in one slot of a cluster.
        timeout: Seconds that an exchange may take.

    Raises:
        StateStoreError: if redis-py is not installed.
        ConfigError: if *url* can't be read.
    """

    def __init__(self, url: str, namespace: str, timeout: float) -> None:
        self._client = open_client(url, timeout)
        import redis

        self._timeout = timeout
        self._errors = (redis.RedisError, OSError)
        self._script = self._client.register_script(files(__package__).joinpath("sync.lua").read_text())
        self._prefix = prefix_of(namespace)
        self._epoch = secrets.token_hex(8)

    def exchange(
        self, resets: Iterable[Reset], blocks: Iterable[Block], cursor: Cursor, now: datetime
    ) -> News:
        """Bring *resets* and *blocks*, and fetch what has changed since *cursor*: one round trip.

        redis-py limits each read by itself, and a server may send byte after byte; so a thread asks, which is
        waited for.

        Raises:
            ServerError: if the server can't be reached, or rejects.
        """
        return self._in_time(lambda: _news(self._script(*self._arguments(resets, blocks, cursor, now))))

    def evicts(self) -> str:
        """Return the policy by which the server drops what it holds when its memory is full; empty for none.

        Raises:
            ServerError: if the server can't be reached, or does not say.
        """
        memory = self._in_time(lambda: self._client.info("memory"))
        policy = str(memory.get("maxmemory_policy", ""))
        return policy if memory.get("maxmemory") and policy != "noeviction" else ""

    def _in_time(self, work: Callable[[], _Value]) -> _Value:
        answers: SimpleQueue[_Value | Exception] = SimpleQueue()

        def ask() -> None:
            try:
                answers.put(work())
            except Exception as error:  # noqa: BLE001 - whatever a server says that is no Redis server
                answers.put(error)

        threading.Thread(target=ask, name="jobapp-redis", daemon=True).start()
        try:
            answer = answers.get(timeout=self._timeout)
        except Empty:
            self.close()  # which ends the thread's waiting
            raise ServerError(f"no answer within {self._timeout:g} seconds") from None
        if isinstance(answer, Exception):
            raise self._explained(answer) from answer
        return answer

    def _explained(self, error: Exception) -> ServerError:
        if isinstance(error, self._errors):
            return ServerError(f"{type(error).__name__}: {error}")
        return ServerError(f"what answers is no Redis server, or not its data ({type(error).__name__})")

    def _arguments(
        self, resets: Iterable[Reset], blocks: Iterable[Block], cursor: Cursor, now: datetime
    ) -> tuple[list[str], list[Any]]:
        learnt = {
            "horizon": to_text(now - RESET_MEMORY),
            "resets": self._resets_out(resets),
            "blocks": [_block_out(block, now) for block in blocks if block.until + STREAK_MEMORY > now],
        }
        keys = [self._prefix + name for name in ("meta", "changes", "resets")]
        keep = _milliseconds(RESET_MEMORY)
        text = json.dumps(learnt, ensure_ascii=False).encode(errors="replace")
        return keys, [self._prefix + "block:", self._epoch, cursor.source, cursor.version, PAGE, keep, text]

    def _resets_out(self, resets: Iterable[Reset]) -> list[dict[str, str]]:
        """Return *resets* for the script; one from a clock that is ahead counts from the server's time.

        It would end what others learn until then.
        """
        if not (told := list(resets)):
            return []
        seconds, microseconds = self._client.time()
        there = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
        return [_reset_out(reset, there if reset.at > there + CLOCK_SKEW else reset.at) for reset in told]

    def close(self) -> None:
        """Release the connection; the next exchange makes another."""
        self._client.connection_pool.disconnect()


def open_client(url: str, timeout: float) -> Any:
    """Return redis-py's client, which connects when it is first used.

    Args:
        url: As redis-py reads it.
        timeout: Seconds that it waits for an answer.

    Raises:
        StateStoreError: if redis-py is not installed.
        ConfigError: if *url* can't be read.
    """
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise StateStoreError(
            f"state.url names the server {without_secrets(url)}, and the package redis is not installed: "
            "pip install '.[redis]' in jobapp's folder"
        ) from error
    limits = {"socket_timeout": timeout}
    if not url.startswith("unix:"):
        limits["socket_connect_timeout"] = timeout
    try:
        # a library that tries again by itself would make a call wait twice
        client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **limits)
        client.connection_pool.make_connection()  # connects to nothing, but reads the options
    except (ValueError, TypeError):
        # redis-py's own words may hold the password
        raise ConfigError(
            "state.url (or JOBAPP_STATE_URL) can't be read: write redis://user:password@host:6379/0, "
            "with what is special in the password as %XX, or unix:///path/to/socket"
        ) from None
    return client


def prefix_of(namespace: str) -> str:
    """Return what all names on the server begin with; braces keep them in one slot of a cluster."""
    return f"{{{namespace}}}:"


def without_secrets(url: str) -> str:
    """Return *url* for people: without user, password and options."""
    return re.sub("//.*@", "//", url.partition("?")[0])


def take_option(url: str, name: str) -> tuple[str, str | None]:
    """Return *url* without its option *name*, and the option's value."""
    address, _, query = url.partition("?")
    options = dict(parse_qsl(query))
    value = options.pop(name, None)
    return (f"{address}?{urlencode(options)}" if options else address), value


def _block_out(block: Block, now: datetime) -> dict[str, Any]:
    parts = [block.provider, block.fingerprint, *([] if block.model is None else [block.model])]
    return {
        "name": ":".join(map(_quoted, parts)),
        "provider": _quoted(block.provider),
        "fingerprint": _quoted(block.fingerprint),
        "kind": block.kind.value,
        "since": to_text(block.since),
        "until": to_text(block.until),
        "ttl": _milliseconds(block.until + STREAK_MEMORY - now),
        "payload": json.dumps(block_to_json(block), ensure_ascii=False),
    }


def _reset_out(reset: Reset, at: datetime) -> dict[str, str]:
    return {
        "provider": ANY if reset.provider is None else _quoted(reset.provider),
        "fingerprint": ANY if reset.fingerprint is None else _quoted(reset.fingerprint),
        "kind": ANY if reset.kind is None else reset.kind.value,
        "at": to_text(at),
        "covers": to_text(reset.at),
    }


def _news(answer: Sequence[Any]) -> News:
    source, anew, version, more, blocks, resets, ended = answer
    return News(
        cursor=Cursor(_text(source), int(version)),
        anew=bool(anew),
        more=bool(more),
        blocks=_readable(_block_in, blocks),
        resets=_readable(_reset_in, zip(resets[::2], resets[1::2], strict=True)),
        ended=_readable(_block_in, ended),
    )


def _readable(read: Callable[[Any], _Value], values: Iterable[Any]) -> list[_Value]:
    """Return what can be read of *values*; the rest may be a newer jobapp's."""
    found = []
    for value in values:
        try:
            found.append(read(value))
        except (ValueError, AttributeError, TypeError, RecursionError):
            _logger.debug("An entry on the server can't be read.")
    return found


def _block_in(payload: bytes) -> Block:
    return block_from_json(json.loads(payload))


def _reset_in(entry: tuple[bytes, bytes]) -> Reset:
    selection, at = map(_text, entry)
    provider, fingerprint, kind = (None if part == ANY else unquote(part) for part in selection.split("|"))
    return Reset(from_text(at), provider, fingerprint, None if kind is None else Kind(kind))


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()  # the URL may ask redis-py for text


def _quoted(part: str) -> str:
    return quote(part, safe="/@~")


def _milliseconds(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))
