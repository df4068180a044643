"""The body of ``POST /containers/create`` for every container of a job (docker-executor.md 1.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pyrunner.executors.docker.container.hostconfig import host_config
from pyrunner.executors.docker.container.networking import networking_config
from pyrunner.executors.docker.container.request import ContainerRequest
from pyrunner.executors.docker.container.security import container_user, entrypoint
from pyrunner.executors.docker.job import DockerJob
from pyrunner.executors.docker.labels import Role, container_labels
from pyrunner.protocol.variables import VariableSet

_STAGES: Final = (Role.BUILD, Role.HELPER)


def create_arguments(
    job: DockerJob,
    request: ContainerRequest,
    *,
    at_least: Callable[[str], bool],
    warn: Callable[[str], None],
) -> dict[str, Any]:
    """Return what the engine makes a container from.

    :param at_least: tells whether the engine's API is of that version or newer.
    :param warn: takes a warning for the job's trace.
    :raises BuildError: at the first value of config.toml that cannot be used.
    :raises PyrunnerError: when the job asks for a user that it may not run as.
    """
    config, role = job.config, request.role
    stage = role in _STAGES
    body: dict[str, Any] = {
        "Image": request.image,
        "Hostname": (config.hostname or job.upstream_name) if stage else "",
        "Env": list(request.environment),
        "Cmd": list(request.command),
        "Entrypoint": entrypoint(config, request, warn),
        "User": container_user(job, request),
        "Labels": container_labels(job, role, request.labels),
        "Tty": False,
        "AttachStdout": stage,
        "AttachStderr": stage,
        "HostConfig": host_config(job, request),
    }
    if request.stdin:
        body.update({"OpenStdin": True, "StdinOnce": True, "AttachStdin": True})
    if role in (Role.BUILD, Role.HELPER, Role.SERVICE):
        body["NetworkingConfig"] = networking_config(request, config.mac_address, at_least, warn)
    return {key: value for key, value in body.items() if value not in ("", [], {}, None, False)}


def environment(variables: VariableSet) -> list[str]:
    """Return ``Env``: all variables in order, file variables as their path.

    Of a name that comes twice the engine takes the last.
    """
    return [f"{one.key}={variables.file_path(one.key) if one.file else one.value}" for one in variables]


def platform_argument(system: str, architecture: str, variant: str = "") -> str:
    """Return ``platform`` of the request: what the image turned out to be, not what was asked for (3.4)."""
    return "/".join(one for one in (system, architecture, variant) if one)
