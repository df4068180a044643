"""The supervisor: one detached process per job (design 1; the Tristan document's ``startup.py``).

It reads the job from its directory, walks the stages, and leaves the result in state.json. It never
talks to the coordinator. Killed at any instant, it is started again on the same directory and goes on.
"""

from __future__ import annotations

import logging
import signal
import time
from pathlib import Path

from pyrunner.errors import JobDirError
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import Journal
from pyrunner.jobdir.record import JobRecord
from pyrunner.supervisor.job import SupervisedJob
from pyrunner.supervisor.watch import SupervisorWatch
from pyrunner.system.lock import OpenFileLock
from pyrunner.system.process import boot_id
from pyrunner.trace.rawlog import RawLog
from pyrunner.trace.render import TraceRenderer

logger = logging.getLogger(__name__)


def supervise(control_path: Path) -> int:
    """Run or resume the job in ``control_path`` in this process.

    :returns: 0 when the job is finished, 1 when another supervisor has it.
    :raises JobDirError: when there is no such job, or its files cannot be read.
    """
    control = ControlDir(control_path)
    if not control.job.exists():
        raise JobDirError(f"{control_path}: no job here; name a job's control directory (build/<job id>)")
    lock = OpenFileLock.take(control.lock)
    if lock is None:
        logger.error("another supervisor works on this job", extra={"fields": {"control": str(control_path)}})
        return 1
    try:
        run_job(control)
    finally:
        lock.close()
    return 0


def run_job(control: ControlDir) -> None:
    """Bring the job in ``control`` to its end; the caller holds the lock. Does nothing when it is there."""
    journal = Journal.open(control.state)
    state = journal.record
    if state.phase == "finished":
        return
    # Orders come as files: a service stop, a terminal or a lost session must not reach a job.
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_IGN)
    # Wrappers are not waited for, their exit files are: the kernel may take them away at once.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    state.starts += 1
    state.boot_id = boot_id()
    state.started_at = state.started_at or time.time()
    journal.store()
    job = SupervisedJob(control, JobRecord.load(control.job), journal)
    raw_log = RawLog.open(control)
    renderer = TraceRenderer(control, job.trace_options())
    watch = SupervisorWatch(control, renderer)
    try:
        result = job.run(raw_log, watch)
        raw_log.finish(time.time())
        renderer.finish()
        renderer.checkpoint()
    finally:
        watch.close()
        renderer.close()
        raw_log.close()
    job.remove_sources()
    state.phase, state.stage = "finished", ""
    state.finished_at = time.time()
    state.result = result
    journal.store()
