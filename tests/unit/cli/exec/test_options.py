"""The command line of ``exec``."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.cli.arguments import read_arguments
from pyrunner.cli.exec.options import FLAGS, Options
from pyrunner.cli.values import read_values
from pyrunner.errors import UsageError

ENVIRON = {"PASSED": "on"}


def options(*arguments: str) -> Options:
    """Return the options of a command line."""
    found = read_arguments(arguments, FLAGS)
    return Options.read(found.rest, read_values(FLAGS, found.given, ENVIRON), ENVIRON)


def test_variables() -> None:
    """A value may hold equal signs; a name alone passes the environment's on."""
    found = options("--var", "A=b=c", "--var", "PASSED", "--var", "E=")
    assert [(one.key, one.value, one.masked) for one in found.variables] == [
        ("A", "b=c", False),
        ("PASSED", "on", False),
        ("E", "", False),
    ]


def test_files(tmp_path: Path) -> None:
    """Files give variables of the project; those of a secret file are masked and not expanded."""
    plain, secret = tmp_path / "plain", tmp_path / "secret"
    plain.write_text("# comment\nexport A=1\nB='two words'\n")
    secret.write_text("TOKEN=a$b\n")
    found = options("--var-file", str(plain), "--secret-file", str(secret))
    variables = [one.variable for one in found.settings]
    assert [(one.key, one.value, one.masked, one.raw) for one in variables] == [
        ("A", "1", False, False),
        ("B", "two words", False, False),
        ("TOKEN", "a$b", True, True),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--var", "=x"], "--var wants NAME=VALUE"),
        (["--var", "UNSET"], "there is no such variable to pass on"),
        (["--var-file", "/nowhere/at/all"], "there is no such file"),
        (["--input", "x"], "--input wants NAME=VALUE"),
        (["--executor", "ssh"], "--executor is one of auto, shell, docker"),
        (["--list", "--graph"], "cannot be combined"),
        (["--only-failed", "a"], "name none"),
        (["--shell-into", "a", "b"], "name no others"),
    ],
)
def test_refused(arguments: list[str], message: str) -> None:
    """What makes no sense is refused, saying why."""
    with pytest.raises(UsageError) as caught:
        options(*arguments)
    assert message in str(caught.value)


def test_secrets_without_value(tmp_path: Path) -> None:
    """A line without a value is a mistake; the message has no other line of the file."""
    file = tmp_path / "secret"
    file.write_text("TOKEN=abc\nLONELY\n")
    with pytest.raises(UsageError, match="LONELY has no value") as caught:
        options("--secret-file", str(file))
    assert "abc" not in str(caught.value)


def test_defaults() -> None:
    """Needs are brought along, four jobs run at once."""
    found = options("a", "b")
    assert (found.jobs, found.with_needs, found.concurrency) == (("a", "b"), True, 4)
    assert not options("--no-needs").with_needs
    assert not options("--needs=false").with_needs
    assert options("-j", "2").concurrency == 2
