"""A batch from a file into a file: resume, durability, faults, caps, through the real SDKs."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from anthropic.types import Message
from google.genai.types import GenerateContentResponse
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion

from jobapp import (
    ConfigError,
    DeadlineExceededError,
    NoAPIKeysAvailableError,
    OutputError,
    RunStoppedError,
)
from jobapp.batch import manifest
from jobapp.batch.output_file import OutputFile, Stored, read_rows
from jobapp.batch.plan import Plan, PlannedRow, shard_of
from jobapp.testing import Fault
from tests.calling import ONE, THREE, TWO, world_of

MODEL = {"provider": "openai", "model": "gpt-4o-mini"}


@pytest.fixture
def world(tmp_path, monkeypatch):
    with world_of("openai", "send", tmp_path, monkeypatch) as opened:
        yield opened


class Files:
    """An input, its output, and the runs between them."""

    def __init__(self, world, folder):
        self.world, self.input, self.output = world, folder / "in.jsonl", folder / "out.jsonl"

    def write(self, *rows):
        self.input.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(self, **arguments):
        with self.world.interface() as llm:
            return llm.run_batch(self.input, self.output, **{**MODEL, **arguments})

    def rows(self):
        return [json.loads(line) for line in self.output.read_text().splitlines()]

    def texts(self):
        return {row["custom_id"]: text_of(row) for row in self.rows()}


def text_of(row):
    return row["response"] and row["response"]["body"]["choices"][0]["message"]["content"]


@pytest.fixture
def files(world, tmp_path):
    world.add(ONE)
    return Files(world, tmp_path)


def named(count, text="Question"):
    return [{"id": f"q{number}", "prompt": f"{text} {number}"} for number in range(count)]


def sent(files):
    return sum(files.world.requests(ONE))


def test_each_row_has_an_answer_in_openais_form(files):
    files.write(*named(30))
    report = files.run()
    assert (report.done, report.failed, report.left, report.requests) == (30, 0, 0, 30)
    assert files.texts() == {f"q{number}": f"echo: Question {number}" for number in range(30)}
    row = files.rows()[0]
    assert ChatCompletion.model_validate(row["response"]["body"]).choices[0].finish_reason == "stop"
    assert row["response"]["status_code"] == 200
    assert row["error"] is None
    assert row["jobapp"]["key"] == "OPENAI_API_KEY"
    assert row["jobapp"]["usage"]["input_tokens"] > 0
    assert ONE not in files.output.read_text() + manifest.path_of(files.output).read_text()


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "gpt-4o-mini"), ("anthropic", "claude-haiku-4-5"), ("google", "gemini-2.5-flash")],
)
def test_a_prompts_answer_is_in_openais_form_whoever_gave_it(files, provider, model):
    files.world.simulator.add_key("anthropic", "sk-a", name="ANTHROPIC_API_KEY")
    files.world.simulator.add_key("google", "sk-g", name="GOOGLE_API_KEY")
    files.write(*named(1))
    assert files.run(provider=provider, model=model).done == 1
    (row,) = files.rows()
    body = ChatCompletion.model_validate(row["response"]["body"], strict=True)
    assert (body.object, body.choices[0].message.content) == ("chat.completion", "echo: Question 0")
    assert row["response"]["body"]["usage"]["prompt_tokens"] > 0


def test_a_finished_batch_asks_nothing(files):
    files.write(*named(10))
    files.run()
    assert files.run().requests == 0
    assert sent(files) == 10


def test_one_changed_and_one_added_row_ask_two_and_the_output_holds_each_row_once(files):
    rows = named(10)
    files.write(*rows)
    files.run()
    rows[3]["prompt"] = "Another question"
    files.write(*rows, {"id": "new", "prompt": "New"})
    report = files.run()
    assert (report.requests, report.changed, report.done) == (2, 1, 11)
    assert Counter(row["custom_id"] for row in files.rows()).most_common(1)[0][1] == 1
    assert files.texts()["q3"] == "echo: Another question"


def test_the_same_prompt_twice_is_two_rows_and_stays_so(files):
    files.write("Hello", "Hello", {"prompt": "Hello"})
    files.run()
    ids = sorted(row["custom_id"] for row in files.rows())
    assert len(set(ids)) == 3
    assert sum(each.endswith("#2") for each in ids) == 1
    files.write("Hello", "Hello", {"prompt": "Hello"}, "Hello")
    assert files.run().requests == 1


def test_an_inserted_row_does_not_ask_those_after_it_again(files):
    files.write("a", "b", "c")
    files.run()
    files.write("new", "a", "b", "c")
    assert files.run().requests == 1


@pytest.mark.parametrize("change", [{"model": "gpt-4o"}, {"system": "Be brief."}, {"temperature": 0.5}])
def test_other_settings_ask_anew_unless_what_is_there_shall_be_kept(files, caplog, change):
    files.write(*named(5))
    files.run()
    assert files.run(**change, keep=True).requests == 0
    files.run()
    assert files.run(**change).requests == 5
    assert f"other settings than the last run's: {next(iter(change))}" in caplog.text
    assert len(files.rows()) == 5


def test_an_answer_whose_row_is_gone_is_kept_until_it_is_pruned(files):
    files.write(*named(5))
    files.run()
    files.write(*named(3))
    assert files.run().done == 3
    assert len(files.rows()) == 5
    files.run(prune=True)
    assert sorted(files.texts()) == ["q0", "q1", "q2"]


def test_ordered_puts_the_answers_in_the_order_of_the_rows(files):
    files.write(*named(40))
    files.run(concurrency=16, limit=20)
    files.run(ordered=True)
    assert [row["custom_id"] for row in files.rows()] == [f"q{number}" for number in range(40)]


def fails_for(prompt):
    return lambda request: Fault.BAD_REQUEST if request.prompt == prompt else None


def test_a_rows_own_fault_is_a_failed_row_that_is_asked_again_only_on_demand(files):
    files.world.simulator.on_request = fails_for("Question 7")
    files.write(*named(20))
    report = files.run()
    assert (report.done, report.failed, report.left) == (19, 1, 0)
    failed = next(row for row in files.rows() if row["error"])
    assert failed["custom_id"] == "q7"
    assert failed["response"] is None
    assert failed["error"]["code"]
    assert failed["error"]["message"]
    assert files.run().requests == 0
    files.world.simulator.on_request = None
    report = files.run(retry_errors=True)
    assert (report.requests, report.done, report.failed) == (1, 20, 0)


def test_ten_faults_alike_at_the_start_stop_the_run_and_no_row_is_written(files):
    files.world.simulator.on_request = lambda _: Fault.BAD_REQUEST
    files.write(*named(50))
    with pytest.raises(ConfigError, match="the first 10 rows failed alike"):
        files.run()
    assert files.output.read_text() == ""


def test_ten_faults_alike_are_the_rows_own_where_others_were_answered_before(files):
    files.world.simulator.on_request = lambda request: Fault.BAD_REQUEST if "bad" in request.prompt else None
    rows = named(3)
    files.write(*rows)
    files.run()
    files.write(*rows, *[{"id": f"b{number}", "prompt": f"bad {number}"} for number in range(12)])
    report = files.run()
    assert (report.done, report.failed) == (3, 12)


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_spent_day_is_a_pause_and_each_key_is_refused_once_a_day(tmp_path, monkeypatch, at_once):
    with world_of("google", "send", tmp_path, monkeypatch) as world:
        files = Files(world, tmp_path)
        for key in (ONE, TWO, THREE):
            world.add(key, per_day=10)
        files.write(*named(45))
        began = world.clock.now()
        report = files.run(concurrency=at_once, provider="google", model="gemini-2.5-flash")
        assert (report.done, report.failed, report.left) == (45, 0, 0)
        assert 3600 < (world.clock.now() - began).total_seconds() < 2 * 86400
        assert world.simulator.rejections("google") <= 2 * 3 * at_once  # once a key and day, all under way


def test_without_waiting_what_was_answered_is_written_and_the_report_says_until_when(world, tmp_path):
    files = Files(world, tmp_path)
    world.add(ONE, per_day=15)
    files.write(*named(40))
    report = files.run(on_exhausted="raise")
    assert isinstance(report.error, NoAPIKeysAvailableError)
    assert (report.done, report.left, len(files.rows())) == (15, 25, 15)
    assert report.until == report.error.available_at
    assert report.until is not None


def test_a_deadline_ends_the_run_with_rows_left(world, tmp_path):
    files = Files(world, tmp_path)
    world.add(ONE, per_day=15)
    files.write(*named(40))
    report = files.run(deadline=600.0)
    assert isinstance(report.error, DeadlineExceededError)
    assert (report.done, report.left) == (15, 25)


@pytest.mark.parametrize(
    ("cap", "done"), [({"max_requests": 7}, 7), ({"limit": 7}, 7), ({"max_total_tokens": 1}, None)]
)
def test_a_cap_ends_the_run_with_rows_left_and_another_run_goes_on(files, cap, done):
    files.write(*named(40))
    report = files.run(concurrency=4, **cap)
    assert isinstance(report.error, RunStoppedError)
    assert report.done == done or (done is None and 1 <= report.done <= 4)
    assert report.left == 40 - report.done
    assert files.run().done == 40
    assert sent(files) == 40


def test_a_cap_of_requests_counts_repeats_and_is_never_passed(files):
    files.world.simulator.on_request = lambda _: Fault.OVERLOADED
    files.write(*named(40))
    files.run(concurrency=8, max_requests=9)
    assert sent(files) == 9


def test_a_cap_that_the_last_answer_reaches_is_no_stop(files):
    files.write(*named(5))
    report = files.run(max_requests=5)
    assert (report.done, report.error) == (5, None)


NATIVE = {
    "chat": (
        {
            "custom_id": "request-1",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {
                "model": "gpt-4o-mini",
                "messages": [
                    {"role": "system", "content": "You are a helpful assistant."},
                    {"role": "user", "content": "Hello world!"},
                ],
                "max_tokens": 1000,
            },
        },
        ChatCompletion,
    ),
    "anthropic": (
        {
            "custom_id": "my-first-request",
            "params": {
                "model": "claude-haiku-4-5",
                "max_tokens": 1024,
                "messages": [{"role": "user", "content": "Hello, world"}],
            },
        },
        Message,
    ),
    "google": (
        {
            "key": "request-2",
            "request": {"contents": [{"parts": [{"text": "Describe the process of photosynthesis."}]}]},
        },
        GenerateContentResponse,
    ),
}


@pytest.mark.parametrize("form", NATIVE)
def test_a_providers_own_row_is_sent_as_it_is_and_answered_in_its_own_form(files, form):
    written, answer = NATIVE[form]
    files.world.simulator.add_key("anthropic", "sk-a", name="ANTHROPIC_API_KEY")
    files.world.simulator.add_key("google", "sk-g", name="GOOGLE_API_KEY")
    files.write(written)
    report = files.run()
    assert (report.done, report.failed, report.error) == (1, 0, None)
    (row,) = files.rows()
    assert row["custom_id"] == written.get("custom_id") or written.get("key")
    answered = answer.model_validate(row["response"]["body"])
    assert answered.model_dump()
    assert report.usage.total_tokens > 0
    assert files.run().requests == 0


ASKED: list[tuple[str, object]] = []


class Embedder(BaseHTTPRequestHandler):
    """A server of embeddings, as OpenAI's reference of the interface has it."""

    def do_POST(self):
        """Answer one request."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        ASKED.append((self.path, asked))
        body = {
            "object": "list",
            "model": asked["model"],
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""


def test_an_embedding_row_is_answered_below_the_openai_address(files, monkeypatch):
    ASKED.clear()
    row = {"model": "text-embedding-3-small", "input": "x"}
    files.write({"custom_id": "e", "method": "POST", "url": "/v1/embeddings", "body": row})
    with ThreadingHTTPServer(("127.0.0.1", 0), Embedder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_address[1]}/v1")
        report = files.run()
        server.shutdown()
    assert [("/v1/embeddings", row)] == ASKED
    assert report.done == 1
    answered = CreateEmbeddingResponse.model_validate(files.rows()[0]["response"]["body"])
    assert answered.data[0].embedding == [0.5]


def test_a_providers_own_row_rotates_keys_and_keeps_its_own_fault(world, tmp_path):
    files = Files(world, tmp_path)
    world.add(ONE, per_day=2)
    world.add(TWO)
    world.simulator.on_request = fails_for("bad")
    rows = [
        {
            "custom_id": f"r{n}",
            "body": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]},
        }
        for n, text in enumerate(["a", "b", "c", "bad", "d"])
    ]
    files.write(*rows)
    report = files.run(concurrency=1)
    assert (report.done, report.failed) == (4, 1)


def test_a_stream_is_left_out_with_a_warning(files, caplog):
    files.write({"id": "a", "prompt": "x", "stream": True})
    files.run()
    assert not files.world.simulator.received[-1].body.get("stream")
    assert "stream is left out of 1 rows" in caplog.text


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'"a"\n{not json\n', "in.jsonl:2: is not JSON"),
        (b'{"id": "a"}\n', "in.jsonl:1: has neither prompt nor messages"),
        (
            b'"a"\n\n{"id": 1, "prompt": "a"}\n{"id": "1", "prompt": "b"}\n',
            "in.jsonl:4: has the id '1' of line 3",
        ),
        (b'"a"\n"\xff"\n', "in.jsonl:2: is not UTF-8"),
        (b'{"prompt": 3}\n', "in.jsonl:1: prompt: must be a string"),
        (b'{"messages": [{"content": "x"}]}\n', 'in.jsonl:1: prompt[0]: has no "role"'),
        (b"3\n", "in.jsonl:1: is int"),
        (b'{"custom_id": "a", "method": "GET", "body": {}}\n', "in.jsonl:1: method: must be POST"),
        (b'{"custom_id": "a", "url": "/v1/files", "body": {}}\n', "in.jsonl:1: url: must be one of"),
        (b'{"prompt": "a", "deadline": 3}\n', "in.jsonl:1: deadline is the whole batch's"),
        (b'{"prompt": "a", "max_retries": -1}\n', "in.jsonl:1:"),
        (b'{"body": "x"}\n', "in.jsonl:1: body must be a mapping"),
    ],
)
def test_a_line_that_cant_be_read_is_named_and_nothing_is_sent(files, content, told):
    files.input.write_bytes(b'"first"\n"second"\n'[:0] + content)
    with pytest.raises(ConfigError) as caught:
        files.run()
    assert told in str(caught.value)
    assert sent(files) == 0
    assert not files.output.exists()


def test_a_line_that_is_too_long_is_named(files, monkeypatch):
    monkeypatch.setattr("jobapp.batch.source.LONGEST", 2**20)
    files.input.write_text('"a"\n' + json.dumps("x" * 2**20) + "\n")
    with pytest.raises(ConfigError, match=r"in.jsonl:2: is longer than 1 MiB"):
        files.run()
    assert sent(files) == 0


def test_a_bom_crlf_and_blank_lines_are_read_over(files):
    files.input.write_bytes(b'\xef\xbb\xbf"a"\r\n\r\n  \n"b"')
    assert files.run().done == 2
    assert sorted(files.texts().values()) == ["echo: a", "echo: b"]


def test_an_empty_input_is_no_row(files):
    files.input.write_bytes(b"\n")
    report = files.run()
    assert (report.rows, report.error) == (0, None)


def test_a_csv_file_is_read_by_a_template_even_over_lines(files):
    files.input = files.input.with_suffix(".csv")
    files.input.write_text('\ufeffid,review\r\na,"one\r\ntwo"\r\nb,"$5, ""good"""\r\n')
    files.run(template="Is this fine? $review")
    assert files.texts() == {
        "a": "echo: Is this fine? one\r\ntwo",
        "b": 'echo: Is this fine? $5, "good"',
    }


