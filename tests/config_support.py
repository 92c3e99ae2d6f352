"""A home for configurations: folders and variables of a test's own."""

from pathlib import Path

import pytest

from jobapp.core.config_manager import ConfigManager


class Home:
    """A working directory and a user's folder of their own, and the environment to go with them."""

    def __init__(self, root: Path) -> None:
        self.project = root / "project"
        self.user = root / "user"
        self.environ = {"JOBAPP_CONFIG_DIR": str(self.user), "JOBAPP_CACHE_DIR": str(root / "cache")}

    def write(self, name: str, text: str) -> Path:
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def config(self, yaml: str = "", path=None, *, module=None, env_path=None, **environ: str):
        if yaml:
            self.write("config.yaml", yaml)
        return ConfigManager(path, env_path, module, environ={**self.environ, **environ})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home(tmp_path)
    home.project.mkdir()
    monkeypatch.chdir(home.project)
    return home
