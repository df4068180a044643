"""Where the value of a flag comes from, and what it is turned into (config-and-commands.md 2.1)."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner.cli.flags import Flag, Kind
from pyrunner.cli.values import Values, read_values
from pyrunner.errors import UsageError


def value(flag: Flag, given: list[str] | None = None, **environ: str) -> Any:
    """Return the value of one flag."""
    return read(flag, given, **environ)[flag.name]


def read(flag: Flag, given: list[str] | None = None, **environ: str) -> Values:
    """Return the values of one flag."""
    return read_values([flag], {flag.name: given} if given else {}, environ)


def test_order() -> None:
    """The command line beats the environment, which beats the default."""
    flag = Flag(("f",), env="F", default="d")
    assert value(flag) == "d"
    assert value(flag, F="e") == "e"
    assert value(flag, ["c"], F="e") == "c"
    assert value(flag, ["c", "last"]) == "last"


def test_an_empty_variable_counts() -> None:
    """Set but empty clears a text, turns a command's boolean on, and the global --debug off."""
    assert value(Flag(("f",), env="F", default="d"), F="") == ""
    assert value(Flag(("f",), Kind.BOOLEAN, env="F"), F="") is True
    assert value(Flag(("f",), Kind.BOOLEAN, env="F", empty_env_is_off=True), F="") is False


def test_is_set() -> None:
    """A flag is set by the command line or its variable, not by its default."""
    flag = Flag(("f",), env="F", default="d")
    assert not read(flag).is_set("f")
    assert read(flag, F="").is_set("f")
    assert read(flag, ["x"]).is_set("f")


@pytest.mark.parametrize(
    ("kind", "nothing"),
    [
        (Kind.STRING, ""),
        (Kind.BOOLEAN, False),
        (Kind.OPTIONAL_BOOLEAN, None),
        (Kind.INTEGER, 0),
        (Kind.OPTIONAL_INTEGER, None),
        (Kind.DURATION, None),
        (Kind.LIST, []),
        (Kind.COMMA_LIST, []),
        (Kind.MAP, {}),
    ],
)
def test_absent(kind: Kind, nothing: object) -> None:
    """Without a value a flag has the empty value of its kind; three-state kinds have none."""
    assert value(Flag(("f",), kind)) == nothing


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (Kind.BOOLEAN, ["T"], True),
        (Kind.BOOLEAN, ["0"], False),
        (Kind.OPTIONAL_BOOLEAN, ["False"], False),
        (Kind.INTEGER, ["-7"], -7),
        (Kind.OPTIONAL_INTEGER, ["+0"], 0),
        (Kind.DURATION, ["1h30m"], 5400.0),
        (Kind.LIST, ["a,b", ""], ["a,b", ""]),
        (Kind.COMMA_LIST, ["a,b", "c"], ["a", "b", "c"]),
        (Kind.MAP, ["a:b:c", "d"], {"a": "b:c", "d": ""}),
        (Kind.BOOLEAN_MAP, ["FF_A:true", "FF_B:0", "FF_C"], {"FF_A": True, "FF_B": False, "FF_C": True}),
        (Kind.LIST_MAP, ["i:a", "i:b"], {"i": ["a", "b"]}),
    ],
)
def test_kinds(kind: Kind, given: list[str], expected: object) -> None:
    """Each kind reads its texts as gitlab-runner does."""
    assert value(Flag(("f",), kind), given) == expected


def test_a_variable_is_one_element_and_comes_first() -> None:
    """DOCKER_VOLUMES=a,b is the one volume ``a,b``; flags are added after it."""
    assert value(Flag(("f",), Kind.LIST, env="F"), ["c"], F="a,b") == ["a,b", "c"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Kind.BOOLEAN, "yes"),
        (Kind.INTEGER, "1.5"),
        (Kind.INTEGER, ""),
        (Kind.INTEGER, "٣"),
        (Kind.INTEGER, str(2**63)),
        (Kind.DURATION, "1 h"),
    ],
)
def test_unreadable(kind: Kind, text: str) -> None:
    """A text that cannot be read is an error that names flag and variable, from either source."""
    flag = Flag(("flag",), kind, env="VARIABLE")
    for given, environ in (([text], {}), (None, {"VARIABLE": text})):
        with pytest.raises(UsageError, match=r"-flag \(or VARIABLE\)"):
            value(flag, given, **environ)


def test_ignored_flags_read_no_environment() -> None:
    """A flag without effect cannot fail because of a variable."""
    assert value(Flag(("f",), Kind.BOOLEAN, env="F", ignored=True), F="nonsense") is False