def test_a_csv_file_with_a_prompt_needs_no_template(files):
    files.input = files.input.with_suffix(".csv")
    files.input.write_text("id,prompt,model\na,Hello,\nb,Bye,gpt-4o\n")
    files.run(concurrency=1)
    assert files.texts() == {"a": "echo: Hello", "b": "echo: Bye"}
    assert files.world.simulator.received[-1].model == "gpt-4o"


@pytest.mark.parametrize(
    ("name", "content", "template", "told"),
    [
        ("a.csv", "id,text\na,x\n", None, "a.csv:1: the column text needs a template"),
        ("a.csv", "id,text\na,x\n", "$body", "a.csv:2: has no body for the template; it has id, text"),
        ("a.csv", "prompt\nx,y\n", None, "a.csv:2: has more than 1 columns"),
        ("a.txt", "x\n", "costs $", r"a \$ stands for itself"),
    ],
)
def test_what_a_table_lacks_is_told(files, tmp_path, name, content, template, told):
    files.input = tmp_path / name
    files.input.write_text(content)
    with pytest.raises(ConfigError, match=told):
        files.run(template=template)


def test_a_text_file_has_a_prompt_on_each_line(files):
    files.input = files.input.with_suffix(".txt")
    files.input.write_text("one\n\ntwo\n")
    files.run(template="Say $text")
    assert sorted(files.texts().values()) == ["echo: Say one", "echo: Say two"]


