"""Jobs for tests of the manager's parts: on disk, without any process."""

from __future__ import annotations

from pathlib import Path

from pyrunner.config.model import RunnerConfig
from pyrunner.gitlab.credentials import JobCredentials, RunnerCredentials
from pyrunner.gitlab.transport import Transport
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import JobResult, Journal
from pyrunner.jobdir.layout import Business
from pyrunner.manager.link import Link
from pyrunner.manager.slots import Slots
from pyrunner.manager.summary import JobSummary
from pyrunner.manager.tracefile import TraceFile
from pyrunner.manager.tracked import Stage, TrackedJob


def job_on_disk(folder: Path, job_id: int = 5) -> TrackedJob:
    """Return a job that has been announced and has no supervisor yet."""
    control = ControlDir(folder / "build" / str(job_id))
    control.create()
    config = RunnerConfig(url="https://gitlab.example.com", token="token", executor="shell")
    link = Link(config, Transport(RunnerCredentials.of(config)), {})
    job = TrackedJob.create(
        JobSummary(JobCredentials(job_id, "job-token")),
        link,
        "key",
        Slots(Business(folder, "1")),
        0.0,
        control=control,
        trace=TraceFile(control),
    )
    job.stage = Stage.RUN
    return job


def control_of(job: TrackedJob) -> ControlDir:
    """Return a job's control directory, which it has."""
    assert job.control is not None
    return job.control


def store_journal(job: TrackedJob, steps: int = 0, result: JobResult | None = None) -> None:
    """Write a journal as a supervisor would."""
    journal = Journal.open(control_of(job).state)
    journal.record.steps = {str(number): None for number in range(steps)}
    if result is not None:
        journal.record.phase = "finished"
        journal.record.result = result
    journal.store()


def store_trace(job: TrackedJob, content: bytes) -> None:
    """Write a trace, all of it durable."""
    control = control_of(job)
    control.trace_log.write_bytes(content)
    control.store_trace_size(len(content))
