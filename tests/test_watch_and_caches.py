"""``status --watch``, and what prompt caches cost below an SDK."""

import json

import pytest

from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.prices import MILLION, Price
from jobapp.domain.types import Usage
from jobapp.dropin.tail import usage_in
from tests.calling import ONE
from tests.command_support import cli

__all__ = ["cli"]


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (
            {
                "input_tokens": 5,
                "cache_read_input_tokens": 7,
                "cache_creation_input_tokens": 9,
                "output_tokens": 1,
            },
            Usage(21, 1, 7, cache_write_tokens=9),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 4},
                "cost": 0.5,
            },
            Usage(9, 1, 4, cost=0.5),
        ),
    ],
)
def test_below_an_sdk_cached_tokens_and_dollars_are_read_as_the_provider_counts_them(told, usage):
    assert usage_in(json.dumps({"usage": told})) == usage


def test_what_was_written_into_a_cache_has_its_own_price():
    usage = Usage(10, 1, 3, cache_write_tokens=5)
    assert Price(2, 7, 1, 4).cost_of(usage) == pytest.approx((2 * 2 + 3 * 1 + 5 * 4 + 7) / MILLION)


def test_watch_shows_it_again_until_it_is_stopped(cli, llm_simulator, monkeypatch):
    llm_simulator.add_key("openai", ONE)
    looks = iter([1, 2])
    shown = LLMInterface.key_status

    def key_status(llm):
        if next(looks, None) is None:
            raise KeyboardInterrupt
        return shown(llm)

    monkeypatch.setattr(LLMInterface, "key_status", key_status)
    assert cli("status", "--watch", "1") == 130
    assert cli.out.count("OPENAI_API_KEY") == 2
