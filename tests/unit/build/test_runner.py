"""The walk through a job's stages (job-execution.md 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.errors import BuildError, PyrunnerError
from pyrunner.executors.base import ExitKind, Stop, StopKind
from pyrunner.jobdir.journal import JobResult
from tests.support.contexts import build_context, payload, variable
from tests.support.walk import End, World

STEPS = [{"name": "script", "script": ["make"]}, {"name": "after_script", "script": ["bye"]}]
#: A job with something to do in every stage.
FULL: dict[str, Any] = {
    "steps": STEPS,
    "cache": [{"key": "k", "paths": [".c"], "when": "always"}],
    "artifacts": [{"paths": ["out"], "when": "always"}],
    "dependencies": [{"id": 1, "name": "build", "artifacts_file": {"filename": "a.zip", "size": 1}}],
}
BEGIN = ["prepare_script", "get_sources", "restore_cache", "download_artifacts"]
SUCCESS = ["archive_cache", "upload_artifacts_on_success", "cleanup_file_variables"]
FAILURE = ["archive_cache_on_failure", "upload_artifacts_on_failure", "cleanup_file_variables"]

Make = Callable[..., World]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Return what makes a world for a job; ``variables`` and ``runner`` are the job's settings."""
    worlds: list[World] = []

    def world(
        variables: dict[str, str] | None = None,
        runner: dict[str, Any] | None = None,
        job: dict[str, Any] | None = None,
        **events: Any,
    ) -> World:
        sent = [variable(key, value) for key, value in (variables or {}).items()]
        context = build_context(job=payload(variables=sent, **(FULL if job is None else job)), runner=runner)
        worlds.append(World.make(tmp_path / str(len(worlds)), context, **events))
        return worlds[-1]

    yield world
    for one in worlds:
        one.close()


def failed(reason: str, message: str, code: int = 0) -> JobResult:
    """Return the result of a failed job."""
    return JobResult("failed", reason, code, message)


def test_every_stage_in_order(make: Make) -> None:
    """Cache before artifacts, after_script before both, clean-up last; only users' steps are the job's."""
    world = make()
    assert world.walk() == JobResult("success")
    assert world.ran == [*BEGIN, "step_script", "after_script", *SUCCESS]
    assert [one.name for one in world.requests if not one.workspace] == ["step_script", "after_script"]
    assert [one.number for one in world.requests] == list(range(1, len(world.ran) + 1))
    assert world.pauses == []


def test_stages_with_nothing_to_do_leave_no_trace(make: Make) -> None:
    """No cache, no artifacts, no after_script: no sections (1.2)."""
    world = make(job={})
    world.walk()
    assert world.ran == ["prepare_script", "get_sources", "step_script", "cleanup_file_variables"]
    assert "after_script" not in world.output


def test_steps_in_payload_order(make: Make) -> None:
    """All steps but after_script run, each in its own stage, until one fails."""
    steps = [
        {"name": "script", "script": ["make"]},
        {"name": "after_script", "script": ["bye"]},
        {"name": "Release", "script": ["ship"]},
    ]
    world = make(job={"steps": steps})
    world.walk()
    assert world.ran[2:-1] == ["step_script", "step_release", "after_script"]
    world = make(job={"steps": steps}, ends={"step_script": [End(3)]})
    assert world.walk() == failed("script_failure", "exit status 3", 3)
    assert world.ran[2:-1] == ["step_script", "after_script"]


JOB_TIMEOUT = "execution took longer than 1h0m0s seconds"
SCRIPT_TIMEOUT = Stop(StopKind.TIMEOUT, "script")
RUN = [*BEGIN, "step_script"]


