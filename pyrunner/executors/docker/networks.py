"""The network of a job's containers (docker-executor.md 6)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from pyrunner.executors.docker.container.networking import is_user_defined
from pyrunner.executors.docker.container.refusal import refused
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.job import DockerJob, business_label
from pyrunner.executors.docker.labels import BUSINESS_LABEL, JOB_LABEL, job_labels
from pyrunner.executors.docker.removal import remove_network

_MTU: Final = "com.docker.network.driver.mtu"
_NOT_IN_LABELS: Final = re.compile(r"[^-a-z0-9]")


@dataclass(frozen=True, slots=True)
class JobNetwork:
    """What all containers of a job are on."""

    #: ``NetworkMode``; empty: the engine's default bridge.
    mode: str
    #: It was made for this job.
    own: bool

    @property
    def has_names(self) -> bool:
        """Containers have aliases on it, and need no extra hosts to find each other."""
        return is_user_defined(self.mode)


def make_network(engine: Engine, job: DockerJob) -> JobNetwork:
    """Return the job's network, made where the job has one of its own.

    Safe to repeat: a restarted supervisor finds the network of the former one. What an earlier job of ours
    left under the name goes first.

    :raises BuildError: when ``network_mtu`` cannot be used.
    :raises EngineError: when the engine makes none.
    """
    config = job.config
    if config.network_mode or not job.flag("FF_NETWORK_PER_BUILD"):
        return JobNetwork(config.network_mode, own=False)
    if config.network_mtu < 0:
        raise refused(f"network_mtu: {config.network_mtu} is not between 0 and {2**31 - 1}")
    name = network_name(job)
    if not _find(engine, job, name):
        options = {_MTU: str(config.network_mtu)} if config.network_mtu else {}
        engine.call(
            lambda api: api.create_network(
                name,
                options=options,
                labels=job_labels(job),
                enable_ipv6=config.enable_ipv6,
                check_duplicate=True,
            )
        )
    return JobNetwork(name, own=True)


def network_name(job: DockerJob) -> str:
    """Return the name of the job's own network, which is also in ``CI_BUILD_NETWORK_NAME`` (6.2)."""
    record, payload = job.record, job.job
    text = (
        f"runner-{job.runner.short_token}-{payload.job_info.project_id}"
        f"-{record.concurrent_project_id}-{payload.id}"
    )
    return _NOT_IN_LABELS.sub("", text.lower()).lstrip("-")[:63]


def _find(engine: Engine, job: DockerJob, name: str) -> bool:
    """Tell whether the job has its network already; remove one of that name that a lost job of ours left."""
    networks: list[dict[str, Any]] = engine.call(lambda api: api.networks(names=[name]))
    found = False
    for network in networks:
        labels = network.get("Labels") or {}
        if network.get("Name") != name or labels.get(BUSINESS_LABEL) != business_label(job.record.business):
            continue
        if labels.get(JOB_LABEL) == job.marker:
            found = True
        elif labels.get(JOB_LABEL):
            remove_network(engine, network["Id"], labels[JOB_LABEL])
    return found
