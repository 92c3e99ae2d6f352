"""What a rejection that no rule knows looks like, and the row that would make it known. Pure.

A form is what is alike in every rejection of its kind: who said it, its status and codes, and the provider's
words without what they quote and without numbers. Two rejections of one form want one row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from jobapp.classification.evidence import Evidence, read_evidence
from jobapp.classification.rule import Mark
from jobapp.classification.rules import RULES, UNKNOWN
from jobapp.domain.patterns import compiled
from jobapp.domain.redaction import MASK, redact
from jobapp.domain.types import ErrorFacts, Verdict

UNEXPLAINED = "too-many-requests"
"""The row that judges a 429 by its status alone: a minute is taken for granted."""

_LIMIT_WORDS = next(rule for rule in RULES if rule.id == "rate-limit-words")

MOST_WORDS = 300
"""Characters of a form's words."""

MOST_PATTERN = 80
"""Characters of words that a suggested pattern holds, about."""


@dataclass(frozen=True, slots=True)
class UnknownForm:
    """A kind of rejection that no rule knows.

    Attributes:
        provider: Canonical name, ``""`` where nobody said.
        status: The HTTP status, or ``none``.
        code: The provider's code, ``""`` without one.
        words: The provider's words, without keys and without what they quote.
        kind: What it was taken for, as :class:`~jobapp.domain.types.Kind` spells it.
    """

    provider: str
    status: str
    code: str
    words: str
    kind: str

    @property
    def identity(self) -> str:
        """What it shares with other rejections of its kind."""
        return f"{self.provider} {self.status} {self.code} {compiled(_VARYING).sub('#', self.words)}"


def unknown_form(facts: ErrorFacts, verdict: Verdict, secrets: Iterable[str] = ()) -> UnknownForm | None:
    """Return the form of a rejection that no rule knew, ``None`` where one did or where nothing was said.

    No rule knew it where the verdict is ``unknown``, and where a 429 was judged by its status alone although
    it says something, tells no wait, and has no word of a limit.

    Args:
        facts: What the rejection told.
        verdict: What it was taken for.
        secrets: Keys that must not be in it, however they look.
    """
    guessed = verdict.rule == UNEXPLAINED and verdict.retry_after is None
    if verdict.rule != UNKNOWN.id and not guessed:
        return None
    seen = read_evidence(facts)
    if _LIMIT_WORDS.matches(facts.provider, seen.marks):
        return None
    secrets = tuple(secrets)
    words = redact(next(iter(seen.marks.get(Mark.MESSAGE, ())), ""), secrets)[:MOST_WORDS]
    code = redact(_code(seen), secrets)
    if not words and not code:
        return None
    status = next(iter(seen.marks.get(Mark.STATUS, ())), "none")
    return UnknownForm(facts.provider, status, code, words, str(verdict.kind))


def suggested_row(form: UnknownForm) -> str:
    """Return a row for the ``rules`` of a YAML file that matches *form*; its kind is a person's to decide."""
    name = (
        compiled(r"[^a-z0-9]+").sub("-", f"my-{form.provider}-{form.code or form.status}".lower()).strip("-")
    )
    if form.code:
        where, pattern = "[code, type]", f"^{re.escape(form.code)}$"
    else:
        where, pattern = "message", _pattern(form.words)
    lines = [
        f"- id: {name}",
        f"  kind: {form.kind}  # or what it is: rate_limit, quota, auth, unavailable, request",
        f"  where: {where}",
        f"  pattern: {_quoted(pattern)}",
    ]
    if form.provider:
        lines.append(f"  providers: {_quoted(form.provider)}")
    return "\n".join(lines)


_VARYING = r"\b(?=[\w-]*\d)[\w-]+"
"""A word with a digit in it: an amount, a date, an id."""


def _code(seen: Evidence) -> str:
    """Return the first code that is a name; a number that repeats the status tells nothing."""
    for place in (Mark.CODE, Mark.TYPE):
        for code in seen.marks.get(place, ()):
            if code != str(seen.status) and compiled(r"[\w.-]{3,80}").fullmatch(code):
                return code
    return ""


def _pattern(words: str) -> str:
    """Return a regular expression for the longest piece of *words* that stays alike."""
    words = "".join(sign if sign.isprintable() else "\n" for sign in words)
    pieces = compiled(rf"{re.escape(MASK)}|\n|{_VARYING}").split(words)
    longest = max((piece.strip(" .,:;()[]") for piece in pieces), key=len)
    if len(longest) > MOST_PATTERN:
        longest = longest[:MOST_PATTERN].rpartition(" ")[0] or longest[:MOST_PATTERN]
    return " ".join(map(re.escape, longest.split(" "))) or "."


def _quoted(text: str) -> str:
    """Return *text* as YAML that takes it as it is."""
    return "'" + text.replace("'", "''") + "'"
