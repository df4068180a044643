"""Flags as gitlab-runner's scripts give them (job-execution.md 5.8)."""

from __future__ import annotations

import pytest

from pyrunner.errors import UsageError
from pyrunner.helper.arguments import Flags, Options


def read(*arguments: str, **environment: str) -> Options:
    """Read a command line of one flag of each kind."""
    flags = Flags("try", "for this test", environment)
    flags.text("name", default="artifacts", env="NAME")
    flags.number("concurrency", default=16, env="CONCURRENCY")
    flags.duration("retry-time", default="1s", env="RETRY_TIME")
    flags.repeated("path")
    flags.switch("untracked", env="UNTRACKED")
    flags.accepted("retry")
    return flags.read(arguments)


@pytest.mark.parametrize("words", [("--name", "x"), ("-name", "x"), ("--name=x",), ("-name=x",)])
def test_spellings(words: tuple[str, ...]) -> None:
    """One dash or two, a word of its own or behind ``=``, as Go programs take them."""
    assert read(*words, "--retry", "9").name == "x"


def test_values_may_look_like_flags() -> None:
    """A file may be called ``--path``; an equals sign belongs to the value behind the first."""
    given = read("--path", "--path", "-path=a=b", "--name", "")
    assert given.path == ["--path", "a=b"]
    assert given.name == ""


def test_the_last_one_counts() -> None:
    """Of flags with one value."""
    assert read("--name", "x", "--name", "y").name == "y"


def test_defaults_and_variables() -> None:
    """A flag goes before its variable, that before the default; an empty variable is none."""
    plain = read(NAME="")
    assert (plain.name, plain.concurrency, plain.retry_time) == ("artifacts", 16, 1.0)
    assert (plain.path, plain.untracked) == ([], False)
    given = read("--concurrency", "4", CONCURRENCY="8", RETRY_TIME="1m", UNTRACKED="True")
    assert (given.concurrency, given.retry_time, given.untracked) == (4, 60.0, True)


@pytest.mark.parametrize(
    ("word", "on"), [("--untracked", True), ("--untracked=T", True), ("-untracked=false", False)]
)
def test_switches(word: str, on: bool) -> None:
    """Alone they are on; a value is behind ``=`` only, so what follows is a flag again."""
    given = read(word, "--name", "x")
    assert given.untracked is on
    assert given.name == "x"


@pytest.mark.parametrize(
    ("words", "variables", "message"),
    [
        (["--nme", "x"], {}, "flag provided but not defined: --nme"),
        (["name"], {}, "flag provided but not defined: name"),
        (["--"], {}, "flag provided but not defined: --"),
        (["---name", "x"], {}, "flag provided but not defined: ---name"),
        (["--nam", "x"], {}, "flag provided but not defined: --nam"),
        (["--name"], {}, "flag needs an argument: --name"),
        (["--concurrency", "many"], {}, 'invalid value "many" for flag --concurrency'),
        ([], {"CONCURRENCY": "many"}, 'invalid value "many" for flag --concurrency'),
        (["--retry-time", "1"], {}, 'invalid value "1" for flag --retry-time'),
        (["--untracked=maybe"], {}, "invalid boolean value: --untracked=maybe"),
    ],
)
def test_what_cannot_be_read(words: list[str], variables: dict[str, str], message: str) -> None:
    """Said with the word itself, and where to find out more."""
    with pytest.raises(UsageError) as caught:
        read(*words, **variables)
    assert str(caught.value) == f"{message}: see pyrunner try --help"


@pytest.mark.parametrize("word", ["-h", "--h", "-help", "--help"])
def test_help(capsys: pytest.CaptureFixture[str], word: str) -> None:
    """Each flag with its variable; then the command ends."""
    with pytest.raises(SystemExit) as ended:
        read("--name", "x", word)
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Usage: pyrunner try [flags]\n\nfor this test\n")
    assert "  --concurrency value " in shown
    assert "[$CONCURRENCY]" in shown
