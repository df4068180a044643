"""What a job's containers are on the engine, and what flags change (docker-executor.md 1.2, 1.4, 6.2, 10)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.docker import DockerLab
from tests.support.docker_jobs import containers_of, output_of, place_docker_job
from tests.support.jobs import PlacedJob
from tests.support.runner import RunnerProcess

pytestmark = [pytest.mark.integration, pytest.mark.docker]

_WAITS = ["touch /shared/ready", "while [ ! -e /shared/go ]; do sleep 0.05 || true; done"]
_LABEL = "com.gitlab.gitlab-runner."
_WEB = b"#!/bin/sh\nmkdir -p /www; echo served > /www/index.html\nexec httpd -f -p 80 -h /www\n"


def _place(folder: Path, lab: DockerLab, **arguments: Any) -> PlacedJob:
    shared = folder / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    docker = {"volumes": [f"{shared}:/shared"], **arguments.pop("docker", {})}
    return place_docker_job(folder, lab, docker=docker, **arguments)


def _web(lab: DockerLab) -> str:
    return lab.image('ENTRYPOINT ["/web"]', "EXPOSE 80", files={"web": _WEB})


def _inspected(job: PlacedJob, lab: DockerLab) -> dict[str, dict[str, Any]]:
    """Run the job; return what the engine tells of each container while the script runs, by its name."""
    job.start()
    RunnerProcess.until((job.folder / "shared" / "ready").exists, "the script runs")
    found = {name: lab.api.inspect_container(name) for name in containers_of(job, lab)}
    (job.folder / "shared" / "go").touch()
    assert job.finish().state == "success", job.trace.decode()
    return found


def test_the_build_container(tmp_path: Path, docker_lab: DockerLab) -> None:
    """Field by field, as the table of 1.4 has it."""
    image = docker_lab.image("WORKDIR /tmp", "LABEL of.image=1")
    job = _place(
        tmp_path,
        docker_lab,
        image=image,
        script=_WAITS,
        variables={"MINE": "a value"},
        docker={
            "container_labels": {"mine": "$MINE"},
            "memory": "64m",
            "cpus": "0.5",
            "shm_size": 1048576,
            "cap_add": ["SYS_PTRACE"],
            "cap_drop": ["MKNOD"],
            "volumes": [f"{tmp_path}/shared:/shared", "/cache"],
        },
    )
    name = f"execute_1_1_{job.payload['id']}"
    built = _inspected(job, docker_lab)[name]
    config, host = built["Config"], built["HostConfig"]
    assert config["Image"] == docker_lab.api.inspect_image(image)["Id"]  # type: ignore[no-untyped-call]
    assert config["Hostname"] == "runner-012345678-project-1-concurrent-0"
    assert config["Cmd"][:2] == ["sh", "-c"]
    assert config["Entrypoint"] is None
    assert config["User"] == ""
    assert config["Tty"] is False
    assert config["WorkingDir"] == "/tmp"
    assert {"MINE=a value", f"CI_JOB_ID={job.payload['id']}", "CI_PROJECT_DIR=/builds/group/project"} <= set(
        config["Env"]
    )
    assert not any(job.payload["token"] in word for word in config["Cmd"])
    assert host["RestartPolicy"]["Name"] == "no"
    assert host["NetworkMode"] == "default"
    assert host["LogConfig"]["Type"] == "json-file"
    assert (host["Memory"], host["NanoCpus"], host["ShmSize"]) == (64 << 20, 500_000_000, 1048576)
    assert (host["CapAdd"], host["CapDrop"]) == (["SYS_PTRACE"], ["MKNOD"])
    assert (host["Privileged"], host["AutoRemove"], host.get("Init")) == (False, False, None)
    mounts = {one["Destination"]: (one["Type"], one["RW"]) for one in built["Mounts"]}
    ours = {place for place in mounts if place.startswith("/.")}
    assert {place: mounts[place] for place in mounts.keys() - ours} == {
        "/builds": ("bind", True),
        "/cache": ("bind", True),
        "/shared": ("bind", True),
    }
    assert all(mounts[place] == ("bind", False) for place in ours)


def test_labels(tmp_path: Path, docker_lab: DockerLab) -> None:
    """gitlab-runner's with their prefix, those of the file without, twice on services."""
    job = _place(
        tmp_path,
        docker_lab,
        script=_WAITS,
        services=[{"name": _web(docker_lab), "alias": "web"}],
        variables={"MINE": "a value"},
        docker={"container_labels": {"mine": "$MINE"}, "helper_image": docker_lab.image()},
    )
    found = _inspected(job, docker_lab)
    name, job_id = f"execute_1_1_{job.payload['id']}", str(job.payload["id"])
    assert sorted(found) == [name, f"{name}_helper", f"{name}_svc0"]
    types = {"": "build", "_helper": "predefined", "_svc0": "service"}
    for suffix, kind in types.items():
        labels = found[name + suffix]["Config"]["Labels"]
        of_ours = {key.removeprefix(_LABEL): one for key, one in labels.items() if key.startswith(_LABEL)}
        assert of_ours["job.id"] == job_id
        assert of_ours["job.url"].endswith(f"/-/jobs/{job_id}")
        assert (of_ours["type"], of_ours["managed"]) == (kind, "true")
        assert of_ours["job.timeout"] == "1h0m0s"
        assert (of_ours["project.id"], of_ours["project.runner_id"]) == ("1", "0")
        assert (of_ours["runner.id"], of_ours["runner.local_id"]) == ("012345678", "0")
        assert of_ours["runner.system_id"] == "s_0123456789ab"
        assert labels["mine"] == "a value"
        assert (f"{_LABEL}mine" in labels) == (kind == "service")
    service = found[f"{name}_svc0"]["Config"]["Labels"]
    assert service[f"{_LABEL}service.version"] != ""


