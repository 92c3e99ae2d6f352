"""What an answer cost: by the provider, by the settings, by the price list; else nobody knows."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobapp.config import build
from jobapp.core import pricing
from jobapp.domain.events import CallDone
from jobapp.domain.exceptions import ConfigError, ProviderUnavailableError
from jobapp.domain.key_status import Today
from jobapp.domain.prices import MILLION, Price, priced
from jobapp.domain.settings import ProviderSettings
from jobapp.domain.types import EMPTY, Usage
from jobapp.providers.openrouter import OpenRouterAdapter
from jobapp.testing import Fault
from tests.calling import ONE, PROVIDERS, WAYS, world_of
from tests.config_support import home

__all__ = ["home"]

TOKENS = st.integers(0, 10_000_000)
DOLLARS = st.floats(0, 1000)


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "openrouter"])  # it tells itself
@pytest.mark.parametrize("way", WAYS)
def test_a_price_of_the_settings_tells_what_each_way_of_calling_cost(provider, way, tmp_path, monkeypatch):
    with world_of(provider, way, tmp_path, monkeypatch) as world:
        world.add(ONE)
        world.settings["prices"] = {"nothing*": {"input": 9, "output": 9}, "*": {"input": 2, "output": 5}}
        done = world.call()
    usage = done.usage
    assert usage.input_tokens
    assert usage.output_tokens
    by_settings = (2 * usage.input_tokens + 5 * usage.output_tokens) / MILLION
    # OpenRouter tells the cost itself, and that goes first: its model is a free one
    assert usage.cost == (0 if provider == "openrouter" else pytest.approx(by_settings))
    assert [event.usage for event in world.events if isinstance(event, CallDone)] == [usage]


def test_an_answer_below_an_sdk_has_a_cost_and_counts_for_the_day(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.add(ONE)
        world.settings["prices"] = {"*": {"input": 2000, "output": 5000}}
        with world.interface() as llm, llm.client("openai") as client:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}])
            (line,) = llm.key_status()
        (usage,) = [event.usage for event in world.events if isinstance(event, CallDone)]
    assert usage is not None
    assert usage.cost == pytest.approx((2000 * usage.input_tokens + 5000 * usage.output_tokens) / MILLION)
    assert line.today == Today(1, usage.total_tokens, round(usage.cost or 0, 6))


def test_without_a_price_nobody_knows(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.add(ONE)
        assert world.call().usage.cost is None


@given(TOKENS, TOKENS, TOKENS, DOLLARS, DOLLARS, DOLLARS)
def test_what_was_cached_costs_its_own_price(fresh, cached, output, price, cheap, said):
    usage = Usage(input_tokens=fresh + cached, output_tokens=output, cached_tokens=cached)
    cost = Price(price, said, cheap).cost_of(usage)
    assert cost == pytest.approx((fresh * price + cached * cheap + output * said) / MILLION)
    assert Price(price, said).cost_of(usage) == pytest.approx(Price(price, said, price).cost_of(usage))


def test_what_the_provider_told_goes_before_a_price():
    told = Usage(10, 10, cost=0.5)
    assert priced(told, Price(1, 1).cost_of) == told


def test_where_no_tokens_are_told_no_cost_is_made_up():
    assert priced(Usage(), Price(1, 1).cost_of).cost is None


@pytest.mark.parametrize(
    ("told", "cost"), [(0.00014, 0.00014), (0, 0.0), (None, None), ("a lot", None), (True, None)]
)
def test_openrouter_tells_its_own_cost(told, cost):
    adapter = OpenRouterAdapter(ProviderSettings("openrouter"))
    assert adapter.usage_of({"prompt_tokens": 1, "completion_tokens": 2, "cost": told}).cost == cost


def cost(usage, provider="openai", model="gpt-4o-mini", prices=EMPTY):
    cost_of = pricing.cost_of(provider, model, prices)
    return cost_of and cost_of(usage)


class TestThePriceList:
    @pytest.fixture(autouse=True)
    def _is_there(self, monkeypatch):
        pytest.importorskip("genai_prices")
        monkeypatch.setattr(pricing, "is_installed", lambda _: True)

    @pytest.mark.parametrize(
        ("provider", "model"),
        [
            ("openai", "gpt-4o-mini"),
            ("anthropic", "claude-haiku-4-5"),
            ("google", "gemini-2.5-flash"),
            ("groq", "llama-3.3-70b-versatile"),
            ("xai", "grok-4"),
        ],
    )
    def test_it_knows_the_usual_models(self, provider, model):
        assert 0 < cost(Usage(1000, 1000), provider, model) < 1

    def test_what_was_cached_costs_less(self):
        assert 0 < cost(Usage(1000, 0, 900)) < cost(Usage(1000, 0))

    @pytest.mark.parametrize(("provider", "model"), [("openai", "no-such-model"), ("mine", "gpt-4o")])
    def test_what_it_does_not_know_nobody_knows(self, provider, model):
        assert cost(Usage(1000, 1000), provider, model) is None

    def test_the_settings_go_before_it(self):
        assert cost(Usage(MILLION, 0), prices={"gpt-4o*": Price(1, 1)}) == 1


@pytest.mark.parametrize(
    ("price", "told"),
    [
        ("{input: 1}", "no output is given"),
        ("{output: 1}", "no input is given"),
        ("{input: -1, output: 1}", "write US dollars, 0 or more"),
        ("{input: .inf, output: 1}", "write US dollars, 0 or more"),
        ("{input: free, output: 1}", "must be a number"),
        ("{input: true, output: 1}", "must be a number"),
        ("{input: 1, output: 1, cache: 1}", "cache"),
    ],
)
def test_a_wrong_price_is_refused_by_name(home, price, told):
    with pytest.raises(ConfigError, match=told) as caught:
        home.config(f"prices: {{'gpt-4o*': {price}}}").settings  # noqa: B018
    assert "prices.gpt-4o*" in str(caught.value)


CAPPED = "providers: {%s: {budgets: {usd_per_day: 1}}}"


def test_a_budget_of_dollars_needs_somebody_who_knows_what_answers_cost(home, monkeypatch):
    monkeypatch.setattr(build, "is_installed", lambda _: False)
    with pytest.raises(ConfigError) as caught:
        home.config(CAPPED % "openai")
    assert "providers.openai.budgets[1].usd_per_day: nobody knows what answers of openai cost" in str(
        caught.value
    )
    home.config("prices: {m: {input: 1, output: 1}}\n" + CAPPED % "openai")
    home.config(CAPPED % "openrouter")
    monkeypatch.setattr(build, "is_installed", lambda _: True)
    home.config(CAPPED % "openai")


FIX = 'write prices: {"%s": {input: ..., output: ...}}, dollars for a million tokens, or install the package'


def test_a_capped_model_that_counts_nothing_is_told_once_with_the_fix(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(pricing, "is_installed", lambda _: False)
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.add(ONE)
        world.settings |= {"prices": {"known": {"input": 1, "output": 1}}}
        world.settings["providers"] = {"openai": {"budgets": [{"usd_per_day": 1}]}}
        for model in ("known", "mystery-1", "mystery-1", "mystery-2"):
            world.call(model=model)
    told = [record.getMessage() for record in caplog.records if "the price of" in record.getMessage()]
    assert [FIX % model in words for model, words in zip(("mystery-1", "mystery-2"), told, strict=True)]


@pytest.mark.parametrize(
    ("provider", "budget", "is_told"),
    [
        ("openai", "usd_per_day: 1", True),
        ("openai", "usd_per_month: 1, model: m", True),
        ("openai", "usd_per_month: 1, model: other", False),
        ("openai", "usd_per_month: 1, key: A", False),
        ("openai", "usd_per_month: 1, key: B", True),
        ("openai", "usd_per_month: 1, group: g", False),
        ("openai", "rpd: 100", False),
        ("openrouter", "usd_per_day: 1", False),
    ],
)
def test_a_configured_model_without_a_price_is_told_at_start(home, monkeypatch, provider, budget, is_told):
    monkeypatch.setattr(pricing, "is_installed", lambda _: False)
    prices = "prices: {other: {input: 1, output: 1}}"
    keys = "keys: [{name: A, models: [o*], group: g}, B]"
    capped = f"providers: {{{provider}: {{{keys}, budgets: {{{budget}}}}}}}"
    config = home.config(f"models: {{default: {{provider: {provider}, model: m}}}}\n{prices}\n{capped}")
    assert [FIX % "m" in words for words in pricing.price_doubts(config.settings)] == [True] * is_told


def test_a_request_that_met_silence_counts_for_the_day_for_it_may_be_paid_for(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as world:
        world.add(ONE)
        world.settings["prices"] = {"*": {"input": 1000, "output": 1000}}
        world.settings["providers"] = {"openai": {"budgets": {"usd_per_day": 100}}}
        world.simulator.fail("openai", Fault.HANG, times=1)
        with world.interface() as llm:
            with pytest.raises(ProviderUnavailableError):
                llm.complete("x" * 4000, provider="openai", model="m", retry=False, timeout=0.2)
            (line,) = llm.key_status()
    assert line.today is not None
    assert line.today.dollars == pytest.approx(1.0)  # a thousand tokens, as far as one can tell


def test_the_price_list_is_looked_up_once_an_hour(monkeypatch):
    looked, hour = [], [1_700_000_000.0]
    price = pricing.PackagePrice("openai", "m")

    def look(usage):
        looked.append(usage)
        return usage.total_tokens / MILLION

    monkeypatch.setattr("jobapp.core.pricing.time", SimpleNamespace(time=lambda: hour[0]))
    monkeypatch.setattr(price, "_by_package", look)
    assert [price(Usage(MILLION, 0)) for _ in range(3)] == [1, 1, 1]
    once = len(looked)
    hour[0] += pricing.HOUR
    assert price(Usage(0, 3 * MILLION)) == 3
    assert len(looked) == 2 * once


def test_a_price_that_depends_on_the_length_is_asked_of_the_list_each_time(monkeypatch):
    price = pricing.PackagePrice("openai", "m")
    monkeypatch.setattr(
        price, "_by_package", lambda usage: usage.total_tokens * (2 if usage.total_tokens > 200_000 else 1)
    )
    assert [price(Usage(tokens, 0)) for tokens in (10, 300_000)] == [10, 600_000]
