"""The events of a call in plain words, for people who watch it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from jobapp.commands.output import note
from jobapp.domain import events
from jobapp.domain.clock import Clock
from jobapp.domain.types import Kind
from jobapp.domain.wording import BLOCK_WORDS, name_of_models, until_text


def narrator(clock: Clock) -> Callable[[events.Event], None]:
    """Return a listener that tells on stderr what a person waits for."""

    def listen(event: events.Event) -> None:
        told = tell(event, clock.now())
        if told:
            note(f"jobapp: {told}")

    return listen


def tell(event: events.Event, now: datetime) -> str | None:
    """Return what *event* means for a person who waits, ``None`` where it is of no interest."""
    match event:
        case events.AttemptFailed(provider=provider, model=model, verdict=verdict) if (
            verdict.kind is Kind.UNAVAILABLE
        ):
            return f"{provider} {model} did not answer: {verdict.reason}"
        case events.KeyBlocked(block=block):
            until = until_text(block.until, now)
            return (
                f"{block.key_name} ({name_of_models(block.model)}): {BLOCK_WORDS[block.kind]} until {until}"
            )
        case events.Waiting(key=key, seconds=seconds):
            return f"waiting {seconds:.1f} s for {key or 'the first free key'}"
        case events.KeyRotated(key=key):
            return f"going on with {key}"
        case events.FellBack(provider=provider, model=model):
            return f"falling back to {provider} {model}"
        case _:
            return None
