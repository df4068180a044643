"""All jobs of this manager: who occupies a place, who has ended, who is done with."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pyrunner.errors import JobDirError
from pyrunner.jobdir.index import mark_done
from pyrunner.jobdir.journal import JobResult
from pyrunner.jobdir.layout import Business
from pyrunner.jobdir.record import JobRecord
from pyrunner.manager.calls import Calls
from pyrunner.manager.capacity import Capacity
from pyrunner.manager.jobevents import JobEvents, is_classified
from pyrunner.manager.mailbox import Mailbox
from pyrunner.manager.redaction import redact_record
from pyrunner.manager.slots import Slot
from pyrunner.manager.tracked import Stage, TrackedJob
from pyrunner.metrics.recorder import Recorder
from pyrunner.protocol.states import FailureReason, JobState
from pyrunner.system.files import write_json
from pyrunner.system.golang import one_line
from pyrunner.system.inotify import MOVED_TO, Inotify

if TYPE_CHECKING:
    from pyrunner.manager.sessions.registry import SessionRegistry

_log: Final = logging.getLogger(__name__)


class Roster:
    """The jobs in memory, by business and id.

    :param freed: told the runner's key when a place has become free.
    :param events: told of jobs that come and end, for metrics.
    :param sessions: of jobs whose terminals may be opened; None: no terminals.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        capacity: Capacity,
        inotify: Inotify | None,
        freed: Callable[[str], None],
        events: JobEvents | None = None,
        sessions: SessionRegistry | None = None,
    ) -> None:
        self._capacity = capacity
        self._inotify = inotify
        self._freed = freed
        self._jobs: dict[tuple[Path, int], TrackedJob] = {}
        self._by_folder: dict[Path, TrackedJob] = {}
        self._tidying = Calls(mailbox, "tidying", 1)
        self._sessions = sessions
        self._events = events or JobEvents(Recorder(), "")
        #: Jobs that were taken up.
        self.taken = 0

    def __iter__(self) -> Iterator[TrackedJob]:
        return iter(list(self._jobs.values()))

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def running(self) -> list[TrackedJob]:
        """Jobs that have not ended."""
        return [job for job in self if job.runs]

    @property
    def idle(self) -> bool:
        """Nothing is being tidied up."""
        return self._tidying.idle

    def has(self, business: Business, job_id: int) -> bool:
        """Tell whether a job is here already."""
        return (business.path, job_id) in self._jobs

    def in_folder(self, folder: Path | None) -> TrackedJob | None:
        """Return the job with this control directory."""
        return self._by_folder.get(folder) if folder is not None else None

    def folders(self, business: Business) -> list[Path]:
        """Return the control directories of a business's jobs: each has something to lose."""
        return [
            job.control.path for job in self if job.control is not None and job.slots.business == business
        ]

    def add(self, job: TrackedJob, resumed: bool = False) -> None:
        """Take a job up; with a slot it counts towards ``concurrent`` and ``limit``.

        :param resumed: it is a former manager's.
        """
        self._jobs[job.slots.business.path, job.id] = job
        if job.slot is not None:
            self._capacity.begin_job(job.slot.token)
        if job.control is not None:
            self._by_folder[job.control.path] = job
            self._watch(job.control.path)
            if self._sessions is not None and job.runs:
                self._sessions.open(job.control)
        self.taken += 1
        if resumed:
            self._events.resumed(job)
        else:
            self._events.taken(job)
        self._note("Added job to processing list", job)

    def finish(self, job: TrackedJob, result: JobResult, now: float) -> None:
        """A job has ended: hand its result to the shipper."""
        if self._sessions is not None and job.control is not None:
            self._sessions.close(job.control)
        job.stage = Stage.SHIP
        job.result = result
        job.shipper.finish(result, now)

    def ended(self, job: TrackedJob, result: JobResult) -> None:
        """Free the place of a job that has ended, and say so in the log; after the first call went out."""
        if not job.cursor.reported:
            job.cursor.reported = True
            job.store_cursor()
            self._report(job, result)
            self._events.ended(job, result)
        self.vacate(job)

    def vacate(self, job: TrackedJob) -> None:
        """Give back the place of a job. Safe twice."""
        slot, job.slot = job.slot, None
        if slot is None:
            return
        try:
            self._redact_parameters(job, slot)
        finally:
            job.slots.release(slot)
            self._capacity.end_job(slot.token)
            self._freed(job.runner_key)

    def acknowledged(self, job: TrackedJob) -> None:
        """The coordinator has taken the result: forget the job, and tidy up behind its back."""
        self.vacate(job)
        job.cursor.acknowledged = True
        job.store_cursor(durable=True)
        self.forget(job)
        self._tidying.submit(lambda: tidy_up(job), lambda _: None, lambda error: _cannot_tidy(job, error))

    def forget(self, job: TrackedJob) -> None:
        """Drop a job from memory."""
        self._jobs.pop((job.slots.business.path, job.id), None)
        if job.control is not None:
            self._by_folder.pop(job.control.path, None)
            if self._sessions is not None:
                self._sessions.close(job.control)
            if self._inotify is not None:
                self._inotify.remove(job.control.path)
        self._note("Removed job from processing list", job)

    def _watch(self, folder: Path) -> None:
        if self._inotify is None:
            return
        try:
            self._inotify.add(folder, MOVED_TO)
        except OSError as error:  # the look of every second finds all it would have told
            _log.warning("cannot watch %s: %s; changes are noticed later", folder, error)

    def _redact_parameters(self, job: TrackedJob, slot: Slot) -> None:
        if job.control is None:
            return
        try:
            record = JobRecord.load(job.control.job)
            job.slots.store_parameters(slot.executor_id, redact_record(asdict(record)))
        except (OSError, JobDirError) as error:
            job.warn("its start parameters cannot be redacted: %s", error)

    def _note(self, text: str, job: TrackedJob) -> None:
        fields = {"builds": len(self._jobs), "max_builds": self._capacity.concurrent}
        everything = {**fields, **job.summary.begin_fields, **job.log_fields}
        _log.info("%s", text, extra={"fields": everything})

    def _report(self, job: TrackedJob, result: JobResult) -> None:
        fields: dict[str, Any] = {
            "duration_s": round(max(0.0, time.time() - job.summary.received_at), 6),
            "job-status": str(result.state),
            **job.summary.end_fields,
            **job.log_fields,
        }
        if result.state == JobState.SUCCESS:
            _log.info("Job succeeded", extra={"fields": fields})
            return
        reason = result.failure_reason or str(FailureReason.SCRIPT_FAILURE)
        fields.update(error=result.message, failure_reason=reason, exit_code=result.exit_code)
        classified = is_classified(reason)
        text = "Job failed: %s" if classified else "Job failed (system failure): %s"
        _log.log(
            logging.WARNING if classified else logging.ERROR,
            text,
            one_line(result.message),  # it may quote the job, as the name of an image
            extra={"fields": fields},
        )
        failure = {
            "builds": len(self._jobs),
            "max_builds": self._capacity.concurrent,
            "error": result.message,
            "executor": job.link.config.executor,
            **job.link.log_fields,
        }
        level = logging.DEBUG if classified else logging.WARNING
        _log.log(level, "Failed to process runner", extra={"fields": failure})


def tidy_up(job: TrackedJob) -> None:
    """Remove secrets and working files of an acknowledged job, then move its record to the done ones.

    :raises OSError: when something cannot be removed; the next start tries again.
    :raises JobDirError: when its record cannot be read.
    """
    control = job.control
    if control is None:
        return
    if not control.path.exists():  # somebody has removed it
        mark_done(job.slots.business, job.id)
        return
    record = JobRecord.load(control.job)
    write_json(control.job, redact_record(asdict(record)))
    control.drop_working_files()
    mark_done(job.slots.business, job.id)


def _cannot_tidy(job: TrackedJob, error: Exception) -> None:
    job.warn("its folder cannot be tidied up: %s", error)
