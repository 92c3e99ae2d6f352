"""What is told beside the output: of which input and settings it is, and how its run stands.

The manifest of ``answers.jsonl`` is ``answers.jsonl.run.json``. It holds no prompt and no key: what may hold
words of a person is told by its hash.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from jobapp.batch.report import BatchReport
from jobapp.batch.rows import content_hash
from jobapp.domain.wording import utc
from jobapp.stores import atomic_file

SUFFIX = ".run.json"
REGISTRY = "batches"
"""The folder in the cache folder in which runs are noted."""

VERSION = 1
LARGEST = 2**20

PLAIN = ("provider", "model", "task_name", "temperature", "max_tokens", "top_p", "seed")
"""The settings whose values may be told."""


def path_of(output: Path) -> Path:
    """Return where the manifest of *output* is."""
    return output.with_name(output.name + SUFFIX)


def read(output: Path) -> Mapping[str, Any]:
    """Return the manifest of *output*; empty where there is none that can be read."""
    try:
        content = atomic_file.read(str(path_of(output)), LARGEST)[1]
        found = json.loads(content or b"{}")
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and found.get("jobapp") == VERSION else {}


@contextmanager
def registered(folder: Path, output: Path) -> Iterator[None]:
    """Note in *folder* that *output* is being written, for ``jobapp status``; what can't be noted is not."""
    note = folder / f"{content_hash(str(output.resolve()))}.json"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        note.write_text(json.dumps({"output": str(output.resolve())}), encoding="utf-8")
    try:
        yield
    finally:
        with suppress(OSError):
            note.unlink()


def noted(folder: Path) -> list[Path]:
    """Return the outputs that are noted in *folder*: those being written, and those whose run was killed."""
    found = []
    for note in sorted(folder.glob("*.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            found.append(Path(json.loads(note.read_text(encoding="utf-8"))["output"]))
    return found


def lock_of(output: Path) -> FileLock:
    """Return the lock that a run on *output* holds; the operating system ends it with the process."""
    return FileLock(output.with_name(f".{output.name}.lock"), timeout=0)


def is_running(output: Path) -> bool:
    """Return whether a run holds the lock of *output*."""
    try:
        with lock_of(output):
            return False
    except Timeout:
        return True
    except OSError:  # another user's folder: nobody knows
        return bool(read(output).get("running"))


def told_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return *settings* as the manifest tells them; those that are ``None`` are left out."""
    given = {name: value for name, value in settings.items() if value is not None}
    return {
        name: value if name in PLAIN and isinstance(value, str | int | float) else content_hash(value)
        for name, value in sorted(given.items())
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return how settings differ from those of an earlier run: ``model: gpt-4o (was gpt-4o-mini)``."""
    names = [name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)]
    return [_difference(name, before.get(name), now.get(name)) for name in names]


def write(
    output: Path,
    source: Path,
    settings: Mapping[str, Any],
    began: datetime,
    report: BatchReport,
    *,
    runs: bool,
) -> None:
    """Put the manifest of a run beside *output*.

    Raises:
        OSError: It can't be written.
    """
    content = {
        "jobapp": VERSION,
        "input": str(source.resolve()),
        "settings": settings,
        "running": runs,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "began": utc(began),
        "report": _told(report),
    }
    atomic_file.replace(path_of(output), json.dumps(content, indent=2).encode() + b"\n", None)


def _told(report: BatchReport) -> dict[str, Any]:
    told = asdict(replace(report, error=None))
    error = None if report.error is None else f"{type(report.error).__name__}: {report.error}"
    return told | {"until": report.until and utc(report.until), "error": error}


def _difference(name: str, before: Any, now: Any) -> str:
    if name not in PLAIN:
        return f"{name}: another one"
    return f"{name}: {'none' if now is None else now} (was {'none' if before is None else before})"
