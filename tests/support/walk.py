"""Walks through a job's stages with an executor that does what the test says, and supervisors that die.

Everything but the executor, the watch and the pause is the real thing, on real files. What the world has
seen (:class:`World`) outlives each supervisor, as processes do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pyrunner.build.context import BuildContext
from pyrunner.build.jobtrace import JobTrace
from pyrunner.build.outcome import result_of
from pyrunner.build.report import JobReport
from pyrunner.build.runner import BuildRunner
from pyrunner.build.stagerunner import StageRunner
from pyrunner.build.terminal import JobTerminal
from pyrunner.errors import BuildError, PyrunnerError
from pyrunner.executors.base import (
    ExitKind,
    ExitStatus,
    StageEnd,
    StageLimits,
    StageRequest,
    Stop,
    StopKind,
)
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import JobResult, JobStateRecord, Journal
from pyrunner.jobdir.terminal import TerminalPlan
from pyrunner.system.lock import OpenFileLock
from pyrunner.system.usage import ResourceUsage
from pyrunner.trace.rawlog import MESSAGES, STDOUT, RawLog


class Killed(BaseException):
    """The end of a supervisor."""


@dataclass
class Life:
    """One supervisor's: at its ``ends_at``-th step, and ever after, nothing is done any more."""

    ends_at: int = -1
    steps: int = 0

    def step(self) -> None:
        """Live on, or not."""
        self.steps += 1
        self.check()

    def check(self) -> None:
        """Do nothing more once it is over: what cleans up on the way out is part of the dead."""
        if 0 <= self.ends_at <= self.steps:
            raise Killed


@dataclass(frozen=True)
class End:
    """How an attempt of a stage is to end; ``gives`` happens while it runs."""

    code: int = 0
    gives: Stop | None = None
    kind: ExitKind = ExitKind.EXITED

    @property
    def status(self) -> ExitStatus:
        """The status of an attempt that nothing stops."""
        return ExitStatus(self.kind, self.code, "killed" if self.kind is ExitKind.SIGNALED else "it is gone")


@dataclass
class World:
    """What happens to a job, and what has happened."""

    control: ControlDir
    context: BuildContext
    #: Ends by stage, an entry an attempt; what is not said passes.
    ends: dict[str, list[End]] = field(default_factory=dict)
    #: Errors of the first preparations.
    preparations: list[PyrunnerError] = field(default_factory=list)
    refusal: BuildError | None = None
    #: Held while a terminal is connected; given up at the pause of this number.
    terminal: OpenFileLock | None = None
    terminal_pauses: int = 1
    #: Names of the attempts that were started, in order.
    ran: list[str] = field(default_factory=list)
    #: ``CI_JOB_STATUS`` as the attempts were told.
    statuses: dict[str, str] = field(default_factory=dict)
    requests: list[StageRequest] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    given: list[Stop] = field(default_factory=list)
    prepared: int = 0
    cleanups: int = 0
    _ended: dict[tuple[int, int], StageEnd] = field(default_factory=dict)
    _starts: dict[int, int] = field(default_factory=dict)
    _printed: set[int] = field(default_factory=set)
    _pipe: tuple[int, int] = field(default_factory=lambda: os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC))

    @classmethod
    def make(cls, folder: Path, context: BuildContext, **events: Any) -> Self:
        """Return a world with a control directory in ``folder``."""
        control = ControlDir(folder)
        control.create()
        return cls(control, context, **events)

    def close(self) -> None:
        """Release the pipe."""
        for fd in self._pipe:
            os.close(fd)

    def walk(self, life: Life | None = None) -> JobResult:
        """Be a supervisor from the start, or from wherever the last one was killed."""
        life = life or Life()
        record = Journal.open(self.control.state).record
        journal = MortalJournal(self.control.state, record, life)
        raw_log = MortalRawLog.open(self.control)
        raw_log.life = life
        try:
            trace = JobTrace(raw_log, True, lambda: 0.0)
            stages = StageRunner(self.context, journal, trace, ScriptedWatch(self))

            def pause(seconds: float, limits: StageLimits) -> None:
                life.step()
                self.pauses.append(seconds)
                if self.terminal is not None and len(self.pauses) >= self.terminal_pauses:
                    self.terminal.close()

            def make(report: JobReport) -> ScriptedExecutor:
                return ScriptedExecutor(self, life, journal, raw_log, report)

            terminal = JobTerminal(self.context, self.control)
            BuildRunner(self.context, make, stages, pause, self.refusal, terminal).run()
        except PyrunnerError as error:
            return result_of(error)
        finally:
            raw_log.close()
        return result_of(None)

    @property
    def output(self) -> str:
        """All lines so far: the runner's and the job's."""
        return self.control.raw_log.read_text()

    def begun(self) -> list[dict[str, Any]]:
        """Return the identities of attempts that are begun in the journal and have not ended."""
        return [one["identity"] for one in Journal.open(self.control.state).record.begun.values()]

    def started(self, request: StageRequest) -> bool:
        """Tell whether an attempt has begun to run."""
        return request.number in self._starts

    def begin(self, request: StageRequest) -> None:
        """Start an attempt."""
        self.ran.append(request.name)
        self.requests.append(request)
        found = re.search(r"export CI_JOB_STATUS=(\w+)", request.script)
        if found:
            self.statuses[request.name] = found.group(1)
        self._starts[request.number] = self._starts.get(request.number, 0) + 1

    def end(self, request: StageRequest, raw_log: RawLog, watch: Any, limits: StageLimits) -> StageEnd:
        """Let an attempt print and end; its end is decided once."""
        number = request.number
        if number not in self._printed:
            os.write(self._pipe[1], f"output of {request.name}\n".encode())
            self._printed.add(number)
        while raw_log.splice(self._pipe[0], STDOUT, number, 0.0):
            pass
        key = (number, self._starts[number])
        if key not in self._ended:
            planned = self.ends.get(request.name, [])
            attempt = sum(1 for one in self._ended if self.requests_by_number[one[0]] == request.name)
            end = planned[attempt] if attempt < len(planned) else End()
            if end.gives is not None:
                self.given.append(end.gives)
            stop = watch.check(limits)
            status = ExitStatus(ExitKind.SIGNALED, 15, "terminated") if stop else end.status
            self._ended[key] = StageEnd(status, stop, ResourceUsage(wall=1.0))
        return self._ended[key]

    @property
    def requests_by_number(self) -> dict[int, str]:
        """Names of stages by their number."""
        return {one.number: one.name for one in self.requests}


