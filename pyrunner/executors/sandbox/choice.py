"""Where the workspace stages of a container job run: in the sandbox, or in a helper container (design R8)."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pyrunner.config.docker import DockerConfig
from pyrunner.config.model import RunnerConfig
from pyrunner.errors import BuildError
from pyrunner.executors.sandbox.limits import group_limits
from pyrunner.executors.sandbox.plan import within
from pyrunner.protocol.states import FailureReason
from pyrunner.system.cgroup_limits import GroupLimits

SANDBOX: Final = "sandbox"
CONTAINER: Final = "container"
#: Where a helper image looks for CA certificates (docker-executor.md 8.3), and the stores themselves.
_CA_PATHS: Final = (
    "/etc/gitlab-runner/certs",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/ca-certificates",
    "/var/lib/ca-certificates",
)


@dataclass(frozen=True)
class EngineFacts:
    """What of a container engine decides."""

    #: It sees this host's files (``Endpoint.local``).
    local: bool
    rootless: bool = False
    #: Container users are mapped to others of the host.
    remapped: bool = False
    #: Containers on the default bridge have IPv6, which the sandbox has not.
    bridge_ipv6: bool = False

    @classmethod
    def of(cls, local: bool, info: Mapping[str, Any], bridge: Mapping[str, Any] | None = None) -> EngineFacts:
        """Return the facts.

        :param info: answer of ``GET /info``.
        :param bridge: answer of ``GET /networks/bridge``, where it was asked.
        """
        options = [str(one) for one in info.get("SecurityOptions") or ()]
        names = {part for one in options for part in one.split(",")}
        ipv6 = bool((bridge or {}).get("EnableIPv6"))
        return cls(local, "name=rootless" in names, "name=userns" in names, ipv6)


@dataclass(frozen=True)
class Workspace:
    """The choice, and why, for log and ``doctor``."""

    kind: str
    reason: str


def choose_workspace(
    runner: RunnerConfig,
    docker: DockerConfig,
    engine: EngineFacts,
    builds_dir: str,
    *,
    job_hooks: bool,
    unavailable: Callable[[], str | None],
    firewall: Callable[[], str],
    unlimited: Callable[[GroupLimits], str | None],
) -> Workspace:
    """Return where workspace stages of a job run.

    :param builds_dir: as containers see it.
    :param job_hooks: the pipeline sends ``pre_get_sources_script`` or its like.
    :param unavailable: :func:`.available.sandbox_available`; asked only where it matters.
    :param firewall: :func:`.firewall.line_for_containers`; likewise.
    :param unlimited: :func:`.limits.why_unlimited`; likewise.
    :raises BuildError: when the sandbox is demanded and cannot be had, or the setting means nothing.
    """
    wanted = runner.tristan.workspace
    if wanted == CONTAINER:
        return Workspace(CONTAINER, "workspace is set to container")
    if wanted == SANDBOX:
        reason = next(_impossible(engine, job_hooks), None) or unavailable() or unlimited(_limits(docker))
        if reason:
            raise BuildError(
                f'workspace = "sandbox" is not possible: {reason}; use "auto" or "container"',
                FailureReason.CONFIGURATION_ERROR,
            )
        return Workspace(SANDBOX, "workspace is set to sandbox")
    if wanted != "auto":
        raise BuildError(
            f'workspace = "{wanted}" in [runners.tristan] is none of auto, sandbox, container',
            FailureReason.CONFIGURATION_ERROR,
        )
    for reason in _impossible(engine, job_hooks):
        return Workspace(CONTAINER, reason)
    for reason in _not_the_same(runner, docker, engine, builds_dir):
        return Workspace(CONTAINER, reason)
    missing = unavailable() or unlimited(_limits(docker))
    if missing:
        return Workspace(CONTAINER, missing)
    line = firewall()
    if line:
        return Workspace(CONTAINER, f"the firewall holds containers back ({line})")
    return Workspace(SANDBOX, "the sandbox does what a helper container would")


def _impossible(engine: EngineFacts, job_hooks: bool) -> Iterator[str]:
    """Yield what no setting can overrule: another machine, other users, the pipeline's own commands."""
    if not engine.local:
        yield "the container engine is on another host"
    if engine.rootless:
        yield "the container engine is rootless"
    if engine.remapped:
        yield "the container engine maps users (userns-remap)"
    if job_hooks:
        yield "the pipeline has scripts that run with get_sources (hooks)"


def _not_the_same(
    runner: RunnerConfig, docker: DockerConfig, engine: EngineFacts, builds_dir: str
) -> Iterator[str]:
    """Yield settings that change a helper container and would not change the sandbox."""
    for key in ("pre_get_sources_script", "post_get_sources_script"):
        if getattr(runner, key):
            yield f"{key} is set"
    for key in (
        "helper_image",
        "dns",
        "dns_search",
        "extra_hosts",
        "userns_mode",
        "runtime",
        "volume_driver",
        "cgroup_parent",
        "cpuset_cpus",
        "cpuset_mems",
        "oom_kill_disable",
    ):
        if getattr(docker, key):
            yield f"{key} is set"
    if docker.network_mode not in ("", "bridge", "default"):
        yield f"network_mode is {docker.network_mode}"
    if engine.bridge_ipv6:
        yield "the engine's default bridge has IPv6"
    for volume in docker.volumes:
        target = _destination(volume)
        for taken in (builds_dir, *_CA_PATHS):
            if within(target, taken) or within(taken, target):
                yield f"a volume is mounted at {target}"


def _limits(docker: DockerConfig) -> GroupLimits:
    try:
        return group_limits(docker)
    except ValueError as error:
        raise BuildError(str(error), FailureReason.CONFIGURATION_ERROR) from error


def _destination(volume: str) -> str:
    parts = volume.split(":")
    return posixpath.normpath(parts[1] if len(parts) > 1 and parts[1].startswith("/") else parts[0])
