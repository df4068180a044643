"""Go duration text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.system.durations import format_duration, format_nanoseconds, parse_duration, parse_nanoseconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("90s", 90.0),
        ("1h30m", 5400.0),
        ("15m0s", 900.0),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("150ms", 0.15),
        ("20us", 0.00002),
        ("20µs", 0.00002),
        ("20μs", 0.00002),
        ("-1m", -60.0),
        ("+1m", 60.0),
        ("1h1h", 7200.0),
    ],
)
def test_parses_what_go_parses(text: str, seconds: float) -> None:
    """Every form that Go accepts is read."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "1 h 30 min", "1d", "s", ".s", "-", "1h ", " 1h", "1e3s", "1h-3m", "٣s", "9999999h"]
)
def test_refuses_what_go_refuses(text: str) -> None:
    """No unit, spaces, days, foreign digits and overflow are errors that quote the text."""
    with pytest.raises(ValueError, match="invalid duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (3600, "1h0m0s"),
        (900, "15m0s"),
        (30, "30s"),
        (62.5, "1m2.5s"),
        (0.15, "150ms"),
        (0.00002, "20µs"),
        (5e-9, "5ns"),
        (1.0005, "1.0005s"),
        (-90, "-1m30s"),
        (90000, "25h0m0s"),
        (0.0015, "1.5ms"),
    ],
)
def test_formats_as_go_formats(seconds: float, text: str) -> None:
    """Leading zero units are left out, trailing ones stay, days do not exist."""
    assert format_duration(seconds) == text


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_text_and_back_is_exact(nanoseconds: int) -> None:
    """Formatting and parsing lose no nanosecond over the whole range."""
    assert parse_nanoseconds(format_nanoseconds(nanoseconds)) == nanoseconds
