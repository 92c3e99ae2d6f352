"""What a request will cost in tokens, before its answer tells. No I/O.

::

    input   = characters / characters_per_token        both learnt from the answers of the model, as moving
    output  = usual_output, max_tokens at most         averages; 4 characters a token to begin with

A provider that counts ``max_tokens`` beforehand (OpenAI, rate limits guide, mid-2026: "the maximum of
max_tokens and the estimated number of tokens") is taken at its word.
"""

from __future__ import annotations

from collections.abc import Iterator

from jobapp.limits.meter import Cost
from jobapp.limits.numbers import Fields

CHARACTERS_PER_TOKEN = 4.0
WEIGHT = 0.25
"""Of the newest answer in a moving average."""


_FIELDS = Fields("_per_token", "_output", "_seen")


class TokenEstimate:
    """What requests to one model cost.

    Args:
        reserves_max_tokens: Whether the provider counts ``max_tokens`` before it answers.
    """

    __slots__ = ("_output", "_per_token", "_reserves", "_seen")

    def __init__(self, *, reserves_max_tokens: bool = False) -> None:
        self._reserves = reserves_max_tokens
        self._per_token = CHARACTERS_PER_TOKEN
        self._output = 0.0
        self._seen = False

    @property
    def is_known(self) -> bool:
        """Whether any answer has told what it cost."""
        return self._seen

    def cost(self, characters: int, max_tokens: int | None) -> Cost:
        """Return the estimate for a prompt of so many *characters*."""
        output = self._output
        if max_tokens is not None:
            output = max_tokens if self._reserves else min(output, max_tokens)
        return Cost(1.0, characters / self._per_token, float(output))

    def learn(self, characters: int, input_tokens: int, output_tokens: int) -> None:
        """Learn what an answer cost."""
        weight = WEIGHT if self._seen else 1.0
        self._seen = True
        self._output += weight * (output_tokens - self._output)
        if characters and input_tokens:
            self._per_token += weight * (characters / input_tokens - self._per_token)

    def numbers(self) -> list[float]:
        """Return what is known, for another process."""
        return _FIELDS.of(self)

    def take_over(self, numbers: Iterator[float]) -> None:
        """Take over what another process knows."""
        _FIELDS.put(self, numbers)
