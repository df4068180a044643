"""The truth table of ``if`` expressions (gitlab-ci-yml.md 4.3)."""

from __future__ import annotations

import pytest

from pyrunner.ci.expression import ExpressionError, parse

VARIABLES = {
    "S": "hello",
    "E": "",
    "W": "  ",
    "F": "false",
    "R": "/^he/",
    "P": "feature/x",
    "BAD": "/a(?!b)/",
}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$S", True),
        ("$E", False),
        ("$U", False),
        ("$W", False),
        ("$F", True),
        ('$E == ""', True),
        ('$U == ""', False),
        ('$U != ""', True),
        ("$U == null", True),
        ("$E == null", False),
        ("$U == $E", False),
        ("$U == $U", True),
        ('"$S" == "hello"', False),
        ('$S == "Hello"', False),
        ('($S == "hello")', True),
        ('$S == "a" || "b"', True),
        ("$U =~ /.*/", True),
        ("$U =~ /^$/", True),
        ("$S =~ /^he/", True),
        ("$S =~ $R", True),
        ("$S =~ /HE/", False),
        ("$S =~ /HE/i", True),
        ('$S =~ "xhellox"', True),
        ('$S =~ "hel"', False),
        ("$S =~ $U", False),
        ("$S !~ $U", True),
        (r"$P =~ /feature\/x/", True),
        ("$E || $S", False),
        ("$E && $S", True),
        ("$U || $S", True),
        ("$S && $U", False),
        ("$S || $U && $E", True),
        ('!$S == "bar"', False),
        ("$F == false", True),
        ("!$U", True),
        ("$S =~ $BAD", False),
        ("$S!~/^he/", False),
    ],
)
def test_truth(text: str, result: bool) -> None:
    """Each row of the table, with Ruby's truth inside and the blank test at the end."""
    assert parse(text).is_true(VARIABLES) is result


@pytest.mark.parametrize(
    "text",
    [
        '${S} == "hello"',
        '$S = "hello"',
        "$S == hello",
        "$S == 1",
        "$S =~ /h/",
        "$P =~ /feature/x/",
        "$S =~ /a(?!b)/",
        "$A $B",
        "()",
        "( $S",
        "",
        "%S%",
    ],
)
def test_syntax_errors(text: str) -> None:
    """What the grammar or RE2 refuses is a syntax error."""
    with pytest.raises(ExpressionError, match="invalid expression syntax"):
        parse(text)


def test_one_hundred_tokens() -> None:
    """A hundred tokens pass, one more does not."""
    assert parse("!" * 99 + "$S").is_true(VARIABLES) is False
    with pytest.raises(ExpressionError, match="Too many tokens"):
        parse("!" * 100 + "$S")


def test_multiline_flag_has_no_effect() -> None:
    """``^`` is the start of the whole text, with ``m`` as without; ``s`` lets the dot match a newline."""
    assert not parse("$T =~ /^two/m").is_true({"T": "one\ntwo"})
    assert parse("$T =~ /one.two/s").is_true({"T": "one\ntwo"})
