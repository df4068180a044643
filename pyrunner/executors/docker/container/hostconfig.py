"""``HostConfig`` of every container, key by key (docker-executor.md 9): one row, one key.

The table says on which containers a key has an effect - the column "on" of the specification - and what its
value is. What is empty is left out: the engine's default is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pyrunner.config.docker import DockerConfig
from pyrunner.config.docker_values import check_isolation, check_log_options, parse_dns
from pyrunner.executors.docker.container.devices import device_mappings, device_requests
from pyrunner.executors.docker.container.refusal import configured
from pyrunner.executors.docker.container.request import ContainerRequest
from pyrunner.executors.docker.container.resources import cgroup_parent, memory, nano_cpus, ulimits
from pyrunner.executors.docker.container.security import is_privileged, security_options
from pyrunner.executors.docker.job import DockerJob
from pyrunner.executors.docker.labels import Role

#: The engine's log of a build container is not the job's output, but where that is read from the log no
#: setting of the engine may cut it short or drop lines (design R3).
_WHOLE_LOG: Final = {"max-size": "1000000g", "max-file": "1", "mode": "blocking"}


@dataclass(frozen=True)
class _Source:
    """What the values of the table are made from."""

    job: DockerJob
    config: DockerConfig
    request: ContainerRequest


@dataclass(frozen=True)
class _Row:
    key: str
    roles: frozenset[Role]
    value: Callable[[_Source], Any]


_B: Final = frozenset((Role.BUILD,))
_BH: Final = frozenset((Role.BUILD, Role.HELPER))
_S: Final = frozenset((Role.SERVICE,))
_BS: Final = _B | _S
_BHS: Final = _BH | _S
#: The check container included: it has to see what the job's containers see.
_NETWORKED: Final = _BHS | {Role.CHECK}
_ALL: Final = frozenset(Role)

_ROWS: Final = (
    # resources (9.3)
    _Row("Memory", _BH, lambda s: memory(s.config, "memory")),
    _Row("Memory", _S, lambda s: memory(s.config, "service_memory")),
    _Row("MemorySwap", _BH, lambda s: memory(s.config, "memory_swap")),
    _Row("MemorySwap", _S, lambda s: memory(s.config, "service_memory_swap")),
    _Row("MemoryReservation", _BH, lambda s: memory(s.config, "memory_reservation")),
    _Row("MemoryReservation", _S, lambda s: memory(s.config, "service_memory_reservation")),
    _Row("NanoCpus", _BHS, lambda s: nano_cpus(s.config, s.request.role)),
    _Row("CpuShares", _BH, lambda s: s.config.cpu_shares),
    _Row("CpuShares", _S, lambda s: s.config.service_cpu_shares),
    _Row("CpusetCpus", _BH, lambda s: s.config.cpuset_cpus),
    _Row("CpusetCpus", _S, lambda s: s.config.service_cpuset_cpus),
    _Row("CpusetMems", _BH, lambda s: s.config.cpuset_mems),
    _Row("CgroupParent", _BHS, lambda s: cgroup_parent(s.job.runner, s.config, s.request)),
    _Row("OomKillDisable", _BH, lambda s: s.config.oom_kill_disable),
    _Row("OomScoreAdj", _BH, lambda s: s.config.oom_score_adjust),
    _Row("ShmSize", _BHS, lambda s: s.config.shm_size),
    _Row("Ulimits", _BH, lambda s: ulimits(s.config.ulimit)),
    _Row("Sysctls", _BH, lambda s: s.config.sysctls),
    _Row("Devices", _BHS, lambda s: device_mappings(s.config, s.request)),
    _Row("DeviceRequests", _BHS, lambda s: device_requests(s.config, s.request.role)),
    _Row("DeviceCgroupRules", _BH, lambda s: s.config.device_cgroup_rules),
    _Row("Runtime", _BHS, lambda s: s.config.runtime),
    _Row("Isolation", _BHS, lambda s: configured(check_isolation, s.config.isolation)),
    # security (9.4)
    _Row("Privileged", _BHS, lambda s: is_privileged(s.config, s.request)),
    _Row("CapAdd", _BH, lambda s: s.config.cap_add),
    _Row("CapDrop", _BH, lambda s: s.config.cap_drop),
    _Row("GroupAdd", _BH, lambda s: s.config.group_add),
    _Row("SecurityOpt", _BHS, lambda s: _security(s)),
    _Row("UsernsMode", _BHS, lambda s: s.config.userns_mode),
    _Row("PidMode", _B, lambda s: s.config.pid_mode),
    _Row("IpcMode", _BH, lambda s: s.config.ipcmode),
    # network (9.2)
    _Row("NetworkMode", _NETWORKED, lambda s: s.request.network),
    _Row("Dns", _BHS, lambda s: [configured(parse_dns, one) for one in s.config.dns]),
    _Row("DnsSearch", _BHS, lambda s: s.config.dns_search),
    _Row("ExtraHosts", _BH, lambda s: [*s.config.extra_hosts, *s.request.links]),
    _Row("ExtraHosts", _S, lambda s: s.config.extra_hosts),
    _Row("ExtraHosts", frozenset((Role.CHECK,)), lambda s: list(s.request.links)),
    _Row("Links", _BH, lambda s: s.config.links),
    # storage (9.5)
    _Row("Binds", _ALL, lambda s: list(s.request.binds)),
    _Row("Mounts", _ALL, lambda s: [dict(one) for one in s.request.mounts]),
    _Row("VolumeDriver", _BH, lambda s: s.config.volume_driver),
    _Row("VolumesFrom", _BH, lambda s: s.config.volumes_from),
    _Row("Tmpfs", _BH, lambda s: s.config.tmpfs),
    _Row("Tmpfs", _S, lambda s: s.config.services_tmpfs),
    # behaviour (9.1, 9.6)
    _Row("Init", _BS, lambda s: s.job.flag("FF_USE_INIT_WITH_DOCKER_EXECUTOR")),
    _Row("LogConfig", _ALL, lambda s: log_config(s.config, s.request.role)),
    _Row("RestartPolicy", _ALL, lambda _: {"Name": "no"}),
)


def host_config(job: DockerJob, request: ContainerRequest) -> dict[str, Any]:
    """Return ``HostConfig`` of a container.

    :raises BuildError: at the first value of config.toml that cannot be used.
    """
    source = _Source(job, job.config, request)
    chosen = ((row.key, row.value(source)) for row in _ROWS if request.role in row.roles)
    return {key: value for key, value in chosen if value}


def check_early(job: DockerJob) -> None:
    """Refuse what gitlab-runner refuses before it pulls or makes anything (1.1 steps 2 and 10).

    :raises BuildError: at the first of ``log_options``, ``devices`` and ``gpus`` that cannot be used.
    """
    config, request = job.config, ContainerRequest(Role.BUILD, "")
    log_config(config, Role.BUILD)
    device_mappings(config, request)
    device_requests(config, Role.BUILD)


def log_config(config: DockerConfig, role: Role) -> dict[str, Any]:
    """Return ``LogConfig``: always the json-file driver.

    :raises BuildError: when ``log_options`` has a key that may not be set.
    """
    options: Mapping[str, str] = {}
    if role is not Role.PERMISSION:
        options = configured(check_log_options, config.log_options)
    return {"Type": "json-file", "Config": {**options, **(_WHOLE_LOG if role is Role.BUILD else {})}}


def _security(source: _Source) -> list[str]:
    config, folder = source.config, source.job.record.working_directory
    if source.request.role is Role.SERVICE:
        return security_options(config.services_security_opt, folder, "services security")
    return security_options(config.security_opt, folder, "security")
