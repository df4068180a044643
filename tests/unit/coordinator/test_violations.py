"""Violations are kept, unless their rule is tolerated."""

from __future__ import annotations

from pyrunner.coordinator.violations import ViolationLog


def test_tolerated_rules_are_not_recorded() -> None:
    """Other rules still are."""
    log = ViolationLog()
    log.tolerate(17)
    log.record(17, "after the end")
    log.record(9, "no body", "PATCH /x", 3)
    assert [str(one) for one in log.all()] == ["rule 9: no body (job 3) [PATCH /x]"]


def test_clear_forgets() -> None:
    """A test may start anew."""
    log = ViolationLog()
    log.record(1, "unknown path")
    log.clear()
    assert log.all() == []
