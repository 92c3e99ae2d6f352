"""``jobapp check``: whether each key is accepted, at no cost, and what that teaches."""

import json

import pytest

from jobapp.core.key_check import State, request_of
from jobapp.core.llm_interface import LLMInterface
from jobapp.domain.settings import ProviderSettings
from jobapp.domain.types import ApiKey
from jobapp.testing import Fault
from tests.command_support import MODELS, cli

__all__ = ["cli"]


def found(cli):
    return {line["key"]: line["state"] for line in cli.json["keys"]}


def states(cli):
    cli("status", "--json")
    return {line["key"]: line["state"] for line in cli.json["keys"]}


@pytest.mark.parametrize("provider", MODELS)
def test_a_good_and_a_bad_key_are_told_apart_at_no_cost(cli, llm_simulator, provider):
    good = llm_simulator.add_key(provider, "sk-one")
    bad = llm_simulator.add_key(provider, "sk-two", Fault.BAD_KEY)
    assert cli("check", "--json") == 4
    assert found(cli) == {good.name: "good", bad.name: "bad"}
    assert llm_simulator.requests() == 0
    assert [request.key for request in sorted(llm_simulator.received, key=lambda r: r.key)] == [
        "sk-one",
        "sk-two",
    ]
    assert states(cli) == {good.name: "free", bad.name: "auth"}


def test_the_list_has_a_line_a_key_with_rule_and_local_time(cli, llm_simulator):
    llm_simulator.add_key("openai", "sk-canary-one")
    llm_simulator.add_key("openai", "sk-canary-two", Fault.BAD_KEY)
    assert cli("check") == 4
    told = " ".join(cli.out.split())
    assert told.startswith(
        "KEY FOUND UNTIL (CET) openai OPENAI_API_KEY good OPENAI_API_KEY_BACKUP_1 bad 14:00 (in 1 h) "
    )
    assert "[bad-key]" in told
    assert "canary" not in cli.out + cli.err


def test_a_key_that_is_accepted_again_is_freed(cli, llm_simulator):
    key = llm_simulator.add_key("openai", "sk-one", Fault.BAD_KEY)
    assert cli.ask() == 4
    key.heal()
    assert cli("check") == 0
    assert states(cli) == {"OPENAI_API_KEY": "free"}


def test_a_key_that_is_known_to_be_spent_stays_spent_although_it_is_accepted(cli, llm_simulator):
    llm_simulator.add_key("openai", "sk-one", Fault.NO_CREDIT)
    assert cli.ask() == 3
    assert cli("check", "--json") == 3
    line = cli.json["keys"][0]
    assert (line["state"], line["until"]) == ("spent", "2026-11-24T00:00:00Z")
    assert line["rule"]
    assert states(cli) == {"OPENAI_API_KEY": "quota"}


def test_a_key_that_is_spent_for_one_model_is_good_and_that_is_told(cli, llm_simulator):
    llm_simulator.add_key("google", "sk-one", Fault.SPENT_DAY)
    assert cli.ask(provider="google") == 3
    assert cli("check", "--json") == 0
    line = cli.json["keys"][0]
    assert line["state"] == "good"
    assert line["reason"].startswith("gemini-2.5-flash: quota spent until ")


def test_an_unreachable_provider_blocks_no_key(cli, llm_simulator, monkeypatch):
    llm_simulator.add_key("openai", "sk-one")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert cli("check", "--json") == 1
    assert found(cli) == {"OPENAI_API_KEY": "unreachable"}
    assert states(cli) == {"OPENAI_API_KEY": "free"}


def test_what_is_left_of_a_key_of_openrouter_is_told(cli, llm_simulator):
    llm_simulator.add_key("openrouter", "sk-one", per_day=3)
    assert cli("check") == 0
    assert "$3.00 left of its limit, 3 of 3 free requests left today" in " ".join(cli.out.split())
    cli("check", "--json")
    assert cli.json["keys"][0]["remaining"]["limit_remaining"] == 3


def test_a_key_of_openrouter_with_nothing_left_is_spent(cli, llm_simulator):
    llm_simulator.add_key("openrouter", "sk-one", per_day=1)
    assert cli("ask", "Hello", "--provider", "openrouter", "--model", "openai/gpt-4o-mini") == 0
    assert cli("check", "--json") == 3
    line = cli.json["keys"][0]
    assert (line["state"], line["rule"], line["until"]) == (
        "spent",
        "check-key-limit",
        "2026-11-24T00:00:00Z",
    )
    assert states(cli) == {"OPENROUTER_API_KEY": "quota"}


