"""What is told beside the output: of which input and settings it is, and how its run stands.

The manifest of ``answers.jsonl`` is ``answers.jsonl.run.json``. It holds no prompt and no key: what may hold
words of a person is told by its hash.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobapp.batch.report import BatchReport
from jobapp.batch.rows import content_hash
from jobapp.stores import atomic_file

SUFFIX = ".run.json"
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
        "began": _utc(began),
        "report": _told(report),
    }
    atomic_file.replace(path_of(output), json.dumps(content, indent=2).encode() + b"\n", None)


def _told(report: BatchReport) -> dict[str, Any]:
    told = asdict(report) if report.error is None else asdict(_without_error(report))
    error = None if report.error is None else f"{type(report.error).__name__}: {report.error}"
    return told | {"until": report.until and _utc(report.until), "error": error}


def _without_error(report: BatchReport) -> BatchReport:
    from dataclasses import replace

    return replace(report, error=None)


def _difference(name: str, before: Any, now: Any) -> str:
    if name not in PLAIN:
        return f"{name}: another one"
    return f"{name}: {'none' if now is None else now} (was {'none' if before is None else before})"


def _utc(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
