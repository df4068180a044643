"""Flags and words of the service commands (config-and-commands.md 2.6)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.cli.main import run
from pyrunner.service import host

ESCAPES = re.compile("\x1b\\[[0-9;]*m")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the root logger as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be root to those who ask."""
    monkeypatch.setattr("os.getuid", lambda: 0)


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be an ordinary user to those who ask."""
    monkeypatch.setattr("os.getuid", lambda: 1000)


def call(
    capture: pytest.CaptureFixture[str], *arguments: str, program: str = "pyrunner"
) -> tuple[int, str, str]:
    """Run one command line; return exit code, output and log without colours."""
    code = run(arguments, {"HOME": "/nonexistent"}, program)
    out, err = capture.readouterr()
    return code, out, ESCAPES.sub("", err)


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "FATAL: Please specify user that will run gitlab-runner service"),
        (
            ("--user", "root", "--init-user", "root"),
            "FATAL: Only one of 'user' or 'init-user' can be specified.",
        ),
        (("--user", "no-such-user-here"), "there is no user no-such-user-here"),
        (("--user", "root", "--service", "../x"), "no name for a service"),
        (("--user", "root", "--credential", "nonsense"), "no credential"),
        (("--user-service",), "root has no services of its own kind"),
    ],
)
def test_what_root_is_refused(capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], words: str) -> None:
    """gitlab-runner's words where it has some; nothing is written."""
    code, out, err = call(capsys, "install", "--print", *flags)
    assert (code, out) == (1, "")
    assert words in err


@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize("flag", ["--user", "--init-user"])
def test_users_choose_no_user(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    """Without root, everything runs as oneself."""
    code, _, err = call(capsys, "install", "--print", flag, "root")
    assert code == 1
    assert "only root can install a service that uses another user" in err


@pytest.mark.usefixtures("as_root")
def test_print_shows_what_would_be_installed(capsys: pytest.CaptureFixture[str]) -> None:
    """With the flags in it, relative paths made absolute."""
    flags = ("--user", "root", "-d", "here", "-c", "x.toml", "--syslog", "-n", "ci")
    code, out, _ = call(capsys, "install", "--print", *flags)
    folder = Path.cwd()
    assert code == 0
    expected = (
        f"run --config {folder}/x.toml --working-directory {folder}/here --service ci --syslog --user root"
    )
    assert re.search(rf"^ExecStart=.* {re.escape(expected)}$", out, re.M)


@pytest.mark.usefixtures("as_root")
def test_init_user_has_the_config_in_its_home(capsys: pytest.CaptureFixture[str]) -> None:
    """Unless --config says otherwise; the unit then runs as that user."""
    code, out, _ = call(capsys, "install", "--print", "--init-user", "root")
    assert code == 0
    assert "\nUser=root\n" in out
    assert "--config /root/config.toml " in out
    _, out, _ = call(capsys, "install", "--print", "--init-user", "root", "--config", "/etc/x.toml")
    assert "--config /etc/x.toml " in out


@pytest.mark.usefixtures("as_user")
def test_config_file_variable_does_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    """As with gitlab-runner: the unit's environment is another."""
    run(("install", "--print"), {"HOME": "/nonexistent", "CONFIG_FILE": "/other.toml"}, "pyrunner")
    assert "/other.toml" not in capsys.readouterr().out


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize(("program", "name"), [("pyrunner", "pyrunner"), ("gitlab-runner", "gitlab-runner")])
def test_name_follows_the_program(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, program: str, name: str
) -> None:
    """Called as gitlab-runner, the service is gitlab-runner's; without systemd, the words say what serves."""
    monkeypatch.setattr(host, "_SYSTEMS", ())
    code, _, err = call(capsys, "start", program=program)
    assert code == 1
    assert f"FATAL: Failed to start {name}: " in err
    assert "pyrunner run" in err


@pytest.mark.usefixtures("as_root")
def test_status_without_systemd(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On standard error, exit code 1, and no FATAL line: scripts ask."""
    monkeypatch.setattr(host, "_SYSTEMS", ())
    code, out, err = call(capsys, "status", "--service", "ci")
    assert (code, out) == (1, "")
    assert re.search(r"^ci: ", err, re.M)
    assert "FATAL" not in err


@pytest.mark.usefixtures("as_root")
def test_stop_is_one_of_two(capsys: pytest.CaptureFixture[str]) -> None:
    """Jobs are waited for or aborted, not both."""
    code, _, err = call(capsys, "stop", "--wait", "--abort")
    assert code == 1
    assert "exclude each other" in err
