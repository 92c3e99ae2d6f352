"""Which blocks follow from a verdict, for which keys and until when. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from jobapp.domain.quota_reset import block_end
from jobapp.domain.types import FREE_MODELS, ApiKey, Block, BlockId, Kind, Scope, Verdict
from jobapp.pool.blocks import Blocks

BLOCKING = frozenset({Kind.RATE_LIMIT, Kind.QUOTA, Kind.AUTH})
"""The kinds of rejection that say something of the key."""

PATIENT_STREAK = 12
"""Rejections in a row that are still taken for one busy minute."""

LONGEST_COOLDOWN = 3600.0
"""Seconds; a key that may be spent is tried again each hour."""

NEWS = timedelta(minutes=1)
"""A block that is longer than the one in force by less than this tells nothing new."""


class BlockRules:
    """The rules for one provider's keys.

    Args:
        provider: Its name.
        zone: The IANA zone in whose midnight its day ends.
        known: The blocks that are known.
    """

    def __init__(self, provider: str, zone: str, known: Blocks) -> None:
        self._provider = provider
        self._zone = zone
        self._known = known

    def blocks(
        self,
        key: ApiKey,
        model: str,
        verdict: Verdict,
        now: datetime,
        keys: Sequence[ApiKey],
        cooldown: float | None = None,
    ) -> tuple[Block, ...]:
        """Return the blocks that follow from *verdict*, those in force that say the same left out.

        Args:
            key: The key that was rejected.
            model: The model that was asked.
            verdict: What the rejection means.
            now: Aware UTC.
            keys: All keys of the provider: a group shares its quotas.
            cooldown: Seconds for which a busy minute is waited; left out, what the verdict says.
        """
        if verdict.kind not in BLOCKING:
            return ()
        blocks = (self._block(each, model, verdict, now, cooldown) for each in _group_of(key, verdict, keys))
        return tuple(block for block in blocks if not self._is_old_news(block))

    def streak(self, key: ApiKey, model: str, verdict: Verdict, now: datetime) -> int:
        """Return how many times in a row *key* was rejected so before.

        A rejection while a block is in force is of a request that was already on its way: it is the same one.
        """
        known = self._known.last(self._id(key, model, verdict), verdict.kind)
        if known is None:
            return 0
        return known.streak - 1 if known.until > now else known.streak

    def _block(
        self, key: ApiKey, model: str, verdict: Verdict, now: datetime, cooldown: float | None
    ) -> Block:
        streak = self.streak(key, model, verdict, now) + 1
        if verdict.kind is Kind.RATE_LIMIT and cooldown is not None:
            until = now + timedelta(seconds=_escalated(cooldown, verdict, streak))
        else:
            until = block_end(verdict, now, zone=self._zone, streak=streak)
        return Block(
            provider=self._provider,
            fingerprint=key.fingerprint,
            model=self._id(key, model, verdict)[2],
            kind=verdict.kind,
            until=until,
            since=now,
            reason=f"{verdict.rule}: {verdict.reason}",
            key_name=key.name,
            streak=streak,
        )

    def _is_old_news(self, block: Block) -> bool:
        """Return whether a rejection that was on its way says what a block in force says already."""
        known = self._known.last(block.id, block.kind)
        in_force = known is not None and known.until > block.since and block.kind is not Kind.RATE_LIMIT
        return in_force and known is not None and block.until - known.until < NEWS

    def _id(self, key: ApiKey, model: str, verdict: Verdict) -> BlockId:
        pools = {Scope.KEY: None, Scope.MODEL: model or None, Scope.FREE_MODELS: FREE_MODELS}
        return (self._provider, key.fingerprint, pools[verdict.scope])


def _group_of(key: ApiKey, verdict: Verdict, keys: Sequence[ApiKey]) -> Iterable[ApiKey]:
    """Return the keys that a verdict on *key* is true of: a group shares its quotas, not its bad keys."""
    if key.group is None or verdict.kind is Kind.AUTH:
        return (key,)
    return (member for member in keys if member.group == key.group)


def _escalated(cooldown: float, verdict: Verdict, streak: int) -> float:
    """Return the seconds to cool: longer each time where nobody says how long and the key never answers.

    A busy minute without any mark may be a spent day.
    """
    if verdict.retry_after is not None or streak <= PATIENT_STREAK:
        return cooldown
    return min(LONGEST_COOLDOWN, cooldown * 2.0 ** (streak - PATIENT_STREAK))
