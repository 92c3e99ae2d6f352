"""The environment of a process that the demo starts: nothing in it is the user's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import jobapp

OWN_VARIABLES = ("OPENAI_", "ANTHROPIC_", "GOOGLE_", "GEMINI_", "OPENROUTER_", "JOBAPP_")


def child_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without a user's keys and settings, and with *environ*."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(OWN_VARIABLES)}
    home = str(Path(jobapp.__file__).parents[1])
    path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    return {**others, **environ, "PYTHONPATH": path}
