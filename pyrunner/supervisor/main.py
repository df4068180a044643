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
from pyrunner.supervisor.heartbeat import Heartbeat
from pyrunner.supervisor.job import SupervisedJob
from pyrunner.supervisor.removal import remove_sources
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
    # Wrappers are not waited for, their exit files are: a few zombies go with this process. Ignoring the
    # signal instead would be inherited by programs that have children of their own.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    heart = Heartbeat(control)
    heart.beat()
    state.starts += 1
    state.boot_id = boot_id()
    state.started_at = state.started_at or time.time()
    heart.until_room(lambda: journal.store(durable=False))
    job = SupervisedJob(control, JobRecord.load(control.job), journal)
    if state.starts == 1:
        remove_sources(job.record.scratch, heart.beat)  # a lost job's
    raw_log = heart.until_room(lambda: RawLog.open(control))
    renderer = heart.until_room(lambda: TraceRenderer(control, job.trace_options()))
    watch = SupervisorWatch(control, renderer, heart)
    try:
        result = job.run(raw_log, watch)
        heart.until_room(lambda: raw_log.finish(time.time()))
        heart.until_room(watch.finish_trace)
        if not job.record.keep_source:
            remove_sources(Path(job.record.source), heart.beat)
        remove_sources(job.record.scratch, heart.beat)
        state.phase, state.stage = "finished", ""
        state.finished_at = time.time()
        state.result = result
        # Before anything is closed: the kernel takes 20 ms to close an inotify, and the result is awaited.
        heart.until_room(journal.store)
    finally:
        watch.close()
        renderer.close()
        raw_log.close()
