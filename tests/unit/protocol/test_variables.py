"""Variables: look-up, one-level expansion, file variables (job-execution.md 3)."""

from __future__ import annotations

import pytest

from pyrunner.protocol.job import JobVariable
from pyrunner.protocol.variables import Variable, VariableSet, is_file_name, parse_bool

TEMPORARY = Variable("RUNNER_TEMP_PROJECT_DIR", "/b/app.tmp")


def values(*pairs: tuple[str, str]) -> VariableSet:
    """Return plain variables."""
    return VariableSet(Variable(key, value) for key, value in pairs)


def test_the_last_of_several_wins_and_all_are_kept() -> None:
    """Exports need every entry in order, look-ups only the last."""
    found = values(("A", "1"), ("B", "2"), ("A", "3"))
    assert found.value("A") == "3"
    assert [one.value for one in found] == ["1", "2", "3"]
    assert len(found) == 3
    assert "B" in found
    assert "C" not in found
    assert found.value("C") == found.get("C") == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$NAME-${NAME}", "value-value"),
        ("$NAMEX", ""),
        ("$unknown", ""),
        ("a$$b", "a$b"),
        ("$10", "0"),
        ("${1}|$*|$#|$@|$!|$?|${?}", "||||||"),
        ("[$-]", "[]"),
        ("100$", "100$"),
        ("$/x $.", "$/x $."),
        ("${NAME:-b}", ""),
        ("a${}b", "ab"),
        ("a${NAME", "aNAME"),
        ("%NAME% \\$NAME", "%NAME% \\value"),
        ("${$}", "$"),
        ("$ÄNAME", "$ÄNAME"),
        ("$SECOND", "$NAME"),
        ("$FILE", "/b/app.tmp/FILE"),
    ],
)
def test_expansion_is_go_expand_one_level_deep(text: str, expected: str) -> None:
    """Each row is a row of job-execution.md 3.4."""
    variables = VariableSet(
        [
            TEMPORARY,
            Variable("NAME", "value"),
            Variable("SECOND", "$NAME"),
            Variable("FILE", "content", file=True),
        ]
    )
    assert variables.expand_value(text) == expected


def test_values_expand_against_the_unexpanded_list() -> None:
    """``A=$B``, ``B=$C`` gives A the text ``$C``; raw values stay."""
    variables = VariableSet(
        [Variable("A", "$B"), Variable("B", "$C"), Variable("C", "c"), Variable("R", "$C", raw=True)]
    ).expanded()
    assert [one.value for one in variables] == ["$C", "c", "c", "$C"]


def test_a_file_variable_is_a_path_to_scripts_and_content_to_the_runner() -> None:
    """Settings read content, references get the path."""
    variables = VariableSet([TEMPORARY, Variable("KEY", "content", file=True)])
    assert variables.get("KEY") == "/b/app.tmp/KEY"
    assert variables.value("KEY") == "content"


def test_masked_values_hold_file_contents_and_no_unmasked_value() -> None:
    """Masking works on what would show, whatever the kind of the variable."""
    variables = VariableSet(
        [Variable("A", "a", masked=True), Variable("B", "b"), Variable("C", "c", masked=True, file=True)]
    )
    assert variables.masked_values() == ["a", "c"]


def test_services_see_public_and_internal_variables_only() -> None:
    """A secret is neither, hence never reaches a service container."""
    variables = VariableSet(
        [Variable("P", public=True), Variable("I", internal=True), Variable("S", masked=True, raw=True)]
    )
    assert [one.key for one in variables.public_or_internal()] == ["P", "I"]


def test_the_first_entry_decides_what_a_user_may_not_override() -> None:
    """A user's later CI_COMMIT_REF_PROTECTED is not looked at."""
    assert values(("K", "true"), ("K", "false")).first_is_true("K")
    assert not values(("K", "false"), ("K", "true")).first_is_true("K")
    assert values(("K", "1")).first_is_true("K")
    assert not values(("K", "2")).first_is_true("K")
    assert not values().first_is_true("K")


def test_replacing_the_first_entry_keeps_its_place() -> None:
    """The payload's own CI_JOB_STATUS, which comes later, stays the last word."""
    replaced = values(("S", "running"), ("X", "x"), ("S", "mine")).with_first(Variable("S", "failed"))
    assert [one.value for one in replaced] == ["failed", "x", "mine"]
    untouched = values(("X", "x"))
    assert untouched.with_first(Variable("S", "failed")) is untouched


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "", ".", "..", "a\0b"])
def test_a_file_variable_cannot_leave_the_temp_dir(name: str) -> None:
    """gitlab-runner would write wherever the name leads."""
    assert not is_file_name(name)


def test_odd_but_harmless_file_names_work() -> None:
    """Only what would leave the folder is refused."""
    assert is_file_name("a b-c.d")
    assert is_file_name("..x")


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True"])
def test_go_truth(text: str) -> None:
    """The six spellings of strconv.ParseBool."""
    assert parse_bool(text) is True


@pytest.mark.parametrize(
    ("text", "expected"), [("0", False), ("False", False), ("yes", None), ("", None), ("tRUE", None)]
)
def test_go_falsehood_and_neither(text: str, expected: bool | None) -> None:
    """Anything else is no boolean."""
    assert parse_bool(text) is expected


def test_a_sent_variable_is_never_internal() -> None:
    """``internal`` is the runner's mark."""
    sent = JobVariable("A", "v", public=True, masked=True, file=True, raw=True)
    assert Variable.from_payload(sent) == Variable("A", "v", True, True, True, True, internal=False)
