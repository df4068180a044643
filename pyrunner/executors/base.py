"""The executor contract: what the build runner may ask of the place where stages run.

Order of calls for one job::

    prepare ── start ── wait ── start ── wait ── … ── cleanup
                 └ attach instead of start, when a former supervisor began this stage;
                   recall instead of all three, when it also saw its end

- ``prepare`` may raise and be called again on a fresh object; ``cleanup`` is called after each
  failure and once at the end, is safe twice, and never removes what a later resume needs.
- ``start`` journals nothing itself: the *identity* it announces through ``announce`` is journaled by
  the caller before the script can run, and is what ``attach`` gets after a restart.
- ``wait`` returns only when all output of the stage is in the raw log. It looks after the watch while
  it waits, and stops the stage's whole process tree when the watch says so (design R11).
- An exit code is a value. An exception means that the stage could not be run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from pyrunner.errors import PyrunnerError
from pyrunner.jobdir.terminal import TerminalPlan
from pyrunner.system.usage import ResourceUsage


@dataclass(frozen=True, slots=True)
class StageRequest:
    """One attempt of one stage."""

    #: Ordinal within the job, from 1: names its files and its records in the raw log.
    number: int
    #: Section name, e.g. ``get_sources`` or ``step_script``.
    name: str
    script: str
    #: Runs in the workspace environment (design 2) rather than in the job's own.
    workspace: bool
    #: Monotonic time at which the wrapper ends the stage by itself (design R5).
    give_up_at: float


class ExitKind(StrEnum):
    """How a stage's process ended."""

    EXITED = "exited"
    SIGNALED = "signaled"
    #: The process could not be started; ``text`` says why.
    NOT_STARTED = "not_started"
    #: It is gone without an exit status (reboot, wrapper killed).
    VANISHED = "vanished"
    #: The wrapper ended it because no supervisor did in time.
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a stage ended; ``code`` is the exit code or the signal's number."""

    kind: ExitKind
    code: int = 0
    text: str = ""
    #: Why it was not started, where the coordinator has a word for it; empty: a system failure.
    reason: str = ""

    @property
    def ok(self) -> bool:
        """The script ran to its end and exited 0."""
        return self.kind is ExitKind.EXITED and self.code == 0


class StopKind(StrEnum):
    """Why a stage is stopped, most urgent first."""

    ABORT = "abort"
    INTERRUPT = "interrupt"
    TIMEOUT = "timeout"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Stop:
    """A request to stop: ``text`` is the signal's name or the name of the deadline."""

    kind: StopKind
    text: str = ""


@dataclass(frozen=True, slots=True)
class StageLimits:
    """What may stop a stage besides abort and interrupt, which always may."""

    #: Monotonic deadlines by name, e.g. ``job``, ``script``.
    deadlines: dict[str, float] = field(default_factory=dict)
    #: A graceful cancel stops this stage.
    cancelable: bool = False


class Watch(Protocol):
    """The supervisor's eyes while a stage runs."""

    @property
    def fd(self) -> int:
        """Readable when orders or stage files may have changed; -1 where nothing can tell."""

    def check(self, limits: StageLimits) -> Stop | None:
        """Beat the heart, read orders and clocks; called at least once a second."""

    def timeout(self, limits: StageLimits) -> float:
        """Seconds until :meth:`check` has to be called again."""


@dataclass(frozen=True, slots=True)
class StageEnd:
    """What a stage came to."""

    status: ExitStatus
    stop: Stop | None
    usage: ResourceUsage


class StageStopped(PyrunnerError):
    """What the executor is doing has to end: cancel, timeout or abort; only the build may catch it."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(f"stopped: {stop.kind}")
        self.stop = stop


class Report(Protocol):
    """The executor's voice in the job's trace, its hold on the journal, and its share of the watch.

    An executor works in the supervisor's one thread: whatever takes longer than a second waits through
    :meth:`pause`, so that the heart beats and orders are seen.
    """

    def plain(self, text: str) -> None:
        """Write a line without colour."""

    def info(self, text: str) -> None:
        """Write a green line."""

    def warning(self, text: str) -> None:
        """Write a yellow line that begins with ``WARNING: ``."""

    def error(self, text: str) -> None:
        """Write a red line that begins with ``ERROR: ``."""

    def write_error(self, data: bytes) -> None:
        """Write bytes as they are, a newline at the end included, on the error stream."""

    def once(self, key: str, compute: Callable[[], Any]) -> Any:
        """Return the journaled JSON value of ``key``, computing it the first time.

        Lines that ``compute`` wrote are not written again after a restart. A restart in the middle of
        ``compute`` calls it again; as many lines as were out are skipped then.
        """

    def pause(self, seconds: float) -> None:
        """Wait, at most so long.

        :raises StageStopped: when cancel, timeout or abort have come.
        """


class SideOutput(Protocol):
    """Output that comes beside the stages, as that of services: whoever waits for a stage moves it, too."""

    @property
    def fds(self) -> list[int]:
        """Readable when there is something to move; the numbers stay the same while a stage runs."""

    def drain(self) -> bool:
        """Move some output into the raw log; True when there may be more.

        :raises DiskFull: when there is no room.
        """


class Executor(Protocol):
    """Where the stages of one job run; see the module's docstring for the order of calls."""

    def prepare(self) -> None:
        """Make ready; lines for the trace go to the report that the executor was made with.

        Called again on a fresh object when a supervisor is started again.

        :raises BuildError: for a reason the coordinator knows; not tried again.
        :raises PyrunnerError: for any other; tried again.
        """

    def start(self, request: StageRequest, announce: Callable[[dict[str, Any]], None]) -> Running:
        """Start a stage; ``announce`` gets its identity (JSON) before the script can run.

        :raises StageStopped: when the stage is stopped before its script could begin.
        :raises PyrunnerError: when it cannot be started.
        """

    def attach(self, request: StageRequest, identity: dict[str, Any]) -> Running | None:
        """Take up a stage that a former supervisor started; None when it never began to run."""

    def recall(self, identity: dict[str, Any]) -> None:
        """Take note of a stage that ended under a former supervisor: what it left behind is the job's."""

    def failure_text(self, status: ExitStatus) -> str:
        """Word a failed status as this executor does: ``exit status 1``."""

    def terminal(self, script: str) -> TerminalPlan:
        """Return how a terminal of the prepared job is opened.

        :param script: shell text that brings the job's variables and folder, where the shell has them not.
        """

    def usage_beside(self) -> dict[str, ResourceUsage]:
        """Return what ran beside the stages and what it has used, by its name; called before the clean-up."""

    def cleanup(self) -> None:
        """Release everything of the job; safe twice."""


class Running(Protocol):
    """A stage that runs."""

    def wait(self, watch: Watch, limits: StageLimits) -> StageEnd:
        """Return when the stage has ended and all its output is in the raw log."""
