"""What a rule of the classifier is: a row of the table, and the places it looks in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from jobapp.core.types import EMPTY, Kind, Scope


class Place(StrEnum):
    """Where in a refusal a rule looks; structure first, the provider's own words last."""

    LIMIT_SOURCE = "limit_source"
    """OpenRouter's ``metadata.limit_source``."""
    ERROR_TYPE = "error_type"
    """OpenRouter's ``error_type``."""
    CODE = "code"
    """``code``, ``error_code`` and Google's ``status`` names."""
    TYPE = "type"
    """``type`` of the error object."""
    REASON = "reason"
    """Google's ``ErrorInfo.reason``, OpenRouter's ``metadata.reason``."""
    QUOTA_ID = "quota_id"
    """Google's ``quotaId``, ``quotaMetric``, ``quota_limit`` and their values, as ``name=value``."""
    FIELD = "field"
    """Names of telling fields that were present, ``flagged_input`` say."""
    HEADER = "header"
    """HTTP headers, as ``name: value`` in lower case."""
    UPSTREAM = "upstream"
    """What OpenRouter quotes of another provider (``metadata.raw``)."""
    MESSAGE = "message"
    """The provider's own words, without quotations and names of models."""
    STATUS = "status"
    """The HTTP status, three digits."""
    WAIT = "wait"
    """How long the provider asks us to wait: ``none``, ``short`` or ``long`` (an hour and more)."""
    SHAPE = "shape"
    """``html``, ``empty``, ``stream``: what the body is where that tells something."""
    EXCEPTION = "exception"
    """Class names of the exception."""


class Reset(StrEnum):
    """How the return of what is spent is computed, where the rule's kind is QUOTA."""

    STATED = "stated"
    """At the instant the provider stated, else at its next midnight."""
    ROLLING = "rolling"
    """After the delay it told, doubled with each refusal in a row (OpenAI's and Groq's days)."""
    GEMINI_DAY = "gemini_day"
    """After the told delay if it is 10 minutes and more; else at 00:00 UTC or Pacific midnight."""
    UTC_MIDNIGHT = "utc_midnight"
    """At the stated instant, else at the next 00:00 UTC."""
    MONTH = "month"
    """At the stated instant, else on the first of the next month, 00:00 UTC."""
    NOT_ENTITLED = "not_entitled"
    """Never by waiting: ask again after a day."""
    PAYMENT = "payment"
    """At the stated instant, else when a person pays: ask again at the provider's next midnight."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: what a mark means, and where it is looked for.

    Attributes:
        id: Its name, in verdicts, logs and states.
        kind: What it means.
        scope: How much of the key it covers.
        reason: The same for people, a few words.
        where: The places to look in; one that matches is enough.
        pattern: A regular expression, searched without regard to case.
        source: Where the fact is from, with a date.
        also: Places that must match too.
        unless: Places that must not match.
        providers: The providers it is about; empty means all.
        reset: How the return is computed.
    """

    id: str
    kind: Kind
    scope: Scope
    reason: str
    where: tuple[Place, ...]
    pattern: str
    source: str
    also: Mapping[Place, str] = EMPTY
    unless: Mapping[Place, str] = EMPTY
    providers: tuple[str, ...] = ()
    reset: Reset = Reset.STATED

    def matches(self, provider: str, marks: Mapping[Place, Sequence[str]]) -> bool:
        """Tell whether *marks* of *provider*'s refusal are what this rule is about."""
        return (
            (not self.providers or provider in self.providers)
            and any(_found(self.pattern, marks.get(place, ())) for place in self.where)
            and all(_found(pattern, marks.get(place, ())) for place, pattern in self.also.items())
            and not any(_found(pattern, marks.get(place, ())) for place, pattern in self.unless.items())
        )


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _found(pattern: str, texts: Sequence[str]) -> bool:
    return bool(texts) and any(map(_compiled(pattern).search, texts))
