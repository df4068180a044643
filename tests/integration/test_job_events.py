"""What happens after an event: the rows of job-execution.md 1.5 that a shell job can meet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pyrunner.jobdir.orders import Order
from tests.support.jobs import PlacedJob

pytestmark = pytest.mark.integration

BEFORE = ["prepare_executor", "prepare_script", "get_sources"]
AFTER_SCRIPT = ["echo status $CI_JOB_STATUS"]
CACHE = [{"key": "k", "paths": ["x"], "when": "always"}]
ARTIFACTS = {"paths": ["x"], "when": "always"}
TAIL_SUCCESS = ["archive_cache", "upload_artifacts_on_success", "cleanup_file_variables"]
TAIL_FAILURE = ["archive_cache_on_failure", "upload_artifacts_on_failure", "cleanup_file_variables"]


def placed(tmp_path: Path, **arguments: Any) -> PlacedJob:
    """A job with an after_script, a cache and artifacts, so that every stage has something to do."""
    arguments = {
        "after_script": AFTER_SCRIPT,
        "cache": CACHE,
        "artifacts": ARTIFACTS,
        "runner": {"url": "http://127.0.0.1"},
        **arguments,
    }
    return PlacedJob.place(tmp_path, **arguments)


def stages(job: PlacedJob) -> list[str]:
    """The sections behind get_sources and restore_cache, the usage report apart."""
    sections = job.sections()
    assert sections[: len(BEFORE)] == BEFORE
    return [one for one in sections[len(BEFORE) :] if one not in ("restore_cache", "resource_usage")]


def final_line(job: PlacedJob) -> str:
    """The text of the trace's last line."""
    return job.trace.decode().rstrip("\n").split("\n")[-1][32:]


def test_success(tmp_path: Path) -> None:
    """Everything runs, after_script is told success, the last line is green."""
    job = placed(tmp_path, script=["echo hello"])
    result = job.finish()
    assert (result.state, result.failure_reason, result.exit_code) == ("success", "", 0)
    assert stages(job) == ["step_script", "after_script", *TAIL_SUCCESS]
    assert "status success" in job.output
    assert final_line(job) == "\x1b[32;1mJob succeeded\x1b[0;m"


def test_script_exits_non_zero(tmp_path: Path) -> None:
    """Later steps do not run, after_script and the failure tail do; the exit code is the script's."""
    job = placed(
        tmp_path,
        steps=[
            {"name": "script", "script": ["exit 42"]},
            {"name": "release", "script": ["echo released"]},
            {"name": "after_script", "script": AFTER_SCRIPT},
        ],
    )
    result = job.finish()
    assert (result.failure_reason, result.exit_code) == ("script_failure", 42)
    assert stages(job) == ["step_script", "after_script", *TAIL_FAILURE]
    assert "status failed" in job.output
    assert final_line(job) == "\x1b[31;1mERROR: Job failed: exit status 42\x1b[0;m"


def test_script_killed_by_a_signal(tmp_path: Path) -> None:
    """A script that dies of a signal has exit code -1 and the signal's name in its text (5.7)."""
    job = placed(tmp_path, script=["kill -9 $$"])
    result = job.finish()
    assert (result.failure_reason, result.exit_code) == ("script_failure", -1)
    assert final_line(job) == "\x1b[31;1mERROR: Job failed: signal: killed\x1b[0;m"


def test_prepare_executor_fails(tmp_path: Path) -> None:
    """Nothing else runs; a configuration error is not tried again."""
    job = placed(tmp_path, script=["echo no"], runner={"shell": "pwsh"})
    result = job.finish()
    assert result.failure_reason == "runner_configuration_error"
    assert [one for one in job.sections() if one != "resource_usage"] == ["prepare_executor"]
    assert "Will be retried" not in job.trace.decode()


