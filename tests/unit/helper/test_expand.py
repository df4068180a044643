"""Variables in paths (job-execution.md 12, 34)."""

from __future__ import annotations

import pytest

from pyrunner.errors import UsageError
from pyrunner.helper.expand import expand, expand_paths

VALUES = {"NAME": "value", "EMPTY": "", "MONEY": "$NAME"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/$NAME/b", "a/value/b"),
        ("${NAME}x$EMPTY$UNKNOWN", "valuex"),
        ("${UNKNOWN:-other}/${EMPTY:-x}/${EMPTY-x}", "other/x/"),
        ("${NAME:+yes}${EMPTY:+no}", "yes"),
        (r"\$NAME \\ *.{a,b}", "$NAME \\ *.{a,b}"),
        ("$MONEY", "$NAME"),
        ("100$", "100$"),
    ],
)
def test_variables_are_replaced_once(text: str, expected: str) -> None:
    """Names, braces and defaults are understood; values are not looked into again."""
    assert expand(text, VALUES) == expected


@pytest.mark.parametrize("text", ["$(ls)", "`ls`", "${", "${a b}"])
def test_nothing_is_run(text: str, caplog: pytest.LogCaptureFixture) -> None:
    """A command substitution is refused; the path stays as it is, with a warning."""
    with pytest.raises(UsageError):
        expand(text, VALUES)
    assert expand_paths([text, "$NAME"], VALUES) == [text, "value"]
    assert [one.startswith("invalid path ") for one in caplog.messages] == [True]
