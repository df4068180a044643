"""One stage of a job: its section in the trace, its attempts, its place in the journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pyrunner.build.context import BuildContext
from pyrunner.build.jobtrace import JobTrace
from pyrunner.build.outcome import (
    JOB,
    JobStopped,
    end_from_json,
    end_to_json,
    not_started,
    script_error,
    stop_from_json,
    stop_to_json,
)
from pyrunner.build.report import JobReport
from pyrunner.build.scripts import stage_script, stage_title
from pyrunner.errors import DiskFull, PyrunnerError
from pyrunner.executors.base import (
    Executor,
    ExitKind,
    ExitStatus,
    StageEnd,
    StageLimits,
    StageRequest,
    Stop,
    StopKind,
    Watch,
)
from pyrunner.jobdir.journal import Journal
from pyrunner.system.process import boot_id
from pyrunner.system.usage import ResourceUsage

#: After the job's deadline the wrapper waits this long for a supervisor before it acts (design R5).
UNWATCHED_GRACE: Final = 300.0
_TIMEOUT_WARNING: Final = (
    "could not run to completion because the timeout was exceeded. "
    "For more control over job and script timeouts see: "
    "https://docs.gitlab.com/ci/runners/configure_runners/#set-script-and-after_script-timeouts"
)
_REBOOTED: Final = ExitStatus(
    ExitKind.VANISHED, text="the machine was started again while the stage's process ran"
)


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """How a stage ended for the walk: its error, and what stopped it."""

    error: PyrunnerError | None = None
    stop: Stop | None = None

    @property
    def ok(self) -> bool:
        """Nothing went wrong."""
        return self.error is None and self.stop is None


Announce = Callable[[dict[str, Any]], None]


class StageRunner:
    """Runs stages through the executor; a restarted supervisor gets recorded results back."""

    def __init__(
        self,
        context: BuildContext,
        journal: Journal,
        trace: JobTrace,
        watch: Watch,
    ) -> None:
        self.context = context
        self._executor: Executor | None = None
        self._report: JobReport | None = None
        self.journal = journal
        self.trace = trace
        self.watch = watch
        self._number = 0
        #: Number of the last stage that a former supervisor has begun; 0: none.
        known = (*journal.record.steps, *journal.record.begun)
        self._last_known = max((int(key) for key in known if key.isdigit()), default=0)
        trace.catching_up = self._last_known > 0
        #: A graceful cancel stops the whole job until the user's steps begin, then only those.
        self.cancel_stops_job = True
        #: Section name and resource use of each attempt that ran, in order.
        self.usages: list[tuple[str, ResourceUsage]] = []

    @property
    def executor(self) -> Executor:
        """The prepared executor."""
        if self._executor is None:
            raise RuntimeError("no executor is prepared")
        return self._executor

    def use(self, executor: Executor, report: JobReport) -> None:
        """Run stages through ``executor``, which writes to ``report``."""
        self._executor, self._report = executor, report

    def once(self, key: str, compute: Callable[[], Any]) -> Any:
        """Return the journaled value of ``key``, computing it the first time."""
        if key not in self.journal.record.steps:
            self.journal.end(key, compute(), durable=False)
        return self.journal.record.steps[key]

    def deadline(self, key: str, seconds: float) -> float:
        """Return when ``seconds`` from the first call are over, on the monotonic clock.

        Kept by the wall clock as well: after a reboot the monotonic one has begun anew (design R4).
        Within a boot a wall clock that is set must not end jobs.
        """
        ends = self.once(
            key,
            lambda: {
                "boot_id": boot_id(),
                "monotonic": time.monotonic() + seconds,
                "wall": time.time() + seconds,
            },
        )
        if ends["boot_id"] == boot_id():
            return float(ends["monotonic"])
        return time.monotonic() + float(ends["wall"]) - time.time()

    def run(self, stage: str, limits: StageLimits, job_status: str = "running") -> StageOutcome:
        """Run one attempt of a stage; a stage with nothing to do leaves no section.

        :raises JobStopped: when the whole job is stopped.
        """
        stop = self.raise_if_stopped(limits, stage)
        if stop is not None:
            return StageOutcome(stop=stop)
        try:
            script = stage_script(self.context, stage, job_status)
        except PyrunnerError as error:
            return StageOutcome(error)
        if script is None:
            return StageOutcome()
        self._number += 1
        request = StageRequest(
            number=self._number,
            name=stage,
            script=script,
            workspace=not (stage.startswith("step_") or stage == "after_script"),
            give_up_at=limits.deadlines[JOB] + UNWATCHED_GRACE,
        )
        with self.trace.section(stage, stage_title(stage)):
            end = self._execute(request, limits)
            # A last line without its end belongs into the section.
            self.trace.raw_log.close_stage(request.number, time.time())
        self.usages.append((stage, end.usage))
        if end.stop is not None and end.stop.kind is StopKind.TIMEOUT:
            self.trace.warning(f"{stage} {_TIMEOUT_WARNING}")
        if end.stop is not None and self._stops_job(end.stop):
            raise JobStopped(end.stop)
        return StageOutcome(script_error(end.status, self.executor.failure_text(end.status)), end.stop)

    def raise_if_stopped(self, limits: StageLimits, occasion: str) -> Stop | None:
        """Return what has stopped the next stage before it began, if anything.

        The check must not come out differently when the walk is repeated: a stop is journaled, and
        where a former supervisor has gone on nothing had stopped it.

        :param occasion: names this check among those before the same stage.
        :raises JobStopped: when the whole job is stopped.
        """
        record, key = self.journal.record, str(self._number + 1)
        if key in record.steps or key in record.begun:
            return None
        stop_key = f"stop.{key}.{occasion}"
        if (stopped := record.steps.get(stop_key)) is not None:
            stop: Stop | None = stop_from_json(stopped)
        elif self.trace.replaying:
            return None
        elif (stop := self.watch.check(limits)) is not None:
            self.journal.end(stop_key, stop_to_json(stop))
        if stop is not None and self._stops_job(stop):
            raise JobStopped(stop)
        return stop

    def _stops_job(self, stop: Stop) -> bool:
        if stop.kind is StopKind.TIMEOUT:
            return stop.text == JOB
        return self.cancel_stops_job or stop.kind is not StopKind.CANCEL

    def _execute(self, request: StageRequest, limits: StageLimits) -> StageEnd:
        key = str(request.number)
        record = self.journal.record
        if (ended := record.steps.get(key)) is not None:
            self._resume(ended["position"])
            if ended["identity"] is not None:
                self.executor.recall(ended["identity"])
            return end_from_json(ended)
        begun = record.begun.get(key)
        if begun is not None:
            self._resume(begun["position"])
        record.stage, record.stage_started_at = request.name, time.time()
        end = self._run_or_attach(request, limits, begun)
        identity = record.begun.get(key, {}).get("identity")
        value = {**end_to_json(end), "position": self.trace.position, "identity": identity}
        self.journal.end(key, value, durable=not request.workspace)
        return end

    def _resume(self, position: int) -> None:
        self.trace.resume_at(position, catching_up=self._number < self._last_known)

    def _run_or_attach(
        self, request: StageRequest, limits: StageLimits, begun: dict[str, Any] | None
    ) -> StageEnd:
        boot = boot_id()
        # Starting may write lines; whoever has to start anew begins before them.
        entered = self.trace.position if begun is None else begun.get("entered", begun["position"])

        def announce(identity: dict[str, Any]) -> None:
            value = {
                "identity": identity,
                "boot_id": boot,
                "position": self.trace.position,
                "entered": entered,
            }
            self.journal.begin(str(request.number), value, durable=not request.workspace)

        if self._report is not None:
            self._report.limits = limits
        running = self.executor.attach(request, begun["identity"]) if begun is not None else None
        if running is None:
            if begun is not None and begun["boot_id"] != boot and not request.workspace:
                # A power cut may have taken the sign that the script had begun.
                return StageEnd(_REBOOTED, None, ResourceUsage())
            self._resume(entered)
            end = self._start(request, limits, announce)
        else:
            end = running.wait(self.watch, limits)
        if end.status.kind is ExitKind.VANISHED and request.workspace and end.stop is None:
            # Workspace stages can be repeated; a user's script never is (design R3, R5).
            end = self._start(request, limits, announce)
        return end

    def _start(self, request: StageRequest, limits: StageLimits, announce: Announce) -> StageEnd:
        try:
            running = self.executor.start(request, announce)
        except DiskFull:
            raise
        except PyrunnerError as error:
            return not_started(error)
        return running.wait(self.watch, limits)
