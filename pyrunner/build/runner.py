"""The walk through a job's stages: order, attempts, timeouts, what runs after each kind of end.

Everything here is a straight line that a restarted supervisor walks again: whatever cannot be
computed twice alike (results, clocks) goes through the journal (design R4, R5).
Source: job-execution.md 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from pyrunner.build.context import BuildContext
from pyrunner.build.header import header_lines, policy_lines
from pyrunner.build.jobtrace import JobTrace
from pyrunner.build.outcome import (
    AFTER_SCRIPT,
    GET_SOURCES,
    JOB,
    PREPARE,
    SCRIPT,
    JobStopped,
    status_word,
    stopped_error,
)
from pyrunner.build.report import JobReport, Pause
from pyrunner.build.stagerunner import StageOutcome, StageRunner
from pyrunner.build.terminal import JobTerminal
from pyrunner.build.timeouts import script_timeouts
from pyrunner.errors import BuildError, DiskFull, JobCanceled, JobTimeout, PyrunnerError
from pyrunner.executors.base import Executor, StageLimits, StageStopped, StopKind
from pyrunner.protocol.states import FailureReason
from pyrunner.system.durations import format_duration
from pyrunner.trace import lines

#: Executor preparation: tries and pause in seconds (job-execution.md 1.3).
PREPARE_TRIES: Final = 3
PREPARE_PAUSE: Final = 3.0


class BuildRunner:
    """Runs one job from its header to its last stage."""

    def __init__(
        self,
        context: BuildContext,
        make_executor: Callable[[JobReport], Executor],
        stages: StageRunner,
        pause: Pause,
        refusal: BuildError | None = None,
        terminal: JobTerminal | None = None,
    ) -> None:
        self.context = context
        self.make_executor = make_executor
        self.stages = stages
        self.trace: JobTrace = stages.trace
        self.pause = pause
        self.terminal = terminal or JobTerminal(context, None)
        #: Why the executor cannot be prepared for this job, found before it was asked.
        self.refusal = refusal
        self.timeout = float(context.job.timeout)
        #: ``CI_JOB_STATUS`` of the stages from after_script on.
        self._status = "running"

    def run(self) -> None:
        """Run the job; returns when it succeeded.

        :raises BuildError: for a failure the coordinator has a word for.
        :raises PyrunnerError: for any other failure: a system failure.
        """
        for line in header_lines(self.context):
            self.trace.plain(line)
        if self.context.record.payload.get("secrets") is not None:
            # The title comes with the map, however empty; it is no section of the trace (1.1 step 5).
            self.trace.write(lines.section_title("Resolving secrets"))
        self.trace.close_writer()
        deadline = self.stages.deadline("job_deadline", self.timeout)
        if self.context.setting_warnings:
            self.trace.warning("\n".join(self.context.setting_warnings))
        try:
            error = self._error_of_stages(deadline)
        finally:
            self.trace.close_writer()
        if error is not None:
            raise error

    def _error_of_stages(self, deadline: float) -> PyrunnerError | None:
        """Run the stages, then wait for the terminal of a job that was not stopped; return its error."""
        error: PyrunnerError | None = None
        stopped = False
        try:
            self._run_stages(deadline)
        except JobStopped as stop:
            error, stopped = stopped_error(stop.stop, self.timeout), True
        except DiskFull:
            raise
        except PyrunnerError as failure:
            error = failure
        stages = self.stages
        self.terminal.finish(self.trace, deadline, stages.watch, self.pause, stages.once, not stopped)
        return error

    def _run_stages(self, deadline: float) -> None:
        prepare = self._limit(PREPARE, deadline, self.context.runner.prepare_timeout)
        self._prepare_executor(prepare)
        if self.context.job.run:
            raise BuildError(
                "native step execution (e.g. the `run:` keyword) on this executor requires "
                "the FF_CONCRETE feature flag to be enabled",
                FailureReason.CONFIGURATION_ERROR,
            )
        outcome = self._stage("prepare_script", prepare)
        self._check_limit(outcome, PREPARE, self.context.runner.prepare_timeout)
        if outcome.error is not None:
            raise _prepare_failed(outcome.error)
        error = self._fetch_inputs(deadline)
        if error is None:
            error = self._user_scripts(deadline)
        self.stages.cancel_stops_job = False
        tail = StageLimits({JOB: deadline})
        suffix = "" if error is None else "_on_failure"
        archived = self._stage(f"archive_cache{suffix}", tail).error
        outcome_name = "success" if error is None else "failure"
        uploaded = self._stage(f"upload_artifacts_on_{outcome_name}", tail).error
        self._stage("cleanup_file_variables", tail)
        if (first := error or archived or uploaded) is not None:
            raise first

    def _limit(self, name: str, deadline: float, timeout: float | None) -> StageLimits:
        """Return limits with a stage deadline from config; unusable values fall back to the job's."""
        if timeout is None or timeout <= 0 or timeout > self.timeout:
            return StageLimits({JOB: deadline}, cancelable=True)
        ends = self.stages.deadline(f"{name}_deadline", timeout)
        return StageLimits({JOB: deadline, name: ends}, cancelable=True)

    def _stage(self, name: str, limits: StageLimits) -> StageOutcome:
        return self.stages.run(name, limits, self._status)

    @staticmethod
    def _check_limit(outcome: StageOutcome, name: str, timeout: float | None) -> None:
        stop = outcome.stop
        if stop is not None and stop.kind is StopKind.TIMEOUT and stop.text == name and timeout:
            words = name.replace("_", " ")
            raise JobTimeout(f"{words} timeout: exceeded timeout of {format_duration(timeout)}")

    def _prepare_executor(self, limits: StageLimits) -> None:
        title = f'Preparing the "{self.context.runner.executor}" executor'
        with self.trace.section("prepare_executor", title):
            failure: PyrunnerError | None = None
            for attempt in range(PREPARE_TRIES):
                self._check_preparation(limits, f"prepare_executor.{attempt}")
                if self.refusal is not None:
                    raise self.refusal
                failure = self._try_to_prepare(attempt, limits)
                if failure is None:
                    return
                self._check_preparation(limits, f"prepare_executor.{attempt}.failed")
                self.trace.error(f"Preparation failed: {failure}")
                self.trace.info(f"Will be retried in {format_duration(PREPARE_PAUSE)} ...")
                if not self.trace.replaying:
                    self.pause(PREPARE_PAUSE, limits)
            self._check_preparation(limits, "prepare_executor.end")
            if failure is not None:
                raise failure

    def _try_to_prepare(self, attempt: int, limits: StageLimits) -> PyrunnerError | None:
        """Prepare an executor; a failure that a former supervisor journaled is not tried again."""
        key = f"prepare.{attempt}"
        report = JobReport(self.trace, self.stages.journal, self.stages.watch, self.pause, key)
        report.limits = limits
        ended = self.stages.journal.record.steps.get(key)
        if ended is not None and ended["error"]:
            self.trace.resume_at(ended["position"], self.trace.catching_up)
            return PyrunnerError(ended["error"])
        executor = self.make_executor(report)
        try:
            executor.prepare()
        except StageStopped as stopped:
            executor.cleanup()
            self._check_limit(StageOutcome(stop=stopped.stop), PREPARE, self.context.runner.prepare_timeout)
            raise JobStopped(stopped.stop) from None
        except BuildError:
            executor.cleanup()
            raise
        except PyrunnerError as error:
            executor.cleanup()
            self._prepared(key, str(error))
            return error
        self._prepared(key, "")
        self.stages.use(executor, report)
        self.terminal.offer(executor)
        return None

    def _prepared(self, key: str, error: str) -> None:
        journal = self.stages.journal
        if key not in journal.record.steps:
            journal.end(key, {"error": error, "position": self.trace.position}, durable=False)
        self.trace.resume_at(journal.record.steps[key]["position"], self.trace.catching_up)

    def _check_preparation(self, limits: StageLimits, occasion: str) -> None:
        """Raise what has ended the preparation: then it is neither reported nor tried again (1.3)."""
        stop = self.stages.raise_if_stopped(limits, occasion)
        self._check_limit(StageOutcome(stop=stop), PREPARE, self.context.runner.prepare_timeout)

    def _fetch_inputs(self, deadline: float) -> PyrunnerError | None:
        """Sources, cache and artifacts; returns the error of the first that failed for good."""
        settings = self.context.settings
        timeout = self.context.runner.get_sources_timeout
        limits = self._limit(GET_SOURCES, deadline, timeout)
        error = self._attempts("get_sources", limits, settings.get_sources_attempts, timeout)
        plain = StageLimits({JOB: deadline}, cancelable=True)
        if error is None:
            error = self._attempts("restore_cache", plain, settings.restore_cache_attempts)
        if error is None:
            error = self._attempts("download_artifacts", plain, settings.artifact_download_attempts)
        return error

    def _attempts(
        self, stage: str, limits: StageLimits, attempts: int, timeout: float | None = None
    ) -> PyrunnerError | None:
        """Try a stage; before the second try of get_sources the work tree is cleared (1.3)."""
        error: PyrunnerError | None = None
        for attempt in range(attempts):
            if attempt:
                self.trace.warning("Retrying...")
                # A former supervisor that has gone on has waited: its stage may be running now.
                if not self.trace.replaying:
                    self.pause(self._retry_pause(attempt), limits)
            outcome = StageOutcome()
            if stage == "get_sources" and attempt == 1:
                outcome = self._stage("clear_worktree", limits)
                self._check_limit(outcome, GET_SOURCES, timeout)
            if outcome.ok:
                outcome = self._stage(stage, limits)
                self._check_limit(outcome, GET_SOURCES, timeout)
            error = outcome.error
            if error is None:
                return None
        return error

    def _retry_pause(self, attempt: int) -> float:
        if self.context.features.on("FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY"):
            return float(min(5.0 * 2 ** (attempt - 1), 300.0))
        return float(min(1.0 * 2 ** (attempt - 1), 5.0))

    def _user_scripts(self, deadline: float) -> PyrunnerError | None:
        """The user's steps, then after_script; returns the job's error so far."""
        timeouts = script_timeouts(self.context, self._remaining(deadline))
        for text in timeouts.warnings:
            self.trace.warning(text)
        self.stages.cancel_stops_job = False
        limits = StageLimits({JOB: deadline}, cancelable=True)
        if timeouts.script:
            script = timeouts.script
            limits.deadlines[SCRIPT] = self.stages.deadline("script_deadline", script)
        for line in policy_lines(self.context):
            self.trace.info(line)
        try:
            error = self._steps(limits)
        except JobStopped as stopped:
            if stopped.stop.kind is not StopKind.TIMEOUT and self._ignores_after_script_errors():
                self._after_script_warning("context canceled")
            raise
        after = self._after_script(deadline, timeouts.after_script, error)
        if after is not None:
            if self._ignores_after_script_errors():
                self._after_script_warning(str(after))
            elif error is None:
                error = after
        return error

    def _remaining(self, deadline: float) -> float:
        return float(self.stages.once("remaining", lambda: deadline - time.monotonic()))

    def _steps(self, limits: StageLimits) -> PyrunnerError | None:
        error: PyrunnerError | None = None
        for step in self.context.job.steps:
            if step.name == "after_script":
                continue
            outcome = self._stage(f"step_{step.name.lower()}", limits)
            error = outcome.error
            if outcome.stop is not None:
                return self._stopped_script(outcome)
            if error is not None:
                break
        return error

    def _stopped_script(self, outcome: StageOutcome) -> PyrunnerError:
        if outcome.stop is not None and outcome.stop.kind is StopKind.CANCEL:
            self.trace.warning("script canceled externally (UI, API)")
            return JobCanceled()
        return JobTimeout("script timeout: context deadline exceeded")

    def _after_script(
        self, deadline: float, timeout: float, error: PyrunnerError | None
    ) -> PyrunnerError | None:
        limits = StageLimits({JOB: deadline})
        ends = self.stages.deadline("after_script_deadline", timeout)
        limits.deadlines[AFTER_SCRIPT] = ends
        self._status = status_word(error)
        outcome = self._stage("after_script", limits)
        if outcome.stop is not None and outcome.error is None:
            return JobTimeout("context deadline exceeded")
        return outcome.error

    def _ignores_after_script_errors(self) -> bool:
        return self.context.settings.after_script_ignore_errors

    def _after_script_warning(self, text: str) -> None:
        self.trace.warning(f"after_script failed, but job will continue unaffected: {text}")


def _prepare_failed(error: PyrunnerError) -> PyrunnerError:
    """Return ``error`` with the words upstream puts around it (job-execution.md 1.5)."""
    text = (
        f"prepare environment: {error}. "
        "Check https://docs.gitlab.com/runner/shells/#shell-profile-loading for more information"
    )
    if isinstance(error, BuildError):
        return BuildError(text, error.failure_reason, error.exit_code)
    return PyrunnerError(text)
