"""Words of a script (job-execution.md 5.4)."""

from __future__ import annotations

import pytest

from pyrunner.shells.quoting import Expanded, double_quoted, encode, quote_ansi_c, quote_posix, quote_word


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "''"),
        ("Az09,-./@_", "Az09,-./@_"),
        ("a b", "$'a b'"),
        ("it's", "$'it\\'s'"),
        ("\a\b\t\n\v\f\r\\", "$'\\a\\b\\t\\n\\v\\f\\r\\\\'"),
        ("ü", "$'\\xc3\\xbc'"),
        ("\x1b[0;m", "$'\\x1b[0;m'"),
        ("a=b", "$'a=b'"),
    ],
)
def test_ansi_c(text: str, expected: str) -> None:
    """Exactly gitlab-runner's spelling: it shows in traces with CI_DEBUG_TRACE."""
    assert quote_ansi_c(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", "''"), ("plain", "plain"), ('a`"\\$', '"a\\`\\"\\\\\\$"'), ("a;b", '"a;b"'), ("it's", '"it\'s"')],
)
def test_posix(text: str, expected: str) -> None:
    """Double quotes with four escapes; every character that means something to a shell is inside them."""
    assert quote_posix(text) == expected


def test_only_the_named_variable_of_an_expanded_word_is_replaced() -> None:
    """A path with a dollar sign in it stays what it is."""
    word = Expanded("PWD", "/a$b`c", prefix="x=")
    assert quote_word(word, quote_ansi_c) == '"x=${PWD}/a\\$b\\`c"'
    assert quote_word("a b", quote_ansi_c) == "$'a b'"
    assert double_quoted("$(x)") == '"\\$(x)"'


def test_half_a_surrogate_pair_does_not_break_a_script() -> None:
    """JSON can hold it; Go decodes it as U+FFFD."""
    assert encode("a\ud800b") == "a\ufffdb".encode()
    assert encode("\ud83d\ude00") == "😀".encode()
    assert quote_posix("\ud800") == '"\ufffd"'