@pytest.mark.parametrize(
    ("place", "told"),
    [("missing/out.jsonl", "there is no folder"), ("in.jsonl", "is the input"), (".", "is no regular file")],
)
def test_an_output_that_cant_be_one_is_refused(files, tmp_path, place, told):
    files.write(*named(2))
    before = files.input.read_bytes()
    files.output = tmp_path / place
    with pytest.raises(ConfigError, match=told):
        files.run()
    assert files.input.read_bytes() == before
    assert sent(files) == 0


@pytest.mark.parametrize("content", ["my notes\n", "my notes", '{"a": 1}\n', '{"id": "batch'])
def test_an_output_that_is_none_of_ours_is_refused_and_left_alone(files, content):
    files.write(*named(2))
    files.output.write_text(content)
    with pytest.raises(ConfigError, match=r"out.jsonl:1: is no output of a batch"):
        files.run()
    assert files.output.read_text() == content
    assert sent(files) == 0


def test_openais_own_output_counts_as_done(files):
    files.write(*named(3))
    own = {
        "id": "batch_req_1",
        "custom_id": "q1",
        "response": {"status_code": 200, "body": {}},
        "error": None,
    }
    files.output.write_text(json.dumps(own))
    assert files.run().requests == 2
    assert {row["custom_id"] for row in files.rows()} == {"q0", "q1", "q2"}


