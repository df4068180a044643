"""One change of pipelines from beginning to end: what the database says, and what is to be done after it.

The database is changed first and for good; only then are jobs queued, cancelled, and others told. Whoever
is killed in between finds in the database what is still to be done (:mod:`.restore`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from pyrunner.coordinator.pipelines.status import FINISHED, Status
from pyrunner.coordinator.pipelines.tables import JobRow, PipelineRow


@dataclass
class Work:
    """A session, and what its commit will be followed by.

    :param new_id: returns a job id that is free.
    """

    session: Session
    new_id: Callable[[], int]
    now: float = field(default_factory=time.time)
    #: Pipelines to process again, in the order they changed.
    dirty: dict[int, PipelineRow] = field(default_factory=dict)
    #: Jobs for runners.
    queued: list[JobRow] = field(default_factory=list)
    #: Jobs that have passed before this pipeline, for whoever fetches their artifacts.
    done: list[JobRow] = field(default_factory=list)
    #: Jobs whose runner is to stop them.
    stopped: list[int] = field(default_factory=list)
    changed_jobs: dict[int, JobRow] = field(default_factory=dict)
    changed_pipelines: dict[int, PipelineRow] = field(default_factory=dict)

    def touch(self, pipeline: PipelineRow) -> None:
        """Process a pipeline before this work ends."""
        self.dirty[pipeline.id] = pipeline

    def move(self, job: JobRow, status: Status) -> None:
        """Give a job another state."""
        if job.status is status:
            return
        job.status = status
        if status is Status.PENDING:
            job.queued_at = self.now
        elif status is Status.RUNNING:
            job.started_at = job.started_at or self.now
        elif status in FINISHED:
            job.finished_at = self.now
        elif status is Status.CREATED:
            job.finished_at = 0.0
        self.changed_jobs[job.id] = job
        self.touch(job.pipeline)

    def queue(self, job: JobRow) -> None:
        """Offer a job to runners."""
        self.move(job, Status.PENDING)
        self.queued.append(job)

    def latest(self, pipeline: PipelineRow) -> list[JobRow]:
        """Return the jobs that count: of each the last attempt, by stage, then as created."""
        jobs = [one for one in pipeline.jobs if not one.retried]
        return sorted(jobs, key=lambda one: (one.stage_index, one.id))

    def job(self, job_id: int) -> JobRow | None:
        """Return a job."""
        return self.session.get(JobRow, job_id)

    def children(self, job: JobRow) -> list[PipelineRow]:
        """Return the pipelines that a trigger job has started."""
        query = select(PipelineRow).where(PipelineRow.parent_job_id == job.id).order_by(PipelineRow.id)
        return list(self.session.scalars(query))
