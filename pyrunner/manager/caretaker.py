"""Design R5 as a table, applied to every running job each second, and when its journal changes.

=============  ====================  =======================================================
lock           journal, heartbeat    what is done
=============  ====================  =======================================================
held or free   finished              deliver the result
held           heartbeat fresh       nothing: a supervisor works on it
held           60 s without a beat   SIGKILL by process id and start time; then it is free
free           not finished          start a supervisor on the same directory; after three
                                     restarts without progress: system failure
=============  ====================  =======================================================
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from typing import Final, Protocol

from pyrunner.errors import JobDirError
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import JobResult, JobStateRecord, load_state
from pyrunner.manager.closing import closing_line
from pyrunner.manager.spawner_client import SpawnAnswer
from pyrunner.manager.tracefile import MemoryTrace, TraceFile
from pyrunner.manager.tracked import Stage, TrackedJob
from pyrunner.manager.verdict import Verdict, given_up, store_verdict
from pyrunner.system.files import read_json
from pyrunner.system.lock import OpenFileLock, is_held
from pyrunner.system.process import ProcessIdentity

_log: Final = logging.getLogger(__name__)

#: Seconds without a heartbeat after which a supervisor counts as hung (R3).
HUNG_AFTER: Final = 60.0
#: Restarts without progress after which the job is given up (R3).
MOST_RESTARTS: Final = 3


class Spawner(Protocol):
    """Starts supervisors; :class:`~pyrunner.manager.spawner_client.SpawnerClient` is one."""

    def spawn(self, control: ControlDir, lock: OpenFileLock, done: Callable[[SpawnAnswer], None]) -> None: ...  # noqa: D102 - the one method of this contract


class Caretaker:
    """Sees to it that every job that may run has exactly one live supervisor, until it has ended.

    :param ended: told of a job that has ended, with its result.
    :param reap: ends the processes of a job that is given up; must not block.
    :param wall: seconds since the epoch.
    :param restarted: told of a job that gets another supervisor.
    """

    def __init__(
        self,
        spawner: Spawner,
        ended: Callable[[TrackedJob, JobResult], None],
        reap: Callable[[TrackedJob], None] = lambda _: None,
        wall: Callable[[], float] = time.time,
        restarted: Callable[[TrackedJob], None] = lambda _: None,
    ) -> None:
        self._spawner = spawner
        self._ended = ended
        self._reap = reap
        self._wall = wall
        self._restarted = restarted
        #: False: nothing is started any more, what runs is still looked at.
        self.may_start = True

    def look(self, job: TrackedJob, now: float) -> None:
        """Apply the table to one job.

        :param now: seconds, monotonic.
        """
        job.pass_on_orders()
        if job.stage is not Stage.RUN or job.spawning:
            return
        if job.verdict is not None or job.control is None:
            self.decide(job, job.verdict or given_up("the job has no folder", 0, "", self._wall()))
            return
        try:
            self._apply_table(job, job.control, now)
        except OSError as error:  # one job's files must not stop the others' manager
            if job.runs and not job.control.path.exists():
                self._give_up(job, job.control, f"the job's folder {job.control.path} is gone")
            else:
                job.warn_once(f"its files cannot be used: {error}; trying again")

    def _apply_table(self, job: TrackedJob, control: ControlDir, now: float) -> None:
        """Do what the table says.

        :raises OSError: when the job's files cannot be used.
        """
        # The lock first: a supervisor that ends between the two leaves "finished" for the second.
        held = is_held(control.lock)
        try:
            state = self._state(job, control, anew=not held)
        except JobDirError as error:
            if not held:
                self._give_up(job, control, str(error))
            return
        if state is not None and state.phase == "finished":
            self._ended(job, state.result or JobResult("failed", "runner_system_failure"))
        elif held:
            self._check_heart(job, control, now)
        elif self.may_start:
            self._start(job, control, state)

    def decide(self, job: TrackedJob, verdict: Verdict) -> None:
        """End a job by the manager's own verdict; when it cannot be written, the next look tries again."""
        job.verdict = verdict
        if job.control is not None:
            try:
                store_verdict(job.control, verdict)
            except FileNotFoundError:  # its folder is gone, and the trace with it
                job.replace_trace(MemoryTrace(verdict.text.encode()))
            except OSError as error:
                job.warn_once(f"its end cannot be written: {error}; trying again")
                return
            else:
                job.replace_trace(TraceFile(job.control, verdict.trace_size, verdict.text.encode()))
        self._ended(job, verdict.result)

    @staticmethod
    def _state(job: TrackedJob, control: ControlDir, anew: bool) -> JobStateRecord | None:
        """Return the journal; None when there is none, or it has not changed since it was read last."""
        try:
            status = control.state.stat()
        except FileNotFoundError:
            return None
        # Time stamps are as coarse as the kernel's tick: two versions of a quick end can share one.
        stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
        if stamp == job.state_stamp and not anew:
            return None
        state = load_state(control.state)
        job.state_stamp = stamp
        if state is not None:
            job.progress.note(state)
        return state

    def _check_heart(self, job: TrackedJob, control: ControlDir, now: float) -> None:
        # Our own clock measures the silence: the wall clock jumps, and stands still in suspend.
        try:
            stamp = control.heartbeat.stat().st_mtime_ns
        except FileNotFoundError:
            stamp = 0
        if job.beat is None or job.beat[0] != stamp:
            job.beat = (stamp, now)
        elif now - job.beat[1] > HUNG_AFTER:
            job.beat = (stamp, now)
            self._kill(job, control)

    @staticmethod
    def _kill(job: TrackedJob, control: ControlDir) -> None:
        try:
            identity: ProcessIdentity | None = ProcessIdentity.from_dict(read_json(control.heartbeat))
        except (FileNotFoundError, JobDirError):
            identity = job.supervisor
        if identity is None:
            job.warn(
                "its supervisor hangs, but left no identity; end the process that locks %s", control.lock
            )
            return
        job.warn("its supervisor (process %d) hangs; it is killed and started again", identity.pid)
        try:
            identity.send(signal.SIGKILL)
        except PermissionError as error:
            job.warn("its supervisor cannot be killed: %s", error)

    def _start(self, job: TrackedJob, control: ControlDir, state: JobStateRecord | None) -> None:
        cursor = job.cursor
        progress = f"{len(state.steps) if state else 0}:{control.durable_trace_size()}"
        if progress != cursor.progress:
            cursor.progress, cursor.starts = progress, 0
        if cursor.starts > MOST_RESTARTS:
            self._give_up(
                job,
                control,
                f"the job's supervisor was started {cursor.starts} times without getting any further; "
                f"see {control.supervisor_log} on the runner's host",
            )
            return
        lock = OpenFileLock.take(control.lock)
        if lock is None:
            return
        job.spawning = True
        job.beat = None
        if cursor.starts or state is not None:
            job.warn("no supervisor works on it; one is started")
            self._restarted(job)
        self._spawner.spawn(control, lock, lambda answer: self._spawned(job, answer))

    @staticmethod
    def _spawned(job: TrackedJob, answer: SpawnAnswer) -> None:
        job.spawning = False
        if answer.pid > 0:
            job.supervisor = ProcessIdentity.of(answer.pid)
            job.cursor.starts += 1
            job.store_cursor()
        elif answer.error:
            job.warn("%s; trying again", answer.error)

    def _give_up(self, job: TrackedJob, control: ControlDir, message: str) -> None:
        self._reap(job)
        now = self._wall()
        size = 0
        try:
            size = control.durable_trace_size()
            trace = TraceFile(control, size)
            begin, last = trace.read(0, 64), trace.read(max(0, size - 1), 1)
        except OSError:
            size, begin, last = 0, b"", b""
        text = closing_line(begin, last, message, now)
        self.decide(job, given_up(message, size, text, now))
