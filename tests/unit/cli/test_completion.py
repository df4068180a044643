"""What a shell is told to complete, and the script that makes it ask."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from click.shell_completion import ShellComplete

from pyrunner.cli.group import LazyGroup
from pyrunner.cli.main import COMMANDS, run
from pyrunner.cli.session import GLOBAL_FLAGS


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the root logger as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def completed(*words: str) -> list[tuple[str, str]]:
    """Return kind and text of what the last word may become."""
    group = LazyGroup(COMMANDS, GLOBAL_FLAGS, version=lambda: "", start=lambda *_: None)
    found = ShellComplete(group, {}, "pyrunner", "_X").get_completions(list(words[:-1]), words[-1])
    return [(one.type, one.value) for one in found]


def test_commands() -> None:
    """Names of commands by their beginning; internal ones are not offered."""
    assert completed("unr") == [("plain", "unregister")]
    assert completed("supervis") == []
    assert ("plain", "doctor") in completed("")


def test_flags() -> None:
    """Flags of the program and of a command, once a dash is there."""
    assert ("plain", "--log-level") in completed("--log")
    assert completed("doctor", "--j") == [("plain", "--json")]
    assert completed("doctor", "") == []


def test_values() -> None:
    """Words where there is a choice, files where a path is wanted."""
    assert completed("--log-format", "j") == [("plain", "json")]
    assert completed("lint", "--format", "g") == [("plain", "gcc"), ("plain", "github")]
    assert completed("run", "--config", "/et") == [("file", "/et")]
    assert completed("register", "--tls-ca-file", "") == [("file", "")]
    assert completed("register", "--token", "") == []


def test_arguments() -> None:
    """Files for lint, shells for completion, nothing for an unknown command."""
    assert completed("lint", ".git") == [("file", ".git")]
    assert completed("completion", "") == [("plain", "bash"), ("plain", "zsh"), ("plain", "fish")]
    assert completed("abort", "") == []
    assert completed("nonsense", "x") == []


def test_completing_names_imports_no_command() -> None:
    """A key press must not wait for the HTTP library."""
    text = (
        "import sys\nfrom click.shell_completion import ShellComplete\n"
        "from pyrunner.cli.group import LazyGroup\nfrom pyrunner.cli.main import COMMANDS\n"
        "group = LazyGroup(COMMANDS, (), version=str, start=print)\n"
        "assert ShellComplete(group, {}, 'p', '_X').get_completions([], '')\n"
        "sys.exit(any(name.startswith('pyrunner.manager') or name == 'requests' for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each shell gets a script that calls the program by the name it was called by."""
    assert run(["completion", shell], {"HOME": "/nonexistent"}, "gitlab-runner") == 0
    text = capsys.readouterr().out
    assert f"_GITLAB_RUNNER_COMPLETE={shell}_complete" in text
    assert "gitlab-runner" in text


def test_unknown_shells(capsys: pytest.CaptureFixture[str]) -> None:
    """Anything but one known shell is refused with their names."""
    for words in ([], ["csh"], ["bash", "zsh"]):
        assert run(["completion", *words], {"HOME": "/nonexistent"}) == 1
        assert "bash, zsh, fish" in capsys.readouterr().err
