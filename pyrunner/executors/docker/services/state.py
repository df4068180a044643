"""What is known of a service container that was started; kept in the journal."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from pyrunner.errors import PyrunnerError
from pyrunner.protocol.decode import decode

#: Most ports that are tried; the lowest ones (docker-executor.md 5.5).
MOST_PORTS: Final = 20
_PORT_VARIABLE: Final = "HEALTHCHECK_TCP_PORT"


@dataclass(frozen=True)
class ServiceAddress:
    """An address in one network; ``gateway`` is empty where the network has none."""

    ip: str = ""
    gateway: str = ""


@dataclass(frozen=True)
class StartedService:
    """A running service container."""

    #: Place among all services of the job, from 0.
    index: int = 0
    id: str = ""
    #: Name of the container.
    name: str = ""
    #: As the job names it.
    image: str = ""
    #: What it answers to besides :attr:`short_id`.
    aliases: list[str] = field(default_factory=list)
    addresses: list[ServiceAddress] = field(default_factory=list)
    #: To be tried by the health check.
    ports: list[int] = field(default_factory=list)

    @property
    def short_id(self) -> str:
        """The first 12 digits of its id, which is a host name, too."""
        return self.id[:12]

    @property
    def ips(self) -> list[str]:
        """Its addresses of both families."""
        return [one.ip for one in self.addresses]

    def to_dict(self) -> dict[str, Any]:
        """Return this for the journal."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: object) -> StartedService:
        """Read what :meth:`to_dict` returned.

        :raises PayloadError: when it is something else.
        """
        return decode(cls, value)


def service_links(services: list[StartedService]) -> list[str]:
    """Return the ``<alias>:<ip>`` pairs for the extra hosts of build and helper containers (5.4)."""
    return [
        f"{name}:{ip}"
        for service in services
        for name in (service.short_id, *service.aliases)
        for ip in service.ips
    ]


def addresses_of(inspection: dict[str, Any]) -> list[ServiceAddress]:
    """Return the addresses of an inspected container, both families, network by network."""
    networks = (inspection.get("NetworkSettings") or {}).get("Networks") or {}
    found = []
    for _, one in sorted(networks.items()):
        for ip, gateway in (("IPAddress", "Gateway"), ("GlobalIPv6Address", "IPv6Gateway")):
            if one and one.get(ip):
                found.append(ServiceAddress(one[ip], one.get(gateway) or ""))
    return found


def ports_of(inspection: dict[str, Any]) -> list[int]:
    """Return the ports to try: the one a variable of the container names, else those that it exposes.

    :raises PyrunnerError: when the variable holds no number.
    """
    config = inspection.get("Config") or {}
    for entry in config.get("Env") or []:
        key, equals, value = entry.partition("=")
        if equals and key.upper() == _PORT_VARIABLE:
            return [_port(value)]
    exposed = (one.partition("/") for one in config.get("ExposedPorts") or {})
    return sorted(int(port) for port, _, protocol in exposed if protocol == "tcp")[:MOST_PORTS]


def _port(value: str) -> int:
    number = int(value) if re.fullmatch(r"[+-]?[0-9]{1,12}", value) else 2**31
    if not -(2**31) <= number < 2**31:
        raise PyrunnerError(f"getting exposed ports: invalid health check tcp port: {value}")
    return number