def test_prepare_script_fails(tmp_path: Path) -> None:
    """A profile that fails ends the job at once, without a tail, with the hint about profiles."""
    job = placed(tmp_path, script=["echo no"])
    (job.folder / "home" / ".bash_profile").write_text("exit 5\n")
    result = job.finish()
    assert (result.failure_reason, result.exit_code) == ("script_failure", 5)
    assert [one for one in job.sections() if one != "resource_usage"] == BEFORE[:2]
    assert final_line(job) == (
        "\x1b[31;1mERROR: Job failed: prepare environment: exit status 5. "
        "Check https://docs.gitlab.com/runner/shells/#shell-profile-loading for more information\x1b[0;m"
    )


def test_get_sources_fails(tmp_path: Path) -> None:
    """User steps and after_script are skipped, the failure tail runs."""
    job = placed(tmp_path, script=["echo no"], repo_url=f"file://{tmp_path}/nowhere.git")
    result = job.finish()
    assert result.failure_reason == "script_failure"
    assert result.exit_code != 0
    assert stages(job) == TAIL_FAILURE


def test_get_sources_attempts(tmp_path: Path) -> None:
    """A second try is announced, and the work tree is cleared before it, not before the third."""
    job = placed(
        tmp_path,
        script=["echo no"],
        repo_url=f"file://{tmp_path}/nowhere.git",
        variables={"GET_SOURCES_ATTEMPTS": "3", "FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY": "false"},
    )
    job.finish()
    assert job.sections()[2:6] == ["get_sources", "clear_worktree", "get_sources", "get_sources"]
    assert job.trace.count(b"WARNING: Retrying...") == 2


def test_after_script_failure_is_ignored(tmp_path: Path) -> None:
    """By default the job's result stands, and a warning names the error."""
    job = placed(tmp_path, script=["echo hello"], after_script=["exit 9"])
    assert job.finish().state == "success"
    warning = "WARNING: after_script failed, but job will continue unaffected: exit status 9"
    assert warning in job.trace.decode()


def test_after_script_failure_counts_on_request(tmp_path: Path) -> None:
    """With AFTER_SCRIPT_IGNORE_ERRORS false its error is the job's, and the failure tail runs."""
    job = placed(
        tmp_path,
        script=["echo hello"],
        after_script=["exit 9"],
        variables={"AFTER_SCRIPT_IGNORE_ERRORS": "false"},
    )
    result = job.finish()
    assert (result.failure_reason, result.exit_code) == ("script_failure", 9)
    assert stages(job) == ["step_script", "after_script", *TAIL_FAILURE]


def test_script_timeout(tmp_path: Path) -> None:
    """after_script and tail still run; the warning and the final text name the script's own timeout."""
    job = placed(tmp_path, script=["sleep 1000"], variables={"RUNNER_SCRIPT_TIMEOUT": "1s"})
    result = job.finish()
    assert (result.failure_reason, result.exit_code) == ("job_execution_timeout", 0)
    assert stages(job) == ["step_script", "after_script", *TAIL_FAILURE]
    assert "status timedout" in job.output
    assert "WARNING: step_script could not run to completion because the timeout was exceeded." in (
        job.trace.decode()
    )
    assert final_line(job).endswith("Job failed: script timeout: context deadline exceeded\x1b[0;m")


def test_after_script_timeout(tmp_path: Path) -> None:
    """after_script that runs into its limit is an error of after_script like any other."""
    job = placed(
        tmp_path,
        script=["echo hello"],
        after_script=["sleep 1000"],
        variables={"RUNNER_AFTER_SCRIPT_TIMEOUT": "1s"},
    )
    assert job.finish().state == "success"
    trace = job.trace.decode()
    assert "WARNING: after_script could not run to completion" in trace
    assert "WARNING: after_script failed, but job will continue unaffected: " in trace


