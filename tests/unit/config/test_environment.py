"""``$VAR`` in url and token."""

from __future__ import annotations

import pytest

from pyrunner.config.environment import expand

ENVIRON = {"A": "1", "A_b2": "2", "x:-y": "no default syntax", "#": "count"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$A", "1"),
        ("${A}", "1"),
        ("$A_b2.", "2."),
        ("$A-x", "1-x"),
        ("${A}${A}", "11"),
        ("$MISSING|", "|"),
        ("${MISSING:-x}", ""),
        ("${x:-y}", "no default syntax"),
        ("a$$b", "ab"),
        ("$1x", "x"),
        ("$#", "count"),
        ("${#}", "count"),
        ("$", "$"),
        ("a$ b", "a$ b"),
        ("$é", "$é"),
        ("${}x", "x"),
        ("${A", "A"),
        ("$%", "$%"),
    ],
)
def test_expands_as_go_does(text: str, expanded: str) -> None:
    """The rules are those of Go's os.Expand, the odd ones included."""
    assert expand(text, ENVIRON) == expanded


def test_values_are_not_expanded_again() -> None:
    """A token that holds a dollar sign arrives as it is."""
    assert expand("$A", {"A": "$B", "B": "no"}) == "$B"
