"""An executor's report with trace, raw log and journal, as one supervisor after the other has it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyrunner.build.jobtrace import JobTrace
from pyrunner.build.report import JobReport
from pyrunner.executors.base import StageLimits, Stop
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import JobStateRecord, Journal, load_state
from pyrunner.trace.rawlog import RawLog
from pyrunner.trace.render import TraceOptions, TraceRenderer


class Killed(BaseException):
    """The end of a supervisor."""


class MortalJournal(Journal):
    """A journal whose supervisor is killed when it is about to store the step named :attr:`fatal`."""

    fatal = ""

    def end(self, key: str, value: Any, durable: bool = True) -> None:
        """Store, or die."""
        if self.fatal and key.endswith(f".{self.fatal}"):
            raise Killed
        super().end(key, value, durable)


class Bystander:
    """A watch that sees nothing until it is told to; waits by sleeping."""

    fd = -1

    def __init__(self) -> None:
        self.stop: Stop | None = None
        #: How often somebody has looked.
        self.looks = 0

    def check(self, limits: StageLimits) -> Stop | None:
        """Return what the test says."""
        self.looks += 1
        return self.stop

    def timeout(self, limits: StageLimits) -> float:
        """Look often."""
        return 0.02

    def pause(self, seconds: float, limits: StageLimits) -> None:
        """Wait."""
        time.sleep(seconds)


class JobLife:
    """What one supervisor holds of a job: leave the ``with`` block, and it is dead.

    Everything that survives is in the control directory; enter again for the next supervisor.
    """

    def __init__(self, control: Path) -> None:
        self.control = ControlDir(control)
        self.control.create()
        self.watch = Bystander()

    @contextlib.contextmanager
    def supervisor(self, fatal: str = "") -> Iterator[tuple[JobReport, RawLog]]:
        """Begin where the one before has ended.

        :param fatal: the journal's step at which it is killed.
        """
        raw_log = RawLog.open(self.control)
        try:
            trace = JobTrace(raw_log, sections=False)
            journal = MortalJournal(self.control.state, load_state(self.control.state) or JobStateRecord())
            journal.fatal = fatal
            with contextlib.suppress(Killed):
                yield JobReport(trace, journal, self.watch, self.watch.pause, "prepare.0"), raw_log
        finally:
            raw_log.close()

    def trace(self, *, timestamps: bool = False) -> bytes:
        """Return all of the trace so far; the last lines of writers that are still open are held back."""
        self.control.trace_log.unlink(missing_ok=True)
        renderer = TraceRenderer(self.control, TraceOptions(timestamps=timestamps))
        try:
            renderer.advance()
        finally:
            renderer.close()
        return self.control.trace_log.read_bytes()
