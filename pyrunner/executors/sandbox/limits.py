"""What a workspace stage may use: the limits that a helper container would have (docker-executor.md 9.3)."""

from __future__ import annotations

import functools
import resource
import secrets
from collections.abc import Mapping

from pyrunner.config.docker import DockerConfig
from pyrunner.config.docker_values import parse_cpus, parse_memory, parse_ulimit
from pyrunner.system.cgroup import JobCgroup
from pyrunner.system.cgroup_limits import GroupLimits


def group_limits(docker: DockerConfig) -> GroupLimits:
    """Return the limits of the stage's control group.

    :raises ValueError: for a value that means nothing; config.toml was refused for it when it was loaded.
    """
    return GroupLimits(
        memory=parse_memory(docker.memory, "memory"),
        memory_swap=parse_memory(docker.memory_swap, "memory_swap"),
        memory_reservation=parse_memory(docker.memory_reservation, "memory_reservation"),
        nano_cpus=parse_cpus(docker.cpus),
        cpu_shares=docker.cpu_shares,
    )


def process_limits(docker: DockerConfig) -> Mapping[str, tuple[int | None, int | None]]:
    """Return ``ulimit`` as ``RLIMIT_…`` to soft and hard limit, None is unlimited.

    :raises ValueError: for a limit that is no number.
    """
    found: dict[str, tuple[int | None, int | None]] = {}
    for name, text in docker.ulimit.items():
        limit = f"RLIMIT_{name.upper()}"
        if hasattr(resource, limit):
            soft, hard = (None if one < 0 else one for one in parse_ulimit(text))
            found[limit] = (soft, hard)
    return found


@functools.lru_cache(maxsize=8)
def why_unlimited(limits: GroupLimits) -> str | None:
    """Return why this host cannot hold a stage to limits; None when it can."""
    if not limits:
        return None
    probe = JobCgroup.create(f"probe-{secrets.token_hex(8)}", limits=limits)
    if probe is None:
        names = " and ".join(sorted(limits.controllers))
        return f"no control group of this service can limit {names}"
    probe.remove()
    return None