@pytest.mark.parametrize(
    ("stage", "end", "ran", "result", "told"),
    [
        pytest.param(
            *("step_script", End(3), [*RUN, "after_script", *FAILURE]),
            *(failed("script_failure", "exit status 3", 3), "failed"),
            id="script exits",
        ),
        pytest.param(
            *("step_script", End(9, kind=ExitKind.SIGNALED), [*RUN, "after_script", *FAILURE]),
            *(failed("script_failure", "signal: killed", -1), "failed"),
            id="script is killed",
        ),
        pytest.param(
            *("step_script", End(kind=ExitKind.VANISHED), [*RUN, "after_script", *FAILURE]),
            *(failed("runner_system_failure", "it is gone"), "failed"),
            id="script vanishes",
        ),
        pytest.param(
            *("prepare_script", End(1), ["prepare_script"]),
            failed(
                "script_failure",
                "prepare environment: exit status 1. "
                "Check https://docs.gitlab.com/runner/shells/#shell-profile-loading for more information",
                1,
            ),
            None,
            id="prepare_script fails",
        ),
        pytest.param(
            *("get_sources", End(128), [*BEGIN[:2], *FAILURE]),
            *(failed("script_failure", "exit status 128", 128), None),
            id="sources fail",
        ),
        pytest.param(
            *("restore_cache", End(1), [*BEGIN[:3], *FAILURE]),
            *(failed("script_failure", "exit status 1", 1), None),
            id="cache fails",
        ),
        pytest.param(
            *("download_artifacts", End(1), [*BEGIN, *FAILURE]),
            *(failed("script_failure", "exit status 1", 1), None),
            id="download fails",
        ),
        pytest.param(
            *("after_script", End(7), [*RUN, "after_script", *SUCCESS], JobResult("success"), "success"),
            id="after_script fails",
        ),
        pytest.param(
            *("archive_cache", End(4), [*RUN, "after_script", *SUCCESS]),
            *(failed("script_failure", "exit status 4", 4), "success"),
            id="archive fails",
        ),
        pytest.param(
            *("upload_artifacts_on_success", End(1), [*RUN, "after_script", *SUCCESS]),
            *(failed("script_failure", "exit status 1", 1), "success"),
            id="upload fails",
        ),
        pytest.param(
            *("cleanup_file_variables", End(1), [*RUN, "after_script", *SUCCESS]),
            *(JobResult("success"), "success"),
            id="clean-up fails",
        ),
        pytest.param(
            *("step_script", End(gives=SCRIPT_TIMEOUT), [*RUN, "after_script", *FAILURE]),
            *(failed("job_execution_timeout", "script timeout: context deadline exceeded"), "timedout"),
            id="script timeout",
        ),
        pytest.param(
            *("step_script", End(gives=Stop(StopKind.TIMEOUT, "job")), RUN),
            *(failed("job_execution_timeout", JOB_TIMEOUT), None),
            id="job timeout in script",
        ),
        pytest.param(
            *("archive_cache", End(gives=Stop(StopKind.TIMEOUT, "job")), [*RUN, "after_script", SUCCESS[0]]),
            *(failed("job_execution_timeout", JOB_TIMEOUT), "success"),
            id="job timeout in tail",
        ),
        pytest.param(
            *("get_sources", End(gives=Stop(StopKind.CANCEL)), BEGIN[:2]),
            *(failed("job_canceled", "canceled"), None),
            id="cancel before the script",
        ),
        pytest.param(
            *("step_script", End(gives=Stop(StopKind.CANCEL)), [*RUN, "after_script", *FAILURE]),
            *(failed("job_canceled", "canceled"), "canceled"),
            id="cancel in script",
        ),
        pytest.param(
            *("after_script", End(gives=Stop(StopKind.CANCEL)), [*RUN, "after_script", *SUCCESS]),
            *(JobResult("success"), "success"),
            id="cancel in after_script",
        ),
        pytest.param(
            *("upload_artifacts_on_success", End(gives=Stop(StopKind.CANCEL))),
            *([*RUN, "after_script", *SUCCESS], JobResult("success"), "success"),
            id="cancel in tail",
        ),
        pytest.param(
            *("step_script", End(gives=Stop(StopKind.ABORT, "canceled")), RUN),
            *(failed("job_canceled", "canceled"), None),
            id="abort in script",
        ),
        pytest.param(
            *("archive_cache", End(gives=Stop(StopKind.ABORT)), [*RUN, "after_script", SUCCESS[0]]),
            *(failed("job_canceled", "canceled"), "success"),
            id="abort in tail",
        ),
        pytest.param(
            *("step_script", End(gives=Stop(StopKind.INTERRUPT, "interrupt")), RUN),
            *(failed("runner_interrupted", "aborted: interrupt"), None),
            id="interrupt",
        ),
    ],
)
def test_what_runs_after_each_kind_of_end(
    make: Make, stage: str, end: End, ran: list[str], result: JobResult, told: str | None
) -> None:
    """The table of 1.5: what still runs, what is reported, what after_script is told."""
    world = make({"RUNNER_SCRIPT_TIMEOUT": "10m"}, ends={stage: [end]})
    assert world.walk() == result
    assert world.ran == ran
    assert world.statuses.get("after_script") == told
    tail = [world.statuses[one] for one in ran if one in (*SUCCESS, *FAILURE)]
    assert set(tail) <= {told or "running"}
    assert {world.statuses[one] for one in BEGIN if one in world.statuses} <= {"running"}


