"""A new pipeline of a ref cancels older ones that nobody needs any more (``workflow:auto_cancel``, 3.4)."""

from __future__ import annotations

from sqlalchemy import select

from pyrunner.coordinator.pipelines.scheduler import Scheduler
from pyrunner.coordinator.pipelines.status import FINISHED
from pyrunner.coordinator.pipelines.tables import PipelineRow
from pyrunner.coordinator.pipelines.work import Work


def cancel_superseded(work: Work, scheduler: Scheduler, new: PipelineRow) -> None:
    """Cancel the older pipelines of the same ref as far as each of them says."""
    query = (
        select(PipelineRow)
        .where(PipelineRow.project == new.project, PipelineRow.ref == new.ref, PipelineRow.id < new.id)
        .where(PipelineRow.parent_job_id.is_(None))
    )
    for older in work.session.scalars(query):
        if older.status in FINISHED or older.on_new_commit == "none":
            continue
        jobs = work.latest(older)
        if older.on_new_commit == "interruptible":
            for job in jobs:
                if job.interruptible:
                    scheduler.cancel_job(work, job)
        elif not any(one.started_at and not one.interruptible for one in jobs):
            scheduler.cancel(work, older)
