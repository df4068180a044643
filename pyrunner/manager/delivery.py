"""Makes the calls that a job's :class:`~pyrunner.manager.shipper.Shipper` asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

from pyrunner.gitlab.cancel import Stop
from pyrunner.gitlab.updates import (
    JobUpdate,
    PatchResult,
    PatchState,
    UpdateResult,
    UpdateState,
    patch_trace,
    update_job,
)
from pyrunner.manager.calls import Calls
from pyrunner.manager.mailbox import Mailbox
from pyrunner.manager.shipper import Patch, Phase, Update
from pyrunner.manager.tracked import Stage, TrackedJob
from pyrunner.protocol.states import JobState

#: Results of ended jobs under way to one coordinator at most: thousands may wait after an outage.
_PARALLEL: Final = 8
#: Seconds over which waiting results are spread when a coordinator has come back.
_SPREAD: Final = 2.0


class Delivery:
    """Ships traces and results; one call a job at a time, in threads.

    :param stop: ends calls that wait; what they had under way is tried again by the next manager.
    :param done: told of a job whose result the coordinator has taken.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        clock: Callable[[], float],
        stop: Stop,
        done: Callable[[TrackedJob], None],
    ) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._stop = stop
        self._done = done
        self._calls: dict[tuple[str, bool], Calls] = {}

    def _calls_for(self, job: TrackedJob) -> Calls:
        """Return the threads for a job's call: none that hangs keeps another coordinator's jobs waiting.

        Jobs that run are as many as ``concurrent`` allows, and do not wait for one another.
        """
        key = (job.link.config.url, job.runs)
        return self._calls.setdefault(key, Calls(self._mailbox, "delivery", 0 if job.runs else _PARALLEL))

    @property
    def idle(self) -> bool:
        """No call is under way."""
        return all(calls.idle for calls in self._calls.values())

    def step_due(self, jobs: Iterable[TrackedJob], now: float) -> float:
        """Make the calls that are due; return when to call again."""
        due = math.inf
        for job in jobs:
            if job.due <= now:
                self.step(job, now)
            due = min(due, job.due)
        return due

    def step(self, job: TrackedJob, now: float) -> None:
        """Make the job's next call when it is time to, and note when to ask again."""
        job.due = math.inf
        if job.calling or job.stage is Stage.ANNOUNCE or self._stop.is_set():
            return
        action = job.shipper.next(now)
        if isinstance(action, float):
            job.due = action
            return
        job.calling = True
        if isinstance(action, Patch):
            self._patch(job, action)
        else:
            self._update(job, action)

    def announce(self, job: TrackedJob, done: Callable[[UpdateResult], None]) -> None:
        """Send the one ``PUT running`` before anything of the job runs (runner-api.md 5.1)."""
        link, stop = job.link, self._stop
        job.calling = True

        def call() -> UpdateResult:
            update = JobUpdate(JobState.RUNNING)
            return update_job(link.transport, job.summary.credentials, update, link.info, stop)

        def answered(result: UpdateResult) -> None:
            job.calling = False
            # Asked while it was being announced, the job said "never": from here on it has a trace.
            job.due = self._clock()
            done(result)

        def failed(error: Exception) -> None:
            job.warn("it cannot be announced: %s", error)
            answered(UpdateResult(UpdateState.FAILED))

        self._calls_for(job).submit(call, answered, failed)

    def _patch(self, job: TrackedJob, action: Patch) -> None:
        summary, transport, trace, stop = job.summary, job.link.transport, job.trace, self._stop

        def call() -> PatchResult:
            content = trace.read(action.offset, action.length)
            if not content:
                raise OSError(f"the trace ends before byte {action.offset}")
            return patch_trace(
                transport, summary.credentials, content, action.offset, summary.debug_trace, stop
            )

        def answered(result: PatchResult) -> None:
            job.shipper.patched(result, self._clock())
            if result.state in (PatchState.SUCCEEDED, PatchState.RANGE_MISMATCH):
                job.cursor.offset = job.shipper.offset
                job.store_cursor()
            self._go_on(job)

        self._calls_for(job).submit(call, answered, lambda error: self._broken(job, error))

    def _update(self, job: TrackedJob, action: Update) -> None:
        summary, link, checksum, stop = job.summary, job.link, job.checksum, self._stop

        def call() -> UpdateResult:
            try:
                digest, size = checksum.of(action.size), action.size
            except OSError:  # the result counts without the trace
                digest, size = "", 0
            update = JobUpdate(action.state, action.failure_reason, action.exit_code, digest, size)
            return update_job(link.transport, summary.credentials, update, link.info, stop)

        def answered(result: UpdateResult) -> None:
            job.shipper.updated(result, self._clock())
            self._go_on(job)

        self._calls_for(job).submit(call, answered, lambda error: self._broken(job, error))

    def _broken(self, job: TrackedJob, error: Exception) -> None:
        job.warn("%s: %s", "its trace or state cannot be sent", error)
        job.shipper.broken(self._clock())
        self._go_on(job)

    def _go_on(self, job: TrackedJob) -> None:
        job.calling = False
        job.pass_on_orders()
        if job.shipper.phase is Phase.DONE:
            self._done(job)
        else:
            # Chunk follows chunk without a turn of the main loop between.
            self.step(job, self._clock())


def coordinator_is_back(jobs: Iterable[TrackedJob], url: str, now: float) -> None:
    """Let results that wait for a coordinator be tried soon: it has answered something else."""
    for job in jobs:
        if job.link.config.url == url and not job.calling:
            job.shipper.retry_now(now, _SPREAD)
            job.due = min(job.due, now + _SPREAD)