def test_the_first_error_is_the_jobs(make: Make) -> None:
    """Script before cache, cache before upload; each still runs (1.2)."""
    ends = {"archive_cache": [End(4)], "upload_artifacts_on_success": [End(5)]}
    assert make(ends=ends).walk().exit_code == 4
    ends = {"step_script": [End(3)], "archive_cache_on_failure": [End(4)]}
    world = make(ends=ends)
    assert world.walk().exit_code == 3
    assert world.ran[-1] == "cleanup_file_variables"


def test_after_script_may_count(make: Make) -> None:
    """``AFTER_SCRIPT_IGNORE_ERRORS=false``: its error is the job's if the script passed."""
    never = {"AFTER_SCRIPT_IGNORE_ERRORS": "false"}
    world = make(never, ends={"after_script": [End(7)]})
    assert world.walk() == failed("script_failure", "exit status 7", 7)
    assert world.ran[-3:] == FAILURE
    world = make(never, ends={"step_script": [End(3)], "after_script": [End(7)]})
    assert world.walk().exit_code == 3


def test_what_after_script_left_is_said(make: Make) -> None:
    """A failure that does not count is a warning (1.5)."""
    world = make(ends={"after_script": [End(7)]})
    world.walk()
    warning = "WARNING: after_script failed, but job will continue unaffected: exit status 7"
    assert warning in world.output


def test_a_cancelled_script_is_named(make: Make) -> None:
    """Readers see who ended it."""
    world = make(ends={"step_script": [End(gives=Stop(StopKind.CANCEL))]})
    world.walk()
    assert "WARNING: script canceled externally (UI, API)" in world.output


def test_a_stage_out_of_time_is_named(make: Make) -> None:
    """With gitlab-runner's line (1.4)."""
    world = make({"RUNNER_SCRIPT_TIMEOUT": "1m"}, ends={"step_script": [End(gives=SCRIPT_TIMEOUT)]})
    world.walk()
    assert (
        "WARNING: step_script could not run to completion because the timeout was exceeded." in world.output
    )


@pytest.mark.parametrize(
    ("key", "name", "stage", "words"),
    [
        ("prepare_timeout", "prepare", "prepare_script", "prepare timeout"),
        ("get_sources_timeout", "get_sources", "get_sources", "get sources timeout"),
    ],
)
def test_limits_of_the_config(make: Make, key: str, name: str, stage: str, words: str) -> None:
    """The job ends at once, whatever attempts are left; a limit above the job's own is none (1.4)."""
    out_of_time = {stage: [End(gives=Stop(StopKind.TIMEOUT, name))]}
    attempts = {"GET_SOURCES_ATTEMPTS": "3"}
    world = make(attempts, runner={key: 90.0}, ends=out_of_time)
    assert world.walk() == failed("job_execution_timeout", f"{words}: exceeded timeout of 1m30s")
    assert world.ran[-1] == stage
    for useless in (7200.0, 0.0, -1.0):
        assert make(runner={key: useless}, ends=out_of_time).walk() == JobResult("success")


def test_sources_are_tried_again(make: Make) -> None:
    """The tree is cleared once, before the second try; pauses double; each try is a section (1.3)."""
    world = make({"GET_SOURCES_ATTEMPTS": "4"}, ends={"get_sources": [End(1), End(1), End(1)]})
    assert world.walk() == JobResult("success")
    assert world.ran[1:6] == ["get_sources", "clear_worktree", *["get_sources"] * 3]
    assert world.pauses == [5.0, 10.0, 20.0]
    assert world.output.count("WARNING: Retrying...") == 3


def test_a_tree_that_cannot_be_cleared_is_a_failed_try(make: Make) -> None:
    """Sources are not fetched into it; the next try is made without clearing."""
    world = make({"GET_SOURCES_ATTEMPTS": "3"}, ends={"get_sources": [End(1)], "clear_worktree": [End(2)]})
    assert world.walk() == JobResult("success")
    assert world.ran[1:4] == ["get_sources", "clear_worktree", "get_sources"]
    assert len(world.pauses) == 2


