"""The interactive terminal of a job: offered when its executor is ready, waited for when its stages are over.

Whether one is connected is told by the lock of the process that serves it (:mod:`pyrunner.jobdir.terminal`);
a restarted supervisor waits on. Source: job-execution.md 1.1 step 13, runner-api.md 9.1.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from pyrunner.build.context import BuildContext
from pyrunner.build.exports import export_variables, new_writer
from pyrunner.build.jobtrace import JobTrace
from pyrunner.build.outcome import JOB
from pyrunner.build.report import Pause
from pyrunner.executors.base import Executor, StageLimits, Watch
from pyrunner.jobdir.control import ControlDir
from pyrunner.system.durations import format_duration
from pyrunner.system.files import create_exclusive
from pyrunner.system.lock import is_held

logger: Final = logging.getLogger(__name__)

#: Seconds between two looks at a connected terminal when the job is over.
_LOOK: Final = 0.5
_CONNECTED: Final = "terminal_connected"
_END: Final = "terminal_end"
_DISCONNECTED, _TIMED_OUT, _STOPPED = "disconnected", "timed_out", "stopped"


class JobTerminal:
    """The terminal of one job, as its supervisor sees it.

    :param control: None: the job has no folder of its own, hence no terminal.
    """

    def __init__(self, context: BuildContext, control: ControlDir | None) -> None:
        session = context.record.session
        self._context = context
        self._control = control if session.endpoint else None
        self._timeout = session.timeout

    def offer(self, executor: Executor) -> None:
        """Let terminals be opened from here on. A job is not lost for want of one."""
        control = self._control
        if control is None or control.terminal_closed.exists():
            return
        try:
            executor.terminal(terminal_script(self._context)).store(control.terminal)
        except OSError as error:
            logger.warning("no terminal can be offered: %s", error)

    def finish(
        self,
        trace: JobTrace,
        deadline: float,
        watch: Watch,
        pause: Pause,
        once: Callable[[str, Callable[[], Any]], Any],
        wait: bool,
    ) -> None:
        """Wait for a connected terminal, at most for ``session_timeout`` and the job's own; then end it.

        :param deadline: of the job, monotonic.
        :param once: returns the journaled value of a key, computing it the first time.
        :param wait: False: the job is stopped as a whole.
        """
        control = self._control
        if control is None:
            return
        limits = StageLimits({JOB: deadline}, cancelable=True)

        def connected() -> dict[str, float] | None:
            if not wait or not is_held(control.terminal_lock) or watch.check(limits) is not None:
                return None
            seconds = min(self._timeout, deadline - time.monotonic())
            return {"seconds": seconds, "until": time.time() + seconds}

        found = once(_CONNECTED, connected)
        if found is not None:
            words = format_duration(float(round(found["seconds"])))
            trace.info(f"Terminal is connected, will time out in {words}...")
            end = once(_END, lambda: _await_end(control, float(found["until"]), watch, pause, limits))
            if end == _TIMED_OUT:
                trace.info(f"terminal session timed out (maximum time allowed - {words})")
            elif end == _DISCONNECTED:
                trace.info("Terminal disconnected")
        self._close(control)

    @staticmethod
    def _close(control: ControlDir) -> None:
        """End what is connected; what was to be known of the job goes now."""
        try:
            create_exclusive(control.terminal_closed, b"")
            control.terminal.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("the job's terminal cannot be closed: %s", error)


def _await_end(control: ControlDir, until: float, watch: Watch, pause: Pause, limits: StageLimits) -> str:
    # By the wall clock: it goes on where a former supervisor was.
    while is_held(control.terminal_lock):
        if watch.check(limits) is not None:
            return _STOPPED
        left = until - time.time()
        if left <= 0:
            return _TIMED_OUT
        pause(min(_LOOK, left), limits)
    return _DISCONNECTED


def terminal_script(context: BuildContext) -> str:
    """Return shell text that exports the job's variables and goes to its folder, if it is there yet."""
    writer = new_writer(context)
    # Contents of file variables are the stages' to write: one may be reading them.
    export_variables(writer, context, context.variables, write_files=False)
    with writer.if_directory(context.project_dir):
        writer.change_directory(context.project_dir)
    return writer.text()
