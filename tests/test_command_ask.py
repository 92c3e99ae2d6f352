"""``jobapp ask``: the answer on stdout, all else on stderr, and an exit code that tells a script what to do."""

import io
from pathlib import Path

import pytest

from jobapp.testing import Fault, Response, Trouble
from tests.command_support import MODELS, cli

__all__ = ["cli"]

CONFIG = """
models:
  default: {provider: openai, model: gpt-4o-mini}
  fallback: {provider: anthropic, model: claude-haiku-4-5}
  review: {provider: openai, model: gpt-4o}
retry: {jitter: none}
"""


@pytest.fixture
def config(cli, tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)


@pytest.mark.parametrize("provider", MODELS)
def test_the_answer_alone_is_on_stdout(cli, llm_simulator, provider):
    llm_simulator.add_key(provider, "sk-one")
    assert cli.ask("Good morning", provider=provider) == 0
    assert (cli.out, cli.err) == ("echo: Good morning\n", "")


def test_an_answer_that_was_cut_off_is_told_on_stderr(cli, config, llm_simulator):
    message = {"role": "assistant", "content": "Once upon"}
    choice = {"index": 0, "message": message, "finish_reason": "length"}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    llm_simulator.add_key("openai", "sk-one")
    llm_simulator.script("openai", "sk-one", [Response(body=body)])
    assert cli.ask("Tell me") == 0
    assert cli.out == "Once upon\n"
    assert "the answer was cut off" in cli.err


def test_words_of_the_prompt_need_no_quotes(cli, config, llm_simulator):
    llm_simulator.add_key("openai", "sk-one")
    assert cli("ask", "Good", "morning") == 0
    assert cli.out == "echo: Good morning\n"


def test_without_a_prompt_stdin_is_asked(cli, config, llm_simulator, monkeypatch):
    llm_simulator.add_key("openai", "sk-one")
    monkeypatch.setattr("sys.stdin", io.StringIO("Good evening\n"))
    assert cli("ask") == 0
    assert llm_simulator.received[-1].prompt == "Good evening"


def test_a_dash_in_the_prompt_stands_for_stdin(cli, config, llm_simulator, monkeypatch):
    llm_simulator.add_key("openai", "sk-one")
    monkeypatch.setattr("sys.stdin", io.StringIO("+ a line\n"))
    assert cli("ask", "Review", "this:", "-") == 0
    prompt = llm_simulator.received[-1].prompt
    assert prompt.split() == ["Review", "this:", "+", "a", "line"]
    assert "this: \n\n+ a line" in prompt


def test_the_task_chooses_the_model_and_system_goes_before_the_prompt(cli, config, llm_simulator):
    llm_simulator.add_key("openai", "sk-one")
    assert cli("ask", "Hello", "--task", "review", "--system", "Be brief.") == 0
    request = llm_simulator.received[-1]
    assert request.model == "gpt-4o"
    assert request.body["messages"][0] == {"role": "system", "content": "Be brief."}


def test_another_configuration_may_be_named_before_or_after_the_command(cli, llm_simulator, tmp_path):
    llm_simulator.add_key("openai", "sk-one")
    path = tmp_path / "other.yaml"
    path.write_text("models: {default: {provider: openai, model: gpt-4o}}")
    assert cli("--config", str(path), "ask", "Hello") == 0
    assert cli("ask", "Hello", "--config", str(path)) == 0
    assert [request.model for request in llm_simulator.received] == ["gpt-4o", "gpt-4o"]


def test_a_stream_is_printed_piece_by_piece_and_ends_its_line(cli, llm_simulator):
    llm_simulator.add_key("openai", "sk-one")
    assert cli.ask("one two three", "--stream") == 0
    assert cli.out == "echo: one two three\n"
    assert llm_simulator.received[-1].stream


def test_a_stream_that_breaks_leaves_what_had_come_and_says_so(cli, llm_simulator):
    llm_simulator.add_key("openai", "sk-one", Trouble(Fault.CUT_SHORT, after=2))
    assert cli.ask("one two three", "--stream") == 1
    assert cli.out.startswith("echo: ")
    assert cli.out.endswith("\n")
    assert "three" not in cli.out
    assert "broke off" in cli.err


