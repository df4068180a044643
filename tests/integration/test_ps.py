"""ps and abort on real jobs, with and without a living manager."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.commands import CommandLine
from tests.support.idle_manager import command, runner
from tests.support.runner import RunnerProcess

pytestmark = pytest.mark.integration
__all__ = ["command", "runner"]


def test_ps_and_abort(coordinator: EmbeddedCoordinator, runner: RunnerProcess, command: CommandLine) -> None:
    """A running job is shown, also when its manager is dead; aborted, it is reported as failed."""
    job_id = coordinator.enqueue(script=["echo begun", "sleep 300"], after_script=["echo never"])
    runner.start()
    coordinator.wait_for_trace(job_id, b"begun\n")
    runner.kill()
    [shown] = json.loads(command.run("ps", "--json").out)
    assert (shown["job"], shown["slot"], shown["stage"]) == (job_id, 1, "step_script")
    assert (shown["alive"], shown["finished"]) == (True, False)
    assert shown["pid"] == runner.supervisor(job_id).pid
    assert Path(shown["folder"]) == runner.control(job_id).path
    assert str(job_id) in command.run("ps").out

    done = command.run("abort", str(job_id), "--reason", "lunch")
    assert (done.code, "Aborting job" in done.err) == (0, True)
    runner.start()
    job = coordinator.wait_for(job_id, "failed")
    trace = coordinator.trace(job_id)
    assert b"aborted: lunch" in trace
    assert b"Running after_script" not in trace
    assert job.failure_reason in ("runner_interrupted", "unknown_failure")
    assert json.loads(command.run("ps", "--json").out) == []


def test_abort_names_no_job(runner: RunnerProcess, command: CommandLine) -> None:
    """An id that is not running is an error that points to ps."""
    done = command.run("abort", "4711")
    assert done.code == 1
    assert "FATAL: no running job 4711; ps shows which there are" in done.err
