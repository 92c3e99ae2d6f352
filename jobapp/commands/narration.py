"""The events of a call in plain words, for people who watch it."""

from __future__ import annotations

from datetime import datetime

from jobapp.commands.output import name_of_models, until_text
from jobapp.core import events
from jobapp.core.failures import WORDS
from jobapp.core.types import Kind


def tell(event: events.Event, now: datetime) -> str | None:
    """Return what *event* means for a person who waits, ``None`` where it is of no interest."""
    match event:
        case events.AttemptFailed(provider, model, verdict=verdict) if verdict.kind is Kind.UNAVAILABLE:
            return f"{provider} {model} did not answer: {verdict.reason}"
        case events.KeyBlocked(block):
            until = until_text(block.until, now)
            return f"{block.key_name} ({name_of_models(block.model)}): {WORDS[block.kind]} until {until}"
        case events.Waiting(key=key, seconds=seconds):
            return f"waiting {seconds:.1f} s for {key or 'the first free key'}"
        case events.KeyRotated(key=key):
            return f"going on with {key}"
        case events.FellBack(provider, model):
            return f"falling back to {provider} {model}"
        case _:
            return None
