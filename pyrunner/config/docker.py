"""``[runners.docker]`` and ``[[runners.docker.services]]`` (config-and-commands.md 1.7, 1.8)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pyrunner.config.kinds import StringOrList

DEFAULT_PULL_POLICY: Final = "always"
DEFAULT_WAIT_FOR_SERVICES_TIMEOUT: Final = 30


@dataclass(frozen=True)
class DockerService:
    """A service that is started for every job of the runner, before the job's own (1.8)."""

    name: str = ""
    #: Extra host names, separated by spaces or commas.
    alias: str = ""
    command: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    #: ``KEY=VALUE`` for that service only.
    environment: list[str] = field(default_factory=list)
    #: Accepted, not acted on.
    suspend_data_path: str = ""


@dataclass(frozen=True)
class DockerConfig:
    """The docker executor's settings; strings are as written, empty where the file has no value.

    Sizes such as ``memory`` and numbers such as ``cpus`` are text in the file, and are checked by
    the executor when a job runs, as gitlab-runner does (1.7). The order is the one in which
    gitlab-runner writes them, and ``always`` marks what it writes even at its default (1.17).
    """

    host: str = ""
    tls_cert_path: str = ""
    tls_verify: bool = field(default=False, metadata={"always": True})
    hostname: str = ""
    image: str = field(default="", metadata={"always": True})
    runtime: str = ""
    memory: str = ""
    memory_swap: str = ""
    memory_reservation: str = ""
    cgroup_parent: str = ""
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    cpus: str = ""
    cpu_shares: int = 0
    dns: list[str] = field(default_factory=list)
    dns_search: list[str] = field(default_factory=list)
    privileged: bool = field(default=False, metadata={"always": True})
    #: None means as ``privileged``.
    services_privileged: bool | None = None
    disable_entrypoint_overwrite: bool = field(default=False, metadata={"always": True})
    user: str = ""
    allowed_users: list[str] = field(default_factory=list)
    group_add: list[str] = field(default_factory=list)
    userns_mode: str = ""
    cap_add: list[str] = field(default_factory=list)
    cap_drop: list[str] = field(default_factory=list)
    oom_kill_disable: bool = field(default=False, metadata={"always": True})
    oom_score_adjust: int = 0
    security_opt: list[str] = field(default_factory=list)
    services_security_opt: list[str] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    device_cgroup_rules: list[str] = field(default_factory=list)
    gpus: str = ""
    services_devices: dict[str, list[str]] = field(default_factory=dict)
    disable_cache: bool = field(default=False, metadata={"always": True})
    volumes: list[str] = field(default_factory=list)
    volume_keep: bool = field(default=False, metadata={"always": True})
    volume_driver: str = ""
    volume_driver_ops: dict[str, str] = field(default_factory=dict)
    cache_dir: str = ""
    extra_hosts: list[str] = field(default_factory=list)
    volumes_from: list[str] = field(default_factory=list)
    network_mode: str = ""
    pid_mode: str = ""
    ipcmode: str = ""
    mac_address: str = ""
    links: list[str] = field(default_factory=list)
    services: list[DockerService] = field(default_factory=list)
    #: None and negative: no limit.
    services_limit: int | None = None
    service_memory: str = ""
    service_memory_swap: str = ""
    service_memory_reservation: str = ""
    service_cgroup_parent: str = ""
    service_slot_cgroup_template: str = ""
    service_cpuset_cpus: str = ""
    service_cpus: str = ""
    service_cpu_shares: int = 0
    service_gpus: str = ""
    #: Seconds; see :attr:`effective_wait_for_services_timeout`.
    wait_for_services_timeout: int = 0
    allowed_images: list[str] = field(default_factory=list)
    allowed_privileged_images: list[str] = field(default_factory=list)
    allowed_privileged_services: list[str] = field(default_factory=list)
    allowed_pull_policies: list[str] = field(default_factory=list)
    allowed_services: list[str] = field(default_factory=list)
    pull_policy: StringOrList = field(default_factory=list)
    isolation: str = ""
    #: Bytes; 0: the engine's default.
    shm_size: int = field(default=0, metadata={"always": True})
    tmpfs: dict[str, str] = field(default_factory=dict)
    services_tmpfs: dict[str, str] = field(default_factory=dict)
    sysctls: dict[str, str] = field(default_factory=dict)
    helper_image: str = ""
    helper_image_flavor: str = ""
    container_labels: dict[str, str] = field(default_factory=dict)
    enable_ipv6: bool = False
    ulimit: dict[str, str] = field(default_factory=dict)
    network_mtu: int = field(default=0, metadata={"always": True})
    log_options: dict[str, str] = field(default_factory=dict)

    @property
    def effective_pull_policy(self) -> list[str]:
        """Return the policies in the order to try; unknown words are for the executor to refuse."""
        return self.pull_policy or [DEFAULT_PULL_POLICY]

    @property
    def effective_services_privileged(self) -> bool:
        """Tell whether service containers are privileged, before the allow-list."""
        return self.privileged if self.services_privileged is None else self.services_privileged

    @property
    def effective_services_limit(self) -> int | None:
        """Return the most services a job may have, None for any number."""
        return None if self.services_limit is None or self.services_limit < 0 else self.services_limit

    @property
    def effective_wait_for_services_timeout(self) -> int:
        """Return seconds to wait for services: 0 in the file means 30, a negative number no waiting."""
        return self.wait_for_services_timeout or DEFAULT_WAIT_FOR_SERVICES_TIMEOUT
