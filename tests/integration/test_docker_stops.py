"""Docker jobs that are stopped at every point, and containers that somebody else takes away (1.3, 11)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pyrunner.jobdir.journal import JobResult
from pyrunner.jobdir.orders import Order
from tests.support.docker import DockerLab
from tests.support.docker_jobs import containers_of, output_of, place_docker_job
from tests.support.docker_registry import StallingProxy, registry, why_no_registry
from tests.support.jobs import PlacedJob
from tests.support.runner import RunnerProcess

pytestmark = [pytest.mark.integration, pytest.mark.docker]

_LOOP = "while :; do sleep 0.1 || true; done"
#: Halts the supervisor in a call of the engine's library, at its first time, until it is let go.
_HALT = """
import os, pathlib, time, {module} as m
real, folder, me = m.{name}, pathlib.Path({folder!r}), os.getpid()
def halt(self, *a, **k):
    if os.getpid() == me and not (folder / "ready").exists():
        (folder / "ready").touch()
        while not (folder / "go").exists(): time.sleep(0.02)
    return real(self, *a, **k)
m.{name} = halt
"""
_GRACE = "import pyrunner.executors.docker.executor as e; e.GRACE = 0.5\n"


def _place(folder: Path, lab: DockerLab, **arguments: Any) -> PlacedJob:
    shared = folder / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    docker = {"volumes": [f"{shared}:/shared"], **arguments.pop("docker", {})}
    return place_docker_job(folder, lab, docker=docker, **arguments)


def _await_ready(job: PlacedJob) -> None:
    RunnerProcess.until((job.folder / "shared" / "ready").exists, "it is ready")


def _let_go(job: PlacedJob) -> None:
    (job.folder / "shared" / "go").touch()


def _left(lab: DockerLab, job: PlacedJob) -> list[str]:
    """Return what is left of a job: containers, volumes, networks."""
    job_id = str(job.payload["id"])
    volumes = [one["Name"] for one in lab.api.volumes().get("Volumes") or [] if job_id in one["Name"]]
    networks = [one["Name"] for one in lab.api.networks() if one["Name"].endswith(f"-{job_id}")]
    return [*containers_of(job, lab), *volumes, *networks]


def _is_canceled(result: JobResult) -> bool:
    return result.failure_reason == "job_canceled"


@pytest.mark.parametrize("order", [Order.CANCEL, Order.ABORT])
def test_during_a_pull(tmp_path: Path, docker_lab: DockerLab, order: Order) -> None:
    """A registry that says nothing keeps no cancelled job."""
    if reason := why_no_registry():
        pytest.skip(reason)
    folder = tmp_path / "registry"
    folder.mkdir()
    with registry(folder) as address:
        proxy = StallingProxy(address, lambda method, path: "/manifests/" in path)
        with proxy.serve() as stalled:
            job = _place(tmp_path, docker_lab, image=f"{stalled}/never:1", docker={"pull_policy": ["always"]})
            job.start()
            assert proxy.held.wait(60)
            job.order(order)
            assert _is_canceled(job.finish())
    assert "Pulling docker image" in job.trace.decode()
    assert _left(docker_lab, job) == []


@pytest.mark.parametrize("order", [Order.CANCEL, Order.ABORT])
@pytest.mark.parametrize("call", ["create_network", "create_container_from_config", "inspect_container"])
def test_during_a_call_to_the_engine(tmp_path: Path, docker_lab: DockerLab, call: str, order: Order) -> None:
    """What the engine makes while the order comes is removed with all else."""
    service = docker_lab.image("EXPOSE 80", 'CMD ["sleep", "1000"]')
    job = _place(
        tmp_path,
        docker_lab,
        services=[{"name": service, "alias": "web"}],
        variables={"FF_NETWORK_PER_BUILD": "true"},
        script=["touch /shared/ran"],
    )
    shared = tmp_path / "shared"
    job.start(_HALT.format(module="docker", name=f"APIClient.{call}", folder=str(shared)))
    _await_ready(job)
    job.order(order)
    _let_go(job)
    assert _is_canceled(job.finish())
    assert not (shared / "ran").exists()
    assert _left(docker_lab, job) == []


def test_while_services_are_waited_for(tmp_path: Path, docker_lab: DockerLab) -> None:
    """Nobody waits half a minute for a service of a cancelled job."""
    service = docker_lab.image("EXPOSE 80", 'CMD ["sleep", "1000"]')
    job = _place(tmp_path, docker_lab, services=[{"name": service, "alias": "web"}])
    job.start()
    job.await_output(b"Waiting for services to be up and running (timeout 30 seconds)...")
    began = time.monotonic()
    job.order(Order.CANCEL)
    assert _is_canceled(job.finish())
    assert time.monotonic() - began < 25
    assert "probably didn't start properly" not in job.trace.decode()
    assert _left(docker_lab, job) == []


def test_abort_of_a_script(tmp_path: Path, docker_lab: DockerLab) -> None:
    """It may clean up, but no after_script follows."""
    job = _place(
        tmp_path,
        docker_lab,
        script=["trap 'echo trapped; exit 1' TERM", "touch /shared/ready", _LOOP],
        after_script=["touch /shared/after"],
    ).start()
    _await_ready(job)
    job.order(Order.ABORT)
    assert _is_canceled(job.finish())
    assert "trapped" in output_of(job)
    assert not (tmp_path / "shared" / "after").exists()
    assert _left(docker_lab, job) == []


@pytest.mark.parametrize("order", [Order.CANCEL, Order.ABORT])
def test_during_after_script(tmp_path: Path, docker_lab: DockerLab, order: Order) -> None:
    """Cancel lets it end, abort does not."""
    job = _place(
        tmp_path,
        docker_lab,
        script=["echo fine"],
        after_script=[
            "touch /shared/ready",
            "while [ ! -e /shared/go ]; do sleep 0.1 || true; done",
            "touch /shared/end",
        ],
    ).start(_GRACE)
    _await_ready(job)
    job.order(order)
    if order is Order.CANCEL:
        _let_go(job)
    result = job.finish()
    assert _is_canceled(result) == (order is Order.ABORT)
    assert (tmp_path / "shared" / "end").exists() == (order is Order.CANCEL)
    assert _left(docker_lab, job) == []


@pytest.mark.parametrize("order", [Order.CANCEL, Order.ABORT])
def test_during_clean_up(tmp_path: Path, docker_lab: DockerLab, order: Order) -> None:
    """It is too late: the job has its result, and all of it goes."""
    job = _place(tmp_path, docker_lab, script=["echo fine"])
    halt = _HALT.format(
        module="pyrunner.executors.docker.executor",
        name="DockerExecutor.cleanup",
        folder=str(tmp_path / "shared"),
    )
    job.start(halt)
    _await_ready(job)
    job.order(order)
    _let_go(job)
    assert job.finish().state == "success"
    assert _left(docker_lab, job) == []


def test_the_jobs_time_is_over(tmp_path: Path, docker_lab: DockerLab) -> None:
    """A script that ignores SIGTERM is killed; no after_script follows."""
    job = _place(
        tmp_path,
        docker_lab,
        timeout=4,
        script=["trap '' TERM", _LOOP],
        after_script=["touch /shared/after"],
    ).start(_GRACE)
    result = job.finish()
    assert result.failure_reason == "job_execution_timeout"
    assert result.message == "execution took longer than 4s seconds"
    assert not (tmp_path / "shared" / "after").exists()
    assert _left(docker_lab, job) == []


def test_the_scripts_time_is_over(tmp_path: Path, docker_lab: DockerLab) -> None:
    """after_script follows, in a new container, and knows why."""
    job = _place(
        tmp_path,
        docker_lab,
        variables={"RUNNER_SCRIPT_TIMEOUT": "2s"},
        script=["touch /kept", "touch /shared/ready", _LOOP],
        after_script=["ls /kept 2>/dev/null || echo fresh", "echo $CI_JOB_STATUS"],
    ).start(_GRACE)
    result = job.finish()
    assert result.failure_reason == "job_execution_timeout"
    assert result.message == "script timeout: context deadline exceeded"
    assert output_of(job, "after_script")[-2:] == ["fresh", "timedout"]
    assert _left(docker_lab, job) == []


def test_killed_from_outside(tmp_path: Path, docker_lab: DockerLab) -> None:
    """``docker kill`` is what a signal is: the script has failed with 137, and after_script follows."""
    job = _place(
        tmp_path, docker_lab, script=["touch /shared/ready", _LOOP], after_script=["echo after"]
    ).start()
    _await_ready(job)
    docker_lab.api.kill(f"execute_1_1_{job.payload['id']}")
    result = job.finish()
    assert (result.failure_reason, result.exit_code, result.message) == (
        "script_failure",
        137,
        "exit code 137",
    )
    assert output_of(job, "after_script")[-1] == "after"


def test_removed_from_outside(tmp_path: Path, docker_lab: DockerLab) -> None:
    """``docker rm -f`` is nobody's exit code: a failure of the system; after_script gets a new container."""
    job = _place(
        tmp_path, docker_lab, script=["echo one; touch /shared/ready", _LOOP], after_script=["echo after"]
    ).start()
    _await_ready(job)
    docker_lab.api.remove_container(f"execute_1_1_{job.payload['id']}", force=True)
    result = job.finish()
    assert result.failure_reason == "runner_system_failure"
    assert result.message == "the container was removed while the job ran"
    assert output_of(job) == ["one"]
    assert output_of(job, "after_script")[-1] == "after"
    assert _left(docker_lab, job) == []


