"""What an executor may write into trace and journal while it prepares a job or starts a stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pyrunner.build.jobtrace import JobTrace
from pyrunner.executors.base import StageLimits, StageStopped, Watch
from pyrunner.jobdir.journal import Journal
from pyrunner.trace.rawlog import ERRORS


class Pause(Protocol):
    """Waits while the supervisor's other duties go on."""

    def __call__(self, seconds: float, limits: StageLimits) -> None:
        """Wait; ends early when ``limits`` or an order stop the job."""


class JobReport:
    """Implements :class:`pyrunner.executors.base.Report` for one executor.

    :param prefix: sets its journal keys apart from those of another try to prepare.
    """

    def __init__(self, trace: JobTrace, journal: Journal, watch: Watch, pause: Pause, prefix: str) -> None:
        self.trace = trace
        #: What may stop the executor now; set by whoever is about to call it.
        self.limits = StageLimits()
        self._journal = journal
        self._watch = watch
        self._pause = pause
        self._prefix = prefix

    def plain(self, text: str) -> None:
        """Write a line without colour."""
        self.trace.plain(text)

    def info(self, text: str) -> None:
        """Write a green line."""
        self.trace.info(text)

    def warning(self, text: str) -> None:
        """Write a yellow line."""
        self.trace.warning(text)

    def error(self, text: str) -> None:
        """Write a red line."""
        self.trace.error(text)

    def write_error(self, data: bytes) -> None:
        """Write bytes as they are, on the error stream."""
        self.trace.write(data, ERRORS)

    def once(self, key: str, compute: Callable[[], Any]) -> Any:
        """Return the journaled value of ``key``; see the contract.

        What was computed is durable against kills before a line that follows from it is written, so that
        none is missing or out twice.
        """
        name, steps = f"{self._prefix}.{key}", self._journal.record.steps
        if name in steps:
            self.trace.resume_at(int(steps[name]["position"]), self.trace.catching_up)
            return steps[name]["value"]
        value = compute()
        # How many lines a computation writes may differ from run to run: what comes now is new.
        self.trace.catch_up()
        self._journal.end(name, {"value": value, "position": self.trace.position}, durable=False)
        return value

    def pause(self, seconds: float) -> None:
        """Wait while the heart beats.

        :raises StageStopped: when something stops what the executor is doing.
        """
        if seconds > 0:
            self._pause(seconds, self.limits)
        stop = self._watch.check(self.limits)
        if stop is not None:
            raise StageStopped(stop)
