"""Docker jobs from end to end: coordinator, manager, sandbox, engine; what each job made there."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings
from pyrunner.executors.docker.job import business_label
from pyrunner.executors.docker.labels import BUSINESS_LABEL, JOB_LABEL
from pyrunner.executors.docker.workspaces.choice import host_firewall, host_obstacle
from pyrunner.executors.sandbox.limits import why_unlimited
from pyrunner.executors.tree import cgroup_prefix
from pyrunner.system.cgroup_limits import GroupLimits
from pyrunner.system.cgroup_mounts import own_hierarchies
from tests.support.coordinator import GitRepository
from tests.support.docker import DockerLab
from tests.support.runner import RunnerProcess

pytestmark = [pytest.mark.integration, pytest.mark.docker]


@pytest.fixture
def reachable(docker_lab: DockerLab) -> Iterator[EmbeddedCoordinator]:
    """A coordinator on the engine's bridge: loopback is out of reach for containers and sandboxes."""
    [config] = docker_lab.api.inspect_network("bridge")["IPAM"]["Config"]
    gateway = config.get("Gateway") or re.sub(r"\.0/\d+$", ".1", config["Subnet"])
    settings = CoordinatorSettings(trace_update_interval=1)
    with EmbeddedCoordinator(host=gateway, settings=settings) as running:
        yield running


@pytest.fixture
def needs_sandbox() -> None:
    """Skip where workspace stages need a helper container."""
    reason = host_obstacle() or host_firewall()
    if reason:
        pytest.skip(reason)


def manager(folder: Path, coordinator: EmbeddedCoordinator, image: str, **settings: Any) -> RunnerProcess:
    """Return a manager with one docker runner."""
    docker = {"image": image, "pull_policy": ["if-not-present"], **settings.pop("docker", {})}
    token = coordinator.add_runner()
    # Names of containers are an engine's, whichever test or manager makes them.
    tristan = {"business_id": folder.name}
    return RunnerProcess(
        folder,
        coordinator.url,
        token,
        executor="docker",
        docker=docker,
        request_concurrency=4,
        tristan=tristan,
        **settings,
    )


class Creations:
    """The containers that the engine has created for a business since this was made, by their names."""

    def __init__(self, lab: DockerLab, business: Path) -> None:
        self.lab = lab
        self.label = business_label(str(business))
        self.since = time.time()

    def names(self) -> list[str]:
        """Return the names, in order."""
        chosen: dict[str, Any] = {
            "type": "container",
            "event": "create",
            "label": f"{BUSINESS_LABEL}={self.label}",
        }
        events = self.lab.api.events(since=int(self.since), until=time.time(), filters=chosen, decode=True)  # type: ignore[call-overload]
        return [one["Actor"]["Attributes"]["name"] for one in events]


@pytest.mark.usefixtures("needs_sandbox")
def test_one_container_a_job(
    tmp_path: Path, reachable: EmbeddedCoordinator, docker_lab: DockerLab, git_repository: GitRepository
) -> None:
    """Sources, cache and artifacts pass through; the engine made one container a job, and it is gone."""
    reachable.add_repository("group/app", git_repository.path)
    made = Creations(docker_lab, tmp_path / "root" / tmp_path.name)
    with manager(tmp_path, reachable, docker_lab.image()):
        first = reachable.enqueue(
            repository="group/app",
            script=[
                "ls",
                "mkdir -p out store",
                "echo built > out/file",
                "date +%N > store/stamp; cat store/stamp",
            ],
            cache=[{"key": "k", "paths": ["store"], "policy": "pull-push", "when": "on_success"}],
            artifacts=[
                {"name": "out", "paths": ["out"], "artifact_type": "archive", "artifact_format": "zip"}
            ],
        )
        one = reachable.wait_for(first, "success")
        second = reachable.enqueue(
            repository="group/app",
            script=["cat out/file", "cat store/stamp"],
            cache=[{"key": "k", "paths": ["store"], "policy": "pull", "when": "on_success"}],
            dependencies=[first],
        )
        two = reachable.wait_for(second, "success")
    assert made.names() == [f"execute_{tmp_path.name}_1_{one}" for one in (first, second)]
    traces = [job.trace.read().decode() for job in (one, two)]
    assert "Created fresh repository." in traces[0]
    assert "Uploading artifacts" in traces[0]
    assert "Successfully extracted cache" in traces[1]
    assert "built" in traces[1]
    label = f"{BUSINESS_LABEL}={made.label}"
    assert docker_lab.api.containers(all=True, filters={"label": label}) == []


