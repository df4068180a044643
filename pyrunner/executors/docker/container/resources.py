"""Memory, CPUs, limits and cgroups of a container (docker-executor.md 9.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pyrunner.config.docker import DockerConfig
from pyrunner.config.docker_values import parse_cpus, parse_memory, parse_ulimit
from pyrunner.config.model import RunnerConfig
from pyrunner.executors.docker.container.refusal import configured
from pyrunner.executors.docker.container.request import ContainerRequest
from pyrunner.executors.docker.labels import Role
from pyrunner.protocol.variables import Variable, VariableSet

_SLOT_TEMPLATE: Final = "gitlab-runner/slot-${slot}"


def memory(config: DockerConfig, key: str) -> int:
    """Return the bytes of ``memory`` or its like; 0 without any.

    :raises BuildError: when it is no size.
    """
    return configured(lambda text: parse_memory(text, key), getattr(config, key))


def nano_cpus(config: DockerConfig, role: Role) -> int:
    """Return billionths of a CPU; 0: any number.

    :raises BuildError: when ``cpus`` is no rational number.
    """
    if role is Role.SERVICE:
        return configured(parse_cpus, config.service_cpus, "service nano cpus: ")
    return configured(parse_cpus, config.cpus)


def ulimits(limits: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return ``Ulimits``.

    :raises BuildError: when a limit is no integer.
    """
    parsed = ((name, configured(parse_ulimit, text)) for name, text in limits.items())
    return [{"Name": name, "Soft": soft, "Hard": hard} for name, (soft, hard) in parsed]


def cgroup_parent(runner: RunnerConfig, config: DockerConfig, request: ContainerRequest) -> str:
    """Return the cgroup that a container's own is made in; empty: the engine's default.

    ``use_slot_cgroups`` is about the slots of an autoscaler; without one it has no effect, as upstream.
    """
    service = request.role is Role.SERVICE
    if not runner.use_slot_cgroups or request.slot is None:
        return config.service_cgroup_parent if service else config.cgroup_parent
    own = config.service_slot_cgroup_template if service else ""
    template = own or runner.slot_cgroup_template or _SLOT_TEMPLATE
    return VariableSet([Variable("slot", str(request.slot))]).expand_value(template)
