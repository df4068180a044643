"""dotenv reports (gitlab-ci-yml.md 3.12)."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from pyrunner.coordinator.pipelines.dotenv import (
    MAX_BYTES,
    MAX_VARIABLES,
    InvalidReport,
    parse_report,
    read_report,
    report_refusal,
)


def pairs(text: str) -> dict[str, str]:
    """Return the variables of a report."""
    return {one.key: one.value for one in parse_report(text.encode())}


def test_lines() -> None:
    """Keys and values are trimmed, quotes and equal signs kept, blank lines skipped; the last wins."""
    assert pairs('A=1\n\n  B = "two" \r\nC=a=b\nD=\nA=3\n') == {"A": "3", "B": '"two"', "C": "a=b", "D": ""}


@pytest.mark.parametrize("text", ["# comment", "A", "1A=x", "A B=x", "A=1\nrest of a value", "A=x\0y"])
def test_refused_lines(text: str) -> None:
    """One line that is none refuses the whole report."""
    with pytest.raises(InvalidReport, match="Invalid Format"):
        pairs(text)


def test_limits() -> None:
    """Size and number of variables are limited."""
    assert len(pairs("\n".join(f"A{n}=1" for n in range(MAX_VARIABLES)))) == MAX_VARIABLES
    with pytest.raises(InvalidReport, match="20 variables"):
        pairs("\n".join(f"A{n}=1" for n in range(MAX_VARIABLES + 1)))
    with pytest.raises(InvalidReport, match="Too Big"):
        pairs("A=" + "x" * MAX_BYTES)
    with pytest.raises(InvalidReport, match="Invalid Format"):
        parse_report(b"A=\xff")


def test_uploads(tmp_path: Path) -> None:
    """An upload is gzip; a bomb is not unpacked, and other types of reports are not looked at."""
    good, bomb, bad = tmp_path / "good", tmp_path / "bomb", tmp_path / "bad"
    good.write_bytes(gzip.compress(b"A=1\n"))
    bomb.write_bytes(gzip.compress(b"A=" + b"x" * (1 << 24)))
    bad.write_bytes(b"A=1\n")
    assert [one.key for one in read_report(good)] == ["A"]
    assert report_refusal("dotenv", good) == ""
    assert "Too Big" in report_refusal("dotenv", bomb)
    assert report_refusal("dotenv", bad) == "Invalid Format"
    assert report_refusal("junit", bad) == ""
