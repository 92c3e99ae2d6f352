"""``jobapp explain``: what an error means and what would be done, from an argument, a file or stdin."""

import io
import json

import pytest

from jobapp.commands.whose_error import guess_provider
from tests.command_support import cli

__all__ = ["cli"]

SPENT_DAY = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "22s"},
        ],
    }
}
BUSY = (
    "Error code: 429 - {'error': {'message': 'Rate limit reached for gpt-4o in organization org-x on requests per "
    "min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.', 'type': 'requests', 'param': None, "
    "'code': 'rate_limit_exceeded'}}"
)


def told(cli):
    lines = [line for line in cli.out.splitlines() if line[0] != " "]
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}


def test_a_spent_day_is_told_with_its_end_in_local_time_and_its_rule(cli):
    assert cli("explain", json.dumps(SPENT_DAY)) == 0
    lines = told(cli)
    assert lines["kind"] == "quota: quota spent"
    assert lines["scope"] == "the key with this one model"
    assert lines["until"] == "Tue 24 Nov 01:00 (in 12 h)"
    assert lines["rule"].startswith("gemini")
    assert lines["provider"] == "google"
    assert lines["source"]
    assert lines["action"].startswith("set the key with this one model aside")
    assert max(map(len, cli.out.splitlines())) <= 80


def test_a_busy_minute_in_a_logs_text_is_waited_out(cli):
    assert cli("explain", BUSY) == 0
    assert told(cli)["kind"] == "rate_limit: rate limited"
    assert told(cli)["action"].startswith("wait 20 s, then ask the same key")


def test_a_busy_minute_beyond_max_wait_is_not_waited_out(cli, tmp_path):
    (tmp_path / "config.yaml").write_text("retry: {max_wait: 5}")
    assert cli("explain", BUSY) == 0
    assert told(cli)["action"].startswith("ask the next key at once")


@pytest.mark.parametrize(
    ("argv", "kind", "action"),
    [
        (
            ["Incorrect API key provided: sk-canary12345678."],
            "auth: key not accepted",
            "set the key with all",
        ),
        (
            ["--status", "503", "overloaded"],
            "unavailable: unavailable",
            "back off and ask again, up to 3 times",
        ),
        (
            ["--status", "400", "temperature must be a number"],
            "request: request refused",
            "raise InvalidRequestError",
        ),
    ],
)
def test_every_kind_has_its_consequence(cli, argv, kind, action):
    assert cli("explain", *argv) == 0
    assert told(cli)["kind"] == kind
    assert told(cli)["action"].startswith(action)
    assert "canary" not in cli.out


def test_status_headers_and_provider_can_be_given(cli):
    argv = ["--status", "429", "--header", "Retry-After: 7", "--provider", "openai", "--json", "no"]
    assert cli("explain", *argv) == 0
    assert (cli.json["kind"], cli.json["retry_after"], cli.json["provider"]) == ("rate_limit", 7.0, "openai")
    assert (cli.json["until"], cli.json["seconds_left"]) == ("2026-11-23T12:00:07Z", 7.0)


def test_json_tells_the_verdict_with_stable_names(cli):
    assert cli("explain", "--json", json.dumps(SPENT_DAY)) == 0
    assert set(cli.json) == {
        *("provider", "kind", "scope", "retry_after", "resets_at", "repeat_resets_at", "rule", "reason"),
        *("message", "source", "until", "seconds_left", "action", "row"),
    }
    assert cli.json["until"] == "2026-11-24T00:00:00Z"


def test_the_error_may_come_from_a_file_or_stdin(cli, tmp_path, monkeypatch):
    (tmp_path / "body.json").write_text(json.dumps(SPENT_DAY))
    assert cli("explain", "--file", "body.json") == 0
    from_file = cli.out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(SPENT_DAY).encode())))
    assert cli("explain") == 0
    assert cli.out == from_file


def test_rules_of_the_user_go_first(cli, tmp_path):
    rule = {
        "id": "team-budget",
        "kind": "quota",
        "pattern": "team budget",
        "reason": "the team's budget is spent",
    }
    (tmp_path / "config.yaml").write_text(json.dumps({"rules": [rule]}))
    assert cli("explain", "--status", "400", "the team budget is used up") == 0
    assert told(cli)["rule"] == "team-budget"


def test_the_reset_is_in_the_configured_time_zone(cli, tmp_path):
    (tmp_path / "config.yaml").write_text("providers: {openai: {reset_timezone: Asia/Tokyo}}")
    assert cli("explain", "--json", "--provider", "openai", "insufficient_quota") == 0
    assert cli.json["until"] == "2026-11-23T15:00:00Z"


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["  "], "empty"),
        (["--file", "missing.json"], "missing.json"),
        (["--header", "Retry-After 7", "no"], "colon"),
        (["--status", "1000", "no"], "HTTP status"),
        (["--status", "no", "no"], "--status"),
    ],
)
def test_what_cannot_be_read_is_wrong_usage(cli, argv, named):
    assert cli("explain", *argv) == 2
    assert named in cli.err


def test_no_error_at_a_terminal_is_wrong_usage(cli, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    assert cli("explain") == 2
    assert "pipe it in" in cli.err


@pytest.mark.parametrize(
    ("text", "provider"),
    [
        (json.dumps(SPENT_DAY), "google"),
        (BUSY, "openai"),
        ('{"type": "error", "error": {"type": "overloaded_error"}}', "anthropic"),
        ("Rate limit exceeded: free-models-per-day", "openrouter"),
        ("too many requests", ""),
    ],
)
def test_whose_error_it_is_is_told_by_its_words(text, provider):
    assert guess_provider(text) == provider
