"""Network modes, and a container's place on its network (docker-executor.md 6.1, 6.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pyrunner.config.docker_values import parse_mac
from pyrunner.executors.docker.container.refusal import configured
from pyrunner.executors.docker.container.request import ContainerRequest

_BUILT_IN: Final = ("", "default", "bridge", "host", "none")
#: The engine's API since which an endpoint carries the MAC address.
_MAC_API: Final = "1.44"
_TOO_OLD: Final = (
    "mac_address is configured, but the Docker daemon's API version is older than 1.44; "
    "it cannot be applied to this container"
)


def is_user_defined(mode: str) -> bool:
    """Tell whether ``mode`` names a network that somebody made: only there containers have aliases."""
    return mode not in _BUILT_IN and not mode.startswith("container:")


def networking_config(
    request: ContainerRequest,
    mac_address: str,
    at_least: Callable[[str], bool],
    warn: Callable[[str], None],
) -> dict[str, Any]:
    """Return ``NetworkingConfig`` of a container; empty where the engine's defaults serve.

    :param at_least: tells whether the engine's API is of that version or newer.
    :param warn: takes a warning for the job's trace.
    :raises BuildError: when ``mac_address`` is none.
    """
    endpoint: dict[str, Any] = {}
    if is_user_defined(request.network):
        endpoint["Aliases"] = list(request.aliases)
    if mac_address:
        if at_least(_MAC_API):
            endpoint["MacAddress"] = configured(parse_mac, mac_address)
        else:
            warn(_TOO_OLD)
    return {"EndpointsConfig": {request.network or "default": endpoint}} if endpoint else {}
