"""How long a running job is without a manager, or a supervisor, when one is killed."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.figures import Figure, median
from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings

_ROUNDS = 7
_PAUSE = 0.01


def recovery_figures() -> list[Figure]:
    """Kill supervisors and managers of a job that prints without end."""
    from tests.support.runner import RunnerProcess

    supervisors, managers = [], []
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedCoordinator(settings=CoordinatorSettings(trace_update_interval=1)) as coordinator,
        RunnerProcess(Path(folder), coordinator.url, coordinator.add_runner()) as runner,
    ):
        gate = Path(folder) / "gate"
        job_id = coordinator.enqueue(script=[f"while [ ! -e {gate} ]; do echo .; sleep 0.05; done"])
        coordinator.wait_for_trace(job_id, b"O .")
        for _ in range(_ROUNDS):
            killed = runner.supervisor(job_id)
            killed.kill()
            begun = time.monotonic()
            while runner.supervisor(job_id).pid == killed.pid:
                time.sleep(_PAUSE)
            supervisors.append(time.monotonic() - begun)
            runner.kill()
            sent = len(coordinator.trace(job_id))
            begun = time.monotonic()
            runner.start()
            while len(coordinator.trace(job_id)) == sent:
                time.sleep(_PAUSE)
            managers.append(time.monotonic() - begun)
        gate.touch()
        coordinator.wait_for(job_id, "success")
    return [
        _figure("recovery: supervisor killed, until another is at work", supervisors, 2),
        _figure("recovery: manager started after a kill, until the log goes on", managers, 5),
    ]


def _figure(name: str, times: list[float], target: float) -> Figure:
    return Figure(name, median(times), "s", target, note=f"{len(times)} kills, slowest {max(times):.1f} s")
