"""Moves the jobs of a pipeline on, until each waits for something that has not happened yet (6.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyrunner.ci.plan import RetryPolicy
from pyrunner.coordinator.pipelines.codec import from_plain
from pyrunner.coordinator.pipelines.creation import next_attempt
from pyrunner.coordinator.pipelines.decisions import failure_allowed, next_status, runs_again
from pyrunner.coordinator.pipelines.resources import is_free, next_in_line
from pyrunner.coordinator.pipelines.status import (
    ACTIVE,
    CANCELABLE,
    FINISHED,
    HANDED_OUT,
    Status,
    composite,
    counted,
)
from pyrunner.coordinator.pipelines.tables import JobRow, PipelineRow
from pyrunner.coordinator.pipelines.work import Work

#: What a mirrored state would mean for the trigger job itself: to be decided, or to wait in its own line.
_OWN = frozenset({Status.CREATED, Status.PREPARING, Status.WAITING_FOR_RESOURCE, Status.WAITING_FOR_CALLBACK})


class Scheduler:
    """Processes pipelines.

    :param start_trigger: starts the child pipeline of a trigger job, which is pending.
    """

    def __init__(self, start_trigger: Callable[[Work, JobRow], None]) -> None:
        self._start_trigger = start_trigger

    def settle(self, work: Work) -> None:
        """Process every pipeline that has changed, and those that change by it."""
        while work.dirty:
            pipeline = work.dirty.pop(next(iter(work.dirty)))
            self._process(work, pipeline)
            self._conclude(work, pipeline)

    def _process(self, work: Work, pipeline: PipelineRow) -> None:
        """Decide all jobs that can be decided; what that changes is looked at again."""
        again = True
        while again:
            again = False
            jobs = work.latest(pipeline)
            situation = _Situation(jobs)
            for job in jobs:
                if job.status is not Status.CREATED:
                    continue
                step = next_status(job.when, job.needs is not None, situation.before(job))
                if step is None:
                    continue
                if step in (Status.MANUAL, Status.SCHEDULED) and job.name in pipeline.auto_play:
                    step = Status.PENDING
                self._apply(work, job, step)
                situation = _Situation(jobs)
                again = True

    def _apply(self, work: Work, job: JobRow, step: Status) -> None:
        if step is Status.PENDING:
            self.start(work, job)
            return
        if step is Status.SCHEDULED:
            job.scheduled_at = work.now + job.start_in
        work.move(job, step)

    def start(self, work: Work, job: JobRow) -> None:
        """Let a job run, as soon as its resource group lets it."""
        if not job.resource_group:
            self._begin(work, job)
            return
        job.waiting_since = work.now
        work.move(job, Status.WAITING_FOR_RESOURCE)
        self._next_of_group(work, job)

    def _next_of_group(self, work: Work, job: JobRow) -> None:
        chosen = next_in_line(work, job.pipeline.project, job.resource_group)
        if chosen is not None and is_free(work, chosen):
            self._begin(work, chosen)

    def _begin(self, work: Work, job: JobRow) -> None:
        if job.triggers:
            work.move(job, Status.PENDING)
            self._start_trigger(work, job)
        else:
            work.queue(job)

    def ended(self, work: Work, job: JobRow) -> None:
        """A job has ended: run it again or let others go on; its state is set already."""
        if job.status is Status.FAILED:
            self._failed(work, job)
        if job.resource_group:
            self._next_of_group(work, job)
        work.touch(job.pipeline)

    def _failed(self, work: Work, job: JobRow) -> None:
        policy = from_plain(RetryPolicy, job.retry)
        if runs_again(policy, job.attempt, job.failure_reason, job.exit_code):
            self.start(work, next_attempt(work, job))
            return
        job.allow_failure = failure_allowed(job.allow_failure, job.exit_codes, job.exit_code)
        if not job.allow_failure and job.pipeline.on_job_failure == "all":
            self.cancel(work, job.pipeline)

    def _conclude(self, work: Work, pipeline: PipelineRow) -> None:
        """Set the state of a pipeline, and let its trigger job follow."""
        jobs = work.latest(pipeline)
        status = composite({counted(one.status, one.allow_failure) for one in jobs})
        pipeline.started_at = pipeline.started_at or min(
            (one.started_at for one in jobs if one.started_at), default=0.0
        )
        if status is pipeline.status:
            return
        pipeline.status = status
        pipeline.finished_at = work.now if status in FINISHED else 0.0
        work.changed_pipelines[pipeline.id] = pipeline
        if pipeline.parent_job_id is not None:
            self._follow(work, pipeline)

    def _follow(self, work: Work, child: PipelineRow) -> None:
        """Let a trigger job take the state of the pipeline it has started, as its strategy wants (3.14)."""
        job = work.job(child.parent_job_id or 0)
        strategy = (job.plan.get("trigger") or {}).get("strategy") if job is not None else ""
        if job is None or job.retried or not strategy:
            return
        status = child.status
        if strategy == "depend":
            status = {Status.SKIPPED: Status.FAILED}.get(status, status)
            if status not in FINISHED:
                status = Status.RUNNING
        elif status in _OWN:
            status = Status.RUNNING
        if job.status is status:
            return
        work.move(job, status)
        if status in FINISHED:
            job.failure_reason = "" if status is not Status.FAILED else "unknown_failure"
            self.ended(work, job)

    def cancel(self, work: Work, pipeline: PipelineRow) -> None:
        """Cancel all jobs of a pipeline that have not ended."""
        for job in work.latest(pipeline):
            self.cancel_job(work, job)

    def cancel_job(self, work: Work, job: JobRow) -> None:
        """Cancel one job; one that a runner has ends when the runner has ended it."""
        if job.triggers and job.status in ACTIVE:
            for child in work.children(job):
                self.cancel(work, child)
        if job.status in HANDED_OUT and not job.triggers:
            work.stopped.append(job.id)
        elif job.status in CANCELABLE:
            work.move(job, Status.CANCELED)
            if job.resource_group:
                self._next_of_group(work, job)

    def reset_skipped(self, work: Work, job: JobRow) -> None:
        """Let what was skipped because of a job be decided anew: it is about to run (6.3, 5)."""
        latest = work.latest(job.pipeline)
        affected = {job.name}
        for one in latest:
            if one.needs is not None:
                depends = not affected.isdisjoint(one.needs)
            else:
                depends = one.stage_index > job.stage_index
            if depends:
                affected.add(one.name)
        for one in latest:
            if one.name in affected and one.status is Status.SKIPPED and one is not job:
                work.move(one, Status.CREATED)


class _Situation:
    """What the jobs of a pipeline count as, by name and by stage."""

    def __init__(self, jobs: Sequence[JobRow]) -> None:
        self._by_name: dict[str, str] = {}
        self._by_stage: dict[int, set[str]] = {}
        for job in jobs:
            value = counted(job.status, job.allow_failure)
            self._by_name[job.name] = value
            self._by_stage.setdefault(job.stage_index, set()).add(value)

    def before(self, job: JobRow) -> Status:
        """Return the composite of what a job waits for."""
        if job.needs is not None:
            found = {self._by_name[name] for name in job.needs if name in self._by_name}
            return composite(found, by_needs=True)
        earlier = (values for stage, values in self._by_stage.items() if stage < job.stage_index)
        return composite(set().union(*earlier))
