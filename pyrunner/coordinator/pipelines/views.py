"""Jobs and pipelines as others see them: plain, and of one moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyrunner.coordinator.pipelines.status import Status

if TYPE_CHECKING:  # who only looks at them needs no database library
    from pyrunner.coordinator.pipelines.tables import JobRow, PipelineRow
    from pyrunner.coordinator.pipelines.work import Work


@dataclass(frozen=True, slots=True)
class JobView:
    """One attempt at a job. Times are seconds since the epoch, 0 for "not yet"."""

    id: int
    pipeline_id: int
    name: str
    stage: str
    status: Status
    allow_failure: bool
    when: str
    attempt: int
    retried: bool
    triggers: bool
    failure_reason: str
    exit_code: int
    message: str
    coverage: float | None
    created_for: int | None
    scheduled_at: float
    queued_at: float
    started_at: float
    finished_at: float

    @property
    def failed(self) -> bool:
        """Tell whether this attempt makes its pipeline fail."""
        return self.status is Status.FAILED and not self.allow_failure and not self.retried

    @property
    def duration(self) -> float:
        """Seconds it ran; 0 when it did not."""
        return max(0.0, self.finished_at - self.started_at) if self.started_at and self.finished_at else 0.0

    @classmethod
    def of(cls, row: JobRow) -> JobView:
        """Return the job of a row."""
        return cls(
            id=row.id,
            pipeline_id=row.pipeline_id,
            name=row.name,
            stage=row.stage,
            status=row.status,
            allow_failure=row.allow_failure,
            when=row.when,
            attempt=row.attempt,
            retried=row.retried,
            triggers=row.triggers,
            failure_reason=row.failure_reason,
            exit_code=row.exit_code,
            message=row.message,
            coverage=row.coverage,
            created_for=row.pipeline.parent_job_id,
            scheduled_at=row.scheduled_at,
            queued_at=row.queued_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )


@dataclass(frozen=True, slots=True)
class PipelineView:
    """One pipeline.

    :param parent_job_id: the trigger job of a child pipeline.
    """

    id: int
    project: str
    ref: str
    sha: str
    source: str
    name: str
    status: Status
    stages: tuple[str, ...]
    parent_job_id: int | None
    created_at: float
    started_at: float
    finished_at: float

    @classmethod
    def of(cls, row: PipelineRow) -> PipelineView:
        """Return the pipeline of a row."""
        return cls(
            id=row.id,
            project=row.project,
            ref=row.ref,
            sha=row.sha,
            source=row.source,
            name=row.name,
            status=row.status,
            stages=tuple(row.stages),
            parent_job_id=row.parent_job_id,
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )


def views_of(work: Work, pipeline: PipelineRow, children: bool) -> Iterator[JobView]:
    """Yield the jobs of a pipeline in order, the attempts at each one after the other.

    :param children: also those of the child pipelines, each behind its trigger job.
    """
    first: dict[str, int] = {}
    for job in sorted(pipeline.jobs, key=lambda one: one.id):
        first.setdefault(job.name, job.id)
    for job in sorted(pipeline.jobs, key=lambda one: (one.stage_index, first[one.name], one.id)):
        yield JobView.of(job)
        if children and job.triggers:
            for child in work.children(job):
                yield from views_of(work, child, children)