@pytest.mark.usefixtures("needs_sandbox")
def test_limits_hold_for_workspace_stages(
    tmp_path: Path, reachable: EmbeddedCoordinator, docker_lab: DockerLab, git_repository: GitRepository
) -> None:
    """Still one container a job: a control group holds the sandbox, counts its memory, goes with it."""
    if reason := why_unlimited(GroupLimits(memory=1 << 30, nano_cpus=10**9)):
        pytest.skip(reason)
    reachable.add_repository("group/app", git_repository.path)
    root = tmp_path / "root" / tmp_path.name
    made = Creations(docker_lab, root)
    docker = {"memory": "256m", "cpus": "1"}
    with manager(tmp_path, reachable, docker_lab.image(), docker=docker):
        number = reachable.enqueue(repository="group/app", script=["true"])
        job = reachable.wait_for(number, "success")
    assert made.names() == [f"execute_{tmp_path.name}_1_{number}"]
    trace = job.trace.read().decode()
    [sources] = re.findall(r"get_sources +wall .* memory +(\S+)", trace)
    assert sources != "-"
    prefix = cgroup_prefix(str(root))
    left = [one for each in own_hierarchies() for one in (each.own / "pyrunner.jobs").glob(f"{prefix}*")]
    assert left == []


def test_leftovers_of_a_lost_job_go_at_the_next_start(
    tmp_path: Path, reachable: EmbeddedCoordinator, docker_lab: DockerLab
) -> None:
    """What has the label of this business and of no job that lives is removed; nothing else is."""
    image = docker_lab.image()
    with manager(tmp_path, reachable, image) as running:
        job = reachable.enqueue(script=["true"], variables={"GIT_STRATEGY": "none"})
        reachable.wait_for(job, "success")
    labels = {BUSINESS_LABEL: business_label(str(running.root / tmp_path.name)), JOB_LABEL: "job-lost"}
    lost = docker_lab.api.create_container(image, ["true"], labels={**docker_lab.labels, **labels})
    other = docker_lab.api.create_container(image, ["true"], labels=docker_lab.labels)
    with running:
        RunnerProcess.until(
            lambda: not docker_lab.api.containers(all=True, filters={"id": lost["Id"]}), "it is removed"
        )
    assert docker_lab.api.containers(all=True, filters={"id": other["Id"]})


def test_two_projects_do_not_see_each_other(
    tmp_path: Path, reachable: EmbeddedCoordinator, docker_lab: DockerLab
) -> None:
    """Neither sources nor caches nor volumes of one project are in the other's containers."""
    docker = {"volumes": ["/cache", "/data"]}
    write = ["echo secret > /cache/x; echo secret > /data/x; echo secret > /builds/x; echo secret > file"]
    read = ["find /cache /data /builds -type f | grep -v gitlab_runner_env || echo nothing"]
    none = {"GIT_STRATEGY": "none"}
    with manager(tmp_path, reachable, docker_lab.image(), docker=docker, limit=1):
        one = reachable.enqueue(script=write, project_id=1, project_path="group/one", variables=none)
        reachable.wait_for(one, "success")
        again = reachable.enqueue(script=read, project_id=1, project_path="group/one", variables=none)
        other = reachable.enqueue(script=read, project_id=2, project_path="group/two", variables=none)
        mine = reachable.wait_for(again, "success").trace.read().decode()
        foreign = reachable.wait_for(other, "success").trace.read().decode()
    assert "/cache/x" in mine
    assert "/data/x" in mine
    assert re.search(r"^.{32}nothing$", foreign, re.MULTILINE), foreign
    for volume in docker_lab.api.volumes(filters={"label": "com.gitlab.gitlab-runner.managed=true"})[
        "Volumes"
    ]:
        if (volume.get("Labels") or {}).get("com.gitlab.gitlab-runner.destination") == "/data":
            docker_lab.api.remove_volume(volume["Name"], force=True)


def test_a_killed_manager(tmp_path: Path, reachable: EmbeddedCoordinator, docker_lab: DockerLab) -> None:
    """The job runs on in its container, and the next manager delivers it whole."""
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    os.chmod(shared, 0o777)
    docker = {"volumes": [f"{shared}:/shared"]}
    with manager(tmp_path, reachable, docker_lab.image(), docker=docker) as running:
        job = reachable.enqueue(
            script=[
                "for i in $(seq 100); do echo line $i; [ $i = 20 ] && touch /shared/ready; sleep 0.02; done"
            ],
            variables={"GIT_STRATEGY": "none"},
        )
        RunnerProcess.until((shared / "ready").exists, "the script prints")
        running.kill()
        running.start()
        trace = reachable.wait_for(job, "success").trace.read().decode()
    assert re.findall(r"^.{32}line (\d+)$", trace, re.MULTILINE) == [str(i) for i in range(1, 101)]
