"""What the end of a stage means for the job (job-execution.md 1.5, 1.6)."""

from __future__ import annotations

import json

import pytest

from pyrunner.build.outcome import (
    StageFailed,
    end_from_json,
    end_to_json,
    final_line,
    result_of,
    script_error,
    status_word,
    stop_from_json,
    stop_to_json,
    stopped_error,
)
from pyrunner.errors import (
    BuildError,
    JobCanceled,
    JobInterrupted,
    JobTimeout,
    PyrunnerError,
    ScriptFailed,
)
from pyrunner.executors.base import ExitKind, ExitStatus, StageEnd, Stop, StopKind
from pyrunner.jobdir.journal import JobResult
from pyrunner.system.usage import ResourceUsage


@pytest.mark.parametrize("stop", [None, *(Stop(kind, "job") for kind in StopKind)])
@pytest.mark.parametrize("kind", ExitKind)
def test_an_end_survives_the_journal(kind: ExitKind, stop: Stop | None) -> None:
    """A restarted supervisor gets back exactly what its predecessor saw."""
    end = StageEnd(ExitStatus(kind, 3, "text"), stop, ResourceUsage(wall=1.5, peak_memory=7))
    assert end_from_json(json.loads(json.dumps(end_to_json(end)))) == end


@pytest.mark.parametrize("kind", StopKind)
def test_a_stop_survives_the_journal(kind: StopKind) -> None:
    """So does what stopped a stage before it began."""
    assert stop_from_json(json.loads(json.dumps(stop_to_json(Stop(kind, "x"))))) == Stop(kind, "x")


def test_a_script_that_passed() -> None:
    """Exit code 0 is no error."""
    assert script_error(ExitStatus(ExitKind.EXITED), "exit status 0") is None


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (ExitStatus(ExitKind.EXITED, 1), 1),
        (ExitStatus(ExitKind.EXITED, 255), 255),
        (ExitStatus(ExitKind.SIGNALED, 9), -1),
        (ExitStatus(ExitKind.SIGNALED, 0), -1),
    ],
)
def test_a_script_that_failed(status: ExitStatus, code: int) -> None:
    """Its exit code is reported; a signal's is -1 (5.7)."""
    error = script_error(status, "text")
    assert isinstance(error, ScriptFailed)
    assert (error.failure_reason, error.exit_code, str(error)) == ("script_failure", code, "text")


@pytest.mark.parametrize("kind", [ExitKind.NOT_STARTED, ExitKind.VANISHED, ExitKind.GIVEN_UP])
def test_a_stage_that_did_not_run_to_its_end(kind: ExitKind) -> None:
    """It is the runner's failure, never the script's, whatever code it carries."""
    error = script_error(ExitStatus(kind, 0, "gone"), "gone")
    assert isinstance(error, StageFailed)
    assert result_of(error) == JobResult("failed", "runner_system_failure", 0, "gone")


@pytest.mark.parametrize(
    ("stop", "timeout", "reason", "text"),
    [
        (
            Stop(StopKind.TIMEOUT, "job"),
            3600,
            "job_execution_timeout",
            "execution took longer than 1h0m0s seconds",
        ),
        (Stop(StopKind.TIMEOUT, "job"), 5, "job_execution_timeout", "execution took longer than 5s seconds"),
        (Stop(StopKind.ABORT, "canceled"), 5, "job_canceled", "canceled"),
        (Stop(StopKind.CANCEL), 5, "job_canceled", "canceled"),
        (Stop(StopKind.INTERRUPT, "interrupt"), 5, "runner_interrupted", "aborted: interrupt"),
        (Stop(StopKind.INTERRUPT), 5, "runner_interrupted", "aborted: terminated"),
    ],
)
def test_a_job_that_was_stopped(stop: Stop, timeout: float, reason: str, text: str) -> None:
    """Reason, text and no exit code, as the table of 1.5 has them."""
    assert result_of(stopped_error(stop, timeout)) == JobResult("failed", reason, 0, text)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (None, "success"),
        (ScriptFailed("exit status 1"), "failed"),
        (PyrunnerError("daemon lost"), "failed"),
        (JobTimeout("script timeout"), "timedout"),
        (JobCanceled(), "canceled"),
        (JobInterrupted("terminated"), "failed"),
    ],
)
def test_what_after_script_is_told(error: PyrunnerError | None, word: str) -> None:
    """``CI_JOB_STATUS`` (1.5)."""
    assert status_word(error) == word


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, JobResult("success")),
        (
            ScriptFailed("exit status 3", "script_failure", 3),
            JobResult("failed", "script_failure", 3, "exit status 3"),
        ),
        (BuildError("no such image", ""), JobResult("failed", "script_failure", 0, "no such image")),
        (
            BuildError("bad", "runner_configuration_error"),
            JobResult("failed", "runner_configuration_error", 0, "bad"),
        ),
        (PyrunnerError("lost"), JobResult("failed", "runner_system_failure", 0, "lost")),
        (RuntimeError("bug"), JobResult("failed", "runner_system_failure", 0, "bug")),
    ],
)
def test_what_is_reported(error: Exception | None, result: JobResult) -> None:
    """Build errors carry their reason, none means script_failure; all else is a system failure (1.6)."""
    assert result_of(error) == result


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("script_failure", "Job failed: exit status 1"),
        ("job_canceled", "Job failed: exit status 1"),
        ("runner_system_failure", "Job failed (system failure): exit status 1"),
    ],
)
def test_the_last_line(reason: str, line: str) -> None:
    """Only a system failure is called one (1.6)."""
    assert final_line(JobResult("failed", reason, 1, "exit status 1")) == line
