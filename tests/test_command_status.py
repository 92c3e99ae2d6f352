"""``jobapp status`` and ``jobapp reset``: what is known of each key, and how a person clears it."""

import pytest

from jobapp.commands.table import Line, plain, print_lines
from jobapp.testing import Fault, Trouble
from tests.command_support import cli

__all__ = ["cli"]


@pytest.fixture
def spent(cli, llm_simulator):
    """A spent key, a bad one and a good one, all asked; and one of another provider, which is spent."""
    llm_simulator.add_key("openai", "sk-canary-one", Fault.NO_CREDIT)
    llm_simulator.add_key("openai", "sk-canary-two", Fault.BAD_KEY)
    llm_simulator.add_key("openai", "sk-canary-three")
    llm_simulator.add_key("openrouter", "sk-canary-four", Fault.SPENT_DAY)
    assert cli.ask() == 0
    assert cli.ask(provider="openrouter") == 3
    llm_simulator.reset_counts()


def test_the_table_tells_state_reason_and_times_in_local_time(cli, spent, tmp_path):
    assert cli("status") == 0
    told = " ".join(cli.out.split())
    assert told.startswith(
        "KEY STATE UNTIL (CET) openai OPENAI_API_KEY quota spent Tue 24 Nov 01:00 (in 12 h) all models: "
    )
    today = "since 13:00:00; today 1 requests, 0 tokens"
    assert f"{today} OPENAI_API_KEY_BACKUP_1 key not accepted 14:00 (in 1 h) all models: " in told
    assert f"{today} OPENAI_API_KEY_BACKUP_2 free today 1 requests, " in told
    assert " tokens openrouter OPENROUTER_API_KEY quota spent" in told
    assert "all free models: " in told
    assert told.endswith(f"Kept in {tmp_path / 'jobapp-cache' / 'api_key_state.json'}")
    assert all(len(line) <= 80 for line in cli.out.splitlines()[:-1])


def test_json_has_stable_names_utc_times_and_seconds_left(cli, spent):
    assert cli("status", "--json") == 0
    told = cli.json
    assert told["now"] == "2026-11-23T12:00:00Z"
    first = told["keys"][0]
    assert first.pop("reason")
    assert first == {
        "provider": "openai",
        "key": "OPENAI_API_KEY",
        "model": None,
        "state": "quota",
        "since": "2026-11-23T12:00:00Z",
        "until": "2026-11-24T00:00:00Z",
        "seconds_left": 43200.0,
        "tier": 1,
        "models": [],
        "today": {"requests": 1, "tokens": 0, "dollars": 0.0, "budgets": []},
    }
    assert told["keys"][2].pop("today")["tokens"] > 0
    assert told["keys"][2] == {
        "provider": "openai",
        "key": "OPENAI_API_KEY_BACKUP_2",
        "model": None,
        "state": "free",
        "reason": "",
        "since": None,
        "until": None,
        "seconds_left": None,
        "tier": 1,
        "models": [],
    }


def test_what_is_left_of_the_users_own_budgets_is_shown_and_what_they_keep(cli, llm_simulator, tmp_path):
    llm_simulator.add_key("openai", "sk-one")
    (tmp_path / "config.yaml").write_text(
        "models: {default: {provider: openai, model: gpt-4o-mini}}\n"
        "prices: {'*': {input: 1000, output: 1000}}\n"
        "providers: {openai: {keys: [{name: OPENAI_API_KEY, tier: 2, models: 'gpt-4o*'}],\n"
        "  budgets: [{rpd: 1, reset_timezone: Asia/Tokyo}, {usd_per_month: 5}]}}\n"
    )
    assert cli("ask", "Hello") == 0
    assert cli("ask", "Hello") == 3
    assert "No API keys available: your own budget is spent. The first is free at 2026-11-23 15:00" in cli.err
    cli("status", "--json")
    (line,) = cli.json["keys"]
    today = line["today"]
    assert line["reason"] == "own-budget: your own budget of 1 requests a day is spent"
    assert (line["state"], line["tier"], line["models"]) == ("quota", 2, ["gpt-4o*"])
    assert today["dollars"] == today["tokens"] / 1000
    assert today["budgets"] == [
        {"name": "rpd", "limit": 1, "left": 0, "until": "2026-11-23T15:00:00Z", "model": None, "group": None},
        {
            "name": "usd_per_month",
            "limit": 5,
            "left": pytest.approx(5 - today["dollars"]),
            "until": "2026-12-01T00:00:00Z",
            "model": None,
            "group": None,
        },
    ]
    cli("status")
    told = " ".join(cli.out.split())
    assert "your own budget of 1 requests a day is spent [own-budget]" in told
    assert "tier 2; for gpt-4o*; today 1 requests, " in told
    assert "left of 1 requests a day: 0 until 16:00; left of $5.00 a month: $4.9" in told


def test_status_asks_nobody_and_shows_no_key(cli, spent, llm_simulator):
    cli("status")
    shown = cli.out + cli.err
    cli("status", "--json")
    assert "canary" not in shown + cli.out + cli.err
    assert llm_simulator.requests() == 0


