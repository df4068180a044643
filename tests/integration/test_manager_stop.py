"""Signals to a manager that has jobs, and its configuration changing under it (design R7)."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.jobdir.index import pending_jobs
from pyrunner.jobdir.layout import Business
from tests.support.runner import RunnerProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture
def start(
    coordinator: EmbeddedCoordinator, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[..., Any]:
    """Start a manager with settings of the runner; it is gone after the test."""

    def begin(**settings: Any) -> RunnerProcess:
        process = RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner(), **settings)
        request.addfinalizer(process.close)
        return process.start()

    return begin


def waiting_job(coordinator: EmbeddedCoordinator, gate: Path) -> int:
    """Queue a job that says ``begun``, chatters until the gate is there, and says ``ended``."""
    script = f"echo begun; while [ ! -e {gate} ]; do echo .; sleep 0.1; done; echo ended"
    return coordinator.enqueue(script=[script], after_script=["echo afterwards"])


def test_sigterm_leaves_jobs_running(
    coordinator: EmbeddedCoordinator, start: Callable[..., RunnerProcess], tmp_path: Path
) -> None:
    """SIGTERM ends the manager within seconds; the job goes on and the next manager delivers it."""
    runner = start()
    job_id = waiting_job(coordinator, tmp_path / "gate")
    coordinator.wait_for_trace(job_id, b"begun")
    supervisor = runner.supervisor(job_id)
    runner.signal(signal.SIGTERM)
    assert runner.wait(30) == 0
    assert supervisor.is_running()
    (tmp_path / "gate").touch()
    supervisor.wait(30)
    runner.start()
    coordinator.wait_for(job_id, "success")
    assert coordinator.trace(job_id).count(b"O ended") == 1
    assert coordinator.violations == []


@pytest.mark.parametrize(
    ("number", "settings", "name"),
    [
        (signal.SIGINT, {}, "interrupt"),
        (signal.SIGTERM, {"tristan": {"on_stop": "abort"}}, "terminated"),
    ],
)
def test_abort(
    coordinator: EmbeddedCoordinator,
    start: Callable[..., RunnerProcess],
    tmp_path: Path,
    number: signal.Signals,
    settings: dict[str, Any],
    name: str,
) -> None:
    """SIGINT, and SIGTERM with on_stop = abort, stop the jobs and report them before the exit."""
    runner = start(**settings)
    job_id = waiting_job(coordinator, tmp_path / "gate")
    coordinator.wait_for_trace(job_id, b"begun")
    runner.signal(number)
    assert runner.wait(60) == 0
    job = coordinator.job(job_id)
    assert (job.state, job.failure_reason) == ("failed", "runner_interrupted")
    assert f"aborted: {name}".encode() in coordinator.trace(job_id)
    assert b"O afterwards" not in coordinator.trace(job_id)


def test_second_sigterm_aborts(
    coordinator: EmbeddedCoordinator, start: Callable[..., RunnerProcess], tmp_path: Path
) -> None:
    """With on_stop = wait, the first SIGTERM waits for the job and the second aborts it."""
    runner = start(tristan={"on_stop": "wait"})
    job_id = waiting_job(coordinator, tmp_path / "gate")
    coordinator.wait_for_trace(job_id, b"begun")
    runner.signal(signal.SIGTERM)
    runner.until(lambda: "waiting for builds to finish" in runner.log, "it waits")
    assert coordinator.job(job_id).state == "running"
    runner.signal(signal.SIGTERM)
    assert runner.wait(60) == 0
    assert coordinator.job(job_id).failure_reason == "runner_interrupted"


def test_sigquit_waits(
    coordinator: EmbeddedCoordinator, start: Callable[..., RunnerProcess], tmp_path: Path
) -> None:
    """SIGQUIT takes no new job, waits for the running one, delivers it and exits with 0."""
    runner = start()
    job_id = waiting_job(coordinator, tmp_path / "gate")
    coordinator.wait_for_trace(job_id, b"begun")
    runner.signal(signal.SIGQUIT)
    runner.until(lambda: "Starting graceful shutdown" in runner.log, "it waits")
    late = coordinator.enqueue(script=["true"])
    (tmp_path / "gate").touch()
    assert runner.wait(60) == 0
    assert coordinator.job(job_id).state == "success"
    assert coordinator.job(late).state == "pending"
    assert pending_jobs(Business(runner.root, "1")) == []


def test_exit_during_a_forceful_end(
    coordinator: EmbeddedCoordinator, start: Callable[..., RunnerProcess], tmp_path: Path
) -> None:
    """A further signal during a forceful end exits at once with 1; the job is not lost."""
    runner = start()
    job_id = coordinator.enqueue(
        script=["trap '' TERM", "echo begun", "while true; do echo .; sleep 0.1; done"]
    )
    coordinator.wait_for_trace(job_id, b"begun")
    supervisor = runner.supervisor(job_id)
    supervisor.suspend()
    runner.signal(signal.SIGINT)
    runner.until(lambda: "Starting forceful shutdown" in runner.log, "it aborts")
    runner.signal(signal.SIGTERM)
    assert runner.wait(30) == 1
    assert "forced exit with stop signal: terminated" in runner.log
    assert "Service run failed" in runner.log
    supervisor.resume()


def test_idle_manager_stops_at_once(
    coordinator: EmbeddedCoordinator, start: Callable[..., RunnerProcess]
) -> None:
    """Without a job, a stop needs no longer than the grace of a held request."""
    coordinator.settings.long_poll_seconds = 50.0
    runner = start()
    coordinator.wait_for(coordinator.enqueue(script=["true"]), "success")
    runner.signal(signal.SIGTERM)
    assert runner.wait(20) == 0
    assert "Can exit now!" in runner.log


def test_reload(
    coordinator: EmbeddedCoordinator, start: Callable[..., RunnerProcess], tmp_path: Path
) -> None:
    """SIGHUP takes over the file at once; a job that runs is not touched, a broken file changes nothing."""
    runner = start()
    job_id = waiting_job(coordinator, tmp_path / "gate")
    coordinator.wait_for_trace(job_id, b"begun")
    good = runner.config.read_text()
    runner.config.write_text("concurrent = 'no'")
    runner.signal(signal.SIGHUP)
    runner.until(lambda: "Failed to load config" in runner.log, "the broken file is noticed")
    runner.config.write_text(
        good.replace('executor = "shell"', 'executor = "shell"\n  environment = ["NEW=value"]')
    )
    runner.signal(signal.SIGHUP)
    runner.until(lambda: runner.log.count("Configuration loaded") == 2, "the new file is loaded")
    after = coordinator.enqueue(script=["echo new-$NEW"])
    coordinator.wait_for(after, "success")
    assert b"new-value" in coordinator.trace(after)
    (tmp_path / "gate").touch()
    coordinator.wait_for(job_id, "success")


def test_removed_runner_still_delivers(
    coordinator: EmbeddedCoordinator, start: Callable[..., RunnerProcess], tmp_path: Path
) -> None:
    """A job whose runner is taken out of the file, and whose manager is killed, is still delivered."""
    runner = start()
    job_id = waiting_job(coordinator, tmp_path / "gate")
    coordinator.wait_for_trace(job_id, b"begun")
    runner.kill()
    other = coordinator.add_runner()
    runner.config.write_text(
        runner.config.read_text().replace(runner.token, other).replace("id = 1", "id = 9")
    )
    runner.start()
    (tmp_path / "gate").touch()
    coordinator.wait_for(job_id, "success")


def test_file_that_comes_later(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """Without a file the manager waits for it, and works as soon as it is there."""
    runner = RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner())
    content = runner.config.read_text()
    runner.config.unlink()
    try:
        runner.start()
        runner.until(lambda: "no such file or directory" in runner.log, "the missing file is reported")
        runner.config.write_text(content)
        coordinator.wait_for(coordinator.enqueue(script=["true"]), "success")
    finally:
        runner.close()


@pytest.mark.parametrize("content", ["concurrent = 0", "not toml"])
def test_unusable_file(coordinator: EmbeddedCoordinator, tmp_path: Path, content: str) -> None:
    """A file that cannot be used ends the start with 1 and says why."""
    runner = RunnerProcess(tmp_path, coordinator.url, "token")
    runner.config.write_text(content)
    runner.start()
    assert runner.wait(30) == 1
    assert "Service run failed" in runner.log


def test_run_single(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """run-single takes one job at a time and ends after --max-builds."""
    runner = RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner())
    jobs = [coordinator.enqueue(script=["echo single"]) for _ in range(2)]
    command = [
        sys.executable,
        "-m",
        "pyrunner",
        "run-single",
        "--config",
        str(runner.config),
        "--runner",
        "test",
    ]
    done = subprocess.run(
        [*command, "--max-builds", "2"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(runner.home), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        timeout=100,
        check=False,
    )
    runner.close()
    assert done.returncode == 0, done.stderr.decode()
    assert b"has processed its build limit" in done.stderr
    assert [coordinator.job(one).state for one in jobs] == ["success", "success"]