def test_a_free_day_with_nothing_left_blocks_the_free_models_only(cli, llm_simulator):
    llm_simulator.add_key("openrouter", "sk-one", per_day=1)
    assert cli.ask(provider="openrouter") == 0
    assert cli("check", "--json") == 0
    assert cli.json["keys"][0]["reason"].startswith("all free models: quota spent until ")
    llm_simulator.reset_counts()
    assert cli.ask(provider="openrouter") == 3
    assert llm_simulator.requests() == 0
    assert cli("ask", "Hello", "--provider", "openrouter", "--model", "openai/gpt-4o-mini") == 0


def test_a_key_goes_only_where_its_model_is(cli, llm_simulator, tmp_path):
    llm_simulator.add_key("openai", "sk-one", name="LAB_KEY")
    address = llm_simulator.base_url("openai").replace("127.0.0.1", "localhost")
    models = {"default": {"provider": "openai", "model": "m", "key": "LAB_KEY", "base_url": address}}
    (tmp_path / "config.yaml").write_text(json.dumps({"models": models}))
    assert cli("check", "--json") == 0
    assert found(cli) == {"LAB_KEY": "good"}
    assert [request.headers["host"].partition(":")[0] for request in llm_simulator.received] == ["localhost"]


def test_one_provider_may_be_checked_alone(cli, llm_simulator):
    llm_simulator.add_key("openai", "sk-one")
    llm_simulator.add_key("google", "sk-two")
    assert cli("check", "--json", "--provider", "gemini") == 0
    assert found(cli) == {"GOOGLE_API_KEY": "good"}


def test_without_a_key_check_says_so(cli):
    assert cli("check") == 4
    assert "no key is set" in cli.err


def test_each_provider_is_asked_in_its_own_way():
    key = ApiKey("KEY", "sk-one")
    asked = {
        name: request_of(ProviderSettings(name, base_url=f"http://{name}/"), key)
        for name in ("openai", "anthropic", "google", "openrouter", "my-lab")
    }
    assert asked == {
        "openai": ("http://openai/models", {"authorization": "Bearer sk-one"}),
        "anthropic": (
            "http://anthropic/v1/models?limit=1",
            {"x-api-key": "sk-one", "anthropic-version": "2023-06-01"},
        ),
        "google": ("http://google/v1beta/models?pageSize=1", {"x-goog-api-key": "sk-one"}),
        "openrouter": ("http://openrouter/key", {"authorization": "Bearer sk-one"}),
        "my-lab": ("http://my-lab/models", {"authorization": "Bearer sk-one"}),
    }


class Answers:
    """An HTTP client that gives one answer."""

    def __init__(self, response):
        self.response = response

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def get(self, url, **_):
        return self.response


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (403, {"error": {"message": "You have insufficient permissions for this operation. Missing scopes: api.model.read"}}, "unclear"),
        (404, {"detail": "Not Found"}, "unclear"),
        (200, "<html><title>Welcome</title></html>", "unclear"),
        (302, "", "unclear"),
        (429, {"error": {"message": "Rate limit reached for requests"}}, "unclear"),
        (503, {"error": {"message": "overloaded", "type": "service_unavailable_error"}}, "unreachable"),
        (429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}, "spent"),
        (401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}, "bad"),
    ],
)  # fmt: skip
def test_only_what_is_said_of_the_whole_key_sets_it_aside(
    cli, llm_simulator, monkeypatch, status, body, state
):
    httpx = pytest.importorskip("httpx")
    content = {"json": body} if isinstance(body, dict) else {"text": body}
    monkeypatch.setattr(httpx, "Client", lambda: Answers(httpx.Response(status, **content)))
    llm_simulator.add_key("openai", "sk-one")
    cli("check", "--json")
    assert found(cli) == {"OPENAI_API_KEY": state}
    assert (states(cli) == {"OPENAI_API_KEY": "free"}) == (state in ("unclear", "unreachable"))


def test_the_same_is_found_from_code(llm_simulator):
    good = llm_simulator.add_key("openai", "sk-one")
    llm_simulator.add_key("openai", "sk-two", Fault.BAD_KEY)
    llm_simulator.add_key("anthropic", "sk-three")
    with LLMInterface() as llm:
        found = llm.check_keys("openai")
        assert [(one.key, one.state, one.rule) for one in found] == [
            (good.name, State.GOOD, ""),
            ("OPENAI_API_KEY_BACKUP_1", State.BAD, "bad-key"),
        ]
        assert {line.state for line in llm.key_status()} == {"free", "auth"}
        assert len(llm.check_keys()) == 3
    assert "sk-two" not in repr(found)
