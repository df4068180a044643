"""Failure reasons as they are reported (runner-api.md 5.9)."""

from __future__ import annotations

import pytest

from pyrunner.protocol.states import FailureReason, JobState, map_failure_reason


@pytest.mark.parametrize(
    ("reason", "reported"),
    [
        ("", "script_failure"),
        ("script_failure", "script_failure"),
        ("runner_system_failure", "runner_system_failure"),
        ("job_execution_timeout", "job_execution_timeout"),
        ("image_pull_failure", "runner_system_failure"),
        ("runner_configuration_error", "script_failure"),
        ("runner_external_dependency_failure", "runner_system_failure"),
        ("runner_interrupted", "unknown_failure"),
        ("job_canceled", "unknown_failure"),
        ("unknown_failure", "unknown_failure"),
        ("something_new", "unknown_failure"),
    ],
)
def test_a_coordinator_that_lists_nothing(reason: str, reported: str) -> None:
    """Three reasons every coordinator takes; the others become one of them, or unknown."""
    assert map_failure_reason(reason, []) == reported


@pytest.mark.parametrize("reason", [*FailureReason, "something_new"])
def test_a_listed_reason_goes_as_it_is(reason: str) -> None:
    """The coordinator's list has the last word."""
    assert map_failure_reason(reason, [reason]) == reason
    assert map_failure_reason(reason, ("other", reason)) == reason


def test_the_answer_is_plain_text() -> None:
    """It goes into JSON and comparisons."""
    assert type(map_failure_reason(FailureReason.IMAGE_PULL_FAILURE, [])) is str


def test_canceled_never_goes_over_the_wire() -> None:
    """A runner reports running, success or failed (8.2 trap 4)."""
    assert set(JobState) == {"running", "success", "failed"}
