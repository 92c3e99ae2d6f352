"""``jobapp simulate``: the simulator as a process that other programs ask."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import openai
import pytest

from jobapp.commands.exit_codes import UsageError
from jobapp.commands.simulate import KeyOption, key_option
from tests.command_support import cli

__all__ = ["cli"]


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Run the command, and give what it printed for programs."""
    command = [sys.executable, "-m", "jobapp", "simulate", "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line == "}\n":
                break
        try:
            yield process, json.loads("".join(lines))
        finally:
            process.kill()


def test_programs_find_it_by_what_it_prints_and_meet_the_limits_of_its_keys():
    with serving(
        "--openai", "sk-a:rpm=1,wait=7,window=600", "--openai", "sk-b", "--answer", "Yes.", "--requests"
    ) as (
        process,
        environ,
    ):
        assert (environ["OPENAI_API_KEY"], environ["OPENAI_API_KEY_BACKUP_1"]) == ("sk-a", "sk-b")
        for key, fails in (("sk-a", False), ("sk-a", True), ("sk-b", False)):
            with openai.OpenAI(api_key=key, base_url=environ["OPENAI_BASE_URL"], max_retries=0) as client:
                if fails:
                    with pytest.raises(openai.RateLimitError):
                        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "a"}])
                else:
                    done = client.chat.completions.create(
                        model="m", messages=[{"role": "user", "content": "a"}]
                    )
                    assert done.choices[0].message.content == "Yes."
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 0
    assert told.count("openai POST /v1/chat/completions m") == 3
    assert "sk-a" not in told


def test_sigterm_ends_it_and_its_port_may_be_chosen():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with serving("--port", str(port)) as (process, environ):
        assert environ["ANTHROPIC_BASE_URL"] == f"http://127.0.0.1:{port}"
        assert environ["GOOGLE_API_KEY"] == environ["OPENROUTER_API_KEY"] == "sk-simulated"
        process.terminate()
        assert process.wait(30) == 0


def test_lines_for_the_shell_set_the_variables():
    script = (
        f"{sys.executable} -m jobapp simulate --google 'k:rpd=1' > out 2>/dev/null & "
        "for _ in $(seq 200); do grep -q 'GOOGLE_API_KEY' out 2>/dev/null && break; sleep 0.1; done; "
        'kill $!; . ./out; echo "$GOOGLE_GEMINI_BASE_URL $GOOGLE_API_KEY"'
    )
    done = subprocess.run(
        ["/bin/sh", "-c", f"cd $(mktemp -d); {script}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("http://127.0.0.1:")
    assert done.stdout.endswith(" k\n")


def test_a_key_is_its_text_and_how_it_behaves():
    assert key_option("sk-a") == KeyOption("sk-a", {})
    assert key_option("sk:a") == KeyOption("sk:a", {})
    assert key_option("sk:a:rpm=3,slow=0.5,service=groq") == KeyOption(
        "sk:a", {"rpm": 3, "slow": 0.5, "service": "groq"}
    )
    with pytest.raises(UsageError, match="no setting 'rps': use rpm"):
        key_option("sk-a:rps=3")
    with pytest.raises(UsageError, match="'x' is no number"):
        key_option("sk-a:rpm=x")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--openai", "sk-a:fault=odd"], "'odd' is not a valid Fault (faults: busy_minute"),
        (["--openai", "sk-a:rpm=0"], "from 1 up"),
        (["--openai", "sk-a:service=aol"], "none of the services"),
    ],
)
def test_wrong_settings_are_wrong_usage(options, told, cli):
    assert cli("simulate", *options) == 2
    assert told in cli.err


def test_a_port_that_is_taken_is_told(cli):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert cli("simulate", "--port", str(taken.getsockname()[1])) == 2
    assert "can't be used: Address already in use" in cli.err
