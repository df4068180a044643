"""Limits of workspace stages, read from ``[runners.docker]`` (docker-executor.md 9.3)."""

from __future__ import annotations

import pytest

from pyrunner.config.docker import DockerConfig
from pyrunner.executors.sandbox.limits import group_limits, process_limits, why_unlimited
from pyrunner.system.cgroup_limits import GroupLimits


def test_what_a_helper_container_would_have() -> None:
    """Sizes in bytes, CPUs in billionths."""
    docker = DockerConfig(
        memory="1g", memory_swap="2g", memory_reservation="512m", cpus="1.5", cpu_shares=2048
    )
    assert group_limits(docker) == GroupLimits(1 << 30, 2 << 30, 512 << 20, 1_500_000_000, 2048)
    assert not group_limits(DockerConfig(service_memory="1g", service_cpus="1"))


def test_sizes_that_mean_nothing() -> None:
    """The key is named."""
    with pytest.raises(ValueError, match="memory_swap"):
        group_limits(DockerConfig(memory_swap="much"))


def test_limits_of_processes() -> None:
    """Docker's names; -1 is no limit; what the kernel has none of is left out."""
    docker = DockerConfig(ulimit={"nofile": "1024:2048", "core": "0", "nproc": "-1", "locks": "1"})
    assert process_limits(docker) == {
        "RLIMIT_NOFILE": (1024, 2048),
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_NPROC": (None, None),
    }


def test_no_limits_need_nothing() -> None:
    """Wherever it runs."""
    assert why_unlimited(GroupLimits()) is None
