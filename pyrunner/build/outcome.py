"""What the end of a stage means for the job (job-execution.md 1.5, 1.6)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pyrunner.errors import (
    BuildError,
    JobCanceled,
    JobInterrupted,
    JobTimeout,
    PyrunnerError,
    ScriptFailed,
)
from pyrunner.executors.base import ExitKind, ExitStatus, StageEnd, StageStopped, Stop, StopKind
from pyrunner.jobdir.journal import JobResult
from pyrunner.protocol.states import FailureReason, JobState
from pyrunner.system.durations import format_duration
from pyrunner.system.usage import ResourceUsage

#: Names of deadlines; ``job`` ends everything, the others only their stages.
JOB, PREPARE, GET_SOURCES, SCRIPT, AFTER_SCRIPT = "job", "prepare", "get_sources", "script", "after_script"


class JobStopped(PyrunnerError):
    """The whole job is stopped: nothing of it runs any more."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(f"job stopped: {stop.kind}")
        self.stop = stop


def not_started(error: PyrunnerError) -> StageEnd:
    """Return the end of a stage that the executor could not start, or was stopped before it had."""
    stop = error.stop if isinstance(error, StageStopped) else None
    reason = error.failure_reason if isinstance(error, BuildError) else ""
    return StageEnd(ExitStatus(ExitKind.NOT_STARTED, text=str(error), reason=reason), stop, ResourceUsage())


class StageFailed(PyrunnerError):
    """A stage could not be run, or its process vanished: a system failure."""


def end_to_json(end: StageEnd) -> dict[str, Any]:
    """Return a stage's end for the journal."""
    return {
        "status": asdict(end.status),
        "stop": stop_to_json(end.stop) if end.stop else None,
        "usage": end.usage.to_dict(),
    }


def end_from_json(value: dict[str, Any]) -> StageEnd:
    """Return a stage's end as it was journaled."""
    status, stop = value["status"], value["stop"]
    return StageEnd(
        ExitStatus(ExitKind(status["kind"]), status["code"], status["text"], status.get("reason", "")),
        stop_from_json(stop) if stop else None,
        ResourceUsage.from_dict(value["usage"]),
    )


def stop_to_json(stop: Stop) -> dict[str, Any]:
    """Return a stop for the journal."""
    return asdict(stop)


def stop_from_json(value: dict[str, Any]) -> Stop:
    """Return a stop as it was journaled."""
    return Stop(StopKind(value["kind"]), value["text"])


def script_error(status: ExitStatus, text: str) -> PyrunnerError | None:
    """Return what a status means for the job, None when the script passed.

    :param text: the status in the executor's words.
    """
    if status.ok:
        return None
    if status.kind in (ExitKind.EXITED, ExitKind.SIGNALED):
        code = status.code if status.kind is ExitKind.EXITED else -1
        return ScriptFailed(text, FailureReason.SCRIPT_FAILURE, code)
    return BuildError(text, status.reason) if status.reason else StageFailed(text)


def stopped_error(stop: Stop, timeout: float) -> BuildError:
    """Return how a job ends that was stopped as a whole.

    :param timeout: the job timeout in seconds, for its text.
    """
    if stop.kind is StopKind.INTERRUPT:
        return JobInterrupted(stop.text or "terminated")
    if stop.kind is StopKind.TIMEOUT:
        return JobTimeout(f"execution took longer than {format_duration(timeout)} seconds")
    return JobCanceled()


def status_word(error: PyrunnerError | None) -> str:
    """Return ``CI_JOB_STATUS`` for after_script (job-execution.md 1.5)."""
    if error is None:
        return "success"
    if isinstance(error, JobCanceled):
        return "canceled"
    return "timedout" if isinstance(error, JobTimeout) else "failed"


def result_of(error: Exception | None) -> JobResult:
    """Return what is reported for a job that ended with ``error``."""
    if error is None:
        return JobResult(state=JobState.SUCCESS)
    if isinstance(error, BuildError):
        reason = error.failure_reason or FailureReason.SCRIPT_FAILURE
        return JobResult(JobState.FAILED, str(reason), error.exit_code, str(error))
    return JobResult(JobState.FAILED, str(FailureReason.SYSTEM_FAILURE), 0, str(error))


def final_line(result: JobResult) -> str:
    """Return the text of the last line of a failed job (job-execution.md 1.6)."""
    if result.failure_reason == FailureReason.SYSTEM_FAILURE:
        return f"Job failed (system failure): {result.message}"
    return f"Job failed: {result.message}"
