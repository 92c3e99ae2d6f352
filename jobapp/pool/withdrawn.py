"""Models that their provider has withdrawn, or never had: known for a while, for all keys. No I/O.

Some rejections leave open whether the model is not there, or only not for this key. Then it is withdrawn when
each key has said so; where another key is answered, those that said so lack access.

What is known of a model is a block of :data:`~jobapp.domain.types.EVERY_KEY`. It keeps no key from
anything: while it holds, a call that has a fallback asks that first. When it has ended, one call of each
process asks for the model again, and the others leave it alone until that call is back, or :data:`PROBE`
has passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from jobapp.domain.quota_reset import WITHDRAWN_MODEL
from jobapp.domain.types import EVERY_KEY, ApiKey, Block, BlockId, Kind, Scope, Verdict

MAY_BE_THE_KEY = frozenset({"unknown-model-or-no-access"})
"""The rules of :mod:`jobapp.classification` that say so of a model, or only of this key for it."""

RULES = frozenset({"unknown-model", "unknown-model-words", *MAY_BE_THE_KEY})
"""Those that speak of a model, or of an address: the words tell which."""

NO_ACCESS = Verdict(
    Kind.AUTH,
    Scope.MODEL,
    rule="unknown-model-or-no-access",
    reason="this key may not use this model; another may",
)

MOST_MODELS = 1000
"""So many models are kept in mind of which some keys said so."""

FIRST = timedelta(minutes=10)
"""How long it is believed at first; twice as long each time it is confirmed."""

PROBE = timedelta(minutes=1)
"""So long one call may take to ask again."""

Blocks = Mapping[BlockId, Block]


class WithdrawnModels:
    """What is known of one provider's withdrawn models.

    Args:
        provider: Its name.
    """

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._probed_at: dict[str, datetime] = {}
        self._answered_at: dict[str, datetime] = {}
        self.said: dict[str, set[str]] = {}
        """The fingerprints of the keys that may lack access to a model."""

    def is_said_by_all(self, model: str, verdict: Verdict, key: ApiKey, keys: Iterable[ApiKey]) -> bool:
        """Return whether a rejection of *key* is true of all *keys*: by its words, or since each has said so.

        A group is one account.
        """
        if verdict.rule not in MAY_BE_THE_KEY:
            return True
        if len(self.said) >= MOST_MODELS:
            self.said.clear()
        said = self.said.setdefault(model, set())
        said.update({key.fingerprint, *({key.group} if key.group else ())})
        if not all(each.fingerprint in said or each.group in said for each in keys):
            return False
        del self.said[model]  # who asks again when the time is over asks all
        return True

    def lack_access(self, model: str, key: ApiKey, keys: Iterable[ApiKey]) -> list[ApiKey]:
        """Return, once, those of *keys* that lack access to a model, for *key* was answered."""
        said = self.said.pop(model, set())
        return [each for each in keys if each.fingerprint in said and each.fingerprint != key.fingerprint]

    def learn(self, model: str, verdict: Verdict, blocks: Blocks, now: datetime) -> tuple[Block, ...]:
        """Return the block that follows from a rejection, where it says that there is no such model."""
        if verdict.rule not in RULES or not _is_about(model, verdict.message):
            return ()
        known = self._known(model, blocks)
        if known is not None and known.until > now:
            return ()
        streak = known.streak + 1 if known else 1
        self._probed_at.pop(model, None)
        reason = f"{verdict.rule}: {verdict.reason}"
        until = now + min(WITHDRAWN_MODEL, FIRST * 2 ** min(streak - 1, 20))
        return (Block(self._provider, EVERY_KEY, model, Kind.REQUEST, until, now, reason, EVERY_KEY, streak),)

    def leaves_to_others(self, model: str, blocks: Blocks, now: datetime) -> bool:
        """Return whether a call does better to ask another model; the first after the block's end does not.

        That one is taken to ask for the model, whatever else it does.
        """
        known = self._known(model, blocks)
        if known is None:
            return False
        if known.until > now:
            return True
        probed_at = self._probed_at.get(model)
        if probed_at is not None and probed_at <= now < probed_at + PROBE:
            return True
        self._probed_at[model] = now
        return False

    def answered(self, model: str, blocks: Blocks, now: datetime) -> None:
        """Note that the model has answered: it is there."""
        if self._known(model, blocks):
            self._answered_at[model] = now
            self._probed_at.pop(model, None)

    def in_force(self, blocks: Blocks, now: datetime) -> list[Block]:
        """Return the blocks of models that are believed to be withdrawn."""
        mine = (block for block in blocks.values() if block.fingerprint == EVERY_KEY)
        known = (self._known(block.model or "", blocks) for block in mine if block.provider == self._provider)
        return [block for block in known if block is not None and block.until > now]

    def _known(self, model: str, blocks: Blocks) -> Block | None:
        block = blocks.get((self._provider, EVERY_KEY, model))
        answered_at = self._answered_at.get(model)
        return None if block is None or (answered_at is not None and answered_at >= block.since) else block


def is_every_keys(blocks: Iterable[Block]) -> bool:
    """Return whether one of *blocks* says that a model is withdrawn."""
    return any(block.fingerprint == EVERY_KEY for block in blocks)


def _is_about(model: str, words: str) -> bool:
    """Return whether a rejection speaks of the model, and not of a file, an assistant or an address."""
    told = words.lower()
    return bool(model) and (model.lower().rpartition("/")[2] in told or "deployment" in told)
