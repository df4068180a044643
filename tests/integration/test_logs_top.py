"""logs and top on real jobs, with and without a living manager."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pyrunner.cli.live_usage import LiveUsages
from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.jobdir.journal import load_state
from pyrunner.jobdir.orders import Order
from pyrunner.jobdir.record import JobRecord
from tests.support.commands import CommandLine
from tests.support.docker import DockerLab
from tests.support.docker_jobs import place_docker_job
from tests.support.idle_manager import command, runner
from tests.support.runner import RunnerProcess

pytestmark = pytest.mark.integration
__all__ = ["command", "runner"]


def test_logs(coordinator: EmbeddedCoordinator, runner: RunnerProcess, command: CommandLine) -> None:
    """A running job's lines while its manager is dead; followed to the end; of an ended one, too."""
    steering = "printf 'a\\033]0;title\\007b\\n'"
    waiting = "until test -e go; do sleep 0.1; done"
    job = coordinator.enqueue(script=[steering, "echo begun", waiting, "echo over"])
    runner.start()
    coordinator.wait_for_trace(job, b"begun\n")
    runner.kill()
    assert f"{job} | begun" in command.run("logs").out.splitlines()
    lines = [json.loads(line) for line in command.run("logs", "--json", str(job)).out.splitlines()]
    assert ("stdout", "ab") in [(line["stream"], line["text"]) for line in lines]
    assert all(line["job"] == job for line in lines)

    following = subprocess.Popen(
        command.argv("logs", "-f", str(job)),
        env=command.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    with following:
        assert following.stdout is not None
        assert "begun\n" in iter(following.stdout.readline, "")
        (runner.control(job).path.parent.parent / "source" / "project" / "go").touch()
        rest = following.stdout.read().splitlines()
    assert following.returncode == 0
    assert "over" in rest
    assert rest[-1] == "Job succeeded"

    runner.start()
    coordinator.wait_for(job, "success")
    raw = command.run("logs", "--raw", str(job)).out
    assert raw == coordinator.trace(job).decode()
    assert command.run("logs").out == ""


def test_a_job_that_is_not_there(runner: RunnerProcess, command: CommandLine) -> None:
    """Says for how long there would be one."""
    done = command.run("logs", "4711")
    assert (done.code, "no job 4711 on this machine; logs of ended jobs are kept for 7 days" in done.err) == (
        1,
        True,
    )


def test_top(coordinator: EmbeddedCoordinator, runner: RunnerProcess, command: CommandLine) -> None:
    """Stage, processor and memory of a job; that there is a manager, and then that there is none."""
    work = "import time; kept = bytearray(60_000_000); print('begun', flush=True)\nwhile True: time.time()"
    job = coordinator.enqueue(script=[f'python3 -c "{work}"'])
    runner.start()
    coordinator.wait_for_trace(job, b"begun\n")
    value = json.loads(command.run("top", "--json").out)
    [shown] = value["jobs"]
    assert value["managers"] == 1
    assert (shown["job"], shown["stage"]) == (job, "step_script")
    assert shown["cpu_seconds"] > 0
    assert shown["cpu_percent"] > 1
    assert 60_000_000 < shown["memory_bytes"] < 1_000_000_000
    runner.kill()
    text = command.run("top").out
    assert "NO RUNNER MANAGER AT WORK" in text
    assert "step_script" in text
    assert "\x1b" not in text


@pytest.mark.docker
def test_what_a_container_uses(tmp_path: Path, docker_lab: DockerLab) -> None:
    """By the container's own control group, whose name only the journal knows."""
    job = place_docker_job(tmp_path, docker_lab, script=["echo begun", "while :; do :; done"]).start()
    job.await_output(b"begun")
    record = JobRecord.load(job.control.job)
    usages = LiveUsages()

    def cpu() -> float:
        state = load_state(job.control.state)
        assert state is not None
        return usages.of(job.control, state, record.received_at).cpu or 0.0

    first = cpu()
    RunnerProcess.until(lambda: cpu() > first + 0.2, "the loop uses the processor")
    job.order(Order.ABORT)
    assert job.finish().state == "failed"