def test_the_helper_container_is_removed(tmp_path: Path, docker_lab: DockerLab) -> None:
    """The next of our stages makes another one."""
    job = _place(
        tmp_path,
        docker_lab,
        docker={"helper_image": docker_lab.image(), "volumes": [f"{tmp_path}/shared:/shared"]},
        script=["touch /shared/ready", "while [ ! -e /shared/go ]; do sleep 0.1 || true; done"],
    ).start()
    _await_ready(job)
    docker_lab.api.remove_container(f"execute_1_1_{job.payload['id']}_helper", force=True)
    _let_go(job)
    assert job.finish().state == "success"
    assert "Cleaning up project directory and file based variables" in job.trace.decode()
    assert _left(docker_lab, job) == []


#: Removes the container after it was found and before the stage begins in it, so many times.
_TAKE_AWAY = """
import pathlib, docker, pyrunner.executors.docker.stages.stage_work as s
run, folder = s.ContainerWork.run, pathlib.Path({folder!r})
def take(self, out, err):
    taken = len(list(folder.glob("taken*")))
    if taken < {times}:
        (folder / f"taken{{taken}}").touch()
        api = docker.APIClient(version="auto")
        api.remove_container(self.container, force=True)
        api.close()
    return run(self, out, err)
s.ContainerWork.run = take
"""


