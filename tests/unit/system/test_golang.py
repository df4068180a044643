"""Go's spelling of texts."""

from __future__ import annotations

import pytest

from pyrunner.system.golang import one_line, quoted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", '"a"'),
        ('"\\', '"\\"\\\\"'),
        ("\n\t\x00\x7f", '"\\n\\t\\x00\\x7f"'),
        ("ä", '"ä"'),
        ("\u200b", '"\\u200b"'),
        ("\U000e0001", '"\\U000e0001"'),
    ],
)
def test_percent_q(text: str, expected: str) -> None:
    """What prints stays, the rest is escaped as strconv.Quote does."""
    assert quoted(text) == expected


def test_one_line() -> None:
    """Nothing in it ends a line or steers a terminal; quotes, backslashes and tabs stay as they are."""
    assert one_line('say "x\\y"\tä') == 'say "x\\y"\tä'
    assert one_line("a\n\r\x1b[2J\x9b\u2028\u202e") == "a\\n\\r\\x1b[2J\\u009b\\u2028\\u202e"
