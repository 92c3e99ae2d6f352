"""``jobapp explain --unknown``: what no rule knew, each with a row that would make it known."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import fields
from textwrap import fill, indent
from typing import Any

from jobapp.classification.unknown_forms import UnknownForm, suggested_row
from jobapp.commands.exit_codes import OK
from jobapp.commands.output import answer, answer_json
from jobapp.core.config_manager import ConfigManager
from jobapp.core.key_setup import open_unknown_rejections
from jobapp.domain.clock import Clock
from jobapp.domain.exceptions import StateStoreError

INVITATION = (
    "No rule knows this. If you know what it means, put a row below `rules:` in your config.yaml, with the "
    "kind that it is (docs/concepts/errors.md tells kinds and places):"
)


def list_unknown(args: argparse.Namespace, clock: Clock) -> int:
    """Print what no rule knew so far, the oldest first."""
    rejections = open_unknown_rejections(ConfigManager(args.config), clock)
    try:
        rows = rejections.rows()
    except OSError as error:
        raise StateStoreError(f"{rejections.path} can't be read: {error.strerror}") from None
    found = [(str(row.get("at", "")), _form(row)) for row in rows]
    if args.json:
        told = [{"at": at, **_fields(form), "row": suggested_row(form)} for at, form in found]
        answer_json({"file": str(rejections.path), "unknown": told})
    elif not found:
        answer("none: a rule knew every rejection so far")
    else:
        for at, form in found:
            answer(f"{at}  {form.provider or '?'}  HTTP {form.status}  taken for {form.kind}")
            answer(fill(f"{form.code} {form.words}".strip(), 78, initial_indent="  ", subsequent_indent="  "))
        answer("")
        invite([suggested_row(form) for _, form in found])
    return OK


def invite(rows: Sequence[str]) -> None:
    """Print *rows* as they go into the YAML."""
    answer(fill(INVITATION, 78, break_on_hyphens=False))
    answer(indent("\n".join(["rules:", *(indent(row, "  ") for row in _named_apart(rows))]), "  "))


def _named_apart(rows: Sequence[str]) -> list[str]:
    """Return *rows* with a number in each id that is taken: a table refuses two of one id."""
    taken: dict[str, int] = {}
    apart = []
    for row in rows:
        first, _, rest = row.partition("\n")
        taken[first] = taken.get(first, 0) + 1
        apart.append(f"{first}{f'-{taken[first]}' if taken[first] > 1 else ''}\n{rest}")
    return apart


def _form(row: Mapping[str, Any]) -> UnknownForm:
    return UnknownForm(*(str(row.get(field.name, "")) for field in fields(UnknownForm)))


def _fields(form: UnknownForm) -> dict[str, str]:
    return {field.name: getattr(form, field.name) for field in fields(UnknownForm)}
