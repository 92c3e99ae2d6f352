"""The command line as a whole: versions, help, logs, interruptions, and no traceback ever."""

import io
import logging
import os
import subprocess
import sys

import pytest

import jobapp
from jobapp.__main__ import COMMANDS, run
from jobapp.testing import Fault
from tests.command_support import MODELS, cli

__all__ = ["cli"]


def test_version(cli):
    assert cli("--version") == 0
    assert cli.out == f"jobapp {jobapp.__version__}\n"


def test_without_a_command_the_help_is_shown_as_wrong_usage(cli):
    assert cli() == 2
    assert cli.out == ""
    assert "exit codes:" in cli.err


def test_an_unknown_command_is_wrong_usage(cli):
    assert cli("sttus") == 2
    assert "usage: jobapp" in cli.err


@pytest.mark.parametrize("command", [command.__name__.rpartition(".")[2] for command in COMMANDS])
def test_every_command_has_help_that_fits_a_terminal(cli, command):
    assert cli(command, "--help") == 0
    assert cli.out.startswith(f"usage: jobapp {command}")
    assert max(map(len, cli.out.splitlines())) <= 80


def test_verbose_logs_to_stderr_without_a_keys_text(cli, llm_simulator):
    llm_simulator.add_key("openai", "sk-canary-one", Fault.BAD_KEY)
    llm_simulator.add_key("openai", "sk-canary-two")
    assert cli.ask("Hello", "--verbose") == 0
    assert cli.out == "echo: Hello\n"
    assert "DEBUG jobapp.core.llm_interface: attempt 1" in cli.err
    assert "canary" not in cli.err


def test_the_log_is_left_as_it_was(cli, llm_simulator):
    logger = logging.getLogger("jobapp")
    before = (logger.level, list(logger.handlers))
    llm_simulator.add_key("openai", "sk-one")
    cli.ask("Hello", "--verbose")
    assert (logger.level, list(logger.handlers)) == before


def test_a_warning_that_is_no_event_reaches_stderr_without_verbose(cli, llm_simulator, tmp_path):
    llm_simulator.add_key("openai", "sk-one")
    cache = tmp_path / "jobapp-cache"
    cache.mkdir()
    (cache / "api_key_state.json").write_text("no JSON")
    assert cli.ask() == 0
    assert cli.err.startswith("jobapp: ")
    assert "set aside" in cli.err


def test_an_interruption_ends_with_130_and_without_a_word(cli, llm_simulator, monkeypatch):
    llm_simulator.add_key("openai", "sk-one")
    monkeypatch.setattr("jobapp.commands.ask.answer", _raiser(KeyboardInterrupt()))
    assert cli.ask() == 130
    assert (cli.out, cli.err) == ("", "")


def test_a_reader_who_has_gone_is_no_error(cli, llm_simulator, monkeypatch):
    llm_simulator.add_key("openai", "sk-one")
    monkeypatch.setattr("jobapp.commands.ask.answer", _raiser(BrokenPipeError()))
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert cli.ask() == 141


def test_the_unexpected_is_one_sentence_and_a_traceback_only_with_verbose(cli, llm_simulator, monkeypatch):
    llm_simulator.add_key("openai", "sk-one")
    monkeypatch.setattr("jobapp.commands.ask.answer", _raiser(RuntimeError("odd")))
    assert cli.ask() == 1
    assert cli.err == "jobapp: unexpected RuntimeError: odd (--verbose shows where)\n"
    assert cli.ask("Hello", "--verbose") == 1
    assert "Traceback" in cli.err


def test_the_console_script_exits_with_the_commands_code(cli, monkeypatch):
    monkeypatch.setattr("sys.argv", ["jobapp", "--version"])
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 0


def test_a_process_of_its_own_whose_reader_goes_away_says_nothing(llm_simulator, tmp_path):
    llm_simulator.add_key("openai", "sk-one")
    command = [
        sys.executable,
        "-m",
        "jobapp",
        "ask",
        "Hello",
        "--provider",
        "openai",
        "--model",
        MODELS["openai"],
    ]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            command,
            stdout=writer,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            cwd=tmp_path,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def _raiser(error):
    def fail(*args, **kwargs):
        raise error

    return fail
