"""Any process of ours can be killed at any instant, and no job is lost (design R3-R6, R9)."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.runner import RunnerProcess, trace_lines

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

#: Prints numbered lines for about three seconds.
COUNTING = 'for i in $(seq 1 150); do echo "line $i"; sleep 0.02; done'
COUNTED = [f"line {i}" for i in range(1, 151)]


@pytest.fixture
def runner(coordinator: EmbeddedCoordinator, tmp_path: Path) -> Iterator[RunnerProcess]:
    """A manager that is not started yet, for a coordinator that asks for traces every second."""
    coordinator.settings.trace_update_interval = 1
    process = RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner())
    yield process
    process.close()


def counted(trace: bytes) -> list[str]:
    """Return the numbered lines of a trace, in order."""
    return [line for line in trace_lines(trace) if line.startswith("line ")]


def pause(seconds: float) -> None:
    """Let a random moment pass: there is no event to await."""
    time.sleep(seconds)


def _replaced(runner: RunnerProcess, job_id: int, pid: int) -> Callable[[], bool]:
    return lambda: runner.supervisor(job_id).pid != pid


def once_only(marker: Path) -> str:
    """A line of script that leaves one line in a file each time it runs."""
    return f"echo ran >> {marker}"


def assert_whole(coordinator: EmbeddedCoordinator, job_id: int, expected: list[str]) -> None:
    """The trace is complete, in order, nothing twice, and the server has nothing to complain of."""
    trace = coordinator.trace(job_id)
    assert counted(trace) == expected
    assert trace.count(b"Running with pyrunner") == 1
    assert trace.count(b"section_start:") == trace.count(b"section_end:")
    assert trace.count(b"Job succeeded") == 1
    assert coordinator.violations == []


def test_manager_killed_during_output(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """A manager that is killed while a job prints and started again delivers the whole trace."""
    marker = tmp_path / "marker"
    job_id = coordinator.enqueue(script=[once_only(marker), COUNTING])
    runner.start()
    coordinator.wait_for_trace(job_id, b"line 20\n")
    runner.kill()
    runner.start()
    job = coordinator.wait_for(job_id, "success")
    assert_whole(coordinator, job_id, COUNTED)
    assert job.exit_code == 0
    assert marker.read_text() == "ran\n"


def test_manager_killed_after_the_end(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """A job that ends while no manager lives is reported by the next one."""
    gate = tmp_path / "gate"
    job_id = coordinator.enqueue(
        script=["echo line 1", f"until [ -e {gate} ]; do sleep 0.05; done", "echo line 2"]
    )
    runner.start()
    coordinator.wait_for_trace(job_id, b"line 1\n")
    supervisor = runner.supervisor(job_id)
    runner.kill()
    gate.touch()
    supervisor.wait(60)
    assert coordinator.job(job_id).state == "running"
    runner.start()
    coordinator.wait_for(job_id, "success")
    assert_whole(coordinator, job_id, ["line 1", "line 2"])


def test_manager_killed_at_random_moments(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """Fifty kills at random moments of three-second jobs: every trace whole, every script run once."""
    seed = random.randrange(1 << 30)
    dice = random.Random(seed)
    # A manager that dies between the final answer and its note of it reports once more, and hears 403.
    coordinator.tolerate(17)
    jobs: dict[int, Path] = {}
    kills = 0
    runner.start()
    while kills < 50:
        if all(coordinator.job(one).finished for one in jobs):
            # A job that is on its way when the manager dies is lost to it: that is the coordinator's to heal.
            for _ in range(3):
                marker = tmp_path / f"marker-{len(jobs)}"
                job_id = coordinator.enqueue(script=[once_only(marker), COUNTING])
                coordinator.wait_for_event(job_id, "update_running")
                jobs[job_id] = marker
        pause(dice.uniform(0.0, 0.6))
        runner.kill()
        kills += 1
        runner.start()
    for job_id, marker in jobs.items():
        coordinator.wait_for(job_id, "success", timeout=90)
        assert_whole(coordinator, job_id, COUNTED)
        assert marker.read_text() == "ran\n", f"seed {seed}"


def test_supervisor_killed_while_the_manager_lives(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """A supervisor that is killed is started again and the job ends as if nothing had happened."""
    marker = tmp_path / "marker"
    # Long enough for two kills, each shown by a trace that comes once a second.
    long = COUNTING.replace("150", "400")
    job_id = coordinator.enqueue(script=[once_only(marker), long])
    runner.start()
    for line in (b"line 10\n", b"line 60\n"):
        coordinator.wait_for_trace(job_id, line)
        victim = runner.supervisor(job_id)
        victim.kill()
        runner.until(_replaced(runner, job_id, victim.pid), "another supervisor")
    coordinator.wait_for(job_id, "success")
    assert_whole(coordinator, job_id, [f"line {i}" for i in range(1, 401)])
    assert marker.read_text() == "ran\n"


def test_supervisor_and_manager_killed(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """Both gone while the job goes on: its output waits in the pipe, and the next pair takes it up."""
    job_id = coordinator.enqueue(script=[COUNTING])
    runner.start()
    coordinator.wait_for_trace(job_id, b"line 20\n")
    supervisor = runner.supervisor(job_id)
    runner.kill()
    supervisor.kill()
    runner.start()
    coordinator.wait_for(job_id, "success")
    assert_whole(coordinator, job_id, COUNTED)


def test_wrapper_ends_while_no_supervisor_lives(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """The last line of a script that ends unwatched is there, and so is its exit code."""
    gate = tmp_path / "gate"
    job_id = coordinator.enqueue(
        script=["echo line 1", f"while [ ! -e {gate} ]; do sleep 0.05; done", "echo line 2", "exit 7"]
    )
    runner.start()
    coordinator.wait_for_trace(job_id, b"line 1\n")
    control = runner.control(job_id)
    supervisor = runner.supervisor(job_id)
    runner.kill()
    supervisor.kill()
    gate.touch()
    runner.until(
        lambda: any(control.path.glob("exit.*.step_script")), "the wrapper has written the exit status"
    )
    runner.start()
    job = coordinator.wait_for(job_id, "failed")
    assert counted(coordinator.trace(job_id)) == ["line 1", "line 2"]
    assert job.exit_code == 7
    assert job.failure_reason == "script_failure"
    assert coordinator.violations == []


def test_fork_server_killed(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """Running jobs do not notice, and the next job gets a supervisor from a new fork server."""
    first = coordinator.enqueue(script=[COUNTING])
    runner.start()
    coordinator.wait_for_trace(first, b"line 20\n")
    runner.fork_server().kill()
    second = coordinator.enqueue(script=["echo line 1"])
    coordinator.wait_for(second, "success")
    coordinator.wait_for(first, "success")
    assert_whole(coordinator, first, COUNTED)
    assert_whole(coordinator, second, ["line 1"])


def test_stop_and_start(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """SIGTERM leaves jobs running and exits 0; the next start takes them up (R7)."""
    job_id = coordinator.enqueue(script=[COUNTING])
    runner.start()
    coordinator.wait_for_trace(job_id, b"line 20\n")
    runner.signal(signal.SIGTERM)
    assert runner.wait() == 0
    assert coordinator.job(job_id).state == "running"
    runner.start()
    coordinator.wait_for(job_id, "success")
    assert_whole(coordinator, job_id, COUNTED)


def test_everything_killed(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """When all processes of a job are gone, as after a reboot, it is a system failure, trace so far."""
    job_id = coordinator.enqueue(script=["echo line 1", "sleep 1000"])
    runner.start()
    coordinator.wait_for_trace(job_id, b"line 1\n")
    runner.kill()
    leftovers = runner.leftovers()
    assert leftovers
    for process in leftovers:
        process.kill()
    psutil.wait_procs(leftovers, timeout=60)
    runner.start()
    job = coordinator.wait_for(job_id, "failed")
    assert job.failure_reason == "runner_system_failure"
    trace = coordinator.trace(job_id)
    assert counted(trace) == ["line 1"]
    assert b"ERROR: Job failed (system failure): " in trace
    assert coordinator.violations == []
    runner.signal(signal.SIGQUIT)
    assert runner.wait() == 0
    assert runner.leftovers() == []


def test_second_manager_is_refused(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """Two managers on one business folder would run jobs twice: the second ends, naming the first (R5)."""
    runner.start()
    coordinator.wait_until(lambda: any(one.path.endswith("/jobs/request") for one in coordinator.requests))
    assert runner.process is not None
    second = RunnerProcess(tmp_path / "second", coordinator.url, runner.token)
    second.root = runner.root
    second.settings = {"tristan": {"root": str(runner.root)}}
    second.write_config()
    second.start()
    assert second.wait() == 1
    assert str(runner.process.pid) in second.log