@pytest.mark.parametrize("entrypoint", [False, True], ids=["plain", "entrypoint"])
def test_a_container_that_is_gone_before_its_stage(
    tmp_path: Path, docker_lab: DockerLab, entrypoint: bool
) -> None:
    """With EXECUTOR_JOB_SECTION_ATTEMPTS the stage gets another container; its script runs once."""
    files = {"prepare": b'#!/bin/sh\nexec "$@"\n'}
    image = docker_lab.image('ENTRYPOINT ["/prepare"]', files=files) if entrypoint else ""
    job = _place(
        tmp_path,
        docker_lab,
        image=image,
        variables={"EXECUTOR_JOB_SECTION_ATTEMPTS": "3"},
        script=["echo ran >> /shared/runs"],
    )
    job.start(_TAKE_AWAY.format(folder=str(tmp_path / "shared"), times=2))
    assert job.finish().state == "success"
    assert (tmp_path / "shared" / "runs").read_text() == "ran\n"
    text = job.trace.decode()
    assert text.count("not found or removed. Will retry...") == 2
    assert text.count("Retrying step_script") == 2
    assert "Execution attempts exceeded" not in text
    assert _left(docker_lab, job) == []


@pytest.mark.parametrize("attempts", [1, 2])
def test_containers_that_are_always_gone(tmp_path: Path, docker_lab: DockerLab, attempts: int) -> None:
    """The last try's error is the job's, a failure of the system."""
    job = _place(
        tmp_path,
        docker_lab,
        variables={"EXECUTOR_JOB_SECTION_ATTEMPTS": str(attempts)},
        script=["echo ran >> /shared/runs"],
    )
    job.start(_TAKE_AWAY.format(folder=str(tmp_path / "shared"), times=attempts))
    result = job.finish()
    assert result.failure_reason == "runner_system_failure"
    assert "No such container: " in result.message
    text = job.trace.decode()
    assert text.count("not found or removed. Will retry...") == attempts
    assert text.count("Execution attempts exceeded") == (attempts > 1)
    assert not (tmp_path / "shared" / "runs").exists()
    assert _left(docker_lab, job) == []
