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

    #: Image of the service.
    name: str = ""
    #: Extra host names, separated by spaces or commas.
    alias: str = ""
    #: Arguments instead of the image's own.
    command: list[str] = field(default_factory=list)
    #: Entrypoint instead of the image's own.
    entrypoint: list[str] = field(default_factory=list)
    #: ``KEY=VALUE`` for that service only.
    environment: list[str] = field(default_factory=list)
    #: No effect.
    suspend_data_path: str = ""


@dataclass(frozen=True)
class DockerConfig:
    """The docker executor's settings; strings are as written, empty where the file has no value.

    Sizes such as ``memory`` and numbers such as ``cpus`` are text in the file, and are checked by
    the executor when a job runs, as gitlab-runner does (1.7). The order is the one in which
    gitlab-runner writes them, and ``always`` marks what it writes even at its default (1.17).
    """

    #: Address of the engine; empty: ``DOCKER_HOST``, then the local socket.
    host: str = ""
    #: Folder with ``ca.pem``, ``cert.pem`` and ``key.pem``; counts only with ``host``.
    tls_cert_path: str = ""
    #: Whether the engine's certificate is checked; counts only with ``host``.
    tls_verify: bool = field(default=False, metadata={"always": True})
    #: Host name of the build container.
    hostname: str = ""
    #: Image of jobs that name none.
    image: str = field(default="", metadata={"always": True})
    #: OCI runtime of the containers; empty: the engine's default.
    runtime: str = ""
    #: Memory limit of build and helper containers, such as ``2g``.
    memory: str = ""
    #: Limit of memory and swap together.
    memory_swap: str = ""
    #: Soft memory limit.
    memory_reservation: str = ""
    #: Control group above the containers'.
    cgroup_parent: str = ""
    #: Processors that containers may use, such as ``0,1``.
    cpuset_cpus: str = ""
    #: Memory nodes that containers may use.
    cpuset_mems: str = ""
    #: Processors that containers may fill, such as ``1.5``.
    cpus: str = ""
    #: Weight when processors are short; 0: the engine's default.
    cpu_shares: int = 0
    #: Name servers of the containers.
    dns: list[str] = field(default_factory=list)
    #: Search domains of the containers.
    dns_search: list[str] = field(default_factory=list)
    #: Privileged mode of the containers: a job in one can become root on this host.
    privileged: bool = field(default=False, metadata={"always": True})
    #: Absent: as ``privileged``.
    services_privileged: bool | None = None
    #: True: entrypoints from the job are ignored.
    disable_entrypoint_overwrite: bool = field(default=False, metadata={"always": True})
    #: User of the build container; wins over the job's.
    user: str = ""
    #: Users that a job may ask for; empty: all.
    allowed_users: list[str] = field(default_factory=list)
    #: Further groups of the build container's user.
    group_add: list[str] = field(default_factory=list)
    #: User namespace mode of the containers.
    userns_mode: str = ""
    #: Capabilities beyond the engine's default.
    cap_add: list[str] = field(default_factory=list)
    #: Capabilities taken away.
    cap_drop: list[str] = field(default_factory=list)
    #: True: the kernel does not kill the container's processes for memory.
    oom_kill_disable: bool = field(default=False, metadata={"always": True})
    #: How readily the kernel kills for memory: -1000 to 1000.
    oom_score_adjust: int = 0
    #: Security options of build and helper containers.
    security_opt: list[str] = field(default_factory=list)
    #: Security options of service containers.
    services_security_opt: list[str] = field(default_factory=list)
    #: Devices of the host in the build container.
    devices: list[str] = field(default_factory=list)
    #: Rules for further devices, such as ``c 81:* rmw``.
    device_cgroup_rules: list[str] = field(default_factory=list)
    #: GPUs of the build container, as ``docker run --gpus``.
    gpus: str = ""
    #: Image pattern to devices: for services whose image matches.
    services_devices: dict[str, list[str]] = field(default_factory=dict)
    #: True: no ``/cache``, and bare paths in ``volumes`` become volumes that end with the job.
    disable_cache: bool = field(default=False, metadata={"always": True})
    #: As ``docker run -v``; a bare path becomes a cache volume.
    volumes: list[str] = field(default_factory=list)
    #: True: volumes of a job stay after it.
    volume_keep: bool = field(default=False, metadata={"always": True})
    #: Driver of the volumes.
    volume_driver: str = ""
    #: Options of that driver.
    volume_driver_ops: dict[str, str] = field(default_factory=dict)
    #: Folder on the engine's host for caches instead of volumes.
    cache_dir: str = ""
    #: ``host:address`` lines for the containers' ``/etc/hosts``.
    extra_hosts: list[str] = field(default_factory=list)
    #: Containers whose volumes are mounted, too.
    volumes_from: list[str] = field(default_factory=list)
    #: Network of the containers; empty: the engine's default.
    network_mode: str = ""
    #: Process namespace; ``host`` shows all processes of the host.
    pid_mode: str = ""
    #: IPC namespace of the containers.
    ipcmode: str = ""
    #: MAC address of the build container.
    mac_address: str = ""
    #: Links to containers, ``container:alias``.
    links: list[str] = field(default_factory=list)
    #: Started for every job, before the job's own services.
    services: list[DockerService] = field(default_factory=list)
    #: Most services of a job; absent and negative: no limit.
    services_limit: int | None = None
    #: Memory limit of service containers.
    service_memory: str = ""
    #: Limit of memory and swap of service containers.
    service_memory_swap: str = ""
    #: Soft memory limit of service containers.
    service_memory_reservation: str = ""
    #: Control group above service containers'.
    service_cgroup_parent: str = ""
    #: No effect.
    service_slot_cgroup_template: str = ""
    #: Processors that service containers may use.
    service_cpuset_cpus: str = ""
    #: Processors that service containers may fill.
    service_cpus: str = ""
    #: Weight of service containers when processors are short.
    service_cpu_shares: int = 0
    #: GPUs of service containers.
    service_gpus: str = ""
    #: Seconds that services may take to be ready; 0 means 30, negative: no waiting.
    wait_for_services_timeout: int = 0
    #: Patterns of images that jobs may use; ``**`` also matches slashes. Empty: all.
    allowed_images: list[str] = field(default_factory=list)
    #: Narrows which build images get privileged mode; empty: all.
    allowed_privileged_images: list[str] = field(default_factory=list)
    #: Narrows which services get privileged mode; empty: all.
    allowed_privileged_services: list[str] = field(default_factory=list)
    #: Pull policies that a job may ask for; empty: as ``pull_policy``.
    allowed_pull_policies: list[str] = field(default_factory=list)
    #: Patterns of services that jobs may use. Empty: all.
    allowed_services: list[str] = field(default_factory=list)
    #: ``always``, ``if-not-present`` or ``never``; several are tried in order. Empty: ``always``.
    pull_policy: StringOrList = field(default_factory=list)
    #: For Windows only; checked, no effect.
    isolation: str = ""
    #: Size of ``/dev/shm`` in bytes; 0: the engine's default.
    shm_size: int = field(default=0, metadata={"always": True})
    #: Path to mount options: memory file systems of the build container.
    tmpfs: dict[str, str] = field(default_factory=dict)
    #: The same for service containers.
    services_tmpfs: dict[str, str] = field(default_factory=dict)
    #: Kernel parameters of the build container.
    sysctls: dict[str, str] = field(default_factory=dict)
    #: Image of the helper container instead of gitlab-runner's own.
    helper_image: str = ""
    #: Flavor of the default helper image.
    helper_image_flavor: str = ""
    #: Labels of the containers; values may hold variables of the job.
    container_labels: dict[str, str] = field(default_factory=dict)
    #: IPv6 in networks that are made for a job (``FF_NETWORK_PER_BUILD``).
    enable_ipv6: bool = False
    #: Limit to ``soft`` or ``soft:hard``.
    ulimit: dict[str, str] = field(default_factory=dict)
    #: MTU of networks that are made for a job; 0: the engine's default.
    network_mtu: int = field(default=0, metadata={"always": True})
    #: Options of the engine's own log: ``env`` and ``labels``.
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
