"""The supervisor: one detached process per job (design 1; the Tristan document's ``startup.py``).

It reads the job from its directory, walks the stages, and leaves the result in state.json. It never
talks to the coordinator. Killed at any instant, it is started again on the same directory and goes on.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import time
from pathlib import Path

from pyrunner.build.context import BuildContext
from pyrunner.build.jobtrace import JobTrace
from pyrunner.build.outcome import final_line, result_of
from pyrunner.build.payload_check import check_payload
from pyrunner.build.runner import BuildRunner
from pyrunner.build.stagerunner import StageRunner
from pyrunner.errors import BuildError, JobDirError, PayloadError, PyrunnerError
from pyrunner.executors import executor_traits, make_executor
from pyrunner.executors.base import Executor
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import JobResult, Journal
from pyrunner.jobdir.record import JobRecord
from pyrunner.protocol.states import FailureReason, JobState
from pyrunner.supervisor.report import store_stats, usage_lines
from pyrunner.supervisor.watch import SupervisorWatch
from pyrunner.system.lock import OpenFileLock
from pyrunner.system.process import boot_id
from pyrunner.trace.options import trace_options
from pyrunner.trace.rawlog import RawLog
from pyrunner.trace.render import TraceRenderer

logger = logging.getLogger(__name__)


def supervise(control_path: Path) -> int:
    """Run or resume the job in ``control_path`` in this process.

    :returns: 0 when the job is finished, 1 when another supervisor has it.
    """
    control = ControlDir(control_path)
    lock = OpenFileLock.take(control.lock)
    if lock is None:
        logger.error("another supervisor works on this job", extra={"fields": {"control": str(control_path)}})
        return 1
    try:
        Supervisor(control).run()
    finally:
        lock.close()
    return 0


class Supervisor:
    """Works on one job; whoever runs it holds the control directory's lock."""

    def __init__(self, control: ControlDir) -> None:
        self.control = control
        self.record = JobRecord.load(control.job)
        self.journal = Journal.open(control.state)
        self._executor: Executor | None = None

    def run(self) -> None:
        """Bring the job to its end; does nothing when it is there already."""
        state = self.journal.record
        if state.phase == "finished":
            return
        # Orders come as files: a service stop, a terminal or a lost session must not reach a job.
        for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(ignored, signal.SIG_IGN)
        state.starts += 1
        state.boot_id = boot_id()
        state.started_at = state.started_at or time.time()
        self.journal.store()
        raw_log = RawLog.open(self.control)
        try:
            self._run(raw_log)
        finally:
            raw_log.close()

    def _run(self, raw_log: RawLog) -> None:
        renderer = TraceRenderer(self.control, trace_options(self.record))
        watch = SupervisorWatch(self.control, renderer)
        try:
            result = self._result(raw_log, watch)
            raw_log.finish(time.time())
            renderer.finish()
            renderer.checkpoint()
        finally:
            watch.close()
            renderer.close()
        self._remove_tag_sources()
        state = self.journal.record
        state.phase = "finished"
        state.stage = ""
        state.finished_at = time.time()
        state.result = result
        self.journal.store()

    def _result(self, raw_log: RawLog, watch: SupervisorWatch) -> JobResult:
        try:
            trace = JobTrace(raw_log, self.record.job.features.trace_sections)
        except PayloadError:
            trace = JobTrace(raw_log, sections=False)
        refusal = self._refusal()
        if refusal is not None:
            trace.write(f"{refusal.message}\n".encode())
            return refusal
        error: Exception | None = None
        stages: StageRunner | None = None
        try:
            context = BuildContext.create(self.record, executor_traits(self.record))
            stages = StageRunner(context, self._missing_executor, self.journal, trace, watch)
            BuildRunner(context, self._make_executor(context, raw_log), stages, watch.pause).run()
        except (BuildError, PyrunnerError) as failure:
            error = failure
        except Exception as crash:  # a bug of ours must still end the job, and say so
            logger.exception("the supervisor crashed")
            error = PyrunnerError(f"panic: {crash}")
        finally:
            if self._executor is not None:
                self._executor.cleanup()
        result = result_of(error)
        self._report(trace, stages)
        if result.state == JobState.SUCCESS:
            trace.info("Job succeeded")
        else:
            trace.error(final_line(result))
        trace.close_writer()
        return result
