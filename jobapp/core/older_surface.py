"""The key manager as the older program knew it: by names of variables and texts of errors.

Nothing in jobapp needs these methods. They are kept for programs that were written for them, and stand on
what :class:`jobapp.core.api_key_manager.APIKeyManager` does for a call.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from jobapp.domain.clock import Clock
from jobapp.domain.exceptions import ConfigError
from jobapp.domain.key_status import KeyStatus
from jobapp.domain.types import ApiKey, Block, ErrorFacts, Kind, Verdict
from jobapp.pool.block_rules import BLOCKING

if TYPE_CHECKING:
    from jobapp.stores.store import QuotaStore

_OUTCOMES = {Kind.QUOTA: "quota_exhausted", Kind.RATE_LIMIT: "rate_limited"}


class OlderSurface:
    """What programs written for the older jobapp ask of a key manager."""

    provider_name: str
    keys: tuple[ApiKey, ...]
    clock: Clock
    store: QuotaStore

    def statuses(self, model: str | None = None) -> list[KeyStatus]:
        """Return what is known of each key."""
        raise NotImplementedError

    def judge(self, facts: ErrorFacts) -> Verdict:
        """Return what a rejection means."""
        raise NotImplementedError

    def set_aside(self, key: ApiKey, model: str, verdict: Verdict) -> None:
        """Remember what *verdict* says of *key*."""
        raise NotImplementedError

    def sweep(self) -> None:
        """Drop what expired so long ago that it is of no use."""
        raise NotImplementedError

    @property
    def current_key_env(self) -> str | None:
        """The name of the key that the next call takes."""
        return self.get_next_key_env()

    @property
    def failed_keys(self) -> set[str]:
        """The names of the keys that are set aside because they were not accepted."""
        return {line.key for line in self.statuses() if line.state == Kind.AUTH}

    @property
    def quota_exhausted_keys(self) -> dict[str, datetime]:
        """The names of the keys whose quota is spent, with the aware UTC time at which it returns."""
        spent = (line for line in self.statuses() if line.state == Kind.QUOTA)
        return {line.key: line.until for line in spent if line.until is not None}

    def get_next_key_env(self) -> str | None:
        """Return the name of the first key that is free for every model, or ``None``."""
        return next((key.name for key in self.keys if self.is_key_available(key.name)), None)

    def is_key_available(self, key_env: str) -> bool:
        """Return whether nothing keeps the key of that name from being asked."""
        return any(line.key == key_env and line.state == "free" for line in self.statuses())

    def get_quota_status(self) -> dict[str, str]:
        """Return the state of each key name: ``available``, ``failed``, ``quota_exhausted_until_<UTC>``."""
        return {line.key: _status_word(line) for line in reversed(self.statuses())}

    def is_rate_limit_error(self, error: BaseException | str) -> bool:
        """Return whether *error* means a busy minute (RPM)."""
        return self._meaning(error).kind is Kind.RATE_LIMIT

    def is_quota_exhausted_error(self, error: BaseException | str) -> bool:
        """Return whether *error* means a spent day, month or balance (RPD)."""
        return self._meaning(error).kind is Kind.QUOTA

    def handle_api_error(self, error: BaseException | str, key_env: str) -> str:
        """Remember what *error* says of the key: ``quota_exhausted``, ``rate_limited`` or ``failed``.

        A faulty request and an overloaded server are ``failed`` too, but leave no mark on the key.
        """
        verdict = self._meaning(error)
        if verdict.kind in BLOCKING:
            self._mark(key_env, verdict)
        return _OUTCOMES.get(verdict.kind, "failed")

    def mark_key_failed(self, key_env: str) -> None:
        """Set the key of that name aside for an hour."""
        self._mark(key_env, Verdict(Kind.AUTH, rule="marked-by-caller", reason="marked as failed"))

    def mark_key_quota_exhausted(self, key_env: str, error: BaseException | str | None = None) -> None:
        """Set the key of that name aside until its quota returns, as *error* tells or at the next reset."""
        verdict = None if error is None else self._meaning(error)
        if verdict is None or verdict.kind is not Kind.QUOTA:
            verdict = Verdict(Kind.QUOTA, rule="marked-by-caller", reason="marked as spent")
        self._mark(key_env, verdict)

    def force_quota_reset_check(self) -> None:
        """Sweep what has expired now, although it was done in this session."""
        self.sweep()

    def reset_quota_only(self) -> tuple[Block, ...]:
        """Clear this provider's exhausted keys; failed ones stay set aside."""
        from jobapp.stores.state import Reset

        return self.store.reset(Reset(self.clock.now(), provider=self.provider_name, kind=Kind.QUOTA))

    def _meaning(self, error: BaseException | str) -> Verdict:
        from jobapp.classification.exception_facts import read_exception

        return self.judge(read_exception(error, self.provider_name))

    def _mark(self, key_env: str, verdict: Verdict) -> None:
        key = next((key for key in self.keys if key.name == key_env), None)
        if key is None:
            known = ", ".join(key.name for key in self.keys)
            raise ConfigError(f"{key_env}: is not a key of this manager, which has {known}")
        self.set_aside(key, "", verdict)


def _status_word(line: KeyStatus) -> str:
    match line.state:
        case "free":
            return "available"
        case Kind.AUTH:
            return "failed"
        case Kind.QUOTA:
            return f"quota_exhausted_until_{line.until:%Y-%m-%dT%H:%MZ}"
        case _:
            return f"rate_limited_until_{line.until:%Y-%m-%dT%H:%M:%SZ}"