def test_a_network_of_the_jobs_own(tmp_path: Path, docker_lab: DockerLab) -> None:
    """Services and build know each other by name; the network has gitlab-runner's name, and goes."""
    job = _place(
        tmp_path,
        docker_lab,
        services=[{"name": _web(docker_lab), "alias": "web other-name"}],
        variables={"FF_NETWORK_PER_BUILD": "true"},
        script=["wget -q -O - http://web/ http://other-name/", "echo $CI_BUILD_NETWORK_NAME", *_WAITS],
    )
    found = _inspected(job, docker_lab)
    name, network = f"execute_1_1_{job.payload['id']}", f"runner-012345678-1-0-{job.payload['id']}"
    assert output_of(job) == ["served", "served", network]
    aliases = found[name]["NetworkSettings"]["Networks"][network]["Aliases"]
    assert {"build", name} <= set(aliases)
    assert {"web", "other-name"} <= set(
        found[f"{name}_svc0"]["NetworkSettings"]["Networks"][network]["Aliases"]
    )
    assert network not in [one["Name"] for one in docker_lab.api.networks()]


def test_an_init_process(tmp_path: Path, docker_lab: DockerLab) -> None:
    """In build and service containers, not in the helper's; the script's exit code comes through."""
    job = _place(
        tmp_path,
        docker_lab,
        services=[{"name": _web(docker_lab), "alias": "web"}],
        variables={"FF_USE_INIT_WITH_DOCKER_EXECUTOR": "true"},
        docker={"helper_image": docker_lab.image()},
        script=["cat /proc/1/comm", *_WAITS],
        after_script=["cat /proc/1/comm"],
    )
    found = _inspected(job, docker_lab)
    assert output_of(job) == ["docker-init"]
    name = f"execute_1_1_{job.payload['id']}"
    init = {suffix: found[name + suffix]["HostConfig"].get("Init") for suffix in ("", "_svc0", "_helper")}
    assert init == {"": True, "_svc0": True, "_helper": None}


def test_an_exit_code_through_init(tmp_path: Path, docker_lab: DockerLab) -> None:
    """The init process hands on what the script ended with."""
    flags = {"FF_USE_INIT_WITH_DOCKER_EXECUTOR": "true"}
    assert _place(tmp_path, docker_lab, variables=flags, script=["exit 23"]).finish().exit_code == 23


@pytest.mark.parametrize("workspace", ["sandbox", "container"])
@pytest.mark.parametrize("flag", [False, True], ids=["umask", "owner"])
def test_whom_the_sources_belong_to(
    tmp_path: Path, docker_lab: DockerLab, workspace: str, flag: bool
) -> None:
    """Without the flag they are open to all; with it they are the image's user's, and nobody else's."""
    job = _place(
        tmp_path,
        docker_lab,
        image=docker_lab.image(
            "USER app", files={"etc/passwd": b"root:x:0:0::/:/bin/sh\napp:x:4711:4712::/:/bin/sh\n"}
        ),
        runner={"tristan": {"workspace": workspace}},
        docker={"helper_image": docker_lab.image()} if workspace == "container" else {},
        variables={"FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR": str(flag).lower(), "GIT_STRATEGY": "empty"},
        script=["stat -c '%u:%g %a' .", "touch made", "stat -c %u:%g made"],
    )
    result = job.finish()
    if workspace == "sandbox" and "bubblewrap" in result.message:
        pytest.skip(result.message)
    assert result.state == "success", job.trace.decode()
    text = job.trace.decode()
    assert output_of(job)[0] == ("4711:4712 755" if flag else "0:0 777")
    assert output_of(job)[1] == "4711:4712"
    assert text.count("Not using umask - FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR is set!") == flag
    assert text.count('Changing ownership of files at "/builds/group/project-empty" to 4711:4712') == flag
    assert text.count('Changing ownership of files at "/builds/group/project-empty.tmp" to 4711:4712') == flag


def test_resource_use(tmp_path: Path, docker_lab: DockerLab) -> None:
    """The closing section has figures of the script and of the services."""
    job = _place(
        tmp_path,
        docker_lab,
        services=[{"name": _web(docker_lab), "alias": "web"}],
        script=[
            "head -c 30000000 /dev/zero | tail -c 20000000 > /dev/null",
            "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done",
        ],
    )
    assert job.finish().state == "success"
    found = re.findall(
        r"0K(\w+) +wall +[\d.]+ s +cpu +([\d.]+) s +memory +([\d.]+) (\w+)", job.trace.decode()
    )
    rows = {name: (float(cpu), float(memory), unit) for name, cpu, memory, unit in found}
    assert rows["step_script"][0] > 0
    assert rows["step_script"][1] > 19
    assert rows["step_script"][2] == "MiB"
    assert rows["services"][1] > 0
