"""The batches that ``jobapp status`` tells of: those that run, and those whose run was killed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from jobapp.batch import manifest
from jobapp.domain.wording import until_text


def noted_batches(cache_folder: Path) -> list[dict[str, Any]]:
    """Return each batch for programs: its output, whether it runs, and its report as its manifest has it."""
    outputs = manifest.noted(cache_folder / manifest.REGISTRY)
    found = [(output, manifest.read(output)) for output in outputs]
    return [
        {"output": str(output), "running": manifest.is_running(output), **_report(told)}
        for output, told in found
        if told
    ]


def batch_lines(batches: list[dict[str, Any]], now: datetime) -> Iterator[str]:
    """Yield a line for people about each of *batches*."""
    for each in batches:
        rows = each["done"] + each["failed"] + each["left"]
        told = f"{each['done']:,} of {rows:,} done, {each['failed']:,} failed"
        if not each["running"]:
            told += "; its run was ended: the same command goes on"
        elif each["waiting_for"] and each["until"]:
            until = until_text(datetime.fromisoformat(each["until"]), now)
            told += f"; waits for {each['waiting_for']} until {until}"
        yield f"batch {each['output']}: {told}"


def _report(told: Any) -> dict[str, Any]:
    report = told.get("report")
    known = report if isinstance(report, dict) else {}
    counts = {name: int(known.get(name) or 0) for name in ("done", "failed", "left", "requests")}
    return counts | {name: known.get(name) for name in ("waiting_for", "until")}
