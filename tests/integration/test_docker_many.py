"""Many docker jobs of one manager at once, and all of ours killed at one moment (design R3, R5)."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import psutil
import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.executors.docker.job import business_label
from pyrunner.executors.docker.labels import BUSINESS_LABEL
from tests.support.docker import DockerLab
from tests.support.runner import RunnerProcess, trace_lines

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.timeout(300)]

_AT_ONCE = 20


def _runner(
    folder: Path, coordinator: EmbeddedCoordinator, lab: DockerLab, at_once: int, **docker: Any
) -> RunnerProcess:
    settings = {"image": lab.image(), "pull_policy": ["if-not-present"], **docker}
    return RunnerProcess(
        folder,
        coordinator.url,
        coordinator.add_runner(),
        executor="docker",
        docker=settings,
        request_concurrency=at_once,
        global_settings={"concurrent": at_once},
    )


def _left(lab: DockerLab, folder: Path) -> list[str]:
    """Return what the engine still has of a runner: containers, volumes, networks."""
    chosen = {"label": f"{BUSINESS_LABEL}={business_label(str(folder / 'root' / '1'))}"}
    containers = [one["Names"][0] for one in lab.api.containers(all=True, filters=chosen)]
    volumes = [one["Name"] for one in lab.api.volumes(filters=chosen).get("Volumes") or []]
    return [*containers, *volumes, *(one["Name"] for one in lab.api.networks(filters=chosen))]


def _shared(folder: Path) -> Path:
    shared = folder / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    return shared


def test_twenty_jobs_at_once(tmp_path: Path, coordinator: EmbeddedCoordinator, docker_lab: DockerLab) -> None:
    """All of them run at the same time, each in its slot; all succeed, and nothing is left on the engine."""
    shared = _shared(tmp_path)
    # Each waits until all have begun: none can pass unless they run side by side.
    script = [
        "touch /shared/$CI_JOB_ID",
        f'while [ "$(ls /shared | wc -l)" -lt {_AT_ONCE} ]; do sleep 0.2; done',
        "echo slot $CI_CONCURRENT_ID",
        "ls /builds/group",
    ]
    with _runner(tmp_path, coordinator, docker_lab, _AT_ONCE, volumes=[f"{shared}:/shared"]):
        jobs = [
            coordinator.enqueue(script=script, variables={"GIT_STRATEGY": "none"}) for _ in range(_AT_ONCE)
        ]
        for job in jobs:
            coordinator.wait_for(job, "success", timeout=240)
        slots = {line for job in jobs for line in trace_lines(coordinator.trace(job)) if "slot " in line}
        RunnerProcess.until(lambda: _left(docker_lab, tmp_path) == [], "nothing is left")
    assert {f"slot {number}" for number in range(_AT_ONCE)} <= slots
    assert coordinator.violations == []


def test_manager_and_supervisors_killed_together(
    tmp_path: Path, coordinator: EmbeddedCoordinator, docker_lab: DockerLab
) -> None:
    """The scripts go on; the next manager delivers each job whole, with one run of its script."""
    shared = _shared(tmp_path)
    script = [
        "echo ran >> /shared/runs.$CI_JOB_ID",
        "for i in $(seq 100); do echo line $i; done; touch /shared/ready.$CI_JOB_ID",
        "while [ ! -e /shared/go ]; do sleep 0.1; done",
        "for i in $(seq 101 200); do echo line $i; done",
    ]
    runner = _runner(tmp_path, coordinator, docker_lab, 3, volumes=[f"{shared}:/shared"])
    with runner:
        jobs = [coordinator.enqueue(script=script, variables={"GIT_STRATEGY": "none"}) for _ in range(3)]
        RunnerProcess.until(lambda: len(list(shared.glob("ready.*"))) == 3, "the scripts run")
        victims = [runner.fork_server(), *(runner.supervisor(job) for job in jobs)]
        runner.kill()
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
        (shared / "go").touch()
        runner.start()
        for job in jobs:
            coordinator.wait_for(job, "success", timeout=120)
            lines = [one for one in trace_lines(coordinator.trace(job)) if one.startswith("line ")]
            assert lines == [f"line {i}" for i in range(1, 201)]
            assert (shared / f"runs.{job}").read_text() == "ran\n"
        RunnerProcess.until(lambda: _left(docker_lab, tmp_path) == [], "nothing is left")
    assert coordinator.violations == []