@pytest.mark.parametrize(
    ("stage", "attempts"),
    [("restore_cache", "RESTORE_CACHE_ATTEMPTS"), ("download_artifacts", "ARTIFACT_DOWNLOAD_ATTEMPTS")],
)
def test_transfers_are_tried_again(make: Make, stage: str, attempts: str) -> None:
    """The last error counts; pauses are short where the flag is off (1.3)."""
    off = {attempts: "5", "FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY": "false"}
    world = make(off, ends={stage: [End(1), End(2), End(3), End(4), End(5)]})
    assert world.walk() == failed("script_failure", "exit status 5", 5)
    assert world.ran.count(stage) == 5
    assert world.pauses == [1.0, 2.0, 4.0, 5.0]
    assert "step_script" not in world.ran


def test_an_executor_that_cannot_be_prepared(make: Make) -> None:
    """Three tries, each said, each followed by a pause and a clean-up; nothing runs (1.3)."""
    world = make(preparations=[PyrunnerError(f"no daemon {number}") for number in range(3)])
    assert world.walk() == failed("runner_system_failure", "no daemon 2")
    assert (world.ran, world.pauses, world.cleanups) == ([], [3.0] * 3, 3)
    for number in range(3):
        assert f"ERROR: Preparation failed: no daemon {number}" in world.output
    assert world.output.count("Will be retried in 3s ...") == 3
    assert "section_end:0:prepare_executor" in world.output


def test_an_executor_that_needs_a_second_try(make: Make) -> None:
    """The job goes on as if nothing had been."""
    world = make(preparations=[PyrunnerError("busy")])
    assert world.walk() == JobResult("success")
    assert world.pauses == [3.0]
    assert "Using a scripted executor..." in world.output


def test_a_build_error_is_not_tried_again(make: Make) -> None:
    """What the coordinator has a word for will not get better."""
    world = make(preparations=[BuildError("no such image", "image_pull_failure")])
    assert world.walk() == failed("image_pull_failure", "no such image")
    assert (world.pauses, world.cleanups) == ([], 1)
    assert "Preparation failed" not in world.output


def test_a_refusal_is_found_in_the_section(make: Make) -> None:
    """Header and warnings are out before."""
    world = make(refusal=BuildError("not here", "runner_configuration_error"))
    assert world.walk() == failed("runner_configuration_error", "not here")
    assert world.ran == []
    assert "Running with pyrunner" in world.output


def test_native_steps_are_refused(make: Make) -> None:
    """Right after the executor is prepared (1.2)."""
    world = make(job={"run": "[]"})
    result = world.walk()
    assert result.failure_reason == "runner_configuration_error"
    assert "FF_CONCRETE" in result.message
    assert world.ran == []


@pytest.mark.parametrize(
    ("stop", "reason"),
    [(Stop(StopKind.ABORT), "job_canceled"), (Stop(StopKind.CANCEL), "job_canceled")],
)
def test_a_job_that_is_stopped_before_it_began(make: Make, stop: Stop, reason: str) -> None:
    """No executor is asked, no stage is run."""
    world = make(given=[stop], preparations=[PyrunnerError("never seen")])
    assert world.walk() == failed(reason, "canceled")
    assert world.ran == []
    assert world.prepared == 0


def test_a_workspace_stage_that_vanished_is_repeated(make: Make) -> None:
    """Once, within its section; a user's script never is (design R5)."""
    world = make(ends={"get_sources": [End(kind=ExitKind.VANISHED)]})
    assert world.walk() == JobResult("success")
    assert world.ran[:4] == ["prepare_script", "get_sources", "get_sources", "restore_cache"]
    assert world.output.count("section_start:0:get_sources") == 1


def test_warnings_about_settings(make: Make) -> None:
    """One block after the header; those of timeouts come when the script begins (1.1, 1.4)."""
    world = make({"GIT_STRATEGY": "bogus", "RUNNER_SCRIPT_TIMEOUT": "soon"})
    world.walk()
    early, late = (
        world.output.index(word) for word in ("WARNING: GIT_STRATEGY", "WARNING: Ignoring malformed")
    )
    assert early < world.output.index("section_start:0:prepare_executor")
    assert world.output.index("section_end:0:download_artifacts") < late
    assert late < world.output.index("section_start:0:step_script")