@pytest.mark.parametrize(
    "torn", [b'{"id":"batch_req_0', b"\0\0\0\0", b'{"id":"batch_req_1","custom_id":"\xc3']
)
def test_a_torn_last_line_is_mended_and_its_row_asked_again(files, torn):
    files.write(*named(5))
    files.run()
    whole = files.output.read_bytes().splitlines(keepends=True)
    files.output.write_bytes(b"".join(whole[:-1]) + torn)
    assert files.run().requests == 1
    assert len(files.rows()) == 5


def test_a_second_run_on_one_output_is_refused_and_names_the_first(files):
    files.write(*named(2))
    files.run()
    with (
        manifest.lock_of(files.output),
        pytest.raises(ConfigError, match=f"process {os.getpid()} on .*, since"),
    ):
        files.run()


def test_a_full_disk_is_an_error_and_what_came_is_kept(files, monkeypatch):
    files.write(*named(20))
    write, room = os.write, [3000]

    def small(fd, data):
        path = Path(f"/proc/self/fd/{fd}").readlink().name
        if path == "out.jsonl":
            if not room[0]:
                raise OSError(28, "No space left on device")
            data = data[: room[0]]
            room[0] -= len(data)
        return write(fd, data)

    monkeypatch.setattr("os.write", small)
    with pytest.raises(OutputError, match="No space left on device"):
        files.run()
    monkeypatch.undo()
    kept = len(files.rows())
    assert kept > 0


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_output_is_told_before_anything_is_sent(files):
    files.write(*named(2))
    files.output.write_text("")
    files.output.chmod(0o400)
    with pytest.raises(OutputError, match="can't be written"):
        files.run()
    assert sent(files) == 0


