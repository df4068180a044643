"""Runners and jobs of a coordinator: records in memory, traces and artifacts on disk.

One condition guards everything: handlers run in the server's thread, tests and ``exec`` in others.
Whoever changes a record holds :attr:`Store.changed` and calls :meth:`Store.notify`.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pyrunner.coordinator.records import (
    Artifact,
    JobEvent,
    JobRecord,
    JobStatus,
    ManagerRecord,
    RunnerRecord,
    TraceFile,
)
from pyrunner.coordinator.settings import CoordinatorSettings
from pyrunner.system.files import make_private

#: Largest exit code GitLab stores (runner-api.md 1.8).
LARGEST_EXIT_CODE: Final = 32767


class Store:
    """All that survives a restart of the HTTP server.

    :param folder: private folder for traces and artifacts.
    :param first_job_id: where ids made here begin.
    """

    def __init__(self, folder: Path, settings: CoordinatorSettings, first_job_id: int = 1) -> None:
        self.folder = folder
        self.settings = settings
        self.changed = threading.Condition()
        self.registration_token = f"GR1348941{secrets.token_urlsafe(15)}"
        self.personal_access_token = f"glpat-{secrets.token_urlsafe(15)}"
        self.runners: dict[int, RunnerRecord] = {}
        self.jobs: dict[int, JobRecord] = {}
        self.queue: list[int] = []
        #: Called, in any thread, whenever a runner's queue may have changed.
        self.queue_listeners: list[Callable[[], None]] = []
        #: Called, in any thread and with :attr:`changed` held, when a job has another state or artifact.
        self.job_listeners: list[Callable[[JobRecord], None]] = []
        self._last_job_id = first_job_id - 1
        self._waiting: set[int] = set()
        for name in ("traces", "artifacts"):
            make_private(folder / name)

    def notify(self) -> None:
        """Wake everybody who waits for a record to change; the caller holds :attr:`changed`."""
        self.changed.notify_all()

    # Runners

    def add_runner(self, token: str = "", **attributes: Any) -> RunnerRecord:
        """Add a runner.

        :param token: its authentication token; empty: a new ``glrt-`` token.
        :param attributes: fields of :class:`RunnerRecord`.
        :raises ValueError: when the token is taken.
        """
        with self.changed:
            token = token or f"glrt-{secrets.token_urlsafe(15)}"
            if self.runner_by_token(token):
                raise ValueError("a runner with this token exists")
            number = max(self.runners, default=0) + 1
            runner = RunnerRecord(number, token, expires_at=self.expiry(), **attributes)
            runner.queue_value = secrets.token_hex(16)
            self.runners[number] = runner
            self.notify()
            return runner

    def expiry(self) -> str | None:
        """Return when a token made now expires (RFC 3339), None when never."""
        lifetime = self.settings.token_lifetime_seconds
        if lifetime is None:
            return None
        moment = datetime.now(UTC) + timedelta(seconds=lifetime)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    def runner_by_token(self, token: str) -> RunnerRecord | None:
        """Return the runner of an authentication token."""
        found = (one for one in self.runners.values() if secrets.compare_digest(one.token, token))
        return next(found, None) if token.isascii() else None

    def reset_token(self, runner: RunnerRecord) -> None:
        """Give a runner a new token; the old one is worthless from now on."""
        with self.changed:
            prefix = runner.token.partition("-")[0] if runner.token.startswith("glrt") else "glrt"
            runner.token = f"{prefix}-{secrets.token_urlsafe(15)}"
            runner.expires_at = self.expiry()
            self.notify()

    def remove_runner(self, runner: RunnerRecord) -> None:
        """Remove a runner for all its managers."""
        with self.changed:
            del self.runners[runner.id]
            self.notify()

    def manager(self, runner: RunnerRecord, system_id: str, info: dict[str, Any]) -> ManagerRecord:
        """Return a runner's manager, recorded with what it reports of itself."""
        with self.changed:
            manager = runner.managers.setdefault(system_id, ManagerRecord(system_id))
            if info:
                manager.info = info
            return manager

    def tick_queue(self, runner_id: int | None = None) -> None:
        """Change the ``last_update`` value of one runner, or of all."""
        with self.changed:
            for runner in self.runners.values():
                if runner_id in (None, runner.id):
                    runner.queue_value = secrets.token_hex(16)
            self.notify()
        for listener in list(self.queue_listeners):
            listener()

    # Jobs

    def new_job_id(self) -> int:
        """Return an id that no job has."""
        with self.changed:
            self._last_job_id = max(self._last_job_id, max(self.jobs, default=0)) + 1
            return self._last_job_id

    def add_job(self, payload: dict[str, Any], runner_id: int | None = None) -> JobRecord:
        """Queue a job.

        :param runner_id: the runner that has to take it; None: any.
        :raises ValueError: when the payload has no usable id or token, or its id is taken.
        """
        job_id, token = payload.get("id"), payload.get("token")
        if not isinstance(job_id, int) or job_id <= 0 or not isinstance(token, str) or not token:
            raise ValueError("a payload needs a positive id and a token")
        with self.changed:
            if job_id in self.jobs:
                raise ValueError(f"there is a job {job_id} already")
            job = JobRecord(job_id, payload, token, self._trace(job_id), runner_id)
            self.jobs[job_id] = job
            self.queue.append(job_id)
            self.add_event(job, "enqueued")
        self.tick_queue(runner_id)
        return job

    def restore_job(self, job: JobRecord) -> None:
        """Take in a job that was here before a restart; a pending one is queued again.

        :raises ValueError: when its id is taken.
        """
        with self.changed:
            if job.id in self.jobs:
                raise ValueError(f"there is a job {job.id} already")
            self.jobs[job.id] = job
            if job.state is JobStatus.PENDING:
                self.queue.append(job.id)
            self.add_event(job, "restored")
        self.tick_queue(job.runner_id)

    def reserve_ids(self, last: int) -> None:
        """Give no id up to ``last`` to a new job."""
        with self.changed:
            self._last_job_id = max(self._last_job_id, last)

    def keep_artifact(self, job: JobRecord, artifact: Artifact) -> None:
        """Add an uploaded file to its job."""
        with self.changed:
            job.artifacts[artifact.artifact_type] = artifact
            self._tell(job)

    def _tell(self, job: JobRecord) -> None:
        self.notify()
        for listener in list(self.job_listeners):
            listener(job)

    def trace_path(self, job_id: int) -> Path:
        """Return the file of a job's trace."""
        return self.folder / "traces" / f"{job_id}.log"

    def _trace(self, job_id: int) -> TraceFile:
        path = self.trace_path(job_id)
        path.unlink(missing_ok=True)
        return TraceFile(path)

    def artifact_folder(self, job_id: int) -> Path:
        """Return the folder of a job's artifacts, made when missing."""
        folder = self.folder / "artifacts" / str(job_id)
        make_private(folder)
        return folder

    def add_event(self, job: JobRecord, name: str, status: int = 0, detail: str = "") -> None:
        """Note something that happened to a job."""
        with self.changed:
            job.events.append(JobEvent(time.time(), name, status, detail))
            self.notify()

    def await_acknowledgement(self, job: JobRecord) -> None:
        """Let a job that was handed out wait for ``PUT state=running``, or wait on (two-phase commit)."""
        with self.changed:
            job.acknowledge_until = time.time() + self.settings.acknowledgement_seconds
            self._waiting.add(job.id)

    def set_state(
        self, job: JobRecord, state: JobStatus, failure_reason: str = "", exit_code: int = 0
    ) -> None:
        """Move a job to another state, also out of the queue."""
        with self.changed:
            if job.id in self.queue and state is not JobStatus.PENDING:
                self.queue.remove(job.id)
            job.state = state
            job.acknowledge_until = 0.0
            self._waiting.discard(job.id)
            if failure_reason or exit_code:
                job.failure_reason = failure_reason
                job.exit_code = min(max(exit_code, 0), LARGEST_EXIT_CODE)
            self.add_event(job, "state", detail=str(state))
            self._tell(job)

    def finish(self, job: JobRecord, success: bool, failure_reason: str = "", exit_code: int = 0) -> None:
        """Apply a final update; a job that is being cancelled ends as canceled either way (5.7)."""
        state = JobStatus.SUCCESS if success else JobStatus.FAILED
        if job.state is JobStatus.CANCELING:
            state = JobStatus.CANCELED
        self.set_state(job, state, failure_reason, exit_code)

    def cancel(self, job: JobRecord, graceful: bool | None = None) -> None:
        """Cancel a job as a user would.

        :param graceful: True: ``canceling``; False: ``canceled`` at once; None: what the runner manager
            that has the job supports (2.4). A job that nobody has is canceled at once.
        """
        with self.changed:
            if job.finished:
                return
            if graceful is None:
                runner = self.runners.get(job.assigned_runner_id or 0)
                manager = runner.managers.get(job.system_id) if runner else None
                graceful = bool(manager and manager.has("cancel_gracefully")) and not self.settings.legacy
            handed_out = job.processing
            self.set_state(job, JobStatus.CANCELING if graceful and handed_out else JobStatus.CANCELED)

    def drop(self, job: JobRecord, failure_reason: str) -> None:
        """Fail a job from the server's side, e.g. for a timeout of the server."""
        with self.changed:
            if not job.finished:
                self.set_state(job, JobStatus.FAILED, failure_reason)

    def expire_waiting(self) -> None:
        """Drop the jobs that a runner took and did not acknowledge in time (two-phase commit)."""
        now = time.time()
        with self.changed:
            for job in [self.jobs[job_id] for job_id in self._waiting]:
                if job.acknowledge_until < now:
                    self.drop(job, "runner_provisioning_timeout")