class MortalJournal(Journal):
    """A journal whose owner may die after each store."""

    def __init__(self, path: Path, record: JobStateRecord, life: Life) -> None:
        super().__init__(path, record)
        self.life = life

    def store(self, durable: bool = True) -> None:
        """Store, if the supervisor still lives."""
        self.life.check()
        super().store(durable=False)
        self.life.step()


class MortalRawLog(RawLog):
    """A raw log whose owner may die after each change."""

    life: Life

    def append_message(self, data: bytes, now: float, stream: int = MESSAGES) -> None:
        """Append, if the supervisor still lives."""
        self.life.check()
        super().append_message(data, now, stream)
        self.life.step()

    def close_messages(self, now: float) -> None:
        """Close, if the supervisor still lives."""
        self.life.check()
        super().close_messages(now)
        self.life.step()

    def close_stage(self, stage: int, now: float) -> None:
        """Close, if the supervisor still lives."""
        self.life.check()
        super().close_stage(stage, now)
        self.life.step()


@dataclass
class ScriptedWatch:
    """Tells of what the world has given, as far as the limits let it."""

    world: World
    fd: int = -1

    def check(self, limits: StageLimits) -> Stop | None:
        """Return the first stop that applies."""
        for stop in self.world.given:
            if stop.kind is StopKind.TIMEOUT and stop.text not in limits.deadlines:
                continue
            if stop.kind is StopKind.CANCEL and not limits.cancelable:
                continue
            return stop
        return None

    def timeout(self, limits: StageLimits) -> float:
        """Nothing is ever waited for."""
        return 0.0


@dataclass
class ScriptedExecutor:
    """Obeys the contract of :mod:`pyrunner.executors.base`, and the world."""

    world: World
    life: Life
    journal: Journal
    raw_log: RawLog
    report: JobReport

    def prepare(self) -> None:
        """Fail as often as the world says; a try that a kill has undone is not counted."""
        self.life.step()
        self.world.prepared += 1
        steps = self.journal.record.steps
        failed = sum(1 for key, one in steps.items() if key.startswith("prepare.") and one["error"])
        if failed < len(self.world.preparations):
            raise self.world.preparations[failed]
        self.report.plain("Using a scripted executor...")

    def start(self, request: StageRequest, announce: Callable[[dict[str, Any]], None]) -> ScriptedStage:
        """Announce, then start."""
        announce({"number": request.number, "name": request.name})
        self.life.step()
        self.world.begin(request)
        self.life.step()
        return ScriptedStage(self, request)

    def attach(self, request: StageRequest, identity: dict[str, Any]) -> ScriptedStage | None:
        """Take up what has begun."""
        assert identity == {"number": request.number, "name": request.name}
        return ScriptedStage(self, request) if self.world.started(request) else None

    def recall(self, identity: dict[str, Any]) -> None:
        """Only what has ended is recalled."""
        assert identity["number"] in self.world.requests_by_number

    def failure_text(self, status: ExitStatus) -> str:
        """Word a status as the shell executor does."""
        if status.kind is ExitKind.EXITED:
            return f"exit status {status.code}"
        return f"signal: {status.text}" if status.kind is ExitKind.SIGNALED else status.text

    def terminal(self, script: str) -> TerminalPlan:
        """Return a plan that nobody can carry out."""
        return TerminalPlan(script=script)

    def usage_beside(self) -> dict[str, ResourceUsage]:
        """Nothing runs beside."""
        return {}

    def cleanup(self) -> None:
        """Count."""
        self.world.cleanups += 1


@dataclass
class ScriptedStage:
    """An attempt that runs."""

    executor: ScriptedExecutor
    request: StageRequest

    def wait(self, watch: Any, limits: StageLimits) -> StageEnd:
        """Return the end that the world has decided on."""
        self.executor.life.check()
        end = self.executor.world.end(self.request, self.executor.raw_log, watch, limits)
        self.executor.life.step()
        return end