def test_shards_have_each_row_once(files, tmp_path):
    files.write(*named(60))
    ids = []
    for part in (1, 2, 3):
        files.output = tmp_path / f"out{part}.jsonl"
        report = files.run(shard=(part, 3))
        assert 0 < report.done < 60
        ids += files.texts()
    assert sorted(ids) == sorted(f"q{number}" for number in range(60))


@pytest.mark.parametrize(
    "wrong",
    [
        {"shard": (3, 2)},
        {"shard": "1/2"},
        {"limit": 0},
        {"max_usd": -1},
        {"template": 3},
        {"max_requests": 0},
    ],
)
def test_a_rule_that_cant_be_is_told_by_name(files, wrong):
    files.write(*named(2))
    with pytest.raises(ConfigError, match=f"^{next(iter(wrong))}: must be"):
        files.run(**wrong)


def test_no_key_at_all_is_no_fault_of_a_line(world, tmp_path):
    files = Files(world, tmp_path)
    files.write(*named(2))
    with pytest.raises(ConfigError, match="No API keys available") as caught:
        files.run()
    assert "in.jsonl" not in str(caught.value)


def test_a_preview_sends_and_writes_nothing(files):
    files.write(*named(10))
    files.run(limit=4)
    before = sorted(path.name for path in files.input.parent.iterdir())
    with files.world.interface() as llm:
        preview = llm.open_run(files.input, files.output, **{**MODEL, "model": "gpt-4o"}).preview()
    assert (preview.counts.rows, preview.counts.todo, preview.counts.changed) == (10, 10, 4)
    assert preview.tokens > 0
    assert preview.differences == ("model: gpt-4o (was gpt-4o-mini)",)
    assert sent(files) == 4
    assert sorted(path.name for path in files.input.parent.iterdir()) == before