def test_json_tells_the_answer_who_gave_it_and_what_it_took(cli, llm_simulator):
    llm_simulator.add_key("openai", "sk-one", Fault.SPENT_DAY)
    llm_simulator.add_key("openai", "sk-two")
    assert cli.ask("Hello", "--json") == 0
    done = cli.json
    assert done["text"] == "echo: Hello"
    assert (done["provider"], done["model"]) == ("openai", "gpt-4o-mini")
    assert done["key"] == "OPENAI_API_KEY_BACKUP_1"
    assert done["usage"]["output_tokens"] > 0
    assert [attempt["key"] for attempt in done["attempts"]] == ["OPENAI_API_KEY", "OPENAI_API_KEY_BACKUP_1"]
    assert done["attempts"][0]["verdict"]["kind"] == "quota"
    assert done["attempts"][1]["verdict"] is None


def test_json_of_an_error_tells_when_to_try_again(cli, llm_simulator):
    llm_simulator.add_key("openrouter", "sk-one", Fault.SPENT_DAY)
    assert cli.ask("Hello", "--json", provider="openrouter") == 3
    error = cli.json["error"]
    assert error["type"] == "NoAPIKeysAvailableError"
    assert error["available_at"] == "2026-11-24T00:00:00Z"
    assert error["seconds_left"] == 12 * 3600
    assert len(error["attempts"]) == 1
    assert "No API keys available" in cli.err


def test_what_is_waited_for_and_rotated_to_is_told_on_stderr(cli, config, llm_simulator):
    llm_simulator.add_key("openai", "sk-one").fail(Trouble(Fault.BUSY_MINUTE, wait=20.0), times=1)
    llm_simulator.key("openai", "sk-one").fail(Fault.NO_CREDIT)
    llm_simulator.add_key("anthropic", "sk-two")
    assert cli("ask", "Hello") == 0
    told = cli.err.splitlines()
    assert told[0].startswith("jobapp: OPENAI_API_KEY (gpt-4o-mini): rate limited until 13:00:2")
    assert told[1].startswith("jobapp: waiting 20.")
    assert told[2].startswith("jobapp: OPENAI_API_KEY (all models): quota spent until ")
    assert told[3] == "jobapp: falling back to anthropic claude-haiku-4-5"
    assert cli.out == "echo: Hello\n"


def test_an_overloaded_provider_is_told_on_stderr(cli, config, llm_simulator):
    llm_simulator.add_key("openai", "sk-one").fail(Fault.OVERLOADED, times=1)
    assert cli("ask", "Hello") == 0
    assert "openai gpt-4o-mini did not answer: " in cli.err


def test_quiet_says_nothing_while_all_goes_well(cli, llm_simulator):
    llm_simulator.add_key("openai", "sk-one", Fault.SPENT_DAY)
    llm_simulator.add_key("openai", "sk-two")
    assert cli.ask("Hello", "--quiet") == 0
    assert cli.err == ""


def test_without_fallback_the_fallback_model_is_not_asked(cli, config, llm_simulator):
    llm_simulator.add_key("openai", "sk-one", Fault.SPENT_DAY)
    llm_simulator.add_key("anthropic", "sk-two")
    assert cli("ask", "Hello", "--no-fallback") == 3
    assert llm_simulator.requests("anthropic") == 0


def test_wait_waits_until_a_key_is_free(cli, config, llm_simulator, fake_clock):
    llm_simulator.add_key("openai", "sk-one", per_day=1)
    assert cli("ask", "Hello") == 0
    assert cli("ask", "Hello", "--wait") == 0
    assert sum(fake_clock.sleeps) > 3600
    assert "waiting" in cli.err


def test_a_deadline_is_not_waited_past(cli, config, llm_simulator, fake_clock):
    llm_simulator.add_key("openai", "sk-one", Trouble(Fault.BUSY_MINUTE, wait=20.0))
    assert cli("ask", "Hello", "--deadline", "5") == 3
    assert fake_clock.sleeps == []
    assert "deadline" in cli.err


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.SPENT_DAY, 3),
        (Fault.NO_CREDIT, 3),
        (Trouble(Fault.BUSY_MINUTE, wait=1.0), 3),
        (Fault.BAD_KEY, 4),
        (Fault.SUSPENDED, 4),
        (Fault.BAD_REQUEST, 1),
        (Fault.OVERLOADED, 1),
        (Fault.CUT, 1),
    ],
)
def test_the_exit_code_tells_what_went_wrong(cli, config, llm_simulator, fault, code):
    llm_simulator.add_key("openai", "sk-one", fault)
    assert cli("ask", "Hello", "--no-fallback") == code
    assert cli.out == ""
    assert cli.err.splitlines()[-1].strip()
    assert "Traceback" not in cli.err


