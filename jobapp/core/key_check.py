"""One key asked for what costs no quota, and what its answer teaches.

Sources, 2026-11-23: the providers' API references (lists of models), openrouter 1.3.84 (``/api/v1/key``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from jobapp.classification.exception_facts import read_exception
from jobapp.classification.rules import UNKNOWN
from jobapp.core.api_key_manager import APIKeyManager
from jobapp.domain.clock import Clock
from jobapp.domain.key_status import KeyStatus
from jobapp.domain.redaction import redact
from jobapp.domain.settings import ProviderSettings
from jobapp.domain.types import EMPTY, ApiKey, ErrorFacts, Kind, Scope, Verdict
from jobapp.domain.wording import KIND_WORDS, name_of_models, until_text
from jobapp.providers import azure
from jobapp.stores.state import Reset

SIDE_BY_SIDE = 16
"""Requests at once."""

TIMEOUT = 15.0
"""Seconds for one request."""

TELLING_NOTHING = {UNKNOWN.id, "permission-words"}
"""Rules that tell nothing of the key here: a restricted key of OpenAI may answer, and may list no models."""

NO_LIMIT_LEFT = Verdict(Kind.QUOTA, rule="check-key-limit", reason="nothing is left of the key's limit")
NO_FREE_DAY_LEFT = Verdict(
    Kind.QUOTA,
    Scope.FREE_MODELS,
    rule="check-free-day",
    reason="the day's requests of all free models are spent",
)


class State(StrEnum):
    """What was found of a key."""

    GOOD = "good"
    BAD = "bad"
    SPENT = "spent"
    UNREACHABLE = "unreachable"
    UNCLEAR = "unclear"


STATES = {Kind.AUTH: State.BAD, Kind.QUOTA: State.SPENT, Kind.UNAVAILABLE: State.UNREACHABLE}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one key.

    Attributes:
        provider: The provider's name.
        key: The key's name.
        state: What was found.
        reason: Why, for people; empty for a key that is free.
        rule: Which rule says so; empty for an answer.
        until: Aware UTC until when it is not asked; ``None`` where it may be.
        remaining: What the provider tells is left, by its own names.
        left: The same for people.
    """

    provider: str
    key: str
    state: State
    reason: str
    rule: str = ""
    until: datetime | None = None
    remaining: Mapping[str, Any] = field(default_factory=dict)
    left: str = ""


Managed = tuple[APIKeyManager, ProviderSettings]
"""One provider's keys, and where they are sent."""


def check_all(managers: Iterable[Managed], provider: str | None, clock: Clock) -> list[Finding]:
    """Ask with each key once for each address it is sent to, and return what was found, in order.

    Args:
        managers: The keys.
        provider: Only this provider's keys; ``None`` for all.
        clock: The time.
    """
    found: dict[tuple[str, str | None, str], tuple[APIKeyManager, ProviderSettings, ApiKey]] = {}
    for manager, settings in managers:
        for key in manager.keys if provider in (None, settings.name) else ():
            site = (settings.name, settings.base_url, key.fingerprint)
            found.setdefault(site, (manager, settings, key))
    if not found:
        return []
    import httpx

    with httpx.Client() as client, ThreadPoolExecutor(min(SIDE_BY_SIDE, len(found))) as threads:
        return list(threads.map(partial(_check, client, clock), found.values()))


def _check(client: Any, clock: Clock, site: tuple[APIKeyManager, ProviderSettings, ApiKey]) -> Finding:
    return check_key(client, *site, clock)


def check_key(
    client: Any, manager: APIKeyManager, settings: ProviderSettings, key: ApiKey, clock: Clock
) -> Finding:
    """Ask with one key, remember what that teaches, and return it.

    Args:
        client: An ``httpx.Client``, which follows no redirect with a key.
        manager: The provider's keys.
        settings: Where the provider is.
        key: The key.
        clock: The time.
    """
    url, headers = request_of(settings, key)
    try:
        response = client.get(url, headers=headers, timeout=TIMEOUT)
        body = _body(response)
    except Exception as error:  # noqa: BLE001 - whatever went wrong on the way, it is no answer
        verdict = manager.judge(read_exception(error, manager.provider_name))
        return Finding(manager.provider_name, key.name, State.UNREACHABLE, verdict.reason, verdict.rule)
    if response.is_success and isinstance(body, Mapping) and {"data", "models"} & body.keys():
        return _accepted(manager, key, body.get("data"), clock.now())
    facts = ErrorFacts(manager.provider_name, response.status_code, dict(response.headers), body)
    found = _rejected(manager, key, manager.judge(facts))
    if found.state in {State.UNCLEAR, State.UNREACHABLE}:
        address = redact(url.partition("?")[0])
        return replace(found, reason=f"{found.reason} (HTTP {response.status_code} from {address})")
    return found


