"""Jobs of a former manager, found before the first poll (design R5)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from pyrunner.config.model import RunnerConfig
from pyrunner.errors import JobDirError, PayloadError, PyrunnerError
from pyrunner.gitlab.credentials import JobCredentials
from pyrunner.jobdir.index import IndexedJob, pending_jobs
from pyrunner.jobdir.journal import load_state
from pyrunner.jobdir.record import JobRecord
from pyrunner.manager.cursor import Cursor
from pyrunner.manager.fleet import ActiveRunner
from pyrunner.manager.launcher import Launcher
from pyrunner.manager.link import Links
from pyrunner.manager.roster import Roster
from pyrunner.manager.slots import Slot, Slots
from pyrunner.manager.summary import JobSummary, summary_of
from pyrunner.manager.tracefile import TraceFile
from pyrunner.manager.tracked import Stage, TrackedJob
from pyrunner.manager.verdict import load_verdict

_log: Final = logging.getLogger(__name__)


class Recovery:
    """Takes up what is pending in a business; the caretaker then applies its table to each job."""

    def __init__(
        self,
        roster: Roster,
        launcher: Launcher,
        links: Links,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._roster = roster
        self._launcher = launcher
        self._links = links
        self._clock = clock

    def resume(self, slots: Slots, runners: Mapping[str, ActiveRunner]) -> int:
        """Take up the unfinished and undelivered jobs of a business; return how many there are.

        :param runners: those of the configuration, by key.
        """
        try:
            entries = pending_jobs(slots.business)
        except (OSError, JobDirError) as error:
            _log.error("the jobs of %s cannot be resumed: %s", slots.business.path, error)
            return 0
        found = 0
        for entry in entries:
            if self._roster.has(slots.business, entry.job_id):
                continue
            try:
                job = self._job(slots, entry, runners.get(str(slots.business.path)))
            except (OSError, PyrunnerError) as error:
                # Untouched: a newer version may have written it (R7).
                _log.error("job %d cannot be resumed: %s", entry.job_id, error)
                continue
            found += 1
            self._take_up(job)
        return found

    def _take_up(self, job: TrackedJob) -> None:
        _log.info("Resuming job", extra={"fields": job.log_fields})
        self._roster.add(job, resumed=True)
        if job.cursor.acknowledged:
            self._roster.acknowledged(job)
        elif job.stage is Stage.ANNOUNCE:
            self._launcher.announce(job)

    def _job(self, slots: Slots, entry: IndexedJob, runner: ActiveRunner | None) -> TrackedJob:
        """Return a pending job as its files tell it.

        :raises PyrunnerError: when they cannot be read.
        """
        control = entry.control
        record = JobRecord.load(control.job)
        config = RunnerConfig.from_dict(record.runner)
        cursor = Cursor.load(control.cursor)
        state = load_state(control.state)
        verdict = load_verdict(control)
        summary = _summary(record, config, entry.job_id)
        over = verdict is not None or (state is not None and state.phase == "finished")
        slot: Slot | None = None
        if not over and not cursor.acknowledged:
            token = runner.link.config.token if runner else config.token
            slot = Slot(
                record.executor_id, token, record.job.job_info.project_id, record.concurrent_project_id
            )
            slots.occupy(slot)
        trace = (
            TraceFile(control, verdict.trace_size, verdict.text.encode()) if verdict else TraceFile(control)
        )
        job = TrackedJob.create(
            summary,
            self._links.link(config),
            str(slots.business.path),
            slots,
            self._clock(),
            control=control,
            trace=trace,
            slot=slot,
            cursor=cursor,
        )
        job.verdict = verdict
        # A journal means that it was announced: a power cut may have taken the cursor.
        job.stage = Stage.RUN if cursor.announced or state is not None else Stage.ANNOUNCE
        return job


def _summary(record: JobRecord, config: RunnerConfig, job_id: int) -> JobSummary:
    try:
        return summary_of(record.job, config, record.received_at)
    except PayloadError:
        token = record.payload.get("token")
        credentials = JobCredentials(job_id, token if isinstance(token, str) else "")
        return JobSummary(credentials, received_at=record.received_at)
