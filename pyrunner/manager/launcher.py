"""From the coordinator's answer to a job that runs (runner-api.md 5.1, design R4, R9).

The answer is on disk before anything acts on it. Whatever cannot be run is reported as failed, with
the reason in its trace: the coordinator believes that the job is ours.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import JobDirError, PayloadError, PyrunnerError
from pyrunner.gitlab.answer import member
from pyrunner.gitlab.cancel import Stop
from pyrunner.gitlab.credentials import JobCredentials
from pyrunner.gitlab.jobs import JobRequestOutcome
from pyrunner.gitlab.updates import UpdateResult, UpdateState
from pyrunner.jobdir.index import forget_done, mark_done
from pyrunner.manager.calls import Calls
from pyrunner.manager.caretaker import Caretaker
from pyrunner.manager.delivery import Delivery
from pyrunner.manager.fleet import ActiveRunner
from pyrunner.manager.guard import remove_tree
from pyrunner.manager.intake import HostSettings, Placed, place_on_disk, place_refusal
from pyrunner.manager.mailbox import Mailbox
from pyrunner.manager.redelivery import redelivered
from pyrunner.manager.roster import Roster
from pyrunner.manager.summary import JobSummary, summary_of
from pyrunner.manager.tracefile import MemoryTrace, TraceBytes, TraceFile
from pyrunner.manager.tracked import Stage, TrackedJob
from pyrunner.manager.verdict import Verdict, canceled_before_start, refused
from pyrunner.protocol.job import Job, decode_job
from pyrunner.system.golang import one_line

_log: Final = logging.getLogger(__name__)


class Launcher:
    """Takes jobs, announces them, and lets the caretaker start their supervisors.

    :param launched: told runner key and token once a job has been answered for.
    :param stop: set when this process is about to exit.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        roster: Roster,
        caretaker: Caretaker,
        delivery: Delivery,
        host: HostSettings,
        launched: Callable[[str, str], None],
        stop: Stop,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._roster = roster
        self._caretaker = caretaker
        self._delivery = delivery
        self._host = host
        self._launched = launched
        self._stop = stop
        self._clock = clock
        self._removing = Calls(mailbox, "removing", 1)

    def accept(self, runner: ActiveRunner, outcome: JobRequestOutcome) -> None:
        """Take the job that came with a 201."""
        token = runner.link.config.token
        job = self._taken(runner, outcome)
        if job is None:
            self._launched(runner.key, token)
        else:
            self._roster.add(job)
            self.announce(job, lambda: self._launched(runner.key, token))

    def announce(self, job: TrackedJob, answered: Callable[[], None] = lambda: None) -> None:
        """Tell the coordinator that the job is here, and act on what it says (5.1 step 3)."""

        def done(result: UpdateResult) -> None:
            answered()
            self._announced(job, result)

        self._delivery.announce(job, done)

    def _announced(self, job: TrackedJob, result: UpdateResult) -> None:
        if result.state is UpdateState.ABORT:
            self._drop(job)
            return
        if self._stop.is_set() and result.state is UpdateState.FAILED:
            return  # given up by us: the next manager asks again
        job.cursor.announced = True
        job.store_cursor()
        verdict = job.verdict
        if verdict is None and result.cancel_requested:
            verdict = canceled_before_start(time.time())
        job.stage = Stage.RUN
        if verdict is not None:
            self._caretaker.decide(job, verdict)
        else:
            self._caretaker.look(job, self._clock())

    def _drop(self, job: TrackedJob) -> None:
        """The coordinator does not want the job run: no trace, no result (5.1 step 3)."""
        business, control = job.slots.business, job.control
        if control is not None and control.state.exists():
            self._roster.acknowledged(job)  # it has run here, and nobody wants to hear of it
            return
        job.warn("the coordinator has taken it back before it began")
        self._roster.vacate(job)
        self._roster.forget(job)
        if control is None:
            return
        mark_done(business, job.id)
        remove_tree(control.path)
        forget_done(business, job.id)

    def _taken(self, runner: ActiveRunner, outcome: JobRequestOutcome) -> TrackedJob | None:
        """Put a job on disk; None when there is nothing to answer for."""
        fields = {**runner.link.log_fields, "correlation_id": outcome.correlation_id}
        job_id, token = member(outcome.payload, "id"), member(outcome.payload, "token")
        if type(job_id) is not int or job_id <= 0 or not isinstance(token, str) or not token:
            _log.error("A job without id or token has come; it cannot be answered", extra={"fields": fields})
            return None
        if self._roster.has(runner.slots.business, job_id):
            _log.warning("Job %d has come twice; it runs once", job_id, extra={"fields": fields})
            return None
        bare = {"id": job_id, "token": token}
        try:
            job = decode_job(outcome.payload)
        except PayloadError as error:
            return self._refused(runner, bare, f"The job's payload cannot be used: {error}")
        try:
            again = self._again(runner, job, outcome)
            if again is None and (why := runner.shortage()):
                return self._refused(runner, bare, f"There is no room for the job: {why}")
            return again or self._placed(runner, job, outcome)
        except (OSError, PyrunnerError) as error:
            return self._refused(runner, bare, f"The job cannot be prepared on this runner: {error}")
        except Exception as error:  # noqa: BLE001 - a bug of ours must not leave the server waiting
            _log.exception("a job could not be taken", extra={"fields": fields})
            return self._refused(runner, bare, f"The job cannot be prepared on this runner: {error!r}")

    def _placed(self, runner: ActiveRunner, job: Job, outcome: JobRequestOutcome) -> TrackedJob:
        keep = self._roster.folders(runner.slots.business)
        placed = place_on_disk(runner, job, outcome, self._host, keep)
        for folder in placed.aside:
            self._remove(folder)
        summary = summary_of(job, runner.link.config, time.time())
        return self._tracked(runner, summary, placed, TraceFile(placed.control))

    def _again(self, runner: ActiveRunner, job: Job, outcome: JobRequestOutcome) -> TrackedJob | None:
        """Return a job that has run here before, to be delivered again; None for any other."""
        control = redelivered(runner, job, outcome.payload or {})
        if control is None:
            return None
        summary = summary_of(job, runner.link.config, time.time())
        summary_fields = {**runner.link.log_fields, "job": job.id}
        _log.warning(
            "Job has been run here before; its result is sent again", extra={"fields": summary_fields}
        )
        return self._tracked(runner, summary, Placed(control, None), TraceFile(control))

    def _refused(self, runner: ActiveRunner, payload: dict[str, Any], message: str) -> TrackedJob:
        fields = {**runner.link.log_fields, "job": payload["id"]}
        _log.error("%s", one_line(message), extra={"fields": fields})
        verdict = refused(message, time.time())
        text = verdict.text.encode()
        credentials = JobCredentials(payload["id"], payload["token"])
        summary = JobSummary(credentials, begin_fields={"job": credentials.id}, end_fields={})
        placed: Placed | None
        try:
            placed = place_refusal(runner, payload, verdict, self._host)
        except JobDirError as error:
            _log.error("%s; the failure is reported from memory", error, extra={"fields": fields})
            placed = None
        trace: TraceBytes = TraceFile(placed.control, 0, text) if placed else MemoryTrace(text)
        return self._tracked(runner, summary, placed, trace, verdict)

    def _tracked(
        self,
        runner: ActiveRunner,
        summary: JobSummary,
        placed: Placed | None,
        trace: TraceBytes,
        verdict: Verdict | None = None,
    ) -> TrackedJob:
        job = TrackedJob.create(
            summary,
            runner.link,
            runner.key,
            runner.slots,
            self._clock(),
            control=placed.control if placed else None,
            trace=trace,
            slot=placed.slot if placed else None,
        )
        job.verdict = verdict
        return job

    def _remove(self, folder: Path) -> None:
        self._removing.submit(lambda: remove_tree(folder), lambda _: None)
