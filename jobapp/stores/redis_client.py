"""One exchange with a Redis or Valkey server, in its own words: ``sync.lua`` and what goes in and out."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from jobapp.domain.types import Block, Kind
from jobapp.stores.codec import block_from_json, block_to_json, from_text, to_text
from jobapp.stores.redis_connection import Connection, text_of
from jobapp.stores.state import CLOCK_SKEW, RESET_MEMORY, STREAK_MEMORY, Reset

PAGE = 1000
"""How many changed ids one answer holds at most."""

ANY = "*"

_Value = TypeVar("_Value")

_logger = logging.getLogger(__name__)


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


class Server(Connection):
    """The connection for blocks and resets.

    Args:
        url: As redis-py reads it.
        namespace: Keeps projects apart.
        timeout: Seconds that an exchange may take.

    Raises:
        StateStoreError: if redis-py is not installed.
        ConfigError: if *url* can't be read.
    """

    def __init__(self, url: str, namespace: str, timeout: float) -> None:
        super().__init__(url, namespace, timeout)
        self._script = self.script("sync.lua")
        self._epoch = secrets.token_hex(8)

    def exchange(
        self, resets: Iterable[Reset], blocks: Iterable[Block], cursor: Cursor, now: datetime
    ) -> News:
        """Bring *resets* and *blocks*, and fetch what has changed since *cursor*: one round trip.

        Raises:
            ServerError: if the server can't be reached, or rejects.
        """
        return self.in_time(lambda: _news(self._script(*self._arguments(resets, blocks, cursor, now))))

    def evicts(self) -> str:
        """Return the policy by which the server drops what it holds when its memory is full; empty for none.

        Raises:
            ServerError: if the server can't be reached, or does not say.
        """
        memory = self.in_time(lambda: self.client.info("memory"))
        policy = str(memory.get("maxmemory_policy", ""))
        return policy if memory.get("maxmemory") and policy != "noeviction" else ""

    def _arguments(
        self, resets: Iterable[Reset], blocks: Iterable[Block], cursor: Cursor, now: datetime
    ) -> tuple[list[str], list[Any]]:
        learnt = {
            "horizon": to_text(now - RESET_MEMORY),
            "resets": self._resets_out(resets),
            "blocks": [_block_out(block, now) for block in blocks if block.until + STREAK_MEMORY > now],
        }
        keys = [self.prefix + name for name in ("meta", "changes", "resets")]
        keep = _milliseconds(RESET_MEMORY)
        text = json.dumps(learnt, ensure_ascii=False).encode(errors="replace")
        return keys, [self.prefix + "block:", self._epoch, cursor.source, cursor.version, PAGE, keep, text]

    def _resets_out(self, resets: Iterable[Reset]) -> list[dict[str, str]]:
        """Return *resets* for the script; one from a clock that is ahead counts from the server's time.

        It would end what others learn until then.
        """
        if not (told := list(resets)):
            return []
        seconds, microseconds = self.client.time()
        there = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
        return [_reset_out(reset, there if reset.at > there + CLOCK_SKEW else reset.at) for reset in told]


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
        cursor=Cursor(text_of(source), int(version)),
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
    selection, at = map(text_of, entry)
    provider, fingerprint, kind = (None if part == ANY else unquote(part) for part in selection.split("|"))
    return Reset(from_text(at), provider, fingerprint, None if kind is None else Kind(kind))


def _quoted(part: str) -> str:
    return quote(part, safe="/@~")


def _milliseconds(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))
