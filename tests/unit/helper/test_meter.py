"""Progress lines of transfers (job-execution.md 5.8)."""

from __future__ import annotations

import io

import pytest

from pyrunner.helper.meter import Meter, format_bytes, format_rate


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, "1 B"), (999, "999 B"), (1100, "1.10 KB"), (1_110_000, "1.11 MB"), (1_111_100_000_000, "1.11 TB")],
)
def test_bytes(count: int, expected: str) -> None:
    """By powers of 1000, two digits."""
    assert format_bytes(count) == expected


@pytest.mark.parametrize(
    ("count", "seconds", "expected"),
    [(1, 1, "1 B/s"), (10, 2, "5 B/s"), (10, 0, "10.0 GB/s"), (1490, 1, "1.5 KB/s"), (10**18, 1, "1.0 EB/s")],
)
def test_rates(count: int, seconds: float, expected: str) -> None:
    """By powers of 1000, one digit."""
    assert format_rate(count, seconds) == expected


@pytest.mark.parametrize(("total", "shown"), [(2000, "1.00 KB/2.00 KB"), (0, "1.00 KB")])
def test_first_and_last_line(total: int, shown: str) -> None:
    """One at the start, one with a line end at the end; an unknown total is not shown."""
    out = io.StringIO()
    with Meter("Uploading cache", total, 60, out) as meter:
        meter.add(1000)
    last = out.getvalue().rpartition("\r")[2]
    assert last.startswith(f"Uploading cache {shown} (")
    assert last.endswith("B/s)                \n")
    assert out.getvalue().count("\n") == 1


def test_no_frequency_no_lines() -> None:
    """The default."""
    out = io.StringIO()
    with Meter("Uploading cache", 1, 0, out) as meter:
        meter.add(1)
    assert out.getvalue() == ""
