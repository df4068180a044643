"""Flags for ``[runners.docker]``: ``--docker-`` and the key, ``DOCKER_`` and the KEY (2.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pyrunner.cli.flags import Flag, Kind

#: Keys that are spelled otherwise: the rest of the flag's name, and the variable.
_EXCEPTIONS: Final = {
    "tls_cert_path": ("cert-path", "DOCKER_CERT_PATH"),
    "tls_verify": ("tlsverify", "DOCKER_TLS_VERIFY"),
    "userns_mode": ("userns", "DOCKER_USERNS_MODE"),
    "ipcmode": ("ipcmode", "DOCKER_IPC_MODE"),
    "services_privileged": ("services_privileged", "DOCKER_SERVICES_PRIVILEGED"),
    "services_devices": ("services_devices", "DOCKER_SERVICES_DEVICES"),
    "service_gpus": ("service_gpus", "DOCKER_SERVICE_GPUS"),
    "allowed_users": ("allowed_users", "DOCKER_ALLOWED_USERS"),
    "container_labels": ("container-labels", ""),
    "enable_ipv6": ("enable-ipv6", ""),
    "network_mtu": ("network-mtu", ""),
}

_ROWS: Final[tuple[tuple[str, Kind, str], ...]] = (
    ("host", Kind.STRING, "Docker daemon address"),
    ("tls_cert_path", Kind.STRING, "Certificate path"),
    ("tls_verify", Kind.BOOLEAN, "Use TLS and verify the remote"),
    ("hostname", Kind.STRING, "Custom container hostname"),
    ("image", Kind.STRING, "Docker image to be used"),
    ("runtime", Kind.STRING, "Docker runtime to be used"),
    ("memory", Kind.STRING, "Memory limit (format: <number>[<unit>], unit b, k, m or g)"),
    ("memory_swap", Kind.STRING, "Total memory limit (memory + swap)"),
    ("memory_reservation", Kind.STRING, "Memory soft limit"),
    ("cgroup_parent", Kind.STRING, "Parent cgroup of the containers"),
    ("cpuset_cpus", Kind.STRING, "CPUs to use, eg. 0-2"),
    ("cpuset_mems", Kind.STRING, "Memory nodes to use, eg. 0-2"),
    ("cpus", Kind.STRING, "Number of CPUs"),
    ("cpu_shares", Kind.INTEGER, "CPU shares"),
    ("dns", Kind.LIST, "DNS server for the container to use"),
    ("dns_search", Kind.LIST, "DNS search domain"),
    ("privileged", Kind.BOOLEAN, "Give extended privileges to the container"),
    (
        "services_privileged",
        Kind.OPTIONAL_BOOLEAN,
        "The same for services; as --docker-privileged when absent",
    ),
    ("disable_entrypoint_overwrite", Kind.BOOLEAN, "Ignore entrypoints set by the job"),
    ("user", Kind.STRING, "User of the build container"),
    ("allowed_users", Kind.LIST, "User that a job may pick"),
    ("group_add", Kind.LIST, "Additional group to join"),
    ("userns_mode", Kind.STRING, "User namespace to use"),
    ("cap_add", Kind.LIST, "Linux capability to add"),
    ("cap_drop", Kind.LIST, "Linux capability to drop"),
    ("oom_kill_disable", Kind.BOOLEAN, "Do not kill processes of a container that is out of memory"),
    ("oom_score_adjust", Kind.INTEGER, "Adjust the OOM score"),
    ("security_opt", Kind.LIST, "Security option"),
    ("services_security_opt", Kind.LIST, "Security option for services"),
    ("devices", Kind.LIST, "Host device to add to the container"),
    ("device_cgroup_rules", Kind.LIST, "Rule to add to the cgroup's list of allowed devices"),
    ("gpus", Kind.STRING, "Request GPUs"),
    ("services_devices", Kind.LIST_MAP, "Host device for services, as image:device"),
    ("disable_cache", Kind.BOOLEAN, "Disable all container caching"),
    ("volumes", Kind.LIST, "Bind-mount a volume; a bare container path becomes a cache volume"),
    ("volume_keep", Kind.BOOLEAN, "Keep anonymous volumes on removal"),
    ("volume_driver", Kind.STRING, "Volume driver to be used"),
    ("volume_driver_ops", Kind.MAP, "Volume driver option, as name:value"),
    ("cache_dir", Kind.STRING, "Directory where to store caches instead of volumes"),
    ("extra_hosts", Kind.LIST, "Custom host-to-IP mapping"),
    ("volumes_from", Kind.LIST, "Inherit volumes from another container"),
    ("network_mode", Kind.STRING, "Network of the containers"),
    ("pid_mode", Kind.STRING, "PID namespace of the build container"),
    ("ipcmode", Kind.STRING, "IPC mode of the containers"),
    ("mac_address", Kind.STRING, "Container MAC address"),
    ("links", Kind.LIST, "Link to another container"),
    ("services_limit", Kind.OPTIONAL_INTEGER, "Most services a job may have, -1 for no limit"),
    ("service_memory", Kind.STRING, "Memory limit of services"),
    ("service_memory_swap", Kind.STRING, "Total memory limit of services"),
    ("service_memory_reservation", Kind.STRING, "Memory soft limit of services"),
    ("service_cgroup_parent", Kind.STRING, "Parent cgroup of services"),
    (
        "service_slot_cgroup_template",
        Kind.STRING,
        "Name of the slot's cgroup of services (accepted, not used)",
    ),
    ("service_cpuset_cpus", Kind.STRING, "CPUs for services to use"),
    ("service_cpus", Kind.STRING, "Number of CPUs of services"),
    ("service_cpu_shares", Kind.INTEGER, "CPU shares of services"),
    ("service_gpus", Kind.STRING, "Request GPUs for services"),
    ("wait_for_services_timeout", Kind.INTEGER, "How long to wait for services, in seconds"),
    ("allowed_images", Kind.LIST, "Image that a job may use (pattern)"),
    ("allowed_privileged_images", Kind.LIST, "Image that may be privileged (pattern)"),
    ("allowed_privileged_services", Kind.LIST, "Service that may be privileged (pattern)"),
    ("allowed_pull_policies", Kind.LIST, "Pull policy that a job may ask for"),
    ("allowed_services", Kind.LIST, "Service that a job may use (pattern)"),
    ("pull_policy", Kind.COMMA_LIST, "Image pull policy: never, if-not-present, always"),
    ("isolation", Kind.STRING, "Isolation technology (Windows)"),
    ("shm_size", Kind.INTEGER, "Shared memory size of the containers, in bytes"),
    ("tmpfs", Kind.MAP, "Mount a tmpfs, as path:options"),
    ("services_tmpfs", Kind.MAP, "Mount a tmpfs in services, as path:options"),
    ("sysctls", Kind.MAP, "Sysctl option, as name:value"),
    ("helper_image", Kind.STRING, "Override the default helper image"),
    ("helper_image_flavor", Kind.STRING, "Flavor of the helper image"),
    ("container_labels", Kind.MAP, "Label for the containers, as name:value"),
    ("enable_ipv6", Kind.BOOLEAN, "Enable IPv6 in networks made for a job"),
    ("ulimit", Kind.MAP, "Ulimit, as name:soft:hard"),
    ("network_mtu", Kind.INTEGER, "MTU of networks made for a job"),
    ("log_options", Kind.MAP, "Option of the log driver (env, labels), as name:value"),
)


def docker_flags() -> Iterator[Flag]:
    """Yield a flag for every key of ``[runners.docker]`` that has one."""
    for key, kind, text in _ROWS:
        rest, env = _EXCEPTIONS.get(key, (key.replace("_", "-"), f"DOCKER_{key.upper()}"))
        yield Flag((f"docker-{rest}",), kind, env=env, help=text, path=("docker", key))