WORKER = """
import sys
from jobapp import LLMInterface
llm = LLMInterface()
llm.run_batch(sys.argv[1], sys.argv[2], provider="openai", model="gpt-4o-mini", concurrency=8)
"""


def start(files, environ, *argv):
    command = argv or (sys.executable, "-c", WORKER, str(files.input), str(files.output))
    return subprocess.Popen(command, env=environ, cwd=files.input.parent, stdout=subprocess.DEVNULL)


def test_a_run_that_is_killed_at_random_moments_loses_and_repeats_only_what_was_under_way(
    llm_simulator, tmp_path
):
    llm_simulator.add_key("openai", ONE, name="OPENAI_API_KEY")
    files = Files(None, tmp_path)
    files.write(*named(400))
    environ = os.environ | llm_simulator.environ()
    rng, kills = random.Random(7), 0
    while True:
        began = llm_simulator.requests("openai")
        process = start(files, environ)
        target = began + rng.randrange(1, 120)
        while process.poll() is None and llm_simulator.requests("openai") < target:
            time.sleep(0.001)  # the server's own count, not a time, ends it
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert process.returncode == 0
    assert kills >= 3
    rows = files.rows()
    assert sorted(row["custom_id"] for row in rows) == sorted(f"q{number}" for number in range(400))
    assert all(text_of(row) == f"echo: Question {row['custom_id'][1:]}" for row in rows)
    assert llm_simulator.requests("openai") <= 400 + kills * 8


