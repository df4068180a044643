"""What the jobs of the roster tell the metrics."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from pyrunner.errors import JobDirError
from pyrunner.jobdir.journal import JobResult
from pyrunner.jobdir.stats import load_stats
from pyrunner.manager.queuing import waited_too_long
from pyrunner.manager.tracked import TrackedJob
from pyrunner.metrics.jobfigures import JobFigures, figures_of
from pyrunner.metrics.recorder import JobArrival, JobEnd, Recorder, RunnerLabels, input_error_of
from pyrunner.protocol.states import FailureReason, JobState

#: How a job that could be begun ends without a word in the log of failures of ours.
_CLASSIFIED: Final = frozenset(FailureReason) - {FailureReason.SYSTEM_FAILURE}


def is_classified(reason: str) -> bool:
    """Tell whether a failure is one that the coordinator has a word for, other than that it was ours."""
    return reason in _CLASSIFIED


class JobEvents:
    """Passes on what happens to jobs.

    :param now: the wall clock, of this host's time zone.
    """

    def __init__(
        self,
        recorder: Recorder,
        system_id: str,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        self._recorder = recorder
        self._system_id = system_id
        self._now = now

    def labels_of(self, job: TrackedJob) -> RunnerLabels:
        """Return who the job's runner is in the metrics."""
        return RunnerLabels(job.link.config.short_token, job.link.config.name, self._system_id)

    def taken(self, job: TrackedJob) -> None:
        """A job has come."""
        config, fields = job.link.config, job.summary.begin_fields
        waited = float(fields.get("time_in_queue_seconds", 0.0))
        running = job.summary.project_jobs_running
        arrival = JobArrival(
            executor=config.executor,
            waited=waited,
            project_jobs_running=running,
            queue_size=int(fields.get("queue_size", 0)),
            queue_depth=int(fields.get("queue_depth", 0)),
            waited_too_long=waited_too_long(config.monitoring, waited, running, self._now()),
        )
        self._recorder.job_taken(self.labels_of(job), arrival)

    def resumed(self, job: TrackedJob) -> None:
        """A job of a former manager is here again."""
        self._recorder.job_resumed(self.labels_of(job))

    def supervisor_restarted(self, job: TrackedJob) -> None:
        """A job gets another supervisor."""
        self._recorder.supervisor_restarted(self.labels_of(job))

    def ended(self, job: TrackedJob, result: JobResult) -> None:
        """A job has ended."""
        if not self._recorder.wants_figures:
            return
        reason = ""
        if result.state != JobState.SUCCESS:
            reason = result.failure_reason or str(FailureReason.SCRIPT_FAILURE)
        began, ended = job.progress.started_at, job.progress.finished_at or time.time()
        end = JobEnd(
            failure_reason=reason,
            classified=is_classified(reason),
            input_error=input_error_of(reason, result.message),
            duration=max(0.0, ended - began) if began else None,
            figures=_figures(job),
            feature_flags=job.link.config.feature_flags,
        )
        self._recorder.job_ended(self.labels_of(job), end)


def _figures(job: TrackedJob) -> JobFigures:
    if job.control is None:
        return JobFigures()
    try:
        stats = load_stats(job.control.stats)
    except JobDirError as error:
        job.warn("its resource use does not count: %s", error)
        return JobFigures()
    return JobFigures() if stats is None else figures_of(stats, job.summary.received_at)
