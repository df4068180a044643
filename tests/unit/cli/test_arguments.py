"""Go-style arguments (config-and-commands.md 2.1)."""

from __future__ import annotations

import pytest

from pyrunner.cli.arguments import read_arguments, stray_boolean
from pyrunner.cli.flags import Flag, IgnoredFamily, Kind
from pyrunner.errors import UsageError

NAME = Flag(("name", "description", "n"))
LOCKED = Flag(("locked",), Kind.BOOLEAN)
STRICT = Flag(("strict",), Kind.OPTIONAL_BOOLEAN)
VOLUMES = Flag(("volumes",), Kind.LIST)
OLD = Flag(("old",), ignored=True)
FLAGS = (NAME, LOCKED, STRICT, VOLUMES, OLD)
FAMILIES = (IgnoredFamily("kube-", ("privileged",)),)


@pytest.mark.parametrize(
    "arguments",
    [
        ["-name", "x"],
        ["--name", "x"],
        ["-name=x"],
        ["--name=x"],
        ["-n", "x"],
        ["--n=x"],
        ["--description", "x"],
    ],
)
def test_spellings(arguments: list[str]) -> None:
    """One dash or two, a separate value or one after ``=``, any of the names."""
    assert read_arguments(arguments, FLAGS).given == {"name": ["x"]}


@pytest.mark.parametrize(
    ("arguments", "given", "rest"),
    [
        (["--locked"], {"locked": ["true"]}, []),
        (["--locked=false"], {"locked": ["false"]}, []),
        (["--locked", "false"], {"locked": ["true"]}, ["false"]),
        (["--strict", "false"], {"strict": ["false"]}, []),
        (["--strict", "--locked"], {"strict": ["true"], "locked": ["true"]}, []),
        (["--name", "--locked"], {"name": ["--locked"]}, []),
        (["--name="], {"name": [""]}, []),
        (["--name=a=b"], {"name": ["a=b"]}, []),
        (["--volumes", "a", "--volumes=b"], {"volumes": ["a", "b"]}, []),
        (["one", "--name", "x", "two"], {"name": ["x"]}, ["one", "two"]),
        (["--", "--name", "x"], {}, ["--name", "x"]),
        (["-"], {}, ["-"]),
    ],
)
def test_values(arguments: list[str], given: dict[str, list[str]], rest: list[str]) -> None:
    """A plain boolean never takes the next argument; every other flag always does."""
    result = read_arguments(arguments, FLAGS)
    assert (result.given, result.rest) == (given, rest)


def test_last_value_of_a_repeated_flag_stands_last() -> None:
    """Whoever reads a single value takes the last."""
    assert read_arguments(["--name", "a", "--name", "b"], FLAGS).given["name"] == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bogus"], "flag provided but not defined: -bogus"),
        (["-nx"], "flag provided but not defined: -nx"),
        (["--bogus=1"], "flag provided but not defined: -bogus"),
        (["--name"], "flag needs an argument: -name"),
        (["--kube-image"], "flag needs an argument: -kube-image"),
        (["--name", "a", "--description", "b"], "Cannot use two forms of the same flag: description name"),
        (["---name"], "bad flag syntax: ---name"),
        (["--=secret"], "bad flag syntax: --"),
    ],
)
def test_refused(arguments: list[str], message: str) -> None:
    """What cannot be understood is named, and nothing is guessed: no abbreviations, no joined letters."""
    with pytest.raises(UsageError) as caught:
        read_arguments(arguments, FLAGS, FAMILIES)
    assert str(caught.value) == message


def test_families_and_ignored_flags_are_taken_with_their_values() -> None:
    """Flags of features that pyrunner does not have are reported and do not disturb the others."""
    arguments = ["--kube-image", "alpine", "--kube-privileged", "--kube-x=1", "--old", "v", "--name", "n"]
    result = read_arguments(arguments, FLAGS, FAMILIES)
    assert result.ignored == ["--kube-image", "--kube-privileged", "--kube-x", "--old"]
    assert result.given["name"] == ["n"]
    assert result.rest == []


@pytest.mark.parametrize("spelling", ["-h", "--h", "-help", "--help"])
def test_help(spelling: str) -> None:
    """Help is asked for in any spelling, and anything may follow."""
    assert read_arguments([spelling, "--name", "x"], FLAGS).wants_help


def test_stopping_at_the_command() -> None:
    """Global flags end at the command; its own flags are left alone."""
    result = read_arguments(["--locked", "run", "--bogus"], FLAGS, stop_at_first=True)
    assert result.rest == ["run", "--bogus"]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["register", "--locked", "False"], ("--locked", "false")),
        (["true"], ("--key", "true")),
        (["--token", "secret", "true"], ("--key", "true")),
        (["--token=secret", "true"], ("--key", "true")),
        (["--locked=true"], None),
    ],
)
def test_stray_booleans(arguments: list[str], found: tuple[str, str] | None) -> None:
    """A separate true or false is told together with the flag before it."""
    assert stray_boolean(arguments) == found
