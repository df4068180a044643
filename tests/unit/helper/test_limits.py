"""Limits of what is unpacked, and where they come from."""

from __future__ import annotations

import pytest

from pyrunner.errors import ArchiveError, UsageError
from pyrunner.helper.limits import Ledger, Limits, read_limits


def test_defaults_and_variables() -> None:
    """Each variable sets one limit; empty ones none."""
    assert read_limits({}) == Limits()
    assert read_limits({"PYRUNNER_EXTRACT_MAX_BYTES": ""}) == Limits()
    given = {
        "PYRUNNER_EXTRACT_MAX_ENTRIES": "7",
        "PYRUNNER_EXTRACT_MAX_BYTES": " 8 ",
        "PYRUNNER_EXTRACT_MAX_RATIO": "0",
    }
    assert read_limits(given) == Limits(entries=7, size=8, ratio=0)


@pytest.mark.parametrize("text", ["-1", "1.5", "1k", "²"])
def test_values_that_are_none(text: str) -> None:
    """Said by name."""
    with pytest.raises(UsageError, match="PYRUNNER_EXTRACT_MAX_RATIO"):
        read_limits({"PYRUNNER_EXTRACT_MAX_RATIO": text})


def test_none_is_no_limit() -> None:
    """0 switches entries and ratio off; free space stays."""
    ledger = Ledger(Limits(entries=0, ratio=0), 1, room=1 << 40)
    ledger.expect(10**9)
    ledger.admit("large", 1 << 40)
    with pytest.raises(ArchiveError, match=r"'more': .*free space"):
        ledger.admit("more", 1)


def test_errors_name_the_variable() -> None:
    """Whoever meets a limit rightly learns how to raise it."""
    with pytest.raises(ArchiveError, match="raise PYRUNNER_EXTRACT_MAX_ENTRIES"):
        Ledger(Limits(entries=1), 1, 9).expect(2)
    with pytest.raises(ArchiveError, match="raise PYRUNNER_EXTRACT_MAX_BYTES"):
        Ledger(Limits(size=1), 1, 9).admit("x", 2)
    with pytest.raises(ArchiveError, match="raise PYRUNNER_EXTRACT_MAX_RATIO"):
        Ledger(Limits(ratio=2, ratio_from=0), 10, 1000).admit("x", 21)
