"""The command line as tests run it: in a folder of its own, on the simulator's clock, in Berlin."""

import json
import time

import pytest

from jobapp.__main__ import main
from jobapp.providers import PROVIDERS

MODELS = {name: spec.default_model for name, spec in PROVIDERS.items()}


class CommandLine:
    """Runs commands and keeps what the last one wrote."""

    def __init__(self, clock, capsys):
        self.clock, self._capsys = clock, capsys
        self.out = self.err = ""

    def __call__(self, *argv):
        self._capsys.readouterr()
        code = main(argv, clock=self.clock)
        self.out, self.err = self._capsys.readouterr()
        return code

    def ask(self, prompt="Hello", *options, provider="openai"):
        return self("ask", prompt, "--provider", provider, "--model", MODELS[provider], *options)

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def cli(llm_simulator, fake_clock, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBAPP_CONFIG_DIR", str(tmp_path / "user"))
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.setenv("COLUMNS", "80")
    time.tzset()
    yield CommandLine(fake_clock, capsys)
    monkeypatch.undo()
    time.tzset()