def test_job_timeout(tmp_path: Path) -> None:
    """The running stage is killed and nothing else runs."""
    job = placed(tmp_path, script=["echo begun", "sleep 1000"], timeout=2)
    result = job.finish()
    assert (result.failure_reason, result.exit_code) == ("job_execution_timeout", 0)
    assert stages(job) == ["step_script"]
    assert final_line(job) == "\x1b[31;1mERROR: Job failed: execution took longer than 2s seconds\x1b[0;m"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"get_sources_timeout": 1.0}, "get sources timeout: exceeded timeout of 1s"),
        ({"prepare_timeout": 1.0}, "prepare timeout: exceeded timeout of 1s"),
    ],
)
def test_stage_timeouts_of_config(tmp_path: Path, settings: dict[str, Any], text: str) -> None:
    """Prepare and get_sources timeouts end the job at once."""
    hook = {"pre_get_sources_script": "sleep 1000"} if "get_sources_timeout" in settings else {}
    job = placed(
        tmp_path, script=["echo no"], runner={**settings, **hook}, repo_url=f"file://{tmp_path}/nowhere.git"
    )
    if not hook:
        (job.folder / "home" / ".bash_profile").write_text("sleep 1000\n")
    result = job.finish()
    assert result.failure_reason == "job_execution_timeout"
    assert result.message == text
    assert "step_script" not in job.sections()
    assert "cleanup_file_variables" not in job.sections()


def test_cancel_before_the_user_steps(tmp_path: Path) -> None:
    """A graceful cancel stops the whole job while sources are fetched."""
    job = placed(
        tmp_path,
        script=["echo no"],
        runner={"pre_get_sources_script": "echo fetching; sleep 1000"},
        repo_url=f"file://{tmp_path}/nowhere.git",
    )
    job.start()
    job.await_output(b"fetching\n")
    job.order(Order.CANCEL)
    result = job.finish()
    assert (result.failure_reason, result.message) == ("job_canceled", "canceled")
    assert stages(job) == []


def test_cancel_during_the_user_steps(tmp_path: Path) -> None:
    """A graceful cancel stops the script; after_script and the failure tail run."""
    job = placed(tmp_path, script=["echo begun", "sleep 1000"])
    job.start()
    job.await_output(b"begun\n")
    job.order(Order.CANCEL)
    result = job.finish()
    assert (result.failure_reason, result.exit_code, result.message) == ("job_canceled", 0, "canceled")
    assert stages(job) == ["step_script", "after_script", *TAIL_FAILURE]
    assert "status canceled" in job.output
    assert b"WARNING: script canceled externally (UI, API)" in job.trace


def test_cancel_during_after_script(tmp_path: Path) -> None:
    """A graceful cancel that comes behind the user steps has no effect."""
    gate = tmp_path / "gate"
    job = placed(
        tmp_path,
        script=["echo hello"],
        after_script=["echo waiting", f"until [ -e {gate} ]; do sleep 0.05; done"],
    )
    job.start()
    job.await_output(b"waiting\n")
    job.order(Order.CANCEL)
    gate.touch()
    assert job.finish().state == "success"


@pytest.mark.parametrize(
    ("order", "text", "reason", "message"),
    [
        (Order.ABORT, "", "job_canceled", "canceled"),
        (Order.INTERRUPT, "terminated", "runner_interrupted", "aborted: terminated"),
    ],
)
def test_abort_and_interrupt(tmp_path: Path, order: Order, text: str, reason: str, message: str) -> None:
    """Abort, and a forceful stop of the runner, kill what runs and let nothing else run."""
    job = placed(tmp_path, script=["echo begun", "sleep 1000"])
    job.start()
    job.await_output(b"begun\n")
    job.order(order, text)
    result = job.finish()
    assert (result.failure_reason, result.message) == (reason, message)
    assert stages(job) == ["step_script"]


def test_unsupported_executor_options(tmp_path: Path) -> None:
    """A payload that asks for unknown executor options fails with exit code 3 and the text as its trace."""
    job = placed(
        tmp_path,
        script=["echo no"],
        image={"name": "busybox", "executor_opts": {"docker": {"colour": "green"}}},
    )
    result = job.finish()
    assert (result.failure_reason, result.exit_code) == ("runner_system_failure", 3)
    assert result.reason_is_final
    assert b'Unsupported "image" options [colour] for "docker executor"' in job.trace
    assert job.sections() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_run_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """A folder that cannot be opened is a system failure with the reason in the trace."""
    job = placed(tmp_path, script=["echo no"])
    job.control.path.parents[2].chmod(0o500)
    assert job.finish().failure_reason == "runner_system_failure"
