"""The program as a whole: help, version, errors and exit codes (config-and-commands.md 2.1)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner import COMPATIBLE_VERSION, __version__
from pyrunner.cli.group import LazyCommand
from pyrunner.cli.main import COMMANDS, run

ESCAPES = re.compile("\x1b\\[[0-9;]*m")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the root logger as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Outcome:
    """Exit code and output of one command line, colours removed."""

    def __init__(self, code: int, capture: pytest.CaptureFixture[str]) -> None:
        self.code = code
        out, err = capture.readouterr()
        self.out = out
        self.err = ESCAPES.sub("", err)


def call(capture: pytest.CaptureFixture[str], *arguments: str, **environ: str) -> Outcome:
    """Run one command line in this process."""
    return Outcome(run(arguments, {"HOME": "/nonexistent", **environ}), capture)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """Six lines on standard output, values at column 15, the first naming both versions."""
    outcome = call(capsys, "--version")
    lines = outcome.out.splitlines()
    assert outcome.code == 0
    assert lines[0] == f"Version:      {COMPATIBLE_VERSION} (pyrunner {__version__})"
    assert [line[:14].rstrip() for line in lines] == [
        "Version:",
        "Git revision:",
        "Git branch:",
        "GO version:",
        "Built:",
        "OS/Arch:",
    ]
    assert all(line[13] == " " and line[14] != " " for line in lines)
    assert outcome.err == ""
    assert call(capsys, "-v").out == outcome.out


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command: the help page on standard output, success; hidden commands are not on it."""
    outcome = call(capsys)
    assert outcome.code == 0
    assert "unregister" in outcome.out
    assert "supervise" not in outcome.out
    assert "Runtime platform" in outcome.err


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown command is fatal."""
    outcome = call(capsys, "nix")
    assert (outcome.code, outcome.out) == (1, "")
    assert "FATAL: Command nix not found." in outcome.err


@pytest.mark.parametrize("arguments", [["--bogus"], ["list", "--bogus"], ["register", "-nx"]])
def test_unknown_flag(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """An unknown flag: message and help on standard output, a fatal line, exit code 1."""
    outcome = call(capsys, *arguments)
    message = f"flag provided but not defined: -{arguments[-1].lstrip('-')}"
    assert outcome.code == 1
    assert outcome.out.startswith(f"Incorrect Usage: {message}\n")
    assert "Usage: pyrunner" in outcome.out
    assert f"FATAL: {message}" in outcome.err


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Each command can be imported and explains itself on standard output."""
    outcome = call(capsys, name, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: pyrunner {name}")


def test_help_names_variables(capsys: pytest.CaptureFixture[str]) -> None:
    """The help page names the variable of each flag."""
    words = " ".join(call(capsys, "register", "-h").out.split())
    for variable in ("[$CI_SERVER_URL]", "[$REGISTER_LOCKED]", "[$DOCKER_VOLUMES]", "[$SSH_USER]"):
        assert variable in words


@pytest.mark.parametrize(
    ("arguments", "environ", "reason"),
    [
        (["--log-level", "loud", "list"], {}, 'not a valid log level: "loud"'),
        (["--log-format", "xml", "list"], {}, 'unknown log format "xml"'),
        (["list"], {"LOG_LEVEL": "loud"}, 'not a valid log level: "loud"'),
    ],
)
def test_wrong_logging_options(
    capsys: pytest.CaptureFixture[str], arguments: list[str], environ: dict[str, str], reason: str
) -> None:
    """An unknown level or format is fatal, whichever way it is given."""
    outcome = call(capsys, *arguments, **environ)
    assert outcome.code == 1
    assert "FATAL: Error while setting up logging configuration" in outcome.err
    assert reason in outcome.err


def test_debug_wins(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """--debug beats --log-level; an empty RUNNER_DEBUG is off."""
    path = str(tmp_path / "none.toml")
    assert "Checking runtime mode" in call(capsys, "--debug", "-l", "error", "verify", "-c", path).err
    assert "Checking runtime mode" in call(capsys, "verify", "-c", path, RUNNER_DEBUG="1").err
    assert "Checking runtime mode" not in call(capsys, "verify", "-c", path, RUNNER_DEBUG="").err


def test_separate_boolean(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A separate true or false argument is warned about."""
    outcome = call(capsys, "verify", "--delete", "false", "-c", str(tmp_path / "none.toml"))
    assert "boolean parameters must be passed in the command line with --delete=false" in outcome.err
    assert "parameters after this may be ignored" in outcome.err


def test_ignored_global_option(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """An option of gitlab-runner that has no meaning here is taken with a warning."""
    outcome = call(capsys, "--cpuprofile", "x", "list", "-c", str(tmp_path / "none.toml"))
    assert outcome.code == 0
    assert "WARNING: --cpuprofile has no effect" in outcome.err


def test_a_bug_shows_its_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no expected error ends with code 2 and its traceback."""
    monkeypatch.setitem(COMMANDS, "list", LazyCommand("json", "broken", attribute="dumps"))
    outcome = call(capsys, "list")
    assert outcome.code == 2
    assert "This is a bug in pyrunner" in outcome.err
    assert "TypeError: json.dumps is no command" in outcome.err


@pytest.mark.parametrize(
    ("words", "choice"),
    [("pyrunner re", "reset-token"), ("pyrunner register --docker-im", "--docker-image")],
)
def test_shell_completion(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: str, choice: str
) -> None:
    """Shells can complete commands and flags, and see nothing else."""
    monkeypatch.setenv("_PYRUNNER_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    with pytest.raises(SystemExit):
        run([], {})
    out, err = capsys.readouterr()
    assert f"plain,{choice}" in out.splitlines()
    assert err == ""


def test_list(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """list shows each runner with its full token on standard error."""
    path = tmp_path / "config.toml"
    path.write_text('[[runners]]\nname = "one"\nurl = "https://u"\ntoken = "glrt-x"\nexecutor = "shell"\n')
    outcome = call(capsys, "list", CONFIG_FILE=str(path))
    assert (outcome.code, outcome.out) == (0, "")
    assert f"Listing configured runners                          ConfigFile={path}\n" in outcome.err
    assert f"{'one':<50}  Executor=shell Token=glrt-x URL=https://u\n" in outcome.err


def test_list_with_a_broken_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """list with a file that cannot be read is a warning and a success."""
    path = tmp_path / "config.toml"
    path.write_text("concurrent = 'x'\n")
    outcome = call(capsys, "list", "--config", str(path))
    assert outcome.code == 0
    assert "WARNING: " in outcome.err
    assert f"{path}:1" in outcome.err


def test_other_commands_with_a_broken_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """verify and unregister fail on it, register panics."""
    path = tmp_path / "config.toml"
    path.write_text("concurrent = 'x'\n")
    for command, word in (("verify", "FATAL: "), ("unregister", "FATAL: "), ("register", "PANIC: ")):
        outcome = call(capsys, command, "--config", str(path))
        assert outcome.code == 1
        assert word in outcome.err


def test_empty_config_path(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty CONFIG_FILE counts as set and says what to do."""
    outcome = call(capsys, "list", CONFIG_FILE="")
    assert outcome.code == 1
    assert "give --config a path, or unset CONFIG_FILE" in outcome.err


def test_access_level(capsys: pytest.CaptureFixture[str]) -> None:
    """register refuses an unknown access level before anything else."""
    outcome = call(capsys, "register", "--access-level", "nope")
    assert outcome.code == 1
    assert "PANIC: Given access-level is not valid. Refer to pyrunner register -h" in outcome.err
