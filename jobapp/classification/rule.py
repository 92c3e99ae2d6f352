"""What a rule of the classifier is: a row of the table, and the places it looks in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from jobapp.domain.patterns import compiled
from jobapp.domain.types import Kind, Scope


class Mark(StrEnum):
    """Where in a rejection a rule looks."""

    CODE = "code"
    """``code``, ``error_code`` and the names that Google gives as ``status``."""
    TYPE = "type"
    """``type`` of the error, or Amazon's ``x-amzn-errortype``."""
    ERROR_TYPE = "error_type"
    """OpenRouter's ``error_type``."""
    REASON = "reason"
    """``reason`` in Google's details and in OpenRouter's metadata."""
    QUOTA_ID = "quota_id"
    """The quota's name at Google (``quotaId``, ``quota_limit``, ``quotaMetric``), as ``field=name``."""
    LIMIT_SOURCE = "limit_source"
    """OpenRouter's ``limit_source``: whose limit it is."""
    FIELD = "field"
    """Names of fields whose presence tells something, ``flagged_input`` say."""
    HEADER = "header"
    """HTTP headers, as ``name: value`` with the name in lower case."""
    MESSAGE = "message"
    """The provider's own words, without what they quote and without names of models."""
    UPSTREAM = "upstream"
    """What OpenRouter repeats of the provider behind it (``metadata.raw``)."""
    STATUS = "status"
    """The HTTP status, or ``none``."""
    WAIT = "wait"
    """The wait that was asked for: ``none``, ``short``, or ``long`` from an hour on."""
    SHAPE = "shape"
    """``html``, ``empty``, ``broken_off`` for an answer that ended in an error, ``above_limit`` or
    ``within_limit`` for the amount that one request asked for."""
    EXCEPTION = "exception"
    """Class names of the exception and its bases."""


class ResetRule(StrEnum):
    """How the return of what is spent is found, for rules of the kind ``quota``."""

    STATED = "stated"
    """At the instant or after the long delay that was stated, else at the provider's next midnight."""
    ROLLING = "rolling"
    """After the stated delay, however short, doubled at each rejection in a row: OpenAI's and Groq's days."""
    GEMINI_DAY = "gemini_day"
    """After the stated delay if it is 10 minutes or more, else at 00:00 UTC, then at Pacific midnight."""
    UTC_MIDNIGHT = "utc_midnight"
    """At the stated instant, else at the next 00:00 UTC."""
    MONTH = "month"
    """At the stated instant, else on the first of the next month, 00:00 UTC."""
    PAYMENT = "payment"
    """At the stated instant, else when a person pays: asked again at the provider's next midnight."""
    NOT_ENTITLED = "not_entitled"
    """Not by waiting: asked again after a day."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table: what a mark means, and where it is looked for.

    Attributes:
        id: Its name in verdicts, logs and states.
        kind: What it means.
        scope: How much of the key it covers.
        reason: The meaning for people, a few words.
        where: The places that are searched; a match in one is enough.
        pattern: A regular expression, searched for without regard to case.
        source: Where the fact is from, with its date.
        also: Further places, each of which must match its pattern.
        unless: Places that must not match theirs.
        providers: Canonical names of the providers it is about; none means all.
        reset: How the return of what is spent is found.
    """

    id: str
    kind: Kind
    scope: Scope
    reason: str
    where: tuple[Mark, ...]
    pattern: str
    source: str
    also: Mapping[Mark, str] = field(default_factory=dict)
    unless: Mapping[Mark, str] = field(default_factory=dict)
    providers: tuple[str, ...] = ()
    reset: ResetRule = ResetRule.STATED

    def matches(self, provider: str, marks: Mapping[Mark, Sequence[str]]) -> bool:
        """Return whether a rejection of *provider* that shows *marks* is what this row is about."""
        return (
            (not self.providers or provider in self.providers)
            and any(_found(self.pattern, marks.get(place, ())) for place in self.where)
            and all(_found(pattern, marks.get(place, ())) for place, pattern in self.also.items())
            and not any(_found(pattern, marks.get(place, ())) for place, pattern in self.unless.items())
        )


def _found(pattern: str, texts: Sequence[str]) -> bool:
    return bool(texts) and any(map(compiled(pattern, re.IGNORECASE).search, texts))
