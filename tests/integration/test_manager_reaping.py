"""A job whose supervisor keeps dying is given up, and takes its processes with it (design R3)."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil
import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.runner import RunnerProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def test_a_job_that_is_given_up_leaves_nothing_running(
    coordinator: EmbeddedCoordinator, tmp_path: Path
) -> None:
    """After restarts without progress the job fails, and neither script nor daemon nor wrapper goes on."""
    pids = tmp_path / "pids"
    script = [f"setsid sleep 1000 & echo $$ $! > {pids}.new; mv {pids}.new {pids}", "echo begun", "wait"]
    with RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner()) as runner:
        job_id = coordinator.enqueue(script=script)
        coordinator.wait_for_trace(job_id, b"begun\n")
        mine = [psutil.Process(int(pid)) for pid in pids.read_text().split()]
        fork_server = runner.fork_server()

        def given_up() -> bool:
            for one in fork_server.children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            return coordinator.job(job_id).state == "failed"

        runner.until(given_up, "the job is given up")
        assert coordinator.job(job_id).failure_reason == "runner_system_failure"
        _, alive = psutil.wait_procs(mine, timeout=20)
        assert alive == []
        managed = {fork_server.pid}
        runner.until(lambda: {one.pid for one in runner.leftovers()} <= managed, "wrappers are gone")
        assert coordinator.violations == []
