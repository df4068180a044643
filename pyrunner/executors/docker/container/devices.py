"""Devices and GPUs of a container (docker-executor.md 9.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyrunner.config.docker import DockerConfig
from pyrunner.config.docker_values import parse_device
from pyrunner.config.gpus import parse_gpus
from pyrunner.executors.docker.container.refusal import configured
from pyrunner.executors.docker.container.request import ContainerRequest
from pyrunner.executors.docker.images.doublestar import matches
from pyrunner.executors.docker.labels import Role


def device_mappings(config: DockerConfig, request: ContainerRequest) -> list[dict[str, str]]:
    """Return ``Devices``; a service gets those of each ``services_devices`` pattern that its image matches.

    :raises BuildError: at the first entry that is none.
    """
    if request.role is not Role.SERVICE:
        return _mappings(config.devices)
    patterns = config.services_devices.items()
    chosen = (devices for pattern, devices in patterns if matches(pattern, request.image_name))
    return [mapping for devices in chosen for mapping in _mappings(devices)]


def _mappings(devices: Iterable[str]) -> list[dict[str, str]]:
    parsed = (configured(parse_device, one) for one in devices)
    return [
        {"PathOnHost": one.host, "PathInContainer": one.container, "CgroupPermissions": one.permissions}
        for one in parsed
    ]


def device_requests(config: DockerConfig, role: Role) -> list[dict[str, Any]]:
    """Return ``DeviceRequests``: the GPUs.

    :raises BuildError: when the text is not what ``docker run --gpus`` takes.
    """
    return configured(parse_gpus, config.service_gpus if role is Role.SERVICE else config.gpus)
