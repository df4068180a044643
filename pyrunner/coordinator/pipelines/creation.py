"""A compiled pipeline becomes rows, all of its jobs ``created`` (gitlab-ci-yml.md 6.4)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyrunner.ci.plan import Pipeline, PlannedJob
from pyrunner.coordinator.pipelines.codec import to_plain
from pyrunner.coordinator.pipelines.status import Status
from pyrunner.coordinator.pipelines.tables import ArtifactRow, JobRow, PipelineRow
from pyrunner.coordinator.pipelines.work import Work
from pyrunner.coordinator.records import Artifact


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a pipeline's sources are.

    :param project: a served repository.
    :param sha: the commit that jobs check out.
    :param changed: files that the event changed; None: unknown.
    """

    project: str
    sha: str
    changed: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class Choices:
    """What the person who starts a pipeline decides.

    :param auto_play: manual and delayed jobs that start as soon as they may.
    :param done: jobs that have passed before and are not run again, with what they left.
    :param runners: by job name, the id of the runner that has to take it; others: any.
    """

    auto_play: Collection[str] = ()
    done: Mapping[str, Collection[Artifact]] = field(default_factory=dict)
    runners: Mapping[str, int] = field(default_factory=dict)


def add_pipeline(
    work: Work,
    planned: Pipeline,
    origin: Origin,
    choices: Choices,
    parent: JobRow | None = None,
    pipeline_id: int | None = None,
) -> PipelineRow:
    """Add a pipeline and its jobs.

    :param parent: the trigger job of a child pipeline.
    :param pipeline_id: the id it shall have; None: the next.
    """
    event = planned.event
    row = PipelineRow(
        id=pipeline_id,
        project=origin.project,
        ref=event.git_ref,
        sha=origin.sha,
        source=event.source,
        name=planned.name,
        stages=list(planned.stages),
        changed=None if origin.changed is None else sorted(origin.changed),
        auto_play=sorted(choices.auto_play),
        on_new_commit=planned.on_new_commit,
        on_job_failure=planned.on_job_failure,
        parent_job_id=parent.id if parent else None,
        created_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    order = {stage: index for index, stage in enumerate(planned.stages)}
    for job in planned.jobs:
        made = job_row(work, job, order[job.stage])
        made.runner_id = choices.runners.get(job.name)
        if job.name in choices.done:
            made.status = Status.SUCCESS
            made.finished_at = work.now
            made.artifacts = [artifact_row(one) for one in choices.done[job.name]]
            work.done.append(made)
        row.jobs.append(made)
        work.changed_jobs[made.id] = made
    work.session.flush()
    work.changed_pipelines[row.id] = row
    work.touch(row)
    return row


def job_row(work: Work, job: PlannedJob, stage_index: int) -> JobRow:
    """Return a new row of a planned job."""
    return JobRow(
        id=work.new_id(),
        name=job.name,
        stage=job.stage,
        stage_index=stage_index,
        status=Status.CREATED,
        attempt=1,
        retried=False,
        plan=to_plain(job),
        when=job.when,
        start_in=job.start_in,
        needs=None if job.needs is None else [one.name for one in job.needs],
        allow_failure=job.allow_failure,
        exit_codes=list(job.exit_codes),
        retry=to_plain(job.retry),
        interruptible=job.interruptible,
        resource_group=job.resource_group,
        triggers=job.trigger is not None,
        failure_reason="",
        exit_code=0,
        message="",
        manual_variables=[],
        token="",
        system_id="",
        waiting_since=0.0,
        scheduled_at=0.0,
        queued_at=0.0,
        started_at=0.0,
        finished_at=0.0,
    )


def next_attempt(work: Work, job: JobRow) -> JobRow:
    """Return a new job that takes the place of an ended one."""
    job.retried = True
    fields = ("name", "stage", "stage_index", "plan", "when", "start_in", "needs", "retry", "interruptible")
    more = ("exit_codes", "resource_group", "triggers", "manual_variables", "runner_id")
    copied = {name: getattr(job, name) for name in fields + more}
    row = JobRow(
        id=work.new_id(),
        status=Status.CREATED,
        attempt=job.attempt + 1,
        retried=False,
        allow_failure=bool(job.plan["allow_failure"]),
        failure_reason="",
        exit_code=0,
        message="",
        token="",
        system_id="",
        waiting_since=0.0,
        scheduled_at=0.0,
        queued_at=0.0,
        started_at=0.0,
        finished_at=0.0,
        **copied,
    )
    job.pipeline.jobs.append(row)
    work.session.flush()
    work.changed_jobs[job.id] = job
    work.changed_jobs[row.id] = row
    work.touch(job.pipeline)
    return row


def artifact_row(artifact: Artifact) -> ArtifactRow:
    """Return a row of an uploaded file."""
    return ArtifactRow(
        artifact_type=artifact.artifact_type,
        artifact_format=artifact.artifact_format,
        filename=artifact.filename,
        path=str(artifact.path),
        size=artifact.size,
        sha256=artifact.sha256,
        expire_in=artifact.expire_in,
    )


def artifact_record(row: ArtifactRow) -> Artifact:
    """Return an uploaded file as runners' endpoints know it."""
    return Artifact(
        row.artifact_type,
        row.artifact_format,
        row.filename,
        Path(row.path),
        row.size,
        row.sha256,
        row.expire_in,
    )
