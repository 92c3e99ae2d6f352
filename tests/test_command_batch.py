"""``jobapp batch``: what it writes, shows and exits with; signals with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

import pytest

from jobapp import RunStoppedError, Usage
from jobapp.batch.report import BatchReport
from jobapp.commands.batch import seconds_until
from jobapp.commands.progress import end_of, line_of
from jobapp.testing import Fault
from tests.command_support import cli

__all__ = ["cli"]

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def rows(tmp_path, llm_simulator):
    llm_simulator.add_key("openai", "sk-one")

    def write(count, name="in.jsonl"):
        lines = (json.dumps({"id": f"q{number}", "prompt": f"Question {number}"}) for number in range(count))
        (tmp_path / name).write_text("\n".join(lines))

    return write


def answers(tmp_path, name="in.out.jsonl"):
    return [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]


def test_every_row_is_answered_and_the_end_is_told_on_stderr(cli, rows, tmp_path):
    rows(12)
    assert cli("batch", "in.jsonl", "--ordered") == 0
    assert [row["custom_id"] for row in answers(tmp_path)] == [f"q{number}" for number in range(12)]
    assert cli.out == ""
    assert "in.out.jsonl: 12 answered, 0 failed, 0 left; 12 requests" in cli.err


def test_a_failed_row_exits_with_1(cli, rows, llm_simulator):
    rows(12)
    llm_simulator.on_request = lambda request: Fault.BAD_REQUEST if request.prompt == "Question 5" else None
    assert cli("batch", "in.jsonl") == 1
    assert "11 answered, 1 failed" in cli.err


@pytest.mark.parametrize(
    "options", [("--limit", "3"), ("--max-requests", "3"), ("--max-tokens", "1", "--concurrency", "1")]
)
def test_a_cap_exits_with_3_and_tells_how_to_go_on(cli, rows, options):
    rows(12)
    assert cli("batch", "in.jsonl", *options) == 3
    assert "the same command goes on with what is left" in cli.err
    assert cli("batch", "in.jsonl") == 0


def test_without_waiting_a_spent_quota_exits_with_3_and_tells_from_when_on(cli, rows, llm_simulator):
    rows(12)
    llm_simulator.reset_counts()
    llm_simulator.add_key("openai", "sk-one", per_day=4)
    assert cli("batch", "in.jsonl", "--no-wait", "--json") == 3
    assert (cli.json["done"], cli.json["left"]) == (4, 8)
    assert cli.json["until"] is not None
    assert cli.json["error"]["type"] == "NoAPIKeysAvailableError"


def test_waiting_until_a_time_of_the_day_ends_then(cli, rows, llm_simulator, fake_clock):
    rows(12)
    llm_simulator.add_key("openai", "sk-one", per_day=4)
    in_a_minute = (fake_clock.now().astimezone() + timedelta(seconds=90)).strftime("%H:%M")
    assert cli("batch", "in.jsonl", "--until", in_a_minute) == 3
    assert "deadline" in cli.err


@pytest.mark.parametrize("content", ["{not json", '{"id": 1}'])
def test_a_line_that_cant_be_read_exits_with_5(cli, rows, tmp_path, llm_simulator, content):
    rows(2)
    (tmp_path / "in.jsonl").write_text(content)
    assert cli("batch", "in.jsonl") == 5
    assert "in.jsonl:1: " in cli.err
    assert not llm_simulator.received


@pytest.mark.parametrize(
    "wrong",
    [("--limit", "0"), ("--shard", "3/2"), ("--shard", "x"), ("--until", "25:00"), ("--deadline", "0")],
)
def test_an_option_that_cant_be_exits_with_2(cli, rows, wrong):
    rows(2)
    assert cli("batch", "in.jsonl", *wrong) == 2


def test_a_dry_run_tells_everything_and_sends_nothing(cli, rows, tmp_path, llm_simulator):
    (tmp_path / "config.yaml").write_text(
        "models: {default: {provider: openai, model: gpt-4o-mini}}\n"
        "providers: {openai: {budgets: {rpd: 3}}}\n"
    )
    rows(12)
    assert cli("batch", "in.jsonl", "--dry-run") == 0
    for told in (
        "rows       12",
        "to ask     12",
        "tokens     about",
        "OPENAI_API_KEY: free",
        "days       4",
    ):
        assert told in cli.out
    assert not llm_simulator.received
    (tmp_path / "in.jsonl").write_text('"a"\n{\n')
    assert cli("batch", "in.jsonl", "--dry-run") == 5
    assert "broken     in.jsonl:2: is not JSON" in cli.out


def test_a_template_may_be_in_a_file(cli, rows, tmp_path, llm_simulator):
    rows(1)
    (tmp_path / "rows.csv").write_text("id,word\na,tree\n")
    (tmp_path / "template.txt").write_text("Translate: $word")
    assert cli("batch", "rows.csv", "--template", "@template.txt") == 0
    assert llm_simulator.received[-1].prompt == "Translate: tree"
    assert cli("batch", "rows.csv", "--template", "@nowhere.txt") == 2


def test_shards_have_an_output_each(cli, rows, tmp_path):
    rows(20)
    assert cli("batch", "in.jsonl", "--shard", "1/2") == 0
    assert cli("batch", "in.jsonl", "--shard", "2/2") == 0
    both = answers(tmp_path, "in.1-of-2.out.jsonl") + answers(tmp_path, "in.2-of-2.out.jsonl")
    assert len({row["custom_id"] for row in both}) == len(both) == 20


REPORT = BatchReport(done=1200, failed=3, left=800, answered=600, requests=610, seconds=120.0)


def test_a_line_of_progress_has_pace_tokens_cost_and_time_left():
    report = BatchReport(
        1200, 3, 800, answered=600, requests=610, usage=Usage(1000, 500, cost=1.25), seconds=120.0
    )
    assert line_of(report, NOW) == (
        "1,200 of 2,003 done, 3 failed, 300 a minute, 1,500 tokens, $1.25, about 2 min 40 s left"
    )


def test_a_line_of_progress_tells_what_is_waited_for_and_until_when():
    report = BatchReport(1, 0, 9, waiting_for="the first free key of google", until=NOW + timedelta(hours=2))
    told = line_of(report, NOW)
    assert told.startswith("1 of 10 done, waits for the first free key of google until ")
    assert told.endswith("(in 2 h)")


def test_the_end_tells_why_rows_are_left():
    report = BatchReport(1, 0, 9, error=RunStoppedError("the batch asked its 1 rows"))
    assert "the batch asked its 1 rows" in end_of(report, NOW)


@pytest.mark.parametrize(
    ("now", "clock_time", "hours"),
    [
        ("2026-03-28T23:00", "07:00", 7),  # the night in which the clock goes forward
        ("2026-10-24T23:00", "07:00", 9),  # and back
        ("2026-06-01T06:59", "07:00", 1 / 60),
        ("2026-06-01T07:00", "07:00", 24),
    ],
)
def test_until_a_time_of_the_day_is_right_on_days_of_change(cli, now, clock_time, hours):
    began = datetime.fromisoformat(now).replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    assert seconds_until(time_of_day.fromisoformat(clock_time), began) == hours * 3600


def start(environ, folder, *options):
    command = [sys.executable, "-m", "jobapp", "batch", "in.jsonl", "--provider", "openai", *options]
    return subprocess.Popen(command, env=environ, cwd=folder, stderr=subprocess.PIPE, text=True)


def wait_for(condition):
    ends_at = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends_at, "it did not happen"
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_what_is_under_way_and_leaves_the_rest(rows, tmp_path, llm_simulator, number, code):
    rows(300)
    llm_simulator.add_key("openai", "sk-one").slow = 0.05
    environ = os.environ | llm_simulator.environ()
    with start(environ, tmp_path, "--concurrency", "4") as process:
        wait_for(lambda: llm_simulator.requests("openai") >= 10)
        process.send_signal(number)
        told = process.stderr.read()
    assert process.returncode == code, told
    written = answers(tmp_path)
    assert len(written) == llm_simulator.requests("openai")
    assert all(row["response"] for row in written)


def test_a_signal_ends_a_wait_for_a_quota_at_once(rows, tmp_path, llm_simulator):
    rows(30)
    llm_simulator.add_key("openai", "sk-one", per_day=5)
    environ = os.environ | llm_simulator.environ()
    with start(environ, tmp_path) as process:
        status = [sys.executable, "-m", "jobapp", "status", "--json"]

        def batches():
            told = subprocess.run(status, env=environ, cwd=tmp_path, capture_output=True, check=False)
            return json.loads(told.stdout)["batches"]

        wait_for(lambda: [each["waiting_for"] for each in batches()] not in ([], [None]))
        (batch,) = batches()
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    assert process.returncode == 130, told
    assert (batch["done"], batch["left"], batch["running"]) == (5, 25, True)
    assert len(answers(tmp_path)) == 5
    assert "waits for the first free key of openai" in told


def test_two_processes_on_two_shards_share_what_they_learn_of_keys(rows, tmp_path, llm_simulator):
    rows(120)
    spent = llm_simulator.add_key("openai", "sk-one", per_day=20)
    llm_simulator.add_key("openai", "sk-two")
    environ = os.environ | llm_simulator.environ()
    shards = [start(environ, tmp_path, "--shard", f"{part}/2", "--concurrency", "4") for part in (1, 2)]
    for process in shards:
        process.communicate()
        assert process.returncode == 0
    both = answers(tmp_path, "in.1-of-2.out.jsonl") + answers(tmp_path, "in.2-of-2.out.jsonl")
    assert sorted(row["custom_id"] for row in both) == sorted(f"q{number}" for number in range(120))
    assert spent.requests <= 20 + 2 * 4  # what both had under way when its day was spent
