"""Whose key a request brings, and the same request's headers with another. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, MutableMapping
from urllib.parse import parse_qsl, urlencode

from jobapp.domain.redaction import redact, without

PLACEHOLDER = "keys-are-below"
"""What SDKs are given for a key where the transport has the keys."""

HEADERS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "api-key"})
QUERY = "key"

ACCOUNT_HEADERS = frozenset({"openai-organization", "openai-project"})
"""Headers that fit the account of one key only."""

Headers = list[tuple[str, str]]


def credentials_in(headers: Mapping[str, str], query: str) -> list[str]:
    """Return every credential of a request (*headers* with lower-case names), without its scheme."""
    told = [headers[name].rpartition(" ")[2] for name in HEADERS if name in headers]
    return told + [value for name, value in parse_qsl(query) if name == QUERY] if query else told


def is_callers_own(credentials: Iterable[str], ours: Collection[str]) -> bool:
    """Return whether a request brings a real credential that is none of *ours*; stand-ins are none."""
    return any(each != PLACEHOLDER and each not in ours and _looks_real(each) for each in credentials)


def _looks_real(text: str) -> bool:
    """Return whether *text* may be a key or a token: of a known shape, or long."""
    return redact(text) != text or len(text) >= 32  # noqa: PLR2004 - a stand-in is a word or two


def header_for(headers: Mapping[str, str], usual: str) -> str:
    """Return the header for the key: that in which a request has its stand-in, else the *usual* one.

    SDKs change it (anthropic 2.14 sends keys as ``authorization``), and a provider may have several
    interfaces.
    """
    found = [name for name in HEADERS if name in headers]
    return found[0] if len(found) == 1 else usual


def put_key(headers: MutableMapping[str, str], name: str, secret: str) -> None:
    """Take every credential out of *headers* and put the one of *secret* in.

    Args:
        headers: Of the copy of the SDK's request, which know no case.
        name: The header in which the provider wants its key.
        secret: The key.
    """
    for each in HEADERS:
        if each in headers:
            del headers[each]
    headers[name] = f"Bearer {secret}" if name == "authorization" else secret


def unnamed(headers: Iterable[tuple[str, str]], content: bytes, secret: str) -> tuple[Headers, bytes]:
    """Return what goes up of a rejection, without *secret*: some providers repeat the key they reject."""
    plain = without(content.decode("latin-1"), secret).encode("latin-1")  # gives every byte back
    return [(name, without(value, secret)) for name, value in headers], plain


def query_without_key(query: str) -> str:
    """Return *query* without ``key=…``; untouched where there is none."""
    pairs = parse_qsl(query, keep_blank_values=True)
    if all(name != QUERY for name, _ in pairs):
        return query
    return urlencode([(name, value) for name, value in pairs if name != QUERY])
