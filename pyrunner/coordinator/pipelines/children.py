"""Trigger jobs: the child pipelines they start, and what is made of pipelines elsewhere (3.14)."""

from __future__ import annotations

from collections.abc import Callable

from pyrunner.ci.child import MAX_DEPTH, compile_child
from pyrunner.ci.event import Upstream
from pyrunner.ci.plan import Pipeline, PlannedJob
from pyrunner.coordinator.pipelines.codec import from_plain
from pyrunner.coordinator.pipelines.creation import Choices, Origin, add_pipeline
from pyrunner.coordinator.pipelines.projects import Projects
from pyrunner.coordinator.pipelines.sources import file_from_archive, report_variables, suppliers
from pyrunner.coordinator.pipelines.status import Status
from pyrunner.coordinator.pipelines.tables import JobRow
from pyrunner.coordinator.pipelines.work import Work
from pyrunner.errors import PyrunnerError

_CREATION_FAILED = "downstream_pipeline_creation_failed"


class TriggerJobs:
    """Carries trigger jobs out.

    :param ended: told of a trigger job that has ended.
    :param choices: returns what was decided beforehand about the jobs of a child pipeline.
    :param strict: the pipeline of another project, which is not run here, fails its trigger job.
    """

    def __init__(
        self,
        projects: Projects,
        ended: Callable[[Work, JobRow], None],
        choices: Callable[[Pipeline], Choices],
        strict: bool = False,
    ) -> None:
        self._projects = projects
        self._ended = ended
        self._choices = choices
        self._strict = strict

    def start(self, work: Work, job: JobRow) -> None:
        """Start what a trigger job triggers."""
        plan = from_plain(PlannedJob, job.plan)
        job.started_at = work.now
        trigger = plan.trigger
        assert trigger is not None
        if trigger.project or trigger.mirrors:
            elsewhere = trigger.project or trigger.mirrors
            job.message = f"the pipeline of {elsewhere} is not run here"
            reason = "downstream_bridge_project_not_found" if self._strict else ""
            self._end(work, job, Status.FAILED if self._strict else Status.SUCCESS, reason)
            return
        try:
            self._start_child(work, job, plan)
        except PyrunnerError as error:
            job.message = str(error)
            too_deep = plan.event.depth >= MAX_DEPTH
            self._end(
                work,
                job,
                Status.FAILED,
                "reached_max_descendant_pipelines_depth" if too_deep else _CREATION_FAILED,
            )

    def _start_child(self, work: Work, job: JobRow, plan: PlannedJob) -> None:
        parent = job.pipeline
        by_name = {one.name: one for one in work.latest(parent)}

        def artifacts(name: str, path: str) -> str | None:
            return file_from_archive(by_name[name], path) if name in by_name else None

        child = compile_child(
            plan,
            Upstream(parent.id, plan.event.project.number, job.id),
            self._projects.sources(parent.project, parent.sha, parent.changed),
            artifacts,
            tuple(report_variables(suppliers(work, job, plan))),
        )
        if child.refusal:
            job.message = child.refusal
            self._end(work, job, Status.FAILED, _CREATION_FAILED)
            return
        origin = Origin(parent.project, parent.sha, parent.changed)
        row = add_pipeline(work, child, origin, self._choices(child), job)
        self._projects.keep(row.project, row.id, row.sha)
        strategy = plan.trigger.strategy if plan.trigger else ""
        if strategy:
            work.move(job, Status.RUNNING)
        else:
            self._end(work, job, Status.SUCCESS)

    def _end(self, work: Work, job: JobRow, status: Status, reason: str = "") -> None:
        job.failure_reason = reason
        work.move(job, status)
        self._ended(work, job)
