"""Interactive terminals of docker jobs (docker-executor.md 11.5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.executors.docker.labels import ROLE_LABEL
from tests.support.docker import DockerLab
from tests.support.runner import RunnerProcess
from tests.support.terminals import Terminal, enable_sessions

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.timeout(120)]

_GATE = "echo begun; while [ ! -e /tmp/gate ]; do sleep 0.1; done"


@pytest.fixture
def runner(
    coordinator: EmbeddedCoordinator, docker_lab: DockerLab, tmp_path: Path
) -> Iterator[RunnerProcess]:
    settings = {"image": docker_lab.image(), "pull_policy": ["if-not-present"]}
    token = coordinator.add_runner()
    process = RunnerProcess(tmp_path, coordinator.url, token, executor="docker", docker=settings)
    enable_sessions(process)
    with process:
        yield process


def shells_of(lab: DockerLab, image: str) -> list[str]:
    """Return the commands of all processes in the build container; the image is this test's alone."""
    (container,) = lab.api.containers(filters={"ancestor": image, "label": f"{ROLE_LABEL}=build"})
    return [one[-1] for one in lab.api.top(container["Id"])["Processes"]]


def test_a_terminal_in_the_build_container(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, docker_lab: DockerLab
) -> None:
    """It is a shell in the job's own container, with a real terminal; closed, it leaves nothing behind."""
    image = runner.settings["docker"]["image"]
    variables = [{"key": "COLOUR", "value": "blue", "public": True}, {"key": "GIT_STRATEGY", "value": "none"}]
    job_id = coordinator.enqueue(script=[_GATE, "echo passed"], variables=variables)
    coordinator.wait_for_trace(job_id, b"begun")
    with Terminal.open(coordinator.terminal(job_id)) as terminal:
        terminal.type("echo $COLOUR-$((40+2)); tty; stty rows 50 cols 132; stty size\n")
        terminal.await_text("blue-42")
        terminal.await_text("/dev/pts/")
        terminal.await_text("50 132")
        assert any(one.endswith("sh -l") for one in shells_of(docker_lab, image))
        terminal.type("sleep 1000\n")
        runner.until(lambda: "sleep 1000" in shells_of(docker_lab, image), "it sleeps")
    runner.until(
        lambda: not any(one.endswith(("sh -l", "sleep 1000")) for one in shells_of(docker_lab, image)),
        "shell and what ran in it have gone",
    )
    with Terminal.open(coordinator.terminal(job_id)) as terminal:
        terminal.type("touch /tmp/gate\n")
        # The script is the container's first process: with it the terminal ends.
        terminal.await_end()
    coordinator.wait_for(job_id, "success")
    assert coordinator.violations == []


def test_cancel_ends_the_terminal(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """A canceled job's container goes, and the terminal with it."""
    variables = [{"key": "GIT_STRATEGY", "value": "none"}]
    script = "echo begun; trap 'exit 1' TERM; while :; do echo .; sleep 0.2; done"
    job_id = coordinator.enqueue(script=[script], variables=variables)
    coordinator.wait_for_trace(job_id, b"begun")
    with Terminal.open(coordinator.terminal(job_id)) as terminal:
        terminal.type("echo he''re\n")
        terminal.await_text("here")
        coordinator.cancel(job_id)
        terminal.await_end()
    coordinator.wait_for(job_id, "canceled")