TEXT = st.text(min_size=1, max_size=3)


@given(
    st.lists(st.tuples(TEXT, st.integers(0, 2)), max_size=12, unique_by=lambda pair: pair[0]),
    st.lists(st.tuples(TEXT, st.integers(0, 2), st.booleans()), max_size=12),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_what_is_asked_is_what_has_no_answer_that_stands(wanted, stored, keep, retry_errors):
    plan = Plan()
    plan.read([PlannedRow(n, n, name, True, str(request), 1) for n, (name, request) in enumerate(wanted, 1)])
    for place, (name, request, is_answered) in enumerate(stored):
        plan.note_stored(place, name, str(request), is_answered)
    counts = plan.decide(keep=keep, retry_errors=retry_errors, limit=None)
    last = {name: (request, is_answered) for name, request, is_answered in stored}

    def is_asked(name, request):
        if name not in last:
            return True
        before, is_answered = last[name]
        return (before != request and not keep) or (retry_errors and not is_answered)

    asked = [name for name, request in wanted if is_asked(name, request)]
    assert [todo.id for todo in plan.todo()] == asked
    assert counts.todo == len(asked)
    assert counts.answered + counts.failed + counts.todo == counts.rows == len(wanted)
    kept = list(plan.places(ordered=False, prune=False))
    assert kept == sorted(kept)
    assert {stored[place][0] for place in kept} == set(last)
    names = {name for name, _ in wanted}
    assert {stored[place][0] for place in plan.places(ordered=True, prune=True)} == set(last) & names
    plan.close()


@given(st.lists(TEXT, max_size=30), st.integers(1, 5))
@settings(deadline=None)
def test_each_row_belongs_to_one_shard(names, count):
    assert all(1 <= shard_of(name, count) <= count for name in names)


@given(
    st.lists(st.binary(min_size=1, max_size=20).filter(lambda line: b"\n" not in line), max_size=8), st.data()
)
@settings(max_examples=50, deadline=None)
def test_a_rewrite_holds_the_rows_that_were_named_in_their_order(tmp_path_factory, lines, data):
    path = tmp_path_factory.mktemp("rewrite") / "out.jsonl"
    output = OutputFile(path)
    places = [output.append(line + b"\n") for line in lines]
    chosen = data.draw(st.lists(st.sampled_from(range(len(lines))), unique=True)) if lines else []
    output.rewrite([places[index] for index in chosen])
    assert path.read_bytes() == b"".join(lines[index] + b"\n" for index in chosen)
    end = output.append(b"more\n")
    output.close()
    assert path.read_bytes()[end:] == b"more\n"


def test_rows_are_read_at_the_bytes_they_begin_at(tmp_path):
    path = tmp_path / "out.jsonl"
    row = json.dumps({"custom_id": "ä", "response": None, "error": {}}).encode()
    path.write_bytes(row + b"\n" + row + b"\n" + row[:10])
    found = list(read_rows(path, is_ours=True))
    assert [each.place if isinstance(each, Stored) else each for each in found] == [
        0,
        len(row) + 1,
        2 * len(row) + 2,
    ]


def test_the_facade_and_a_script_share_the_default_output(files):
    files.write(*named(2))
    with files.world.interface() as llm:
        llm.run_batch(files.input, **MODEL)
    assert files.input.with_name("in.out.jsonl").exists()
