"""The body of the request that makes a container."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner.build.variables import VariableSources
from pyrunner.errors import BuildError
from pyrunner.executors.docker.container.arguments import create_arguments, environment, platform_argument
from pyrunner.executors.docker.container.networking import is_user_defined
from pyrunner.executors.docker.container.request import ContainerRequest
from pyrunner.executors.docker.job import DockerJob
from pyrunner.executors.docker.labels import Role, container_labels
from pyrunner.executors.docker.networks import network_name
from pyrunner.jobdir.record import TLSData
from pyrunner.protocol.job import Image
from pyrunner.protocol.variables import Variable, VariableSet
from tests.support.contexts import DOCKER_LIKE
from tests.support.docker_jobs import docker_job

MAC = "92:d0:c6:0a:29:33"


def _body(job: DockerJob, request: ContainerRequest, api: int = 44) -> tuple[dict[str, Any], list[str]]:
    warnings: list[str] = []
    body = create_arguments(
        job, request, at_least=lambda version: api >= int(version[2:]), warn=warnings.append
    )
    return body, warnings


def test_a_build_container() -> None:
    """Image, command, environment, user, host name, entrypoint, labels; nothing that is empty."""
    definition = Image(entrypoint=["/in"], command=["ignored"], executor_opts={"docker": {"user": "app"}})
    request = ContainerRequest(
        Role.BUILD, "ruby@sha256:1", definition=definition, command=["sh", "-c", "x"], environment=["A=1"]
    )
    job = docker_job()
    body, warnings = _body(job, request)
    host = body.pop("HostConfig")
    assert body == {
        "Image": "ruby@sha256:1",
        "Hostname": job.upstream_name,
        "Env": ["A=1"],
        "Cmd": ["sh", "-c", "x"],
        "Entrypoint": ["/in"],
        "User": "app",
        "Labels": container_labels(job, Role.BUILD),
        "AttachStdout": True,
        "AttachStderr": True,
    }
    assert set(host) == {"LogConfig", "RestartPolicy"}
    assert warnings == []


def test_standard_input_is_asked_for() -> None:
    """It is open for one who attaches, and for him only."""
    body, _ = _body(docker_job(), ContainerRequest(Role.BUILD, "i", stdin=True))
    assert [body[key] for key in ("OpenStdin", "StdinOnce", "AttachStdin")] == [True, True, True]


def test_host_names() -> None:
    """The file's, else gitlab-runner's, on build and helper; a service keeps its id."""
    for role, expected in ((Role.BUILD, "h"), (Role.HELPER, "h"), (Role.SERVICE, None)):
        body, _ = _body(docker_job(docker={"hostname": "h"}), ContainerRequest(role, "i"))
        assert body.get("Hostname") == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("", False),
        ("default", False),
        ("bridge", False),
        ("host", False),
        ("none", False),
        ("container:abc", False),
        ("ci", True),
    ],
)
def test_only_networks_that_somebody_made_have_names(mode: str, expected: bool) -> None:
    """Aliases anywhere else are an error of the engine."""
    assert is_user_defined(mode) is expected
    body, _ = _body(docker_job(), ContainerRequest(Role.BUILD, "i", network=mode, aliases=["build", "x"]))
    networks = {"EndpointsConfig": {mode: {"Aliases": ["build", "x"]}}}
    assert body.get("NetworkingConfig") == (networks if expected else None)


@pytest.mark.parametrize("role", [Role.BUILD, Role.HELPER, Role.SERVICE])
def test_mac_addresses(role: Role) -> None:
    """Every container of the job has it, on whatever network; older engines cannot, and the job is told."""
    job = docker_job(docker={"mac_address": MAC.upper()})
    body, warnings = _body(job, ContainerRequest(role, "i"))
    assert body["NetworkingConfig"] == {"EndpointsConfig": {"default": {"MacAddress": MAC}}}
    assert warnings == []
    body, _ = _body(job, ContainerRequest(role, "i", network="ci", aliases=["a"]))
    assert body["NetworkingConfig"] == {"EndpointsConfig": {"ci": {"Aliases": ["a"], "MacAddress": MAC}}}
    body, warnings = _body(job, ContainerRequest(role, "i"), api=43)
    assert "NetworkingConfig" not in body
    assert warnings == [
        "mac_address is configured, but the Docker daemon's API version is older than 1.44; "
        "it cannot be applied to this container"
    ]


def test_a_mac_address_that_is_none() -> None:
    """The job fails; an engine that could not use it does not look at it."""
    job = docker_job(docker={"mac_address": "zz"})
    with pytest.raises(BuildError, match=r'^invalid MAC address "zz": ') as caught:
        _body(job, ContainerRequest(Role.BUILD, "i"))
    assert caught.value.failure_reason == "runner_configuration_error"
    assert _body(job, ContainerRequest(Role.BUILD, "i"), api=41)[1]


def test_check_and_permission_containers_are_plain() -> None:
    """No host name, no user, no MAC address, no entrypoint of the job's."""
    job = docker_job(docker={"hostname": "h", "user": "u", "mac_address": MAC})
    for role in (Role.CHECK, Role.PERMISSION):
        definition = Image(entrypoint=["x"], executor_opts={"docker": {"user": "y"}})
        body, _ = _body(job, ContainerRequest(role, "i", command=["a"], definition=definition))
        assert set(body) == {"Image", "Cmd", "Labels", "HostConfig"}


def test_the_environment_is_the_list_as_it_is() -> None:
    """In order, twice if twice; file variables as the path of their file."""
    variables = VariableSet(
        [
            Variable("A", "1"),
            Variable("RUNNER_TEMP_PROJECT_DIR", "/builds/x.tmp"),
            Variable("F", "secret", file=True),
            Variable("A", "a=b\nc"),
        ]
    )
    assert environment(variables) == [
        "A=1",
        "RUNNER_TEMP_PROJECT_DIR=/builds/x.tmp",
        "F=/builds/x.tmp/F",
        "A=a=b\nc",
    ]


def test_platforms() -> None:
    """System, architecture, variant, as far as they are known."""
    assert platform_argument("linux", "arm", "v7") == "linux/arm/v7"
    assert platform_argument("linux", "amd64") == "linux/amd64"


@pytest.mark.parametrize("token", ["glrt-t1_abcdefghijkl", "GLRT-T1_.._ABC", "x" * 90])
def test_the_networks_name_is_what_the_job_is_told(token: str) -> None:
    """``CI_BUILD_NETWORK_NAME`` names the network that there is."""
    job = docker_job(runner={"token": token})
    sources = VariableSources(
        job.job, job.runner, DOCKER_LIKE, 2, job.record.concurrent_project_id, TLSData()
    )
    assert network_name(job) == sources.network_name()
    assert len(network_name(job)) <= 63
