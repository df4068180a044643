"""The composite state of jobs (gitlab-ci-yml.md 6.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.coordinator.pipelines.status import FINISHED, Status, status_of

#: Jobs as the table of the specification writes them ("!" is allow_failure), and their composite.
EXAMPLES = [
    ("success failed", "failed"),
    ("failed!", "success"),
    ("canceled!", "success"),
    ("manual!", "skipped"),
    ("success manual!", "success"),
    ("success manual", "manual"),
    ("failed manual", "manual"),
    ("created failed", "running"),
    ("created success", "running"),
    ("created manual!", "created"),
    ("created failed!", "created"),
    ("pending success", "running"),
    ("pending created", "pending"),
    ("pending skipped", "pending"),
    ("running failed", "running"),
    ("canceled failed", "failed"),
    ("canceled success", "canceled"),
    ("canceled skipped", "canceled"),
    ("failed skipped", "failed"),
    ("success skipped", "success"),
    ("scheduled failed", "scheduled"),
    ("manual scheduled", "manual"),
    ("preparing", "preparing"),
    ("preparing failed!", "preparing"),
    ("preparing success", "preparing"),
    ("waiting_for_resource failed", "waiting_for_resource"),
    ("waiting_for_callback failed", "waiting_for_callback"),
    ("waiting_for_resource waiting_for_callback", "waiting_for_resource"),
    ("canceling success", "canceling"),
    ("canceling failed", "canceling"),
    ("skipped", "skipped"),
    ("skipped manual!", "skipped"),
    ("", "success"),
]


def jobs_of(text: str) -> list[tuple[Status, bool]]:
    """Return the jobs of an example."""
    return [(Status(one.rstrip("!")), one.endswith("!")) for one in text.split()]


@pytest.mark.parametrize(("jobs", "expected"), EXAMPLES)
def test_composite(jobs: str, expected: str) -> None:
    """The table, line by line; the order of the jobs does not count."""
    assert status_of(jobs_of(jobs)) == expected
    assert status_of(reversed(jobs_of(jobs))) == expected


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ("failed skipped", "skipped"),
        ("success skipped", "skipped"),
        ("success manual!", "skipped"),
        ("success manual", "manual"),
        ("success failed!", "success"),
        ("success", "success"),
        ("", "success"),
    ],
)
def test_composite_of_needs(jobs: str, expected: str) -> None:
    """Among needs, one that was skipped, or that nobody has to play, skips."""
    assert status_of(jobs_of(jobs), by_needs=True) == expected


@given(st.lists(st.tuples(st.sampled_from(list(Status)), st.booleans())))
def test_ended_jobs_have_an_ended_composite(jobs: list[tuple[Status, bool]]) -> None:
    """When every job has ended, so have all; and the other way round, but for optional manual jobs."""
    composite = status_of(jobs)
    if all(status in FINISHED for status, _ in jobs):
        assert composite in FINISHED
    if composite in FINISHED:
        assert all(status in FINISHED or (status is Status.MANUAL and allowed) for status, allowed in jobs)
