"""``migrate`` as a command: reports, dry runs, and there and back with services."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import CommandLine, Done, plain
from tests.support.fake_systemd import FakeSystemd, install

pytestmark = pytest.mark.integration

CONFIG = """# Ada's runners
[[runners]]
  name = "a"   # the first
  url = "https://gitlab.example.com"
  token = "glrt-0123456789abcdef"
  executor = "shell"

[[runners]]
  name = "b"
  url = "https://gitlab.example.com"
  token = "glrt-fedcba9876543210"
  executor = "docker"
  [runners.docker]
    image = "alpine"
"""


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    """A home folder with a config.toml."""
    command = CommandLine(tmp_path)
    command.config.write_text(CONFIG)
    command.config.chmod(0o640)
    return command


def test_dry_run_changes_nothing(command: CommandLine) -> None:
    """What differs, the lines that would come, the steps - no token, and nothing is written."""
    done = command.run("migrate", "--dry-run", "--no-service")
    assert done.code == 0, done.err
    assert "each branch has a folder of its own" not in done.out, "not with that line"
    assert '+    source_path = "slot" # added by pyrunner migrate' in done.out
    assert "0123456789abcdef" not in done.out + done.err
    assert command.config.read_text() == CONFIG
    assert [one.name for one in command.home.iterdir()] == ["config.toml"]
    done = command.run("migrate", "--dry-run", "--no-service", "--source-path", "branch")
    assert "a: each branch has a folder of its own" in done.out
    assert "added by" not in done.out


def test_file_there_and_back(command: CommandLine) -> None:
    """Without services: shell entries keep one path for all branches; the way back is exact, mode too."""
    assert command.run("migrate", "--no-service").code == 0
    paths = [one.get("tristan", {}).get("source_path") for one in command.runners()]
    assert paths == ["slot", None]
    done = command.run("migrate", "--back", "--no-service")
    assert done.code == 0, done.err
    assert command.config.read_text() == CONFIG
    assert command.config.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in command.home.iterdir()] == ["config.toml"]


def test_branch_folders_on_request(command: CommandLine) -> None:
    """--source-path branch leaves the file alone."""
    assert command.run("migrate", "--no-service", "--source-path", "branch").code == 0
    assert command.config.read_text() == CONFIG


def test_runners_that_would_get_no_jobs(command: CommandLine) -> None:
    """Nothing happens when a runner would be lost, unless it is wanted."""
    text = CONFIG.replace('"docker"', '"kubernetes"')
    command.config.write_text(text)
    done = command.run("migrate", "--no-service")
    assert done.code == 1
    assert "no jobs would run any more for: b" in done.err
    assert command.config.read_text() == text
    assert command.run("migrate", "--no-service", "--force").code == 0


def test_without_systemd(command: CommandLine) -> None:
    """Where no systemd runs, the text says so and nothing is done."""
    if Path("/run/systemd/system").exists():
        pytest.skip("systemd runs here")
    done = command.run("migrate")
    assert done.code == 1
    assert command.config.read_text() == CONFIG


class Namespace:
    """Commands with a /run and an /etc/systemd of their own, in which systemd seems to run."""

    def __init__(self, command: CommandLine, folder: Path) -> None:
        self.command = command
        self.systemd = FakeSystemd(folder / "units")
        self.systemd.units.mkdir()
        programs = folder / "bin"
        programs.mkdir()
        install(programs, self.systemd)
        self._path = f"{programs}:{os.environ['PATH']}"
        script = (
            "test -d /etc/systemd/system && mount -t tmpfs none /run && mkdir -p /run/systemd/system && "
            f'mount --bind {self.systemd.units} /etc/systemd/system && exec "$@"'
        )
        self._words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
        if os.geteuid() or shutil.which("unshare") is None or self._run("true").returncode:
            pytest.skip("needs a mount namespace of its own")

    def run(self, *arguments: str) -> Done:
        """Run a command of pyrunner."""
        done = self._run(*self.command.argv(*arguments))
        return Done(done.returncode, done.stdout.decode(), plain(done.stderr))

    def _run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        environ = self.command.environment(PATH=self._path)
        del environ["CONFIG_FILE"]
        return subprocess.run([*self._words, *words], env=environ, capture_output=True, check=False)


def test_services_there_and_back(command: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The unit tells where the file is and whom jobs run as; afterwards everything is as it was."""
    lab = Namespace(command, tmp_path_factory.mktemp("systemd"))
    unit = lab.systemd.units / "gitlab-runner.service"
    unit.write_text(
        f'[Service]\nExecStart=/usr/bin/gitlab-runner "run" "--config" "{command.config}" '
        f'"--working-directory" "{command.home}" "--service" "gitlab-runner" "--user" "daemon"\n'
    )
    lab.systemd.set("gitlab-runner.service", active=True, enabled=True)
    done = lab.run("migrate", "--dry-run")
    assert done.code == 0, done.err
    assert "install and start pyrunner.service" in done.out
    assert lab.systemd.calls == []
    done = lab.run("migrate")
    assert done.code == 0, done.err
    assert lab.systemd.state == {
        "gitlab-runner.service": {"active": False, "enabled": False},
        "pyrunner.service": {"active": True, "enabled": True},
    }
    ours = (lab.systemd.units / "pyrunner.service").read_text()
    assert str(command.config) in ours
    assert "daemon" in ours
    done = lab.run("migrate", "--back", "--config", str(command.config))
    assert done.code == 0, done.err
    assert lab.systemd.state["gitlab-runner.service"] == {"active": True, "enabled": True}
    assert not lab.systemd.state["pyrunner.service"]["active"]
    assert command.config.read_text() == CONFIG
    assert [one.name for one in lab.systemd.units.iterdir()] == ["gitlab-runner.service"]
    assert [one.name for one in command.home.iterdir()] == ["config.toml"]


def test_no_service_to_go_back_to(command: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without gitlab-runner's unit --back would leave the host without any runner: refused."""
    lab = Namespace(command, tmp_path_factory.mktemp("systemd"))
    done = lab.run("migrate", "--back", "--config", str(command.config))
    assert done.code == 1
    assert "there is no service gitlab-runner to go back to" in done.err
