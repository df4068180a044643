"""Go's spelling of texts."""

from __future__ import annotations

import pytest

from pyrunner.system.golang import quoted


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
