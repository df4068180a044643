"""One line for each event that an operator asks about (config-and-commands.md 5)."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pyrunner.jobdir.journal import JobResult
from pyrunner.jobdir.orders import Order
from pyrunner.manager.capacity import Capacity
from pyrunner.manager.mailbox import Mailbox
from pyrunner.manager.roster import Roster
from pyrunner.system.logformat import record_fields
from tests.unit.manager.jobs import job_on_disk


def end_of(tmp_path: Path, caplog: pytest.LogCaptureFixture, result: JobResult) -> list[logging.LogRecord]:
    """Let a job come and end; return the lines about its end."""
    mailbox = Mailbox()
    roster = Roster(mailbox, Capacity(4), None, lambda _: None)
    job = job_on_disk(tmp_path)
    roster.add(job)
    caplog.clear()
    roster.ended(job, result)
    roster.ended(job, result)
    mailbox.close()
    return caplog.records


@pytest.mark.parametrize(
    ("reason", "text", "levels"),
    [
        ("script_failure", "Job failed: exit status 3", [logging.WARNING, logging.DEBUG]),
        (
            "runner_system_failure",
            "Job failed (system failure): exit status 3",
            [logging.ERROR, logging.WARNING],
        ),
    ],
)
def test_a_failed_job(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, reason: str, text: str, levels: list[int]
) -> None:
    """Said once; louder where the failure is ours, and then also as a failure to process a runner."""
    caplog.set_level(logging.DEBUG)
    lines = end_of(tmp_path, caplog, JobResult("failed", reason, 3, "exit status 3"))
    assert [line.getMessage() for line in lines] == [text, "Failed to process runner"]
    assert [line.levelno for line in lines] == levels
    fields = dict(record_fields(lines[0]))
    assert {
        "error",
        "failure_reason",
        "exit_code",
        "duration_s",
        "job-status",
        "job",
        "runner",
    } <= fields.keys()
    assert dict(record_fields(lines[1])).keys() == {
        *("builds", "max_builds", "error", "executor", "runner", "runner_name")
    }


def test_a_job_that_succeeded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line."""
    caplog.set_level(logging.DEBUG)
    [line] = end_of(tmp_path, caplog, JobResult("success"))
    assert (line.getMessage(), line.levelno) == ("Job succeeded", logging.INFO)
    assert record_fields(line)["job-status"] == "success"


def test_a_job_that_is_stopped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Which order it got, and why where there is a reason; each order once."""
    caplog.set_level(logging.INFO)
    job = job_on_disk(tmp_path)
    for _ in range(2):
        job.order(Order.CANCEL)
        job.order(Order.INTERRUPT, "terminated")
    assert [line.getMessage() for line in caplog.records] == ["Job is being stopped"] * 2
    told = [dict(record_fields(line)) for line in caplog.records]
    assert [(one["order"], one.get("reason")) for one in told] == [
        ("cancel", None),
        ("interrupt", "terminated"),
    ]