def test_a_spent_key_beside_a_bad_one_means_try_later(cli, llm_simulator):
    llm_simulator.add_key("openai", "sk-one", Fault.BAD_KEY)
    llm_simulator.add_key("openai", "sk-two", Fault.SPENT_DAY)
    assert cli.ask() == 3


def test_without_a_key_the_variable_to_set_is_named(cli):
    assert cli.ask() == 4
    assert "OPENAI_API_KEY" in cli.err


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["Hello", "--task", "summary"], "models.default"),
        (["Hello", "--config", "missing.yaml"], "missing.yaml"),
    ],
)
def test_a_faulty_configuration_is_named_before_anything_is_sent(cli, llm_simulator, argv, named):
    llm_simulator.add_key("openai", "sk-one")
    assert cli("ask", *argv) == 5
    assert named in cli.err
    assert llm_simulator.requests() == 0


def test_an_empty_prompt_is_wrong_usage(cli, config, llm_simulator):
    llm_simulator.add_key("openai", "sk-one")
    assert cli("ask", "  ") == 2
    assert "prompt is empty" in cli.err


def test_no_prompt_at_a_terminal_is_wrong_usage(cli, config, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    assert cli("ask") == 2
    assert "pipe it in" in cli.err


def test_a_stdin_that_is_no_text_is_wrong_usage(cli, config, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe\xff"), encoding="utf-8"))
    assert cli("ask") == 2
    assert "stdin" in cli.err


@pytest.mark.parametrize("argv", [["--deadline", "0"], ["--deadline", "soon"], ["--json", "--stream"]])
def test_wrong_options_are_wrong_usage(cli, argv):
    assert cli("ask", "Hello", *argv) == 2
    assert "usage: jobapp ask" in cli.err


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "openrouter"])
def test_with_one_key_in_the_environment_the_question_is_enough(cli, llm_simulator, provider):
    llm_simulator.add_key(provider, "sk-one")
    assert cli("ask", "Hello") == 0
    assert cli.out == "echo: Hello\n"
    assert llm_simulator.received[-1].model == MODELS[provider]
    assert cli("ask", "Hello", "--provider", provider) == 0


def test_without_any_key_the_question_alone_is_wrong_usage_that_names_the_variable(cli):
    assert cli("ask", "Hello") == 2
    assert "OPENAI_API_KEY" in cli.err


@pytest.mark.parametrize(
    ("argv", "told"),
    [(["--provider", "ollama"], "give --model"), (["--model", "gpt-4o"], "give --provider")],
)
def test_what_is_missing_is_told_in_the_words_of_the_command_line(cli, llm_simulator, argv, told):
    llm_simulator.add_key("openai", "sk-one")
    assert cli("ask", "Hello", *argv) == 2
    assert told in cli.err


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("options", [[], ["--stream"]])
def test_an_answer_does_not_act_on_a_terminal(cli, llm_simulator, monkeypatch, options):
    llm_simulator.answer = "\x1b[2Jgone\x07 \x9b31m"
    llm_simulator.add_key("openai", "sk-one")
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    cli.ask("Hello", *options)
    assert terminal.getvalue() == "\\x1b[2Jgone\\x07 \\x9b31m\n"


def test_json_is_ascii(cli, llm_simulator):
    llm_simulator.answer = "Zürich \U0001f600"
    llm_simulator.add_key("openai", "sk-one")
    assert cli.ask("Hello", "--json") == 0
    assert cli.out.isascii()
    assert cli.json["text"] == llm_simulator.answer


def test_a_stdin_of_another_encoding_is_told_with_the_place(cli, config, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"Z\xfcrich"), encoding="utf-8"))
    assert cli("ask") == 2
    assert "stdin is not utf-8: byte 0xfc at position 1" in cli.err


def test_the_page_names_each_default_model():
    page = (Path(__file__).parent.parent / "docs" / "reference" / "cli.md").read_text("utf-8")
    assert all(f"`{provider}` {model}" in page for provider, model in MODELS.items())
