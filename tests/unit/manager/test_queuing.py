"""Did a job wait too long: [runners.monitoring] (config-and-commands.md 1.5)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pyrunner.config.tables import JobQueuingDuration, Monitoring
from pyrunner.manager.queuing import waited_too_long

NOW = datetime(2017, 2, 22, 14, 59, 30, tzinfo=UTC)
ALWAYS = "* * * * * * *"


def rule(
    threshold: float = 60.0, period: str = ALWAYS, timezone: str = "UTC", running: str = ""
) -> JobQueuingDuration:
    """Return one rule."""
    return JobQueuingDuration([period], timezone, threshold, running)


def exceeded(*rules: JobQueuingDuration, waited: float = 61.0, running: str = "1") -> bool:
    """Ask about a job."""
    return waited_too_long(Monitoring(list(rules)), waited, running, NOW)


def test_thresholds() -> None:
    """More than the threshold; 0 and less switch the rule off; no rule, no expectation."""
    assert exceeded(rule())
    assert not exceeded(rule(), waited=60.0)
    assert not exceeded(rule(threshold=0.0))
    assert not exceeded()
    assert not waited_too_long(None, 1e9, "", NOW)


def test_periods_and_zones() -> None:
    """A rule counts in its period, in its own time zone."""
    assert exceeded(rule(period="* * 14 * * * *"))
    assert not exceeded(rule(period="* * 14 * * * *", timezone="Europe/Berlin"))
    assert exceeded(rule(period="* * 15 * * * *", timezone="Europe/Berlin"))


def test_the_last_active_rule_wins() -> None:
    """Also when an earlier one would count."""
    assert not exceeded(rule(), rule(threshold=1000.0))
    assert exceeded(rule(), rule(threshold=1000.0, period="* * 3 * * * *"))


@pytest.mark.parametrize(
    ("pattern", "running", "counts"),
    [("", "5", True), ("^(0|1)$", "1", True), ("^(0|1)$", "10", False), ("Inf", "Inf+", True)],
)
def test_jobs_of_the_project(pattern: str, running: str, counts: bool) -> None:
    """Only jobs of projects with so many running jobs."""
    assert exceeded(rule(running=pattern), running=running) is counts
