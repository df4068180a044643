"""The pipeline service: begins pipelines, moves them on as runners report, answers what they are.

All of it happens in transactions on one database, one at a time. A thread reacts to the job updates of the
coordinator's store and to time; tests call :meth:`PipelineService.step` themselves.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self

from sqlalchemy import select

from pyrunner.ci.plan import Pipeline
from pyrunner.coordinator.pipelines.children import TriggerJobs
from pyrunner.coordinator.pipelines.codec import to_plain
from pyrunner.coordinator.pipelines.creation import Choices, Origin, add_pipeline, next_attempt
from pyrunner.coordinator.pipelines.database import open_database
from pyrunner.coordinator.pipelines.handover import Handover
from pyrunner.coordinator.pipelines.outcome import take_over
from pyrunner.coordinator.pipelines.projects import Projects
from pyrunner.coordinator.pipelines.resources import set_process_mode
from pyrunner.coordinator.pipelines.restore import restore
from pyrunner.coordinator.pipelines.scheduler import Scheduler
from pyrunner.coordinator.pipelines.status import ACTIVE, FINISHED, Status
from pyrunner.coordinator.pipelines.supersede import cancel_superseded
from pyrunner.coordinator.pipelines.tables import JobRow, PipelineRow
from pyrunner.coordinator.pipelines.transactions import Listener, Transactions
from pyrunner.coordinator.pipelines.views import JobView, PipelineView, views_of
from pyrunner.coordinator.pipelines.work import Work
from pyrunner.coordinator.records import JobRecord
from pyrunner.coordinator.store import Store
from pyrunner.protocol.variables import Variable

_log: Final = logging.getLogger(__name__)

_CLOSE: Final = -1


class PipelineService:
    """See the module.

    :param path: the database file.
    :param store: the coordinator's, whose jobs the service makes.
    :param child_choices: what was decided beforehand about the jobs of child pipelines.
    :param strict_triggers: a trigger of another project's pipeline fails instead of passing with a message.
    :param release: jobs with ``release`` make one.
    """

    def __init__(
        self,
        path: Path,
        store: Store,
        projects: Projects,
        *,
        child_choices: Callable[[Pipeline], Choices] = lambda _: Choices(),
        strict_triggers: bool = False,
        release: bool = False,
    ) -> None:
        self._store = store
        self._projects = projects
        self._reports: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        #: What has ended the thread, which must not happen.
        self.failure: Exception | None = None
        handover = Handover(projects, release)
        triggers = TriggerJobs(projects, self._ended, child_choices, strict_triggers)
        self._scheduler = Scheduler(triggers.start)
        self._transactions = Transactions(open_database(path), store, self._scheduler, handover)
        with self._transactions.work() as work:
            restore(work, store, handover)
            for pipeline in work.session.scalars(select(PipelineRow)):
                if pipeline.status not in FINISHED:
                    # the served repository may have been made anew
                    projects.keep(pipeline.project, pipeline.id, pipeline.sha)
                    work.touch(pipeline)
        store.job_listeners.append(self._reported)

    # Life

    def start(self) -> Self:
        """React from now on, in a thread."""
        self._thread = threading.Thread(target=self._run, name="pipelines", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop reacting and let go of the database. Safe twice."""
        if self._reported in self._store.job_listeners:
            self._store.job_listeners.remove(self._reported)
        if self._thread is not None:
            self._reports.put(_CLOSE)
            self._thread.join()
            self._thread = None
        self._transactions.close()

    @property
    def listeners(self) -> list[Listener]:
        """Called, in any thread, with what has changed: be quick, and do not call back."""
        return self._transactions.listeners

    def _reported(self, job: JobRecord) -> None:
        """A job of the store has changed; called with the store's lock held."""
        self._reports.put(job.id)

    def _run(self) -> None:
        try:
            self._react()
        except Exception as error:  # noqa: BLE001 - who waits for a pipeline has to be told
            _log.exception("The pipelines are not looked after any more")
            self.failure = error

    def _react(self) -> None:
        due = self.step(time.time())
        while True:
            try:
                timeout = None if due == math.inf else max(0.0, due - time.time())
                job_id = self._reports.get(timeout=timeout)
            except queue.Empty:
                due = self.step(time.time())
                continue
            if job_id == _CLOSE:
                return
            self._reports.put(job_id)
            due = self.step(time.time())

    def step(self, now: float) -> float:
        """Take over what was reported and what time has brought; return when to call again at the latest."""
        reported: set[int] = set()
        with contextlib.suppress(queue.Empty):
            while True:
                job_id = self._reports.get_nowait()
                if job_id == _CLOSE:
                    self._reports.put(_CLOSE)
                    break
                reported.add(job_id)
        with self._transactions.work(now) as work:
            for job_id in sorted(reported):
                job, record = work.job(job_id), self._store.jobs.get(job_id)
                if job is not None and record is not None and take_over(work, job, record):
                    self._scheduler.ended(work, job)
            self._play_due(work)
            self._scheduler.settle(work)
            query = select(JobRow.scheduled_at).where(JobRow.status == Status.SCHEDULED)
            return min((one for one in work.session.scalars(query) if one), default=math.inf)

    def _play_due(self, work: Work) -> None:
        due = select(JobRow).where(
            JobRow.status == Status.SCHEDULED, JobRow.scheduled_at > 0, JobRow.scheduled_at <= work.now
        )
        for job in work.session.scalars(due):
            self._scheduler.start(work, job)

    # Pipelines

    def create(
        self,
        planned: Pipeline,
        origin: Origin,
        choices: Choices | None = None,
        pipeline_id: int | None = None,
    ) -> int:
        """Begin a pipeline and return its id.

        :param pipeline_id: the id it shall have; None: the next.
        :raises ValueError: when it was refused.
        :raises PyrunnerError: when its project is not served, or has no such commit.
        """
        if planned.refusal or not planned.jobs:
            raise ValueError(planned.refusal or "a pipeline without jobs")
        with self._transactions.work() as work:
            row = add_pipeline(work, planned, origin, choices or Choices(), pipeline_id=pipeline_id)
            self._projects.keep(row.project, row.id, row.sha)
            cancel_superseded(work, self._scheduler, row)
            identity = row.id
        self.wake()
        return identity

    def cancel(self, pipeline_id: int) -> None:
        """Cancel what has not ended of a pipeline.

        :raises KeyError: when there is no such pipeline.
        """
        with self._transactions.work() as work:
            self._scheduler.cancel(work, self._pipeline(work, pipeline_id))

    def play(self, job_id: int, variables: Sequence[Variable] = ()) -> None:
        """Start a manual job, or a delayed one before its time.

        :raises KeyError: when there is no such job.
        :raises ValueError: when it cannot be played.
        """
        with self._transactions.work() as work:
            job = self._job(work, job_id)
            if job.status not in (Status.MANUAL, Status.SCHEDULED):
                raise ValueError(f"{job.name} is {job.status}: only manual and delayed jobs can be played")
            job.manual_variables = [to_plain(one) for one in variables]
            self._scheduler.reset_skipped(work, job)
            self._scheduler.start(work, job)

    def retry(self, job_id: int) -> int:
        """Run a job again that has ended; return the id of the new attempt.

        :raises KeyError: when there is no such job.
        :raises ValueError: when it has not ended, or was retried already.
        """
        with self._transactions.work() as work:
            job = self._job(work, job_id)
            if job.retried or job.status not in FINISHED - {Status.SKIPPED}:
                raise ValueError(f"{job.name} is {job.status}: only an ended job runs again")
            attempt = next_attempt(work, job)
            self._scheduler.reset_skipped(work, attempt)
            self._scheduler.start(work, attempt)
            return attempt.id

    def cancel_job(self, job_id: int) -> None:
        """Cancel one job.

        :raises KeyError: when there is no such job.
        """
        with self._transactions.work() as work:
            self._scheduler.cancel_job(work, self._job(work, job_id))

    def order_resource_group(self, project: str, key: str, process_mode: str) -> None:
        """Say in which order the jobs of a resource group take turns.

        :raises ValueError: for a word that is none.
        """
        with self._transactions.work() as work:
            set_process_mode(work, project, key, process_mode)

    # Looking

    def pipeline(self, pipeline_id: int) -> PipelineView:
        """Return a pipeline.

        :raises KeyError: when there is no such pipeline.
        """
        with self._transactions.reading() as work:
            return PipelineView.of(self._pipeline(work, pipeline_id))

    def jobs(self, pipeline_id: int, children: bool = False) -> list[JobView]:
        """Return the jobs of a pipeline in order, earlier attempts too.

        :param children: also those of the child pipelines, each behind its trigger job.
        :raises KeyError: when there is no such pipeline.
        """
        with self._transactions.reading() as work:
            return list(views_of(work, self._pipeline(work, pipeline_id), children))

    def at_rest(self, pipeline_id: int) -> bool:
        """Tell whether nothing more happens to a pipeline unless somebody plays a job.

        :raises KeyError: when there is no such pipeline.
        """
        return not any(one.status in ACTIVE and not one.retried for one in self.jobs(pipeline_id, True))

    def wake(self) -> None:
        """Let the thread look at the time anew: a delayed job may have come."""
        self._reports.put(0)

    # How

    def _ended(self, work: Work, job: JobRow) -> None:
        self._scheduler.ended(work, job)

    @staticmethod
    def _pipeline(work: Work, pipeline_id: int) -> PipelineRow:
        found = work.session.get(PipelineRow, pipeline_id)
        if found is None:
            raise KeyError(f"there is no pipeline {pipeline_id}")
        return found

    @staticmethod
    def _job(work: Work, job_id: int) -> JobRow:
        found = work.job(job_id)
        if found is None:
            raise KeyError(f"there is no job {job_id}")
        return found