def request_of(settings: ProviderSettings, key: ApiKey) -> tuple[str, dict[str, str]]:
    """Return address and headers of the request that costs no quota."""
    base = (key.base_url or settings.base_url or "").rstrip("/")
    if azure.is_azure(settings.name, base, key):
        models = (
            f"{azure.root_of(base)}/models?api-version={key.api_version}"
            if key.api_version
            else f"{base}/models"
        )
        return models, {azure.KEY_HEADER: key.secret}
    match settings.name:
        case "anthropic":
            return f"{base}/v1/models?limit=1", {"x-api-key": key.secret, "anthropic-version": "2023-06-01"}
        case "google":
            return f"{base}/v1beta/models?pageSize=1", {"x-goog-api-key": key.secret}
        case "openrouter":
            return f"{base}/key", {"authorization": f"Bearer {key.secret}"}
        case _:
            return f"{base}/models", {"authorization": f"Bearer {key.secret}"}


def _body(response: Any) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text


def _rejected(manager: APIKeyManager, key: ApiKey, verdict: Verdict) -> Finding:
    """Return what a rejection tells; what is true of the whole key is remembered."""
    about = (manager.provider_name, key.name)
    state = State.UNCLEAR if verdict.rule in TELLING_NOTHING else STATES.get(verdict.kind, State.UNCLEAR)
    if state is State.UNREACHABLE:
        return Finding(*about, state, verdict.reason, verdict.rule)
    if state is State.UNCLEAR or verdict.scope is not Scope.KEY:
        return Finding(*about, State.UNCLEAR, verdict.reason, verdict.rule)
    _remember(manager, key, verdict)
    ends = [line.until for line in _lines(manager, key) if line.until and line.model is None]
    return Finding(*about, state, verdict.reason, verdict.rule, max(ends, default=None))


def _accepted(manager: APIKeyManager, key: ApiKey, told: Any, now: datetime) -> Finding:
    """Return what an answer tells: the key is no bad one, and at OpenRouter what is left of it."""
    told = told if isinstance(told, Mapping) else EMPTY
    if any(line.state == Kind.AUTH and line.model is None for line in _lines(manager, key)):
        manager.store.reset(Reset(now, manager.provider_name, key.fingerprint, Kind.AUTH))
    for verdict in _exhausted(told):
        _remember(manager, key, verdict)
    lines = [line for line in _lines(manager, key) if line.until is not None]
    whole = next((line for line in lines if line.model is None and line.state == Kind.QUOTA), None)
    remaining = {
        name: told[name] for name in ("limit_remaining", "free_model_daily_requests") if name in told
    }
    if whole is not None:
        rule, _, reason = whole.reason.partition(": ")
        return Finding(
            manager.provider_name, key.name, State.SPENT, reason, rule, whole.until, remaining, _left(told)
        )
    reason = "; ".join(_block_text(line, now) for line in lines)
    return Finding(manager.provider_name, key.name, State.GOOD, reason, remaining=remaining, left=_left(told))


def _exhausted(told: Mapping[str, Any]) -> list[Verdict]:
    limit_left, free = told.get("limit_remaining"), told.get("free_model_daily_requests")
    free_left = free.get("remaining") if isinstance(free, Mapping) else None
    pairs = ((limit_left, NO_LIMIT_LEFT), (free_left, NO_FREE_DAY_LEFT))
    return [verdict for left, verdict in pairs if isinstance(left, int | float) and left <= 0]


def _left(told: Mapping[str, Any]) -> str:
    """Return what OpenRouter says is left, for people."""
    parts = []
    if isinstance(told.get("limit_remaining"), int | float):
        parts.append(f"${told['limit_remaining']:.2f} left of its limit")
    elif "limit_remaining" in told:
        parts.append("no limit of its own")
    free = told.get("free_model_daily_requests")
    if isinstance(free, Mapping):
        parts.append(f"{free.get('remaining')} of {free.get('limit')} free requests left today")
    return ", ".join(parts)


def _block_text(line: KeyStatus, now: datetime) -> str:
    until = until_text(line.until, now) if line.until else ""
    return f"{name_of_models(line.model)}: {KIND_WORDS[Kind(line.state)]} until {until}"


def _lines(manager: APIKeyManager, key: ApiKey) -> list[KeyStatus]:
    return [line for line in manager.statuses() if line.key == key.name]


def _remember(manager: APIKeyManager, key: ApiKey, verdict: Verdict) -> None:
    manager.set_aside(key, "", verdict)
