"""Resource groups: one job of a key at a time, in the order its process mode says (gitlab-ci-yml.md 3.2)."""

from __future__ import annotations

from sqlalchemy import func, select

from pyrunner.coordinator.pipelines.status import Status
from pyrunner.coordinator.pipelines.tables import JobRow, PipelineRow, ResourceGroupRow
from pyrunner.coordinator.pipelines.work import Work

PROCESS_MODES = ("unordered", "oldest_first", "newest_first", "newest_ready_first")
_HOLDS = (Status.PENDING, Status.RUNNING, Status.CANCELING, Status.PREPARING)
#: What a job in order waits for: those that have not come to the gate yet count, too.
_UPCOMING = (Status.CREATED, Status.SCHEDULED, Status.WAITING_FOR_RESOURCE)


def is_free(work: Work, job: JobRow) -> bool:
    """Tell whether no job holds the resource that ``job`` needs."""
    work.session.flush()
    holders = (
        select(func.count())
        .select_from(JobRow)
        .join(PipelineRow, JobRow.pipeline_id == PipelineRow.id)
        .where(PipelineRow.project == job.pipeline.project, JobRow.resource_group == job.resource_group)
        .where(JobRow.status.in_(_HOLDS), JobRow.id != job.id)
    )
    return not work.session.scalar(holders)


def next_in_line(work: Work, project: str, key: str) -> JobRow | None:
    """Return the job that gets a resource which is free; None when the right one is not there yet."""
    work.session.flush()
    mode = process_mode(work, project, key)
    ordered = mode in ("oldest_first", "newest_first")
    query = (
        select(JobRow)
        .join(PipelineRow, JobRow.pipeline_id == PipelineRow.id)
        .where(PipelineRow.project == project, JobRow.resource_group == key, JobRow.retried.is_(False))
        .where(JobRow.status.in_(_UPCOMING if ordered else (Status.WAITING_FOR_RESOURCE,)))
    )
    jobs = list(work.session.scalars(query))

    def rank(job: JobRow) -> tuple[float, bool, float, int]:
        waiting = job.status is Status.WAITING_FOR_RESOURCE
        pipeline = {"unordered": 0, "oldest_first": job.pipeline_id}.get(mode, -job.pipeline_id)
        return pipeline, not waiting, job.waiting_since, job.id

    first = min(jobs, key=rank, default=None)
    return first if first is not None and first.status is Status.WAITING_FOR_RESOURCE else None


def process_mode(work: Work, project: str, key: str) -> str:
    """Return the order in which the jobs of a group take turns."""
    group = _group(work, project, key)
    return group.process_mode if group else "unordered"


def set_process_mode(work: Work, project: str, key: str, mode: str) -> None:
    """Set that order.

    :raises ValueError: for a word that is none.
    """
    if mode not in PROCESS_MODES:
        raise ValueError(f"a process mode is one of {', '.join(PROCESS_MODES)}")
    group = _group(work, project, key) or ResourceGroupRow(project=project, key=key)
    group.process_mode = mode
    work.session.add(group)


def _group(work: Work, project: str, key: str) -> ResourceGroupRow | None:
    query = select(ResourceGroupRow).where(ResourceGroupRow.project == project, ResourceGroupRow.key == key)
    return work.session.scalars(query).first()
