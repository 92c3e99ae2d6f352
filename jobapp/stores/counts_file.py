"""What was used in days and months, in a JSON file that every process of one machine adds to.

It lies beside the state, for it changes each second, and who asks for a key's blocks shall not read it. A
write takes the lock, adds what is new, and replaces the file.
"""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from jobapp.domain.clock import Clock, SystemClock
from jobapp.limits.counts import NO_COUNTS, Count, CountId, Counts, Written, count_of
from jobapp.stores import atomic_file
from jobapp.stores.codec import from_text, to_text
from jobapp.stores.kept_counts import KeptCounts
from jobapp.stores.outage import Outage

VERSION = 1
"""The form that is written."""

MAX_BYTES = 64 * 2**20
"""A larger file is not ours."""

PATIENCE = 10.0
"""Seconds to wait for another process's write; no caller waits for it."""

ADVICE = "Make the folder writable for this user, or set state.url or JOBAPP_CACHE_DIR to another place."

_logger = logging.getLogger(__name__)
_json = json.JSONEncoder(ensure_ascii=False).encode
_open_files: WeakValueDictionary[tuple[Path, int], CountsFile] = WeakValueDictionary()


def open_counts(path: Path, clock: Clock) -> CountsFile:
    """Return the counts at *path*; one object in a process, which lives until all is written.

    Args:
        path: The file.
        clock: The time.
    """
    place = (path, 0 if isinstance(clock, SystemClock) else id(clock))
    return _open_files.setdefault(place, CountsFile(path, clock))


class CountsFile(KeptCounts):
    """The file.

    Args:
        path: The file.
        clock: The time.
    """

    faults = (OSError, NotImplementedError)  # filelock's word for a disk without locks

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._file = str(path)
        self._signature: atomic_file.Signature | None = atomic_file.UNREAD
        self._counts = NO_COUNTS
        super().__init__(clock, Outage(_logger, self._file, ADVICE))

    def _read_news(self) -> None:
        if atomic_file.signature_of(self._file) != self._signature:
            self._learn(*self._read())

    def _bring(self) -> None:
        with atomic_file.locked(self.path, PATIENCE):
            self._merge()

    def _merge(self) -> None:
        batch = self.ledger.batch()
        if batch is None:
            return
        now, (signature, known) = self._clock.now(), self._read()
        counts = known.with_batch(batch, now).swept(now)
        if counts is not known:
            content = encode(counts, now)
            if len(content) > MAX_BYTES:
                raise OSError(errno.EFBIG, f"it would be larger than {MAX_BYTES} bytes")
            signature = atomic_file.replace(self.path, content, signature)
        self._learn(signature, counts)

    def _read(self) -> tuple[atomic_file.Signature | None, Counts]:
        """Return what the file holds; of what is broken, what this process remembers."""
        signature = atomic_file.signature_of(self._file)
        if signature == self._signature:
            return signature, self._counts
        if signature is None:
            return None, NO_COUNTS
        signature, content = atomic_file.read(self._file, MAX_BYTES)
        try:
            return signature, decode(content or b"")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            _logger.warning(
                "The counts in %s can't be read (%s): what this process knows of them is written anew.",
                self.path,
                type(error).__name__,
            )
            return signature, self._counts

    def _learn(self, signature: atomic_file.Signature | None, counts: Counts) -> None:
        self._signature, self._counts = signature, counts
        self.ledger.learn(counts)


def encode(counts: Counts, now: datetime) -> bytes:
    """Return the file that holds *counts*, a line for each."""
    rows = (
        dict(zip((*CountId._fields, *Count._fields), (*id_, *used), strict=True))
        for id_, used in sorted(counts.totals.items())
    )
    writers = (
        {"writer": name, "batch": written.number, "at": to_text(written.at)}
        for name, written in sorted(counts.writers.items())
    )
    head = f'"version": {VERSION},\n  "last_updated": {_json(to_text(now))}'
    text = f'{{\n  {head},\n  "counts": {_lines(rows)},\n  "writers": {_lines(writers)}\n}}\n'
    return text.encode(errors="replace")


def decode(content: bytes) -> Counts:
    """Read such a file.

    Raises:
        ValueError: It is no JSON.
        KeyError, TypeError, AttributeError: It is another's JSON.
    """
    whole = json.loads(content.decode("utf-8-sig"))
    if whole["version"] > VERSION:
        raise ValueError("it is of a newer jobapp")
    totals = {_id_of(row): count_of(row[name] for name in Count._fields) for row in whole["counts"]}
    writers = {
        str(row["writer"]): Written(int(row["batch"]), from_text(row["at"])) for row in whole["writers"]
    }
    return Counts(totals, writers)


def _id_of(row: Mapping[str, Any]) -> CountId:
    return CountId(*(str(row[name]) for name in CountId._fields))


def _lines(rows: Iterable[Mapping[str, Any]]) -> str:
    lines = ",\n    ".join(map(_json, rows))
    return f"[\n    {lines}\n  ]" if lines else "[]"