def test_a_key_that_only_a_model_names_is_shown_and_can_be_reset(cli, llm_simulator, tmp_path):
    llm_simulator.add_key("openai", "sk-one", Fault.NO_CREDIT, name="MY_KEY")
    (tmp_path / "config.yaml").write_text(
        "models: {default: {provider: openai, model: gpt-4o-mini, key: MY_KEY}}"
    )
    assert cli("ask", "Hello") == 3
    cli("status", "--json")
    assert [(line["key"], line["state"]) for line in cli.json["keys"]] == [("MY_KEY", "quota")]
    assert cli("reset", "MY_KEY") == 0
    assert "cleared openai MY_KEY" in cli.out


def test_without_a_key_status_says_so(cli):
    assert cli("status") == 4
    assert "no key is set" in cli.err
    assert cli("status", "--json") == 4
    assert cli.json["keys"] == []


def test_a_password_of_the_states_address_is_not_shown(cli, llm_simulator, monkeypatch):
    pytest.importorskip("redis")
    llm_simulator.add_key("openai", "sk-one")
    monkeypatch.setenv("JOBAPP_STATE_URL", "redis://me:canary@127.0.0.1:1/0")
    assert cli("status") == 0
    assert "canary" not in cli.out + cli.err
    assert "redis://127.0.0.1:1" in cli.out


def test_reset_frees_every_key_and_says_what_it_cleared(cli, spent, llm_simulator):
    assert cli("reset") == 0
    cleared = cli.out.splitlines()
    assert [line.split(",")[0] for line in cleared] == [
        "cleared openai OPENAI_API_KEY",
        "cleared openai OPENAI_API_KEY_BACKUP_1",
        "cleared openrouter OPENROUTER_API_KEY",
    ]
    assert "quota spent until Tue 24 Nov 01:00 (in 12 h)" in cleared[0]
    cli("status", "--json")
    assert {line["state"] for line in cli.json["keys"]} == {"free"}
    assert cli.ask() == 0
    assert llm_simulator.requests("openai", "sk-canary-one") == 1


def test_reset_of_one_provider_leaves_the_others(cli, spent):
    assert cli("reset", "--provider", "openrouter", "--json") == 0
    assert [(block["provider"], block["state"]) for block in cli.json["cleared"]] == [("openrouter", "quota")]
    assert cli.json["cleared"][0]["seconds_left"] == 43200.0
    cli("status", "--json")
    assert [line["state"] for line in cli.json["keys"]] == ["quota", "auth", "free", "free"]


def test_reset_of_named_keys_leaves_the_others(cli, spent):
    assert cli("reset", "OPENAI_API_KEY", "OPENAI_API_KEY_BACKUP_1") == 0
    cli("status", "--json")
    assert [line["state"] for line in cli.json["keys"]] == ["free", "free", "free", "quota"]


def test_reset_with_nothing_to_clear_says_so(cli, llm_simulator, fake_clock):
    llm_simulator.add_key("openai", "sk-one", Trouble(Fault.BUSY_MINUTE, wait=20.0))
    assert cli.ask("Hello", "--deadline", "1") == 3
    fake_clock.advance(60)
    assert cli("reset") == 0
    assert cli.out == "nothing to clear: no key was set aside\n"


def test_reset_of_a_provider_works_when_its_key_is_gone(cli, spent, monkeypatch):
    monkeypatch.delenv("OPENROUTER_API_KEY")
    assert cli("reset", "--provider", "openrouter") == 0
    assert "cleared openrouter" in cli.out


@pytest.mark.parametrize("command", ["reset", "check", "ask"])
def test_an_unknown_provider_is_wrong_usage(cli, spent, command):
    words = ["Hello"] if command == "ask" else []
    assert cli(command, *words, "--provider", "opnai") == 2
    assert cli.err.startswith(f"jobapp {command}: --provider: ")
    assert "openai" in cli.err


def test_reset_of_an_unknown_key_is_wrong_usage(cli, spent):
    assert cli("reset", "OPENAI_API_KEY_BACKUP_9") == 2
    assert "OPENAI_API_KEY_BACKUP_2" in cli.err


@pytest.mark.parametrize("width", [40, 60, 80])
def test_no_line_is_wider_than_the_terminal(cli, spent, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    assert cli("status") == 0
    listed = cli.out.partition("\nKept in")[0].splitlines()
    assert max(map(len, listed)) <= max(width, 50)
    assert any("until" in line for line in listed) or width == 80


LINES = [
    Line("openai", "OPENAI_API_KEY", "quota spent", "Tue 24 Nov 01:00 (in 12 h)", "all models: spent " * 9),
    Line("openai", "OPENAI_API_KEY_BACKUP_1", "free"),
]


def test_long_details_are_wrapped_beneath_their_key():
    lines = list(plain(("KEY", "STATE", "UNTIL", "WHY"), LINES, 80))
    assert max(map(len, lines)) <= 80
    detail = lines[3:-1]
    assert len(detail) > 1
    assert all(line.startswith("    ") for line in detail)
    assert " ".join(" ".join(detail).split()) == LINES[0].detail.strip()


@pytest.mark.parametrize(("columns", "bars"), [("80", False), ("120", True)])
def test_a_wide_terminal_gets_a_table_of_rich(monkeypatch, capsys, columns, bars):
    pytest.importorskip("rich")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm")
    print_lines(("KEY", "STATE", "UNTIL", "WHY"), LINES)
    assert ("─" in capsys.readouterr().out) is bars


def test_no_color_is_obeyed(monkeypatch, capsys):
    pytest.importorskip("rich")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    print_lines(("KEY", "STATE", "UNTIL", "WHY"), LINES)
    assert "\x1b[3" not in capsys.readouterr().out
