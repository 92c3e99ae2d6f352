"""The state as JSON that a person can read: times in UTC, a line for each block, no secret. No I/O.

The same form serves the state file and Redis.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from jobapp.domain.types import EVERY_KEY, Block, Kind
from jobapp.stores.state import LONGEST, NOTHING, QuotaState, Reset

VERSION = 1
"""The form that is written."""

_Value = TypeVar("_Value")

_json = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Document:
    """What a state file says.

    Attributes:
        state: The blocks and resets that could be read.
        version: The form's version; above :data:`VERSION` it must not be written over.
        faults: What could not be read, for people; empty where all was read.
    """

    state: QuotaState = NOTHING
    version: int = VERSION
    faults: tuple[str, ...] = ()


def encode(state: QuotaState, now: datetime) -> bytes:
    """Return the file that holds *state*; equal states give equal blocks in equal order."""
    blocks = sorted(state, key=_place)
    resets = sorted(state.resets.values(), key=lambda reset: (reset.at, str(reset.selection)))
    head = {"version": VERSION, "last_updated": to_text(now)}
    lines = [
        *(f"{_json(name)}: {_json(value)}," for name, value in head.items()),
        f'"blocks": {_rows(map(block_to_json, blocks))},',
        f'"resets": {_rows(map(reset_to_json, resets))}',
    ]
    text = "{\n  " + "\n  ".join(lines) + "\n}\n"
    return text.encode(errors="replace")  # a provider's words may hold half a surrogate pair


def decode(data: bytes) -> Document:
    """Read a state file; what can't be read is a fault, and the rest is kept."""
    try:
        whole = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return Document(faults=(f"it is not JSON ({type(error).__name__})",))
    if not isinstance(whole, dict):
        return Document(faults=("it holds no JSON object",))
    faults: list[str] = []
    version = whole.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        faults.append("it names no version of its form")
        version = VERSION
    blocks = _each(block_from_json, whole.get("blocks", []), faults)
    resets = _each(reset_from_json, whole.get("resets", []), faults)
    state = NOTHING.with_resets(resets).with_blocks(blocks)
    return Document(state, version, tuple(faults))


def to_text(moment: datetime) -> str:
    """Return *moment* as UTC in ISO 8601; all such texts have one length, so they sort as times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def from_text(text: Any) -> datetime:
    """Read aware UTC from ISO 8601.

    Raises:
        ValueError: if *text* is no time, or does not say in which zone.
    """
    moment = datetime.fromisoformat(_string(text))
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of range") from error


def block_to_json(block: Block) -> dict[str, Any]:
    """Return *block* as JSON values."""
    return {
        "provider": block.provider,
        "key": block.key_name,
        "fingerprint": block.fingerprint,
        "model": block.model,
        "kind": block.kind.value,
        "until": to_text(block.until),
        "since": to_text(block.since),
        "strikes": block.streak,
        "reason": block.reason,
    }


def block_from_json(row: Any) -> Block:
    """Read a block.

    Raises:
        ValueError: if a value is missing or of the wrong type.
    """
    model = row.get("model")
    block = Block(
        provider=_string(row.get("provider")),
        fingerprint=_string(row.get("fingerprint")),
        model=None if model is None else _string(model),
        kind=_kind(row.get("kind")),
        until=from_text(row.get("until")),
        since=from_text(row.get("since")),
        reason=_string(row.get("reason", "")),
        key_name=_string(row.get("key", "")),
        streak=_count(row.get("strikes", 1)),
    )
    if not block.provider or not block.fingerprint:
        raise ValueError("a block names no key")
    if block.kind is Kind.REQUEST and (block.fingerprint != EVERY_KEY or block.model is None):
        raise ValueError("a faulty request blocks no key")
    return block


def reset_to_json(reset: Reset) -> dict[str, Any]:
    """Return *reset* as JSON values."""
    return {
        "at": to_text(reset.at),
        "provider": reset.provider,
        "fingerprint": reset.fingerprint,
        "kind": None if reset.kind is None else reset.kind.value,
    }


def reset_from_json(row: Any) -> Reset:
    """Read a reset.

    Raises:
        ValueError: if a value is missing or of the wrong type.
    """
    provider, fingerprint, kind = row.get("provider"), row.get("fingerprint"), row.get("kind")
    return Reset(
        at=from_text(row.get("at")),
        provider=None if provider is None else _string(provider),
        fingerprint=None if fingerprint is None else _string(fingerprint),
        kind=None if kind is None else _kind(kind),
    )


def _each(read: Callable[[Any], _Value], rows: Any, faults: list[str]) -> list[_Value]:
    if not isinstance(rows, list):
        faults.append(f"it holds {type(rows).__name__} where a list belongs")
        return []
    values = []
    for row in rows:
        try:
            values.append(read(row))
        except (ValueError, AttributeError):
            faults.append(f"an entry can't be read ({_json(row)[:120]})")
    return values


def _place(block: Block) -> tuple[object, ...]:
    """Where a person looks for *block*: by provider, key, model."""
    what = (block.provider, block.key_name, block.fingerprint, block.model or "")
    return (*what, block.until, block.since, block.kind)


def _rows(rows: Iterable[Mapping[str, Any]]) -> str:
    lines = ",\n    ".join(map(_json, rows))
    return f"[\n    {lines}\n  ]" if lines else "[]"


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{type(value).__name__} where text belongs")  # noqa: TRY004 - one error for bad data
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("strikes count from 1")
    return value


def _kind(value: Any) -> Kind:
    kind = Kind(_string(value))
    if kind not in LONGEST:
        raise ValueError(f"{kind} blocks nothing")
    return kind
