"""Every key of docker-executor.md 9 reaches the containers that its column "on" names, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner.errors import BuildError
from pyrunner.executors.docker.container.hostconfig import check_early, host_config, log_config
from pyrunner.executors.docker.container.request import ContainerRequest
from pyrunner.executors.docker.labels import Role
from pyrunner.protocol.job import Image
from tests.support.docker_jobs import docker_job

BUILD, HELPER, SERVICE = Role.BUILD, Role.HELPER, Role.SERVICE
JOB = {BUILD, HELPER}
ALL = {BUILD, HELPER, SERVICE}
DEVICE = {"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r"}
GPU = {"Driver": "", "Count": -1, "Capabilities": [["gpu"]], "Options": {}}


def _host(role: Role, docker: dict[str, Any], **request: Any) -> dict[str, Any]:
    """Return what ``docker`` alone adds to the host config of a container."""
    value = host_config(docker_job(docker=docker), ContainerRequest(role, "image", **request))
    value.pop("LogConfig")
    value.pop("RestartPolicy")
    return value


KEYS: list[tuple[str, Any, str, Any, set[Role]]] = [
    # key of the file, its value, key of the API, its value, on
    ("memory", "1g", "Memory", 1 << 30, JOB),
    ("service_memory", "1g", "Memory", 1 << 30, {SERVICE}),
    ("memory_swap", "1g", "MemorySwap", 1 << 30, JOB),
    ("service_memory_swap", "1g", "MemorySwap", 1 << 30, {SERVICE}),
    ("memory_reservation", "1m", "MemoryReservation", 1 << 20, JOB),
    ("service_memory_reservation", "1m", "MemoryReservation", 1 << 20, {SERVICE}),
    ("cpus", "1.5", "NanoCpus", 1_500_000_000, JOB),
    ("service_cpus", "1/2", "NanoCpus", 500_000_000, {SERVICE}),
    ("cpu_shares", 512, "CpuShares", 512, JOB),
    ("service_cpu_shares", 512, "CpuShares", 512, {SERVICE}),
    ("cpuset_cpus", "0,1", "CpusetCpus", "0,1", JOB),
    ("service_cpuset_cpus", "0", "CpusetCpus", "0", {SERVICE}),
    ("cpuset_mems", "0", "CpusetMems", "0", JOB),
    ("cgroup_parent", "ci", "CgroupParent", "ci", JOB),
    ("service_cgroup_parent", "ci", "CgroupParent", "ci", {SERVICE}),
    ("oom_kill_disable", True, "OomKillDisable", True, JOB),
    ("oom_score_adjust", -500, "OomScoreAdj", -500, JOB),
    ("shm_size", 300000, "ShmSize", 300000, ALL),
    ("ulimit", {"nofile": "1:2"}, "Ulimits", [{"Name": "nofile", "Soft": 1, "Hard": 2}], JOB),
    ("sysctls", {"net.core.somaxconn": "9"}, "Sysctls", {"net.core.somaxconn": "9"}, JOB),
    ("gpus", "all", "DeviceRequests", [GPU], JOB),
    ("service_gpus", "all", "DeviceRequests", [GPU], {SERVICE}),
    ("devices", ["/dev/a:/dev/b:r"], "Devices", [DEVICE], JOB),
    ("services_devices", {"redis:*": ["/dev/a:/dev/b:r"]}, "Devices", [DEVICE], {SERVICE}),
    ("device_cgroup_rules", ["c 1:3 mr"], "DeviceCgroupRules", ["c 1:3 mr"], JOB),
    ("runtime", "runsc", "Runtime", "runsc", ALL),
    ("isolation", "default", "Isolation", "default", ALL),
    ("services_privileged", True, "Privileged", True, {SERVICE}),
    ("privileged", True, "Privileged", True, ALL),
    ("cap_add", ["NET_ADMIN"], "CapAdd", ["NET_ADMIN"], JOB),
    ("cap_drop", ["CHOWN"], "CapDrop", ["CHOWN"], JOB),
    ("group_add", ["video"], "GroupAdd", ["video"], JOB),
    ("security_opt", ["no-new-privileges"], "SecurityOpt", ["no-new-privileges"], JOB),
    ("services_security_opt", ["label=disable"], "SecurityOpt", ["label=disable"], {SERVICE}),
    ("userns_mode", "host", "UsernsMode", "host", ALL),
    ("pid_mode", "host", "PidMode", "host", {BUILD}),
    ("ipcmode", "host", "IpcMode", "host", JOB),
    ("dns", ["8.8.8.8"], "Dns", ["8.8.8.8"], ALL),
    ("dns_search", ["lan"], "DnsSearch", ["lan"], ALL),
    ("extra_hosts", ["a:10.0.0.1"], "ExtraHosts", ["a:10.0.0.1"], ALL),
    ("links", ["db:db"], "Links", ["db:db"], JOB),
    ("volume_driver", "nfs", "VolumeDriver", "nfs", JOB),
    ("volumes_from", ["data:ro"], "VolumesFrom", ["data:ro"], JOB),
    ("tmpfs", {"/run": "rw"}, "Tmpfs", {"/run": "rw"}, JOB),
    ("services_tmpfs", {"/run": "rw"}, "Tmpfs", {"/run": "rw"}, {SERVICE}),
]


@pytest.mark.parametrize("role", sorted(ALL))
@pytest.mark.parametrize(("key", "value", "api_key", "api_value", "on"), KEYS, ids=[row[0] for row in KEYS])
def test_a_key_has_its_effect_where_it_should(
    key: str, value: Any, api_key: str, api_value: Any, on: set[Role], role: Role
) -> None:
    """One key of the file sets one key of the API on its containers, and nothing anywhere else."""
    expected = {api_key: api_value} if role in on else {}
    assert _host(role, {key: value}, image_name="redis:7") == expected


@pytest.mark.parametrize("role", list(Role))
def test_an_empty_table_leaves_the_engines_defaults(role: Role) -> None:
    """Nothing but what every container has."""
    assert _host(role, {}) == {}
    value = host_config(docker_job(), ContainerRequest(role, "image"))
    assert value["RestartPolicy"] == {"Name": "no"}


@pytest.mark.parametrize("role", [Role.CHECK, Role.PERMISSION])
@pytest.mark.parametrize("row", KEYS, ids=[row[0] for row in KEYS])
def test_small_containers_have_no_settings(row: tuple[str, Any, str, Any, set[Role]], role: Role) -> None:
    """Check and permission containers run our own words only."""
    assert _host(role, {row[0]: row[1]}) == {}


def test_links_to_services_come_after_extra_hosts() -> None:
    """On build and helper; a check container has them alone; a service is not told of others."""
    docker = {"extra_hosts": ["a:10.0.0.1"]}
    for role in (BUILD, HELPER):
        assert _host(role, docker, links=["db:10.0.0.2"]) == {"ExtraHosts": ["a:10.0.0.1", "db:10.0.0.2"]}
    assert _host(SERVICE, docker, links=["db:10.0.0.2"]) == {"ExtraHosts": ["a:10.0.0.1"]}
    assert _host(Role.CHECK, docker, links=["db:10.0.0.2"]) == {"ExtraHosts": ["db:10.0.0.2"]}


@pytest.mark.parametrize("role", sorted(ALL))
def test_what_the_request_brings(role: Role) -> None:
    """Network, binds and mounts are those of the job, the same everywhere."""
    mount = {"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": True}
    value = _host(role, {}, network="host", binds=["/x:/y"], mounts=[mount])
    assert value == {"NetworkMode": "host", "Binds": ["/x:/y"], "Mounts": [mount]}


def test_init_runs_in_build_and_service_containers() -> None:
    """The flag is not for the helper container."""
    job = docker_job(flags=frozenset({"FF_USE_INIT_WITH_DOCKER_EXECUTOR"}))
    with_init = {role for role in Role if host_config(job, ContainerRequest(role, "i")).get("Init")}
    assert with_init == {BUILD, SERVICE}


def test_the_log_driver_is_always_json_file() -> None:
    """Allowed options go along; only the build container's log may be read as output, so it is kept whole."""
    config = docker_job(docker={"log_options": {"env": "A"}}).config
    whole = {"max-size": "1000000g", "max-file": "1", "mode": "blocking"}
    assert log_config(config, BUILD) == {"Type": "json-file", "Config": {"env": "A", **whole}}
    for role in (HELPER, SERVICE, Role.CHECK):
        assert log_config(config, role) == {"Type": "json-file", "Config": {"env": "A"}}
    assert log_config(config, Role.PERMISSION) == {"Type": "json-file", "Config": {}}


