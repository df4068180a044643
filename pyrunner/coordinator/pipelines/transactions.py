"""Changes of pipelines, one at a time: settled, committed, then carried out and told."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from pyrunner.coordinator.pipelines.handover import Handover
from pyrunner.coordinator.pipelines.restore import passed_before
from pyrunner.coordinator.pipelines.scheduler import Scheduler
from pyrunner.coordinator.pipelines.status import Status
from pyrunner.coordinator.pipelines.tables import JobRow
from pyrunner.coordinator.pipelines.views import JobView, PipelineView
from pyrunner.coordinator.pipelines.work import Work
from pyrunner.coordinator.store import Store
from pyrunner.errors import PyrunnerError

Listener = Callable[[JobView | PipelineView], None]


class Transactions:
    """Used from any thread.

    :param sessions: of the database.
    :param store: takes the jobs that runners get.
    """

    def __init__(
        self, sessions: sessionmaker[Session], store: Store, scheduler: Scheduler, handover: Handover
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._scheduler = scheduler
        self._handover = handover
        self._lock = threading.RLock()
        self.listeners: list[Listener] = []

    def close(self) -> None:
        """Let go of the database. Safe twice."""
        with self._lock, self._sessions() as session:
            engine = session.get_bind()
        if isinstance(engine, Engine):
            engine.dispose()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Work]:
        """Look at pipelines as they are; nothing is changed."""
        with self._lock, self._sessions() as session:
            yield Work(session, self._store.new_job_id)

    @contextlib.contextmanager
    def work(self, now: float | None = None) -> Iterator[Work]:
        """Change pipelines.

        :param now: the time, if it is not now.
        """
        with self._lock:
            with self._sessions() as session, session.begin():
                work = Work(session, self._store.new_job_id, time.time() if now is None else now)
                yield work
                self._scheduler.settle(work)
                payloads = self._payloads(work)
                views: list[JobView | PipelineView] = [JobView.of(one) for one in work.changed_jobs.values()]
                views += [PipelineView.of(one) for one in work.changed_pipelines.values()]
            self._carry_out(payloads, work)
            for view in views:
                for listener in list(self.listeners):
                    listener(view)

    def _payloads(self, work: Work) -> list[tuple[JobRow, dict[str, Any]]]:
        made: list[tuple[JobRow, dict[str, Any]]] = []
        while work.queued:
            job = work.queued.pop(0)
            if job.status is not Status.PENDING:
                continue  # cancelled in the same breath
            try:
                made.append((job, self._handover.payload(work, job)))
            except PyrunnerError as error:
                job.message = str(error)
                job.failure_reason = "data_integrity_failure"
                work.move(job, Status.FAILED)
                self._scheduler.ended(work, job)
                self._scheduler.settle(work)
        return [(job, payload) for job, payload in made if job.status is Status.PENDING]

    def _carry_out(self, payloads: list[tuple[JobRow, dict[str, Any]]], work: Work) -> None:
        for job in work.done:
            self._store.restore_job(passed_before(job, self._store))
        for job, payload in payloads:
            self._store.add_job(payload, job.runner_id)
        for job_id in work.stopped:
            record = self._store.jobs.get(job_id)
            if record is not None:
                self._store.cancel(record)