@pytest.mark.parametrize(
    ("docker", "roles", "words"),
    [
        ({"memory": "x"}, JOB, "Error parsing docker memory: invalid size: 'x'"),
        ({"service_memory": "x"}, {SERVICE}, "Error parsing docker service_memory: invalid size: 'x'"),
        ({"cpus": "x"}, JOB, "failed to parse x as a rational number"),
        ({"service_cpus": "x"}, {SERVICE}, "service nano cpus: failed to parse x as a rational number"),
        ({"ulimit": {"a": "x"}}, JOB, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ({"devices": ["1:2:3:4"]}, JOB, 'failed to parse device string "1:2:3:4": too many colons'),
        ({"services_devices": {"**": ["1:2:3:4"]}}, {SERVICE}, "failed to parse device string"),
        ({"gpus": "x"}, JOB, 'parsing gpus string "x"'),
        ({"service_gpus": "x"}, {SERVICE}, 'parsing gpus string "x"'),
        ({"isolation": "process"}, ALL, 'the isolation value "process" is not valid'),
        ({"dns": ["x"]}, ALL, 'invalid DNS server address "x"'),
        ({"log_options": {"tag": "x"}}, ALL, "creating docker log configuration: invalid log options"),
    ],
)
def test_a_bad_value_fails_the_jobs_that_need_it(
    docker: dict[str, Any], roles: set[Role], words: str
) -> None:
    """At once, as a configuration error with the words of the load; other containers are made as ever."""
    for role in ALL:
        if role not in roles:
            assert host_config(docker_job(docker=docker), ContainerRequest(role, "i"))
            continue
        with pytest.raises(BuildError) as caught:
            host_config(docker_job(docker=docker), ContainerRequest(role, "i"))
        assert words in str(caught.value)
        assert caught.value.failure_reason == "runner_configuration_error"


@pytest.mark.parametrize(
    ("docker", "words"),
    [
        ({"log_options": {"tag": "x"}}, "creating docker log configuration: invalid log options"),
        ({"devices": ["1:2:3:4"]}, "failed to parse device string"),
        ({"gpus": "x"}, 'parsing gpus string "x"'),
    ],
)
def test_some_values_are_refused_before_anything_is_made(docker: dict[str, Any], words: str) -> None:
    """Those that gitlab-runner looks at first; all others wait for the container that needs them."""
    with pytest.raises(BuildError, match=words):
        check_early(docker_job(docker=docker))
    check_early(docker_job(docker={"memory": "x", "service_gpus": "x"}))


def test_slot_cgroups_are_for_autoscalers() -> None:
    """Without a slot the plain key holds; with one the templates, the service's own first."""
    runner = {"use_slot_cgroups": True}
    docker = {"cgroup_parent": "ci", "service_cgroup_parent": "sv"}

    def parent(role: Role, slot: int | None, **more: str) -> str:
        own = {key: value for key, value in more.items() if key.startswith("service")}
        rest = {key: value for key, value in more.items() if key not in own}
        job = docker_job(docker={**docker, **own}, runner={**runner, **rest})
        return str(host_config(job, ContainerRequest(role, "i", slot=slot))["CgroupParent"])

    assert (parent(BUILD, None), parent(SERVICE, None)) == ("ci", "sv")
    assert (parent(BUILD, 5), parent(SERVICE, 5)) == ("gitlab-runner/slot-5", "gitlab-runner/slot-5")
    assert parent(BUILD, 5, slot_cgroup_template="a-${slot}.slice") == "a-5.slice"
    assert parent(SERVICE, 5, slot_cgroup_template="a-${slot}.slice") == "a-5.slice"
    assert parent(SERVICE, 5, service_slot_cgroup_template="b-$slot") == "b-5"
    assert parent(BUILD, 5, service_slot_cgroup_template="b-$slot") == "gitlab-runner/slot-5"


@pytest.mark.parametrize(
    ("role", "docker", "name", "expected"),
    [
        (BUILD, {"privileged": True}, "", True),
        (BUILD, {}, "docker:27", False),
        (BUILD, {"privileged": True, "allowed_privileged_images": ["docker:*"]}, "docker:27", True),
        (BUILD, {"privileged": True, "allowed_privileged_images": ["docker:*"]}, "ruby:3", False),
        # the runner's default image has no name here, the helper's is its id
        (BUILD, {"privileged": True, "allowed_privileged_images": ["docker:*"]}, "", False),
        (BUILD, {"privileged": True, "allowed_privileged_images": ["**"]}, "", True),
        (HELPER, {"privileged": True}, "sha256:abc", True),
        (HELPER, {"privileged": True, "allowed_privileged_images": ["docker:*"]}, "sha256:abc", False),
        (HELPER, {"privileged": True, "allowed_privileged_images": ["*"]}, "sha256:abc", True),
        (BUILD, {"privileged": True, "allowed_privileged_services": ["x"]}, "docker:27", True),
        (SERVICE, {"privileged": True}, "docker:dind", True),
        (SERVICE, {"privileged": True, "services_privileged": False}, "docker:dind", False),
        (SERVICE, {"services_privileged": True}, "docker:dind", True),
        (SERVICE, {"privileged": True, "allowed_privileged_images": ["x"]}, "docker:dind", True),
        (SERVICE, {"privileged": True, "allowed_privileged_services": ["docker:*"]}, "docker:dind", True),
        (SERVICE, {"privileged": True, "allowed_privileged_services": ["docker:*"]}, "redis:7", False),
        (SERVICE, {"allowed_privileged_services": ["docker:*"]}, "docker:dind", False),
    ],
)
def test_privileges(role: Role, docker: dict[str, Any], name: str, expected: bool) -> None:
    """The lists narrow what the switches allow, by the name that the job gave (13 #10)."""
    request = {"image_name": name} if role is HELPER else {"definition": Image(name=name)}
    value = _host(role, docker, **request)
    assert value.get("Privileged", False) is expected
